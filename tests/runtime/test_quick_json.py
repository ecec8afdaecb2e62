"""JSON without the module `json`: the same values, the same bytes, the same words for what is wrong."""

from __future__ import annotations

import collections
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_runtime import frozen, quick_json

ROOT = Path(__file__).parents[2]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)
# Much that is almost JSON.
ALMOST = st.text(st.sampled_from('[]{}",:0123456789.-+eEtrufalsn\\/ \t\n\r\ufeffé\ud800'), max_size=12)


def told(load: Any, text: str) -> tuple[Any, str]:
    """The value of a text and "", or None and what is wrong with it."""
    try:
        return load(text), ""
    except ValueError as error:
        return None, str(error)


@given(VALUES, st.booleans(), st.booleans(), st.sampled_from([(", ", ": "), (",", ":")]))
def test_what_is_written_is_what_json_writes(
    value: Any,
    sort_keys: bool,  # noqa: FBT001 - generated
    ensure_ascii: bool,  # noqa: FBT001 - generated
    separators: tuple[str, str],
) -> None:
    """Byte for byte, in every style; and it is read again as json reads it."""
    text = quick_json.dumps(value, sort_keys=sort_keys, ensure_ascii=ensure_ascii, separators=separators)
    assert text == json.dumps(value, sort_keys=sort_keys, ensure_ascii=ensure_ascii, separators=separators)
    assert quick_json.loads(f" \n{text}\t\r\n") == json.loads(text)


@given(ALMOST)
def test_what_is_no_json_is_told_as_json_tells_it(text: str) -> None:
    """The place of a mistake is in it: a message quotes it."""
    assert told(quick_json.loads, text) == told(json.loads, text)


@pytest.mark.parametrize("text", ["NaN", "-Infinity", '{"a": 1, "a": 2}', "1E400", '"\\ud83d\\ude00"', "12345678901234567890"])
def test_odd_json_is_read_as_json_reads_it(text: str) -> None:
    """What Python's own module takes beyond the standard, too."""
    assert repr(quick_json.loads(text)) == repr(json.loads(text))


def test_what_json_cannot_say_is_refused() -> None:
    """As by json: too deep, a value that holds itself, an object of Python's."""
    with pytest.raises(RecursionError):
        quick_json.loads("[" * 100_000)
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(ValueError, match="Circular"):
        quick_json.dumps(ring)
    with pytest.raises(TypeError, match="Object of type set is not JSON serializable"):
        quick_json.dumps({"a": {1}})


@pytest.mark.parametrize("text", ["[1, 2", '{"a" 1}', "{a: 1}", '"\\x"', '["a\n"]', '{"a": 1,}', "[[[nan]]]", "-"])
def test_what_is_malformed_further_in_is_told_so_too(text: str) -> None:
    """In an interpreter in which nobody has imported json before, as that of a start."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from lyftlearn_runtime import quick_json\n"
        "assert 'json' not in sys.modules\n"
        "try: quick_json.loads(sys.argv[2])\n"
        "except ValueError as error: print(error)\n"
    )
    command = [sys.executable, "-I", "-S", "-c", program, str(ROOT), text]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == told(json.loads, text)[1] + "\n"


def test_an_interpreter_without_the_functions_in_c_has_those_of_json() -> None:
    """They are CPython's own: another interpreter, or a later one, may not have them."""
    program = (
        "import sys; sys.modules['_json'] = None\n"
        "from lyftlearn_runtime import quick_json\n"
        "assert quick_json.loads(' [1, {\"a\": null}] ') == [1, {'a': None}]\n"
        "assert quick_json.dumps({'b': 1, 'a': 'é'}, sort_keys=True) == '{\"a\": \"\\\\u00e9\", \"b\": 1}'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@given(st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), min_size=1, max_size=4, unique=True), st.data())
def test_a_tuple_with_names_is_as_that_of_collections(fields: list[str], data: st.DataObject) -> None:
    """By position, by name or both; equal to a plain tuple; another one with some values changed."""
    own, theirs = frozen.namedtuple("Own", fields), collections.namedtuple("Own", fields, rename=True)  # noqa: PYI024 - the one to be as
    values = data.draw(st.tuples(*[st.integers() for _ in fields]))
    split = data.draw(st.integers(0, len(fields)))
    made = own(*values[:split], **dict(zip(fields[split:], values[split:], strict=True)))
    assert made == values == theirs(*values)
    assert [getattr(made, field) for field in fields] == list(values)
    changed = data.draw(st.sampled_from(fields))
    assert getattr(made._replace(**{changed: "x"}), changed) == "x"
    assert made == values
    assert repr(made) == f"Own({', '.join(f'{field}={value}' for field, value in zip(fields, values, strict=True))})"
    with pytest.raises(AttributeError):
        setattr(made, changed, 1)
    for wrong in (lambda: own(*values, 1), lambda: own(*values[1:]), lambda: own(*values, **{changed: 1}), lambda: own(no=1)):
        with pytest.raises(TypeError):
            wrong()
