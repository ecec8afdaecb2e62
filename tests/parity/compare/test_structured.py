"""JSON: what is the same is the same, and a change is found where it is."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.parity.compare.options import Options
from lyftlearn_image.parity.compare.structured import compare_values
from lyftlearn_image.parity.differences import Difference
from tests.examples import examples
from tests.parity.compare.pairs import EXACT, SCALARS, VALUES, changed_values, compare_written, pointer


def compare_json(left: Any, right: Any, rule: dict[str, Any] | None = None) -> tuple[Difference, ...]:
    """What is found in two JSON files with these values."""
    values = json.dumps(left, ensure_ascii=False), json.dumps(right, ensure_ascii=False)
    return compare_written("a.json", _write, values, {"compare": "json", **(rule or {})})


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")


@given(VALUES)
def test_json_is_the_same_as_itself(value: Any) -> None:
    """Two documents of one value have no difference, however their keys are ordered."""
    assert compare_json(value, json.loads(json.dumps(value, sort_keys=True))) == ()


@given(changed_values())
def test_a_change_is_told_where_it_is(change: tuple[Any, Any, tuple[str | int, ...]]) -> None:
    """Of two documents that differ in one place, that place is told and no other, by its JSON pointer."""
    left, right, path = change
    assert [difference.place for difference in compare_json(left, right)] == [pointer(path)]
    assert [difference.place for difference in compare_json(right, left)] == [pointer(path)]


@given(changed_values())
def test_an_ignored_place_is_not_told(change: tuple[Any, Any, tuple[str | int, ...]]) -> None:
    """Neither the place itself nor anything below a place that is ignored."""
    left, right, path = change
    exactly = "".join(f"[{character}]" if character in "*?[" else character for character in pointer(path))
    assert compare_json(left, right, {"ignore": ["/other", exactly]}) == ()
    assert compare_json({"a": left}, {"a": right}, {"ignore": ["/a"]}) == ()
    assert compare_json({"a": [left]}, {"a": [right]}, {"ignore": ["/*/0", "/a/0"]}) == ()


@given(st.lists(changed_values(), min_size=2, max_size=4))
def test_every_change_is_told(changes: list[tuple[Any, Any, tuple[str | int, ...]]]) -> None:
    """Changes in several items of a list are as many differences."""
    left, right = [change[0] for change in changes], [change[1] for change in changes]
    places = [pointer((number, *change[2])) for number, change in enumerate(changes)]
    assert [difference.place for difference in compare_json(left, right)] == places


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({"a": 1}, {"a": 2}, Difference("/a", "1", "2", "|Δ| 1")),
        ({"a": 1.5}, {"a": -1}, Difference("/a", "1.5", "-1", "|Δ| 2.5")),
        ({"a": 1}, {"a": True}, Difference("/a", "1", "True")),
        ({"a": "x"}, {"a": "y"}, Difference("/a", "x", "y")),
        ({"a": None}, {}, Difference("/a", "None", None)),
        ({}, {"a": None}, Difference("/a", None, "None")),
        ([1, 2], [1], Difference("", "2 items", "1 items", "length")),
        ([1], {"a": 1}, Difference("", "[1]", "{'a': 1}")),
        (10**400, -(10**400), Difference("", str(10**400), str(-(10**400)))),
    ],
)
def test_a_difference_shows_both_values(left: Any, right: Any, expected: Difference) -> None:
    """With their distance where they are numbers, and nothing for a key that is not there."""
    assert list(compare_values(left, right, EXACT)) == [expected]


@pytest.mark.parametrize(
    ("left", "right", "options", "places"),
    [
        pytest.param({"a": 1}, {"a": 1.0}, {}, [], id="one number"),
        pytest.param({"a": 1.0}, {"a": 1.0 + 1e-10}, {"rtol": 1e-9}, [], id="within rtol"),
        pytest.param({"a": 1.0}, {"a": 1.0 + 1e-8}, {"rtol": 1e-9}, ["/a"], id="beyond rtol"),
        pytest.param([1.0], [2.0], {"atol": 1}, [], id="within atol, in a list"),
        pytest.param([5], [6], {"atol": 1}, [], id="integers too"),
        pytest.param({"a": math.nan}, {"a": math.nan}, {"equal_nan": False}, ["/a"], id="nan that counts"),
        pytest.param({"t": [{"at": 1}, {"at": 2}]}, {"t": [{"at": 3}, {"at": 4}]}, {"ignore": ["/t/*/at"]}, [], id="ignored"),
        pytest.param({"a": 1}, {}, {"ignore": ["/a"]}, [], id="a missing key that is ignored"),
    ],
)
def test_json_values_follow_the_rule(left: Any, right: Any, options: dict[str, Any], places: list[str]) -> None:
    """Tolerance, NaN and what is ignored."""
    assert [difference.place for difference in compare_values(left, right, Options(**options))] == places


@given(st.lists(SCALARS | st.lists(SCALARS, max_size=2), min_size=2, max_size=5), st.data())
def test_json_lines_are_compared_line_by_line(documents: list[Any], data: st.DataObject) -> None:
    """A change in one line is told at its number, counted from 0; a line ends with a line feed and nothing else."""
    number = data.draw(st.integers(0, len(documents) - 1))
    changed = [["changed", "\u2028"] if position == number else each for position, each in enumerate(documents)]
    lines = ["\n".join(json.dumps(each, ensure_ascii=False) for each in side) + "\n" for side in (documents, changed)]
    rule = {"compare": "json"}
    (difference,) = compare_written("a.jsonl", _write, (lines[0], lines[1]), rule)[:1]
    assert difference.place.startswith(f"/{number}")
    assert compare_written("a.jsonl", _write, (lines[1], lines[1]), rule) == ()


@pytest.mark.parametrize("broken", ['{"a": ', "nul", '{"a": 1}\n{"a"', "\udcff"])
def test_what_is_no_json_is_a_difference(broken: str) -> None:
    """A broken file is told as one, with its beginning, on either side and never as a traceback."""

    def write(path: Path, text: str) -> None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))

    for values in ((broken, "[1]"), ("[1]", broken)):
        (difference,) = compare_written("a.json", write, values, {"compare": "json"})
        assert "not JSON" in difference.detail
        assert {difference.left, difference.right} == {"[1]", broken.replace("\udcff", "\\xff")}


@pytest.mark.parametrize(("left", "right"), [("", "[]"), ("1\n2", "[1, 2]"), ('{"a": 1}', '{"a": 1}\n{"a": 1}')])
def test_json_lines_are_not_one_document(left: str, right: str) -> None:
    """A file without a document is no empty list, and lines are no list of them."""
    for values in ((left, right), (right, left)):
        difference, *_ = compare_written("a.json", Path.write_text, values, {"compare": "json"})
        assert (difference.place, difference.detail) == ("", "length")


def test_only_the_beginning_of_a_broken_file_is_shown() -> None:
    """200 bytes tell what it is."""
    (difference,) = compare_written("a.json", Path.write_text, ("{" * 300, "1"), {"compare": "json"})
    assert difference.left == "{" * 200


@given(VALUES, st.randoms(use_true_random=False))
def test_lists_in_any_order(value: Any, random: Any) -> None:
    """At every depth, by rule alone."""
    assert compare_json(value, _shuffled(value, random), {"unordered": True}) == ()


def _shuffled(value: Any, random: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shuffled(value[key], random) for key in sorted(value, key=lambda _: random.random())}
    if isinstance(value, list):
        return sorted((_shuffled(item, random) for item in value), key=lambda _: random.random())
    return value


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        ([1, 2, 3], [3, 1, 2], []),
        ([1, 2, 2], [2, 1, 1], ["/2"]),
        ([1, 2], [2, 1, 1], [""]),
        ([{"a": [1, 2]}, {"b": 1}], [{"b": 1}, {"a": [2, 3]}], ["/0/a/0"]),
        (["b", "a"], ["a", "c"], ["/0"]),
        ([1.0, 2.0], [2.0000001, 1.0000001], []),
    ],
)
def test_in_any_order_what_has_no_partner_is_told(left: Any, right: Any, found: list[str]) -> None:
    """With its place on the left, and within the tolerance of the rule."""
    rule = {"unordered": True, "rtol": 1e-6}
    assert [difference.place for difference in compare_json(left, right, rule)] == found


def test_json_lines_in_any_order() -> None:
    """As the items of a list."""
    rule = {"compare": "json", "unordered": True}
    assert compare_written("a.jsonl", _write, ('{"a": 1}\n2\n', '2\n{"a": 1}\n'), rule) == ()
    assert compare_written("a.jsonl", _write, ('{"a": 1}\n2\n', '3\n{"a": 1}\n'), rule)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
def test_json_in_another_encoding_is_read(encoding: str) -> None:
    """With and without a byte order mark: its values are the same."""

    def write(path: Path, side: tuple[str, str]) -> None:
        path.write_text(side[0], encoding=side[1])

    assert compare_written("a.json", write, (('{"a": "é"}', "utf-8"), ('{"a": "é"}', encoding)), {"compare": "json"}) == ()
    assert compare_written("a.json", write, (('{"a": "é"}', "utf-8"), ('{"a": "è"}', encoding)), {"compare": "json"})


def test_large_json_lines_are_compared_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the file; a line that is larger than a document may be is told."""
    monkeypatch.setattr("lyftlearn_image.parity.compare.json_reader.MAX_DOCUMENT_BYTES", 40)
    left = "\n".join(map(str, range(100)))
    assert compare_written("a.jsonl", _write, (left, left + "\n"), {"compare": "json"}) == ()
    (difference,) = compare_written("a.jsonl", _write, (left, left.replace("77", "78")), {"compare": "json"})
    assert difference.place == "/77"
    (difference,) = compare_written("a.json", _write, (f"[{left}]", left), {"compare": "json"})
    assert "in line 1; the whole file has more than 40 bytes, too many for one document" in difference.detail
    (difference,) = compare_written("a.jsonl", _write, (left, f"{left}\n{'7' * 41}"), {"compare": "json"})
    assert "line 101 has more than 40 bytes" in difference.detail


def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every document and line is a large one, of blocks of a few bytes and fields of a few keys."""
    for name in ("file_blocks.BLOCK_BYTES", "json_structure.BLOCK_BYTES", "json_parts.BLOCK_BYTES", "json_parts._FIELDS_BYTES"):
        monkeypatch.setattr(f"lyftlearn_image.parity.compare.{name}", 13)
    monkeypatch.setattr("lyftlearn_image.parity.compare.structured.WHOLE_BYTES", 0)


def compare_both_ways(
    texts: tuple[str, str], suffix: str, rule: dict[str, Any], encoding: str = "utf-8"
) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """What is found in two files that are read whole, and what where they stay in their files."""
    rule = {"compare": "json", **rule}

    def write(path: Path, text: str) -> None:
        path.write_bytes(text.encode(encoding, "surrogatepass"))

    whole = compare_written(suffix, write, texts, rule)
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        return whole, compare_written(suffix, write, texts, rule)


RICH = st.recursive(
    SCALARS | st.text('\\\\"[]{},:é😀', max_size=9),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text('a"\\\\,]}é', max_size=4), inner, max_size=5),
    max_leaves=15,
)
STRICT_AND_LAX: list[dict[str, Any]] = [{}, {"equal_nan": False}, {"rtol": 0.5}, {"ignore": ["/a*", "*/1"]}]
FORMATS = st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])


@given(changed_values(RICH), FORMATS, st.sampled_from(STRICT_AND_LAX), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
@examples(40)
def test_a_large_document_is_compared_as_a_small_one(
    change: tuple[Any, Any, tuple[str | int, ...]], form: dict[str, Any], rule: dict[str, Any], encoding: str
) -> None:
    """With the same differences, although nothing of it is held: fields of large objects may come in another order."""
    left, right, _ = change
    texts = json.dumps([left], **form), f" {json.dumps([right], indent=2)}\n"
    whole, in_parts = compare_both_ways(texts, ".json", rule, encoding)
    assert {each.place for each in whole} == {each.place for each in in_parts}


@given(st.lists(RICH, max_size=3), st.lists(RICH, max_size=3))
@examples(20)
def test_large_lines_are_compared_as_small_ones(left: list[Any], right: list[Any]) -> None:
    """Also where one side has more of them."""
    texts = tuple("".join(f"{json.dumps([each])}\n" for each in side) for side in (left, right))
    whole, in_parts = compare_both_ways((texts[0], texts[1]), ".jsonl", {})
    assert {each.place for each in whole} == {each.place for each in in_parts}


@given(RICH, st.data())
@examples(200)
def test_a_broken_large_document_is_never_the_same(value: Any, data: st.DataObject) -> None:
    """With a character less, more or another one anywhere."""
    text = json.dumps([value, {"k": value}, value])
    at = data.draw(st.integers(0, len(text)))
    broken = text[:at] + data.draw(st.sampled_from(["", *'[]{},:"x1 \\\\'])) + text[at + data.draw(st.integers(0, 1)) :]
    whole, in_parts = compare_both_ways((broken, text), ".json", {"ignore": ["/2"]})
    assert bool(whole) == bool(in_parts)


def test_a_key_again_and_again_in_a_large_object() -> None:
    """Its values are compared in their order, wherever they stand."""
    left, right = ('{"a": 1, "b": [1, 2], "a": {"c": 2}, "a": 3%s}' % more for more in ("", ', "b": 4, "a": 5'))  # noqa: UP031
    whole, in_parts = compare_both_ways((left, right), ".json", {})
    assert set(whole) == set(in_parts)
    assert len(whole) == 2


def test_a_long_text_is_compared_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """And that is told."""
    monkeypatch.setattr("lyftlearn_image.parity.compare.json_parts.MAX_SCALAR_BYTES", 50)
    for form in ('["%s", 1]', '{"a": 1, "k": "%s"}', '"%s"', "[[1], %s2, 3]"):  # the last is no text, but a number
        texts = form % ("1" * 200), form % ("1" * 199 + "2")
        _, same = compare_both_ways((texts[0], texts[0] + " "), ".json", {})
        _, found = compare_both_ways(texts, ".json", {})
        assert same == ()
        assert [each.detail for each in found] == ["compared as it is written, for its length"]
