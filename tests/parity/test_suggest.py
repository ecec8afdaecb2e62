"""`parity suggest`: rules that would make the rest the same, each with its reason, and none for a real difference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, strategies as st

from lyftlearn_image.cli.main import main
from lyftlearn_image.errors import RunError
from lyftlearn_image.parity import kept_run, suggest_patch
from lyftlearn_image.parity.compare.normalisers import NORMALISERS
from lyftlearn_image.parity.comparison import compare_runs
from lyftlearn_image.parity.suggest import suggest
from lyftlearn_image.parity.suite import Case
from lyftlearn_image.run import Run, Status, Timings
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lyftlearn_image.parity.suggest import Suggestions

Files = dict[str, "bytes | str"]
SAME: Files = {"stdout": "out\n", "stderr": "err\n"}


def make_runs(report: Path, left: Files, right: Files, **rules: Any) -> tuple[Case, list[Run]]:
    """Two runs with these files below a report's directory, and the case, whose name is `one`."""
    case = Case.model_validate({"name": "one", "workload": {"name": "one", "image": "a:1", "command": ["true"]}, **rules})
    directory = report / "runs" / "one"
    runs = []
    for target, files in (("sagemaker", left), ("kubernetes", right)):
        workspace = directory / target
        for name, content in {**SAME, **files}.items():
            path = workspace / name if name in SAME else workspace / "artifacts" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        (workspace / "artifacts" / "model").mkdir(parents=True, exist_ok=True)
        runs.append(Run(target, "job", Status.COMPLETED, 0, "", workspace / "stdout", workspace / "stderr",
                        {"model": workspace / "artifacts" / "model"}, {}, Timings(0, None, 0, 0)))  # fmt: skip
    kept_run.keep(case, runs, directory)
    return case, runs


def find(report: Path, left: Files, right: Files, **rules: Any) -> Suggestions:
    """What is suggested for two runs; applied, it makes them the same, and nothing was written."""
    case, runs = make_runs(report, left, right, **rules)
    before = {path: path.read_bytes() for path in report.rglob("*") if path.is_file()}
    found = suggest("one", [kept_run.find("one", report)])
    assert {path: path.read_bytes() for path in report.rglob("*") if path.is_file()} == before
    if not found.unexplained:
        (patched,) = yaml.safe_load(suggest_patch.as_yaml(found))["cases"] if found.proposals else [{"name": "one"}]
        document = case.model_dump(mode="json", exclude_unset=True)
        streams = {**document.get("streams", {}), **patched.get("streams", {})}
        outputs = {**patched.get("outputs", {}), **document.get("outputs", {}), **patched.get("outputs", {})}
        applied = Case.model_validate({**document, "streams": streams, "outputs": outputs})
        comparisons = compare_runs(applied, runs, None)  # type: ignore[arg-type]
        assert not any(each.counting for each in comparisons)
    return found


LINES = {
    "timestamps": ("2026-11-28 23:12:18 up", "2026-11-28 23:12:19 up"),
    "durations": ("took 5 s", "took 6 s"),
    "speeds": ("at 12.5 it/s", "at 13.5 it/s"),
    "memory": ("RSS 12 MB", "RSS 13 MB"),
    "addresses": ("<A at 0x7f0012>", "<A at 0x7f0013>"),
    "pids": ("pid 12", "pid 13"),
    "temporary-paths": ("/tmp/a", "/tmp/b"),
    "progress-bars": ("100%|x| 1/1 [00:01<00:00, 1.5it/s, loss=1]", "\r 0%|\r100%|x| 1/1 [00:02<00:00, 0.5it/s, loss=1]"),
    "package-lines": ("/x/site-packages/a.py:3: W", "/x/site-packages/a.py:4: W"),
}


@examples(20)
@given(names=st.lists(st.sampled_from(sorted(NORMALISERS)), min_size=1, max_size=3, unique=True), is_shuffled=st.booleans())
def test_the_normalisers_that_are_needed_are_proposed(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], *, is_shuffled: bool
) -> None:
    """For streams and for text files that no suffix tells; and another order, where it is another."""
    left = [*(LINES[name][0] for name in names), "a", "b"]
    right = [*(LINES[name][1] for name in names), *(["b", "a"] if is_shuffled else ["a", "b"])]
    sides = [{"stdout": "\n".join(lines), "model/notes": "\n".join(lines)} for lines in (left, right)]
    found = find(tmp_path_factory.mktemp("report"), sides[0], sides[1])
    assert [(each.part, each.subject) for each in found.proposals] == [("streams", "stdout"), ("outputs", "model/notes")]
    for each in found.proposals:
        assert set(each.rule["normalise"]) == set(names)
        assert each.rule.get("unordered", False) == is_shuffled
        assert all(NORMALISERS[name].description in each.reason for name in each.rule["normalise"])


def test_every_normaliser_has_a_line_here() -> None:
    """A new one is tried too."""
    assert LINES.keys() == NORMALISERS.keys()


@pytest.mark.parametrize(
    ("name", "sides", "rules", "expected"),
    [
        ("m.json", ('{"a": 0.1}', '{"a": 0.10000000000000002}'), {}, {"compare": "json", "rtol": 1e-15}),
        ("m.json", ('{"a": [1, 2]}', '{"a": [2, 1]}'), {}, {"compare": "json", "unordered": True}),
        ("m.json", ('{"auc": 1, "train_seconds": 5}', '{"auc": 1, "train_seconds": 7}'), {},
         {"compare": "json", "ignore": ["/train_seconds"]}),
        ("m.json", ('{"at": "2026-11-28T10:00:00", "n": 1}', '{"at": "2026-11-28T10:00:01", "n": 1}'), {},
         {"compare": "json", "ignore": ["/at"]}),
        ("m.json", ('{"a": 1.0, "pid": 5}', '{"a": 1.0000001, "pid": 6}'), {"model/m.*": {"compare": "json", "rtol": 1e-12}},
         {"compare": "json", "rtol": 1e-7, "ignore": ["/pid"]}),
        ("t.csv", ("x,seconds\n1,2\n", "x,seconds\n1,3\n"), {}, {"compare": "table", "ignore": ["seconds"]}),
        ("t.csv", ("x\n1\n2\n", "x\n2\n1\n"), {}, {"compare": "table", "unordered": True}),
    ],
)  # fmt: skip
def test_a_rule_is_the_mildest_that_does(
    tmp_path: Path, name: str, sides: tuple[str, str], rules: dict[str, Any], expected: dict[str, Any]
) -> None:
    """On top of the rule that is there, above whose pattern it must stand."""
    left, right = ({"model/m.other": "{}", f"model/{name}": side} for side in sides)
    found = find(tmp_path, left, right, outputs=rules)
    (proposal,) = found.proposals
    assert (proposal.part, proposal.subject, proposal.rule) == ("outputs", f"model/{name}", expected)
    assert proposal.reason
    assert proposal.before == next(iter(rules), "")


@pytest.mark.parametrize(
    ("left", "right", "subject"),
    [
        ({"stdout": "loss 0.5\n"}, {"stdout": "loss 0.6\n"}, "stdout"),
        ({"stdout": "a\na\n"}, {"stdout": "a\nb\n"}, "stdout"),
        ({"model/m.json": '{"auc": 0.5}'}, {"model/m.json": '{"auc": 0.6}'}, "model/m.json"),
        ({"model/m.json": '{"auc": 0.5, "pid": 1}'}, {"model/m.json": '{"auc": 0.6, "pid": 2}'}, "model/m.json"),
        ({"model/t.csv": "x\n1\n"}, {"model/t.csv": "x\n2\n"}, "model/t.csv"),
        ({"model/a.bin": b"\0\1"}, {"model/a.bin": b"\0\2"}, "model/a.bin"),
        ({"model/a.bin": b"1"}, {}, "model/a.bin"),
        ({"model/a.txt": "a"}, {"model/a.txt": "b"}, "model/a.txt"),
    ],
)
def test_a_real_difference_is_never_explained(tmp_path: Path, left: Files, right: Files, subject: str) -> None:
    """It is named, with where it begins."""
    found = find(tmp_path, left, right)
    assert [each for each, _ in found.unexplained] == [subject]
    assert found.proposals == ()
    assert "cases" not in (yaml.safe_load(suggest_patch.as_yaml(found)) or {})


def test_a_pattern_for_one_file_gets_the_new_rule_itself(tmp_path: Path) -> None:
    """Below a rule for that file it would never be applied."""
    rules = {"outputs": {"model/*.json": {"compare": "json"}, "model/*": {"compare": "bytes"}}}
    left, right = ({"model/m.json": f'{{"pid": {pid}}}', "model/a.bin": "a"} for pid in (1, 2))
    (proposal,) = find(tmp_path, left, right, **rules).proposals
    assert (proposal.subject, proposal.rule, proposal.before) == ("model/*.json", {"compare": "json", "ignore": ["/pid"]}, "")


def test_several_runs_show_what_changes_on_one_target(tmp_path: Path) -> None:
    """What is the same on both targets now may be another in the next run."""
    reports = tmp_path / "a", tmp_path / "b"
    for report, seconds in zip(reports, (5, 6), strict=True):
        make_runs(report, {"stdout": f"took {seconds} s"}, {"stdout": f"took {seconds} s"})
    assert suggest("one", [kept_run.find("one", reports[0])]).proposals == ()
    (proposal,) = suggest("one", [kept_run.find("one", report) for report in reports]).proposals
    assert proposal.rule == {"compare": "text", "normalise": ["durations"]}


def test_a_rule_that_is_there_is_enough(tmp_path: Path) -> None:
    """And what the shim says of its identity is no difference."""
    left = {"stdout": "took 5 s", "stderr": "lyftlearn: AWS identity: role\nerr\n"}
    rules = {"streams": {"stdout": {"compare": "text", "normalise": ["durations"]}}}
    assert find(tmp_path, left, {"stdout": "took 6 s"}, **rules).proposals == ()


@pytest.mark.parametrize("name", ["none", "../one", "", "."])
def test_a_case_that_was_not_kept_is_an_error(tmp_path: Path, name: str) -> None:
    """With what keeps one; so is a file that somebody has changed."""
    make_runs(tmp_path, {}, {})
    with pytest.raises(RunError, match="no runs of a case"):
        kept_run.find(name, tmp_path)
    (tmp_path / "runs" / "one" / "comparison.json").write_text("[")
    with pytest.raises(RunError, match="cannot be read"):
        kept_run.find("one", tmp_path)


def run_cli(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and stdout of `parity suggest`."""
    code = main(["parity", "suggest", *arguments])
    return code, capsys.readouterr().out


def test_the_verb_prints_a_patch_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the normalisers' names, and an exit code that says whether all is explained."""
    make_runs(tmp_path, {"stdout": "took 5 s"}, {"stdout": "took 6 s"})
    code, text = run_cli(capsys, "one", "--report", str(tmp_path))
    assert code == 0
    assert yaml.safe_load(text) == {
        "cases": [{"name": "one", "streams": {"stdout": {"compare": "text", "normalise": ["durations"]}}}]
    }
    assert "# lines differ only in how long something took" in text
    code, text = run_cli(capsys, "one", "--report", str(tmp_path), "--json")
    document: Mapping[str, Any] = json.loads(text)
    assert [each["rule"] for each in document["proposals"]] == [{"compare": "text", "normalise": ["durations"]}]
    assert document["normalisers"].keys() == NORMALISERS.keys()
    make_runs(tmp_path, {"stdout": "loss 5"}, {"stdout": "loss 6"})
    code, text = run_cli(capsys, "one", "--report", str(tmp_path))
    assert code == 1
    assert "#   stdout: it differs in more than any rule should hide, first at line 1" in text
    _, text = run_cli(capsys, "--help")
    assert all(name in text for name in NORMALISERS)


def test_a_hostile_name_does_nothing_to_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file's name with escape sequences and line breaks is one key, or one line of a comment."""
    name = "model/\x1b[2Ja\n  - name: two\x9b.json"
    make_runs(tmp_path, {name: "[1, 2]", f"{name}x": "a"}, {name: "[2, 1]", f"{name}x": "b"})
    code, text = run_cli(capsys, "one", "--report", str(tmp_path))
    assert code == 1
    assert not set(text) & {"\x1b", "\x9b"}
    assert yaml.safe_load(text)["cases"][0]["outputs"].keys() == {name}
