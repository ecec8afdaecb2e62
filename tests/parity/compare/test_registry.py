"""The comparators by name: a new one is one file, and one line in the registry."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING

import pytest
import yaml

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.parity.compare.artifacts import compare_artifacts
from lyftlearn_image.parity.compare.comparator import Comparator, ComparatorContext
from lyftlearn_image.parity.compare.registry import COMPARATORS, comparator_for, load_comparator
from lyftlearn_image.parity.compare.rule import Rule
from lyftlearn_image.parity.differences import Difference
from lyftlearn_image.parity.suite import json_schema, load_suite

if TYPE_CHECKING:
    from pathlib import Path

COUNTING_WORDS = """
from lyftlearn_image.parity.compare.rule import Rule
from lyftlearn_image.parity.differences import Difference

OPTIONS = frozenset({"atol"})
SUFFIXES = (".words",)

def compare(left, right, options, context):
    numbers = [len(path.read_text().split()) for path in (left, right)]
    if abs(numbers[0] - numbers[1]) <= options.atol:
        return ()
    return (Difference("words", *map(str, numbers)),)
"""


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A comparator of a team's own: its file, and its line in the registry."""
    (tmp_path / "counting_words.py").write_text(COUNTING_WORDS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(COMPARATORS, "words", "counting_words")
    return "words"


def test_a_new_comparator_is_one_file_and_one_line(words: str, tmp_path: Path) -> None:
    """Suite files may name it with its options, their schema lists it, and files of its suffix are compared by it."""
    suite = {"name": "own", "image": "team:1", "cases": [
        {"name": "one", "workload": {"command": ["true"]}, "outputs": {"model/a": {"compare": words, "atol": 1}}},
    ]}  # fmt: skip
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite))
    rules = load_suite(tmp_path / "suite.yaml").cases[0].outputs
    assert json_schema()["$defs"]["Rule"]["properties"]["compare"]["enum"][-1] == words
    for side, text in (("left", "one two"), ("right", "one two three")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "a").write_text(text)
        (tmp_path / side / "b.words").write_text(text)
    context = ComparatorContext(None, {"model": tmp_path / "left"}, {"model": tmp_path / "right"})  # type: ignore[arg-type]
    by_rule, by_suffix = compare_artifacts(rules, context)
    assert (by_rule.comparator, by_rule.differences, by_rule.tolerance) == (words, (), "atol 1")
    assert (by_suffix.comparator, by_suffix.differences) == (words, (Difference("words", "2", "3"),))


def test_what_the_new_comparator_does_not_take_is_refused(words: str, tmp_path: Path) -> None:
    """As for those that are there already."""
    suite = {"name": "own", "image": "team:1", "cases": [
        {"name": "one", "workload": {"command": ["true"]}, "outputs": {"model/a": {"compare": words, "rtol": 1}}},
    ]}  # fmt: skip
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite))
    with pytest.raises(InvalidInputError, match="rtol means nothing to `words`, which takes atol"):
        load_suite(tmp_path / "suite.yaml")


@pytest.mark.parametrize("name", COMPARATORS)
def test_every_comparator_has_what_the_protocol_asks_for(name: str) -> None:
    """Options that there are, suffixes that begin with a dot, and a function of two files, options and context."""
    comparator = load_comparator(name)
    assert isinstance(comparator, Comparator)
    assert Rule.model_fields.keys() >= comparator.OPTIONS
    assert all(suffix.startswith(".") for suffix in comparator.SUFFIXES)
    assert len(inspect.signature(comparator.compare).parameters) == 4


def test_every_option_means_something_to_a_comparator() -> None:
    """One that none takes could not be used."""
    taken = {option for name in COMPARATORS for option in load_comparator(name).OPTIONS}
    assert taken == Rule.model_fields.keys() - {"compare"}


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("model/a.json", "json"), ("a.jsonl", "json"), ("a.csv", "table"), ("a.parquet", "table"), ("a.npy", "array"),
        ("a.npz", "array"), ("a.txt", "text"), ("a.log", "text"), ("a.md", "text"), ("a.yaml", "text"),
        ("a.joblib", "model"), ("a.pkl", "model"), ("a.onnx", "model"), ("a.safetensors", "model"), ("a.bin", "bytes"),
        ("json", "bytes"), ("a.csv.gz", "archive"), ("csv.d/a", "bytes"),
        ("UPPER.CSV", "table"), ("a.tsv", "table"),
    ],
)  # fmt: skip
def test_a_file_without_a_rule_is_compared_by_its_suffix(file_name: str, expected: str) -> None:
    """As bytes where nobody knows the suffix."""
    assert comparator_for(file_name) == expected


def test_no_suffix_belongs_to_two() -> None:
    """Which one compares a file would otherwise be a matter of order."""
    suffixes = [suffix for module in set(COMPARATORS.values()) for suffix in importlib.import_module(module).SUFFIXES]
    assert len(suffixes) == len(set(suffixes))
