"""The suite file: read with its defaults, or refused with the place of the mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.parity.suite import json_schema, load_suite

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
