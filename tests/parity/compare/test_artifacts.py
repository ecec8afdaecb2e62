"""The comparators of files: what is the same is the same, and a planted fault is found where it is."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st
from pydantic import ValidationError

from lyftlearn_image.parity.compare.artifacts import BY_SUFFIX, COMPARATORS, comparator, compare_artifacts
from lyftlearn_image.parity.compare.comparator import Tools
from lyftlearn_image.parity.compare.rule import Rule
from lyftlearn_image.parity.compare.structured import compare_values
from lyftlearn_image.parity.compare.text import NORMALISERS, compare_texts, normalise
from lyftlearn_image.parity.compare.tolerance import MOST_DIFFERENCES

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.parity.differences import Difference

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
JSON = Rule(compare="json")
TEXT = Rule(compare="text")


def differences(left: Path, right: Path, rule: Rule) -> tuple[Difference, ...]:
    """What a comparator of files finds; none of these needs tools."""
    return comparator(rule.compare)(left, right, rule, None)  # type: ignore[arg-type]


def two(tmp_path: Path, name: str, write: Callable[[Path, Any], object], left: Any, right: Any) -> tuple[Path, Path]:
    """Two files with these contents."""
    paths = tmp_path / f"left-{name}", tmp_path / f"right-{name}"
    write(paths[0], left)
    write(paths[1], right)
    return paths


@given(VALUES)
def test_json_is_the_same_as_itself(value: Any) -> None:
    """compare(x, x) finds nothing."""
    assert list(compare_values(value, json.loads(json.dumps(value)), JSON)) == []


@given(VALUES, VALUES)
def test_json_differs_both_ways_or_not_at_all(left: Any, right: Any) -> None:
    """Without a relative tolerance the order of the sides does not matter."""
    assert bool(list(compare_values(left, right, JSON))) == bool(list(compare_values(right, left, JSON)))


@pytest.mark.parametrize(
    ("left", "right", "rule", "places"),
    [
        pytest.param({"a": 1}, {"a": 2}, {}, ["/a"], id="value"),
        pytest.param({"a": 1}, {"a": True}, {}, ["/a"], id="a number is no truth"),
        pytest.param({"a": 1}, {"a": 1.0}, {}, [], id="one number"),
        pytest.param({"a": 1.0}, {"a": 1.0 + 1e-10}, {"rtol": 1e-9}, [], id="within rtol"),
        pytest.param({"a": 1.0}, {"a": 1.0 + 1e-8}, {"rtol": 1e-9}, ["/a"], id="beyond rtol"),
        pytest.param({"a": math.inf}, {"a": 1e308}, {"rtol": 1.0}, ["/a"], id="infinity"),
        pytest.param({"a": math.nan}, {"a": math.nan}, {}, [], id="nan"),
        pytest.param({"a": math.nan}, {"a": math.nan}, {"equal_nan": False}, ["/a"], id="nan that counts"),
        pytest.param({"a": [1, 2]}, {"a": [1]}, {}, ["/a"], id="length"),
        pytest.param({"a": 1, "b/c": 1}, {"a": 1}, {}, ["/b~1c"], id="missing, escaped"),
        pytest.param({"t": [{"at": 1}, {"at": 2}]}, {"t": [{"at": 3}, {"at": 4}]}, {"ignore": ["/t/*/at"]}, [], id="ignored"),
    ],
)
def test_json_values_follow_the_rule(left: Any, right: Any, rule: dict[str, Any], places: list[str]) -> None:
    """Each difference stands at its JSON pointer."""
    found = compare_values(left, right, Rule.model_validate({"compare": "json", **rule}))
    assert [one.place for one in found] == places


def test_what_is_no_json_is_a_difference(tmp_path: Path) -> None:
    """A broken file is told as one, never as a traceback."""
    (found,) = differences(*two(tmp_path, "a.json", Path.write_text, '{"a": ', "{}"), JSON)
    assert "not JSON" in found.detail


@given(st.text(max_size=200))
def test_text_is_the_same_as_itself(text: str) -> None:
    """compare(x, x) finds nothing."""
    assert compare_texts(text, text, TEXT) == ()


@given(st.text(max_size=100), st.sampled_from(sorted(NORMALISERS)))
def test_normalisers_are_idempotent(text: str, name: str) -> None:
    """Normalising what is normalised changes nothing."""
    rule = Rule.model_validate({"compare": "text", "normalise": [name]})
    once = normalise(text, rule)
    assert normalise(once, rule) == once


@pytest.mark.parametrize(
    ("left", "right", "normalisers", "places"),
    [
        pytest.param("a\nb\nc\n", "a\nX\nc\n", [], ["line 2"], id="changed line"),
        pytest.param("a\nc\n", "a\nb\nc\n", [], ["line 2"], id="inserted line, the rest aligned"),
        pytest.param("a", "a\n", [], ["end"], id="line break at the end"),
        pytest.param("took 1.5 s\n", "took 2.25 s\n", ["durations"], [], id="durations"),
        pytest.param("at 2026-11-23T10:00:00Z\n", "at 2026-11-24 11:00:01.5\n", ["timestamps"], [], id="timestamps"),
        pytest.param(
            "pid 12 <A at 0x7f00aa>\n", "pid 99 <A at 0x7f11bb>\n", ["pids", "addresses"], [], id="pids and addresses"
        ),
        pytest.param("run-17\n", "run-18\n", [{"pattern": r"run-\d+"}], [], id="own pattern"),
        pytest.param("took 1.5 s, loss 0.1\n", "took 2.5 s, loss 0.2\n", ["durations"], ["line 1"], id="the rest still counts"),
    ],
)
def test_text_differs_line_by_line(left: str, right: str, normalisers: list[Any], places: list[str]) -> None:
    """Aligned, after normalising."""
    rule = Rule.model_validate({"compare": "text", "normalise": normalisers})
    assert [one.place for one in compare_texts(left, right, rule)] == places


def test_many_differences_are_counted_not_listed() -> None:
    """A report stays readable: the first ones, and how many more."""
    found = compare_texts("\n".join(map(str, range(100))), "\n".join(map(str, range(1000, 1100))), TEXT)
    assert len(found) == MOST_DIFFERENCES + 1
    assert found[-1].detail == "and 80 more differences"


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        (b"same", b"same", []),
        (b"\x00\x01", b"\x00\x02", ["byte 1"]),
        (b"ab", b"abc", ["byte 2"]),
        (b"x" * 2**21, b"x" * 2**21 + b"y", [f"byte {2**21}"]),
    ],
)
def test_bytes_differ_at_their_first_difference(tmp_path: Path, left: bytes, right: bytes, found: list[str]) -> None:
    """Also where one file is only longer."""
    paths = two(tmp_path, "a.bin", Path.write_bytes, left, right)
    assert [one.place for one in differences(*paths, Rule(compare="bytes"))] == found


@settings(max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.data())
def test_a_planted_change_in_an_array_is_found_where_it_is(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], data: st.DataObject
) -> None:
    """The largest difference is told with its index; the same array twice has none."""
    tmp_path = tmp_path_factory.mktemp("arrays")
    left = np.array(values)
    at = data.draw(st.integers(0, len(values) - 1))
    right = left.copy()
    right[at] += 1.0
    rule = Rule(compare="array")
    assert differences(*two(tmp_path, "same.npy", np.save, left, left), rule) == ()
    (found,) = differences(*two(tmp_path, "other.npy", np.save, left, right), rule)
    assert found.place == f"[{at}]"
    assert f"1 of {len(values)} values differ" in found.detail


@pytest.mark.parametrize(
    ("left", "right", "told"),
    [
        (np.zeros(3), np.zeros(4), "type or shape"),
        (np.zeros(3), np.zeros(3, dtype=np.float32), "type or shape"),
        (np.array(["a"]), np.array(["b"]), "1 of 1 values differ"),
        (np.array(1.0), np.array(2.0), "1 of 1 values differ"),
    ],
)
def test_arrays_differ_by_form_and_value(tmp_path: Path, left: Any, right: Any, told: str) -> None:
    """Shape, type, texts, and arrays without a dimension."""
    (found,) = differences(*two(tmp_path, "a.npy", np.save, left, right), Rule(compare="array"))
    assert told in found.detail


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    """A pickle would run what its author wished."""
    paths = two(
        tmp_path,
        "a.npy",
        lambda path, value: np.save(path, value, allow_pickle=True),
        np.array([{}], dtype=object),
        np.zeros(1),
    )
    (found,) = differences(*paths, Rule(compare="array"))
    assert "pickle" in found.detail


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("change", "rule", "places"),
    [
        pytest.param({}, {}, [], id="same"),
        pytest.param({"x": [1.0, 2.0, 3.5]}, {}, ["column 'x', row [2]"], id="number"),
        pytest.param({"x": [1.0, 2.0, 3.0 + 1e-9]}, {"rtol": 1e-6}, [], id="within rtol"),
        pytest.param({"name": ["a", "b", "z"]}, {}, ["column 'name', row 2"], id="text"),
        pytest.param({"name": ["a", "b", "z"]}, {"ignore": ["name"]}, [], id="ignored column"),
        pytest.param({"x": [3.0, 2.0, 1.0], "name": ["c", "b", "a"]}, {"sort_by": ["name"]}, [], id="another order"),
        pytest.param({"x": [1.0], "name": ["a"]}, {}, ["rows"], id="rows"),
        pytest.param({"more": [1, 2, 3]}, {}, ["columns"], id="columns"),
        pytest.param({}, {"sort_by": ["none"]}, ["sort_by"], id="no such column"),
    ],
)
def test_tables_differ_by_column_and_row(
    tmp_path: Path, suffix: str, change: dict[str, Any], rule: dict[str, Any], places: list[str]
) -> None:
    """CSV and Parquet alike."""
    left = {"x": [1.0, 2.0, 3.0], "name": ["a", "b", "c"]}

    def write(path: Path, columns: Any) -> None:
        from pyarrow import csv

        table = pa.table(columns)
        pq.write_table(table, path) if suffix == "parquet" else csv.write_csv(table, path)

    paths = two(tmp_path, f"a.{suffix}", write, left, {**left, **change})
    assert [one.place for one in differences(*paths, Rule.model_validate({"compare": "table", **rule}))] == places


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"compare": "text", "rtol": 1}, "rtol means nothing to `text`"),
        ({"compare": "json", "rtol": -1}, "greater than or equal to 0"),
        ({"compare": "text", "normalise": ["clock"]}, "timestamps"),
        ({"compare": "text", "normalise": [{"pattern": "("}]}, "regular expression"),
        ({"compare": "jsn"}, "'json'"),
    ],
)
def test_a_rule_that_makes_no_sense_is_told(rule: dict[str, Any], told: str) -> None:
    """A key that a comparator does not know would otherwise be believed to work."""
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate(rule)
    assert told in str(caught.value)


def test_files_of_either_side_are_compared_and_the_shims_own_are_not(tmp_path: Path) -> None:
    """By the first rule that matches, else by their suffix; a rule that matches nothing is told."""
    for side, number in (("left", 1), ("right", 2)):
        for name, text in {
            "a.json": f'{{"v": {number}}}',
            "b.txt": "same",
            ".lyftlearn/observation.json": side,
            f"only-{side}": "x",
        }.items():
            path = tmp_path / side / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    tools = Tools(None, {"model": tmp_path / "left"}, {"model": tmp_path / "right"})  # type: ignore[arg-type]
    rules = {"model/*.json": Rule(compare="json", atol=1), "model/none.npy": Rule(compare="array")}
    found = {one.subject: len(one.differences) for one in compare_artifacts(rules, tools)}
    assert found == {"model/a.json": 0, "model/b.txt": 0, "model/only-left": 1, "model/only-right": 1, "model/none.npy": 1}


def test_every_suffix_and_every_rule_has_a_comparator() -> None:
    """The registry is complete."""
    assert set(BY_SUFFIX.values()) <= set(COMPARATORS)
    assert all(callable(comparator(name)) for name in COMPARATORS)
