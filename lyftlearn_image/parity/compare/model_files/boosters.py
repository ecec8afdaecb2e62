"""Boosters as they write themselves: LightGBM's text, XGBoost's UBJSON (https://ubjson.org/type-reference/), CatBoost's own."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from lyftlearn_image.parity.compare.model_files.catboost import CBM, read_cbm, without_volatile
from lyftlearn_image.parity.compare.model_files.graph import Mapping, UnreadableModelError, from_json
from lyftlearn_image.parity.compare.model_files.source import Reader

_LIGHTGBM = "tree\n"
# Lengths of the text itself: they change with every digit.
_LIGHTGBM_LENGTHS = "tree_sizes"
_NUMBERS = {
    "i": ">i1", "U": ">u1", "I": ">i2", "u": ">u2", "l": ">i4", "m": ">u4", "L": ">i8", "M": ">u8", "h": ">f2", "d": ">f4",
    "D": ">f8",
}  # fmt: skip
_MAX_DEPTH = 100


def expand(value: Any) -> Any:
    """The graph inside a text or bytes that a booster wrote; None when nothing is known to be inside."""
    if isinstance(value, str) and value.startswith(_LIGHTGBM):
        return read_lightgbm(value)
    if isinstance(value, str | bytes | memoryview) and len(value) > 1:
        if not isinstance(value, str) and bytes(value[: len(CBM)]) == CBM:
            return read_cbm(bytes(value))
        start = value[:1] if isinstance(value, str) else bytes(value[:1]).decode("latin-1")
        try:
            if start in "{[":
                return _read_json_or_ubjson(value)
        except (UnreadableModelError, ValueError, RecursionError):
            return None
    return None


def _read_json_or_ubjson(value: str | bytes | memoryview) -> Any:
    try:
        return from_json(without_volatile(json.loads(value if isinstance(value, str) else bytes(value))))
    except ValueError:
        if isinstance(value, str):
            raise
        return read_ubjson(memoryview(value))


def read_lightgbm(text: str) -> Mapping:
    """Sections by their names (`Tree=0`), of which each has its lines as lists of numbers and words."""
    sections: dict[str, list[tuple[Any, Any]]] = {}
    section = "header"
    for number, line in enumerate(text.splitlines()):
        key, is_pair, values = line.partition("=")
        if key == "Tree":
            section = line
        elif line.startswith(("end of", "feature_importances", "parameters", "pandas_categorical")):
            section = line.partition(":")[0]
        # A line that is no pair is its own key, and so is one that would hide another.
        lines = sections.setdefault(section, [])
        if not is_pair:
            lines.append((f"line {number}", line))
        elif key != _LIGHTGBM_LENGTHS:
            is_known = any(known == key for known, _ in lines)
            lines.append((f"{key} {number}" if is_known else key, [_number(word) for word in values.split(" ")]))
    return Mapping([(name, Mapping(pairs)) for name, pairs in sections.items()])


def _number(word: str) -> Any:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def read_ubjson(data: memoryview) -> Any:
    """The graph of a UBJSON document. Raises UnreadableModelError for what is none."""
    reader = Reader(data)
    try:
        value = _value(reader, _marker(reader), 0)
    except (ValueError, KeyError, struct.error, TypeError) as error:
        raise UnreadableModelError(f"not UBJSON: byte {reader.position}: {error}") from None
    if len(reader.rest):
        raise UnreadableModelError("something follows its UBJSON")
    return value


def _marker(reader: Reader) -> str:
    return bytes(reader.take(1)).decode("latin-1")


def _value(reader: Reader, marker: str, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise UnreadableModelError("its UBJSON is too deep")
    if marker in "ZTF":
        return {"Z": None, "T": True, "F": False}[marker]
    if marker in _NUMBERS:
        return np.frombuffer(reader.take(np.dtype(_NUMBERS[marker]).itemsize), _NUMBERS[marker])[0].item()
    if marker == "C":
        return _marker(reader)
    if marker in "SH":
        return bytes(reader.take(_length(reader))).decode()
    if marker == "[":
        return _list(reader, depth)
    if marker == "{":
        return _object(reader, depth)
    raise ValueError(f"{marker!r} is no type")


def _length(reader: Reader) -> int:
    return int(_value(reader, _marker(reader), 0))


def _list(reader: Reader, depth: int) -> Any:
    kind, count, marker = _header(reader)
    if kind in _NUMBERS and count is not None:
        dtype = np.dtype(_NUMBERS[kind])
        return np.frombuffer(reader.take(count * dtype.itemsize), dtype) if count else np.zeros(0, dtype)
    items: list[Any] = []
    while (count is None and marker != "]") or (count is not None and len(items) < count):
        items.append(_value(reader, kind or marker or _marker(reader), depth + 1))
        marker = "" if count is not None else _marker(reader)
    return items


def _object(reader: Reader, depth: int) -> Mapping:
    kind, count, marker = _header(reader)
    pairs: list[tuple[Any, Any]] = []
    while (count is None and marker != "}") or (count is not None and len(pairs) < count):
        size = int(_value(reader, marker or _marker(reader), depth + 1))
        key = bytes(reader.take(size)).decode()
        pairs.append((key, _value(reader, kind or _marker(reader), depth + 1)))
        marker = "" if count is not None else _marker(reader)
    return Mapping(pairs)


def _header(reader: Reader) -> tuple[str, int | None, str]:
    """Type and count of a container where it says them, and the marker behind them where it does not."""
    marker, kind, count = _marker(reader), "", None
    if marker == "$":
        kind, marker = _marker(reader), _marker(reader)
    if marker == "#":
        count, marker = _length(reader), ""
    return kind, count, marker
