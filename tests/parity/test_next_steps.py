"""After a first "different": whose difference it is, and lines that can be pasted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lyftlearn_image.parity import kept_run
from lyftlearn_image.parity.comparison import compare_runs
from lyftlearn_image.parity.differences import Comparison, Difference
from lyftlearn_image.parity.limits import describe_limit
from lyftlearn_image.parity.next_steps import WHY, NextSteps, describe_failures, describe_repeat, find_next_steps, lead
from lyftlearn_image.parity.suite import load_suite
from lyftlearn_image.parity.verdict import Outcome, judge
from lyftlearn_image.run import Limit, Status, Timings
from tests.parity.test_suggest import make_runs

if TYPE_CHECKING:
    from pathlib import Path

    from lyftlearn_image.run import Run

PNG = b"\x89PNG\r\n\x1a\n"
PICKLES = b"\x80\x04}\x8c\x01aK\x01s.", b"\x80\x04\x95\x08\0\0\0\0\0\0\0}\x8c\x01aK\x01s."


def steps(report: Path, left: dict[str, Any], right: dict[str, Any], **rules: Any) -> tuple[NextSteps, list[Run]]:
    """The steps for two runs; what is to be pasted is, and then nothing differs any more."""
    case, runs = make_runs(report, left, right, **rules)
    comparisons = compare_runs(case, runs, None)  # type: ignore[arg-type]
    assert any(each.counting for each in comparisons)
    found = find_next_steps("one", comparisons, kept_run.find("one", report))
    if found.patch:
        paste(report / "suite.yaml", found.patch, **rules)
        (patched,) = load_suite(report / "suite.yaml").cases
        again = compare_runs(patched, runs, None)  # type: ignore[arg-type]
        assert [each.subject for each in again if each.counting] == []
    return found, runs


def paste(path: Path, patch: str, **rules: Any) -> None:
    """A suite file of one case, with the lines in it."""
    (patched,) = yaml.safe_load(patch)["cases"]
    case = {"name": "one", "workload": {"command": ["true"]}, **rules}
    for part in ("streams", "outputs"):
        if part in patched:
            case[part] = {**case.get(part, {}), **patched[part]}
    case["accept"] = [*case.get("accept", []), *patched.get("accept", [])]
    path.write_text(yaml.safe_dump({"name": "s", "image": "team:1", "cases": [case]}))


def test_a_rule_is_proposed_where_there_is_one(tmp_path: Path) -> None:
    """As `parity suggest` does, with its reason above it."""
    found, _ = steps(tmp_path, {"stdout": "took 5 s\n"}, {"stdout": "took 6 s\n"})
    assert "streams:" in found.patch
    assert "durations" in found.patch
    assert "accept" not in found.patch
    assert "# lines differ only in" in found.patch


def test_what_no_rule_explains_can_be_accepted_at_its_place(tmp_path: Path) -> None:
    """With a reason that somebody has to write, and the place as the report names it, whatever characters are in it."""
    found, _ = steps(
        tmp_path, {"model/[a]*.txt": "left\n", "model/same": "x"}, {"model/[a]*.txt": "right\n", "model/same": "x"}
    )
    (case,) = yaml.safe_load(found.patch)["cases"]
    assert case == {"name": "one", "accept": [{"subject": "model/[[]a][*].txt", "place": "line 1", "reason": WHY}]}
    assert found.advice == (
        "no rule should hide model/[a]*.txt: it differs in more than any rule should hide, first at line 1",
    )


def test_a_file_on_one_side_is_accepted_as_a_whole(tmp_path: Path) -> None:
    """It has no place."""
    found, _ = steps(tmp_path, {"model/extra.bin": b"\0\1"}, {})
    assert yaml.safe_load(found.patch)["cases"][0]["accept"] == [{"subject": "model/extra.bin", "reason": WHY}]


@pytest.mark.parametrize(
    ("name", "sides", "rule", "expected"),
    [
        pytest.param("model/m.joblib", PICKLES, {"compare": "bytes"}, "model", id="a rule that says bytes"),
        pytest.param("model/weights", PICKLES, None, "model", id="a pickle without a suffix"),
        pytest.param("model/state", (b'{"a": 1, "b": 2}', b'{"b": 2, "a": 1}'), None, "json", id="JSON without a suffix"),
        pytest.param("model/t.csv", (b"a\n1\n", b"a\r\n1\r\n"), {"compare": "bytes"}, "table", id="a table"),
    ],
)
def test_the_comparator_that_fits_is_named(
    tmp_path: Path, name: str, sides: tuple[bytes, bytes], rule: dict[str, str] | None, expected: str
) -> None:
    """By a file's name, and by how it begins; tried, so that it does make them the same."""
    rules = {"outputs": {name: rule}} if rule else {}
    found, _ = steps(tmp_path, {name: sides[0]}, {name: sides[1]}, **rules)
    assert yaml.safe_load(found.patch)["cases"][0]["outputs"][name]["compare"] == expected


def test_a_comparator_that_fits_is_told_also_where_it_does_not_help(tmp_path: Path) -> None:
    """It says more of what differs than the bytes do."""
    found, _ = steps(tmp_path, {"model/plot": PNG + b"1"}, {"model/plot": PNG + b"2"})
    assert any("`compare: png` fits it better than `bytes`" in each for each in found.advice)


def test_two_ends_are_nothing_to_hide(tmp_path: Path) -> None:
    """Where one of the two failed, no rule and no acceptance is proposed."""
    case, runs = make_runs(tmp_path, {"model/a": "x"}, {})
    runs[1] = replace(runs[1], exit_code=1, status=Status.FAILED)
    comparisons = compare_runs(case, runs, None)  # type: ignore[arg-type]
    found = find_next_steps("one", comparisons, kept_run.find("one", tmp_path))
    assert found.patch == ""
    assert "the two runs ended differently" in found.advice[0]


def test_a_long_patch_is_cut(tmp_path: Path) -> None:
    """Nobody pastes a thousand lines; the verb prints them."""
    files = {f"model/{number}": f"{number} a\n" for number in range(200)}
    others = {name: text.replace("a", "b") for name, text in files.items()}
    case, runs = make_runs(tmp_path, files, others)
    comparisons = compare_runs(case, runs, None)  # type: ignore[arg-type]
    found = find_next_steps("one", comparisons, kept_run.find("one", tmp_path))
    assert len(found.patch.splitlines()) < 70
    assert len(found.advice) < 30
    assert "parity suggest one" in found.advice[0]


def comparison(subject: str, *sides: tuple[str, str]) -> Comparison:
    """A comparison with these differences."""
    return Comparison(subject, "text", tuple(Difference("", *each) for each in sides))


def test_a_second_run_tells_the_script_from_the_platforms() -> None:
    """By the subjects in which the two runs on one target differ."""
    before = [comparison("stdout", ("1", "2")), comparison("model/a", ("x", "y")), comparison("environment", ("a", "b"))]
    own, same = comparison("stdout", ("1", "3")), comparison("model/a")
    # That both ended with a code that the case does not expect is no difference between them.
    alike = comparison("exit status", ("1", "1"))
    assert "the platforms make the difference" in describe_repeat("kubernetes", before, [same, alike])
    assert describe_repeat("kubernetes", before, [own, same]) == (
        "the script differs from itself: run again on kubernetes, it made another stdout; but model/a stayed as before"
    )
    assert describe_repeat("kubernetes", before[:1], [own]).endswith("no platform is the reason")


@pytest.mark.parametrize("limit", list(Limit))
@pytest.mark.parametrize("comparisons", [[], [comparison("exit status", ("137", "0"))]], ids=["alike", "different"])
def test_a_limit_that_ended_one_side_alone_is_never_parity(tmp_path: Path, limit: Limit, comparisons: list[Comparison]) -> None:
    """And where it was one of time, nothing else either, for an idle machine would have shown another thing."""
    _, (left, right) = make_runs(tmp_path, {}, {})
    left = replace(left, limit=limit, timings=Timings(1, 0.5, 599.5, 1))
    right = replace(right, timings=Timings(1, None, 582.0, 1))
    outcome, problem = judge(comparisons, (), (left, right))
    assert outcome is (Outcome.DIFFERENT if comparisons and not limit.is_of_time else Outcome.ERROR)
    told = describe_limit((left, right))
    assert problem == ("" if outcome is Outcome.DIFFERENT else told)
    assert told.startswith("the limit decided, not the script: sagemaker ended its run after 600 s")
    assert "kubernetes, which took 582 s, did not; raise `" in told


def test_an_end_by_time_that_the_suite_declares_is_a_difference(tmp_path: Path) -> None:
    """A control that names the exit status expects it."""
    _, (left, right) = make_runs(tmp_path, {}, {})
    runs = replace(left, limit=Limit.RUNTIME), right
    found = [comparison("exit status", ("143", "0"))]
    assert judge(found, ("exit status",), runs) == (Outcome.DIFFERENT, "")
    assert judge(found, ("stdout",), runs)[0] is Outcome.ERROR


def test_both_ended_by_a_limit_ended_alike(tmp_path: Path) -> None:
    """They are compared as any others."""
    _, (left, right) = make_runs(tmp_path, {}, {})
    runs = replace(left, limit=Limit.RUNTIME), replace(right, limit=Limit.RUNTIME)
    assert describe_limit(runs) == ""
    assert judge([], (), runs)[0] is Outcome.PARITY


def test_the_exception_of_a_failed_run_is_told(tmp_path: Path) -> None:
    """Its own last line, and for a program without one the last line that it wrote."""
    traceback = (
        'x\nTraceback (most recent call last):\n  File "t.py", line 1, in <module>\nValueError: no rows\nmore of it\n  end\n'
    )
    _, (left, right) = make_runs(tmp_path, {"stderr": traceback}, {"stderr": "", "stdout": "a\ncannot open it\n\n"})
    failed = [replace(run, status=Status.FAILED, exit_code=1) for run in (left, right)]
    assert list(describe_failures(failed, 0)) == ["sagemaker failed: ValueError: no rows", "kubernetes failed: cannot open it"]
    assert list(describe_failures(failed, 1)) == []
    told = describe_failures(failed[:1], 0)
    assert lead(told, NextSteps(("the limit decided",)), "the limit decided") == (
        "the limit decided",
        "sagemaker failed: ValueError: no rows",
    )
    assert lead(["why"], NextSteps(("what to do",)), "") == ("why", "what to do")
    assert list(describe_failures((left, right), 0)) == []
