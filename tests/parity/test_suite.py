"""The suite file: read with its defaults, or refused with the place of the mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.parity.suite import Case, json_schema, load_suite
from lyftlearn_image.parity.verdict import Outcome

if TYPE_CHECKING:
    from pathlib import Path

SUITE = """\
name: demo
image: team:1
defaults: {max_runtime_s: 60, environment: {A: one}}
cases:
  - name: first
    workload: {program: a.py, environment: {B: two}}
    overrides:
      kubernetes: {environment: {B: three}, cpus: 1}
"""


def write(tmp_path: Path, text: str) -> Path:
    """A suite file with this text."""
    path = tmp_path / "suite.yaml"
    path.write_text(text)
    return path


def test_a_case_gets_the_suites_image_and_defaults(tmp_path: Path) -> None:
    """Defaults are below the case's fields, and mappings are merged key by key."""
    workload = load_suite(write(tmp_path, SUITE)).cases[0].workload_for("sagemaker")
    assert (workload.name, workload.image, workload.max_runtime_s) == ("first", "team:1", 60)
    assert workload.environment == {"A": "one", "B": "two"}


def test_an_override_changes_one_target_only(tmp_path: Path) -> None:
    """A negative control is the same workload but for what the override says."""
    case = load_suite(write(tmp_path, SUITE)).cases[0]
    changed = case.workload_for("kubernetes")
    assert changed.environment == {"A": "one", "B": "three"}
    assert changed.with_(environment=case.workload.environment, cpus=case.workload.cpus) == case.workload


@pytest.mark.parametrize(
    ("old", "new", "line", "expected"),
    [
        pytest.param("program: a.py", "progam: a.py", 6, "program", id="misspelt workload field"),
        pytest.param("cpus: 1", "cpus: none", 8, "number", id="wrong type in an override"),
        pytest.param("kubernetes:", "kubernets:", 8, "sagemaker", id="unknown target"),
        pytest.param("name: first", "name: First!", 5, "pattern", id="name"),
        pytest.param("    overrides", "    expect: different\n    overrides", 5, "different_in", id="control without subjects"),
        pytest.param("    overrides", "    stop_when: '('\n    overrides", 7, "regular expression", id="regex"),
        pytest.param("    overrides", "    stop_when: a\n    interrupt_when: b\n    overrides", 5, "exclude", id="two ends"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, expected: str) -> None:
    """Merging defaults does not lose the line that somebody wrote."""
    with pytest.raises(InvalidInputError) as caught:
        load_suite(write(tmp_path, SUITE.replace(old, new)))
    assert f"suite.yaml, line {line}" in str(caught.value)
    assert expected in str(caught.value)


def test_two_cases_of_one_name_are_refused(tmp_path: Path) -> None:
    """Names are how a case is asked for and reported."""
    with pytest.raises(InvalidInputError, match="twice: first"):
        load_suite(write(tmp_path, SUITE + "  - name: first\n    workload: {program: b.py}\n"))


def test_the_schema_for_editors_accepts_what_the_reader_accepts() -> None:
    """An editor that validates with the schema shows no error in a good file, and shows one in a bad file."""
    jsonschema.validate(yaml.safe_load(SUITE), json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(SUITE.replace("program:", "progam:")), json_schema())


CASE: dict[str, Any] = {"name": "one", "workload": {"name": "one", "image": "a:1", "command": ["true"]}}


@pytest.mark.parametrize(
    ("fields", "is_interruption"), [({"stop_when": "^step 3"}, False), ({"interrupt_when": "^step 3"}, True), ({}, None)]
)
def test_a_case_is_stopped_or_interrupted_when_it_says_so(fields: dict[str, str], *, is_interruption: bool | None) -> None:
    """By a line of stdout that matches; every run has a request of its own."""
    case = Case.model_validate({**CASE, **fields})
    request, other = case.stop_request(), case.stop_request()
    if is_interruption is None:
        assert request is None
        return
    assert request is not None
    assert request is not other
    assert request.is_interruption is is_interruption
    assert request.when.pattern == "^step 3"


def test_everything_that_is_planted_is_secret() -> None:
    """Secrets and parameters, by their names."""
    case = Case.model_validate({**CASE, "secret_values": {"a": "1"}, "parameter_values": {"/b": "2"}})
    assert case.planted_secrets == {"a": "1", "/b": "2"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({}, Outcome.PARITY), ({"expect": "different", "different_in": ["stdout"]}, Outcome.DIFFERENT)],
)
def test_a_negative_control_is_expected_to_differ(fields: dict[str, Any], expected: Outcome) -> None:
    """In the subjects that it names."""
    assert Case.model_validate({**CASE, **fields}).expected is expected


@pytest.mark.parametrize(
    "fields",
    [{"expect": "different"}, {"different_in": ["stdout"]}, {"expect": "parity", "different_in": ["a"]}],
)
def test_a_control_names_where_it_differs_and_nothing_else_does(fields: dict[str, Any]) -> None:
    """One without the other is a mistake."""
    with pytest.raises(ValidationError, match="`expect: different` and `different_in` go together"):
        Case.model_validate({**CASE, **fields})


def test_an_override_replaces_what_is_no_mapping(tmp_path: Path) -> None:
    """Lists and texts as a whole; what the case says is above what the suite shares, and the other target keeps it."""
    text = SUITE.replace("cpus: 1", "command: [other], max_runtime_s: 7").replace("program: a.py", "command: [one, two]")
    case = load_suite(write(tmp_path, text)).cases[0]
    changed, kept = case.workload_for("kubernetes"), case.workload_for("sagemaker")
    assert (changed.command, changed.max_runtime_s) == (("other",), 7)
    assert (kept.command, kept.max_runtime_s) == (("one", "two"), 60)


def test_a_case_may_have_an_image_of_its_own(tmp_path: Path) -> None:
    """And a name for its jobs."""
    text = SUITE.replace("{program: a.py", "{image: own:2, name: own, program: a.py")
    workload = load_suite(write(tmp_path, text)).cases[0].workload
    assert (workload.image, workload.name) == ("own:2", "own")


@pytest.mark.parametrize(
    "text",
    [
        "cases: none", "cases: [none]", "cases: [{name: a, workload: none}]",
        "defaults: none\ncases: [{name: a, workload: {}}]",
        "cases: [{name: a, workload: {program: a.py}, overrides: none}]",
        "cases: [{name: a, workload: {program: a.py}, overrides: {kubernetes: none}}]", "cases: []",
    ],
)  # fmt: skip
def test_what_is_no_suite_is_told(tmp_path: Path, text: str) -> None:
    """Whatever stands where a mapping or a list should; never as a traceback."""
    with pytest.raises(InvalidInputError):
        load_suite(write(tmp_path, f"name: demo\nimage: team:1\n{text}\n"))


def test_the_directory_to_build_from_is_found_from_the_suites_own(tmp_path: Path) -> None:
    """Wherever the suite is run from; without one nothing is built."""
    assert load_suite(write(tmp_path, SUITE + "build: image\n")).build == tmp_path.resolve() / "image"
    assert load_suite(write(tmp_path, SUITE)).build is None


def test_every_case_that_is_twice_is_named(tmp_path: Path) -> None:
    """Once each, in their order."""
    twice = "".join(f"  - name: {name}\n    workload: {{program: b.py}}\n" for name in ("z", "b", "b", "z", "c"))
    with pytest.raises(InvalidInputError, match="twice: b, z"):
        load_suite(write(tmp_path, SUITE + twice))


def test_the_schema_asks_of_a_workload_its_kind_alone() -> None:
    """What the suite says for every case need not stand in each; in an override nothing else need stand."""
    case = json_schema()["$defs"]["Case"]["properties"]
    for workload in (case["workload"]["anyOf"][0], case["overrides"]["additionalProperties"]):
        assert workload["oneOf"]
        assert all(set(kind["required"]) <= {"kind"} for kind in workload["oneOf"])


FILE = "name: churn\nimage: registry/churn:1\ncommand: [python, train.py]\nchannels: {train: rows/, far: s3://far/away/}\n"
OF_FILES = "name: demo\nimage: team:1\ndefaults: {max_runtime_s: 60, environment: {A: one}}\ncases:\n"


def write_files(tmp_path: Path, *cases: str, **texts: str) -> Path:
    """A suite of these cases beside workload files."""
    for name, text in texts.items():
        path = tmp_path / name.replace("_", "/")
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".yaml").write_text(text)
    return write(tmp_path, OF_FILES + "".join(f"  - {case}\n" for case in cases))


def test_a_workload_file_is_a_case(tmp_path: Path) -> None:
    """As it is submitted, above the suite's defaults, with the image that the suite tests; its paths are its own."""
    path = write_files(tmp_path, "workload: jobs/churn.yaml", jobs_churn=FILE + "environment: {B: two}\n")
    (case,) = load_suite(path).cases
    assert (case.name, case.workload.name, case.workload.image) == ("churn", "churn", "team:1")
    assert (case.workload.command, case.workload.max_runtime_s) == (("python", "train.py"), 60)
    assert case.workload.environment == {"A": "one", "B": "two"}
    assert case.workload.channels == {"train": str(tmp_path / "jobs" / "rows"), "far": "s3://far/away/"}


def test_a_case_of_a_file_takes_all_that_a_case_takes(tmp_path: Path) -> None:
    """A name of its own, overrides, rules."""
    entry = "{name: own, workload: churn.yaml, overrides: {kubernetes: {cpus: 1}}, accept: [{subject: stdout, reason: known}]}"
    (case,) = load_suite(write_files(tmp_path, entry, churn=FILE)).cases
    assert (case.name, case.workload_for("kubernetes").cpus, case.workload_for("sagemaker").cpus) == ("own", 1, 2)
    assert case.accept


@pytest.mark.parametrize(
    ("cases", "names"),
    [
        (["workload: [a.yaml, b.yaml]"], ["churn-a", "churn-b"]),
        (["workload: [a.yaml, c.yaml]"], ["churn", "other"]),
        (["workload: a.yaml", "workload: b.yaml", "workload: c.yaml"], ["churn-a", "churn-b", "other"]),
        (["workload: [x/a.yaml, y/a.yaml, c.yaml]"], ["churn-x-a", "churn-y-a", "other"]),
        (["{name: all, workload: [a.yaml, c.yaml]}"], ["all-churn", "all-other"]),
        (["{name: one, workload: [a.yaml]}", "workload: b.yaml"], ["one", "churn"]),
        (["{name: churn, workload: {program: p.py}}", "workload: a.yaml"], ["churn", "churn-a"]),
    ],
)
def test_cases_of_several_files_have_names_of_their_own(tmp_path: Path, cases: list[str], names: list[str]) -> None:
    """That of the workload, and of its file and directory where that is not enough; a case's own stays what it is."""
    other = FILE.replace("name: churn", "name: other")
    suite = load_suite(write_files(tmp_path, *cases, a=FILE, b=FILE, c=other, x_a=FILE, y_a=FILE))
    assert [case.name for case in suite.cases] == names


def test_one_file_twice_needs_names(tmp_path: Path) -> None:
    """Nothing else tells the two cases apart."""
    with pytest.raises(InvalidInputError, match="case names must be unique; twice: churn-"):
        load_suite(write_files(tmp_path, "workload: churn.yaml", "workload: churn.yaml", churn=FILE))
    cases = ("{name: a, workload: churn.yaml}", "{name: b, workload: churn.yaml}")
    assert [case.name for case in load_suite(write_files(tmp_path, *cases, churn=FILE)).cases] == ["a", "b"]


@pytest.mark.parametrize(
    ("cases", "place", "expected"),
    [
        pytest.param(["workload: nowhere.yaml"], "suite.yaml, line 5", "no file nowhere.yaml", id="no file"),
        pytest.param(["workload: []"], "suite.yaml, line 5", "a list of such files", id="no files"),
        pytest.param(["workload: [good.yaml, no.yaml]"], "suite.yaml, line 5", "no file no.yaml", id="one of a list"),
        pytest.param(["{name: a, workload: 7}"], "suite.yaml, line 5", "expected a mapping", id="a number"),
        pytest.param(
            ["workload: [good.yaml, good.yaml]", "{workload: good.yaml, nmae: x}"], "suite.yaml, line 6", "Did you mean `name`",
            id="behind a list",
        ),
        pytest.param(["workload: bad.yaml"], "bad.yaml, line 3, key `comand`", "Did you mean `command`", id="in the file"),
        pytest.param(["workload: list.yaml"], "list.yaml, line 1", "is not a mapping", id="no workload"),
        pytest.param(
            ["workload: good.yaml", "{workload: good.yaml, name: b, overrides: {kubernetes: {cpus: x}}}"],
            "suite.yaml, line 6", "number", id="override",
        ),
    ],
)  # fmt: skip
def test_a_mistake_around_a_workload_file_is_told_where_it_stands(
    tmp_path: Path, cases: list[str], place: str, expected: str
) -> None:
    """In the suite or in the file, with line and key, also behind an entry that became several cases."""
    bad = FILE.replace("command", "comand")
    with pytest.raises(InvalidInputError) as caught:
        load_suite(write_files(tmp_path, *cases, good=FILE, bad=bad, list="- one\n"))
    assert place in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("case", "is_good"),
    [
        ("workload: a.yaml", True), ("workload: [a.yaml, b.yaml]", True), ("{name: a, workload: {program: p.py}}", True),
        ("workload: {program: p.py}", False), ("workload: []", False), ("workload: [1]", False), ("workload: 1", False),
    ],
)  # fmt: skip
def test_the_schema_knows_workload_files(case: str, *, is_good: bool) -> None:
    """Only a workload that stands in the suite needs the case's name."""
    document = yaml.safe_load(f"{OF_FILES}  - {case}\n")
    if is_good:
        jsonschema.validate(document, json_schema())
    else:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document, json_schema())
