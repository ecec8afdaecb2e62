"""Inputs from a fuzzer's bytes: texts as variables and JSON files have them, and JSON that is right in its outline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import atheris

if TYPE_CHECKING:
    from collections.abc import Sequence

# What parsers of JSON stumble over: numbers without end, no numbers at all, halves of characters.
_ODD = ("1e999", "-1e-999", "NaN", "-Infinity", "-0.0", "1" * 5000, '"\\ud800"', '"\\u0000"', '""', '"-1"', '"07777777"')
_DEEPEST = 1200
# Two control characters stand for what no bytes of UTF-8 mean.
_AS_IN_JSON = {1: "\0", 2: "\ud800"}


def variable_of(data: bytes) -> str:
    """A text as a variable may hold it: any bytes but NUL."""
    return data.replace(b"\0", b"").decode("utf-8", "surrogateescape")


def text_of(data: bytes) -> str:
    """A text as a variable may hold it, or as JSON may: with NUL and halves of surrogate pairs."""
    if data[:1] > b"\x7f":
        return data[1:].decode("utf-8", "replace").translate(_AS_IN_JSON)
    return variable_of(data[1:])


def json_of(data: bytes, words: Sequence[str]) -> bytes:
    """A JSON object whose keys and texts are mostly `words`, or the bytes as they are."""
    if data[:1] > b"\xd0":
        return data[1:]
    source = atheris.FuzzedDataProvider(data[1:])
    return _object(source, words, 0).encode("utf-8", "backslashreplace")


def _object(source: atheris.FuzzedDataProvider, words: Sequence[str], depth: int) -> str:
    pairs = [f"{_key(source, words)}: {_value(source, words, depth + 1)}" for _ in range(source.ConsumeIntInRange(0, 5))]
    return "{" + ", ".join(pairs) + "}"


def _key(source: atheris.FuzzedDataProvider, words: Sequence[str]) -> str:
    if source.ConsumeIntInRange(0, 5):
        return json.dumps(words[source.ConsumeIntInRange(0, len(words) - 1)])
    return json.dumps(source.ConsumeUnicode(6))


def _value(source: atheris.FuzzedDataProvider, words: Sequence[str], depth: int) -> str:
    kind = source.ConsumeIntInRange(0, 11)
    if kind <= 3:
        return _object(source, words, depth) if depth < 5 else "null"
    if kind <= 5 and depth < 5:
        return "[" + ", ".join(_value(source, words, depth + 1) for _ in range(source.ConsumeIntInRange(0, 3))) + "]"
    if kind == 6:
        return _ODD[source.ConsumeIntInRange(0, len(_ODD) - 1)]
    if kind == 7:
        times = source.ConsumeIntInRange(0, _DEEPEST)
        return "[" * times + "1" + "]" * times
    if kind == 8:
        return ("null", "true", "false", str(source.ConsumeInt(4)))[source.ConsumeIntInRange(0, 3)]
    return _key(source, words)
