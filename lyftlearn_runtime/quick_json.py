"""`loads` and `dumps` as `json` has them, by the same functions in C, without what importing `json` takes.

`json` compiles six regular expressions and brings `re`, `enum` and `functools` for ways of use that a start does not have:
a quarter of the time of a start with nothing to fetch. Where an interpreter has not these functions of CPython, `json` is used.
"""

from __future__ import annotations

try:
    import _json
except ImportError:
    _json = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BLANKS = " \t\n\r"
_CONSTANTS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": -float("inf")}


class _Plain:
    """What the scanner reads from a decoder: the choices that json.JSONDecoder() makes."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    array_hook = None
    parse_float = float
    parse_int = int
    parse_constant = _CONSTANTS.__getitem__


def _make_scanner() -> Any:
    try:
        return _json.make_scanner(_Plain)  # type: ignore[arg-type]
    except (AttributeError, TypeError):
        import json  # noqa: PLC0415 - see above

        return json.JSONDecoder().scan_once  # type: ignore[attr-defined]


_scan = _make_scanner()


def loads(text: str) -> Any:
    """The value of a JSON text. ValueError with the words of `json`; RecursionError for one that is nested too deeply."""
    if text.startswith("\ufeff"):
        raise _error("Unexpected UTF-8 BOM (decode using utf-8-sig)", text, 0)
    begin = len(text) - len(text.lstrip(_BLANKS))
    try:
        value, end = _scan(text, begin)
    except StopIteration as stop:
        raise _error("Expecting value", text, stop.value) from None
    except SystemError:
        # Before Python 3.13 the scanner has no words of its own for what is malformed further in: those of `json`.
        import json  # noqa: PLC0415 - only for what is malformed

        return json.loads(text)
    rest = text[end:].lstrip(_BLANKS)
    if rest:
        raise _error("Extra data", text, len(text) - len(rest))
    return value


def dumps(value: Any, *, sort_keys: bool = False, separators: tuple[str, str] = (", ", ": "), ensure_ascii: bool = True) -> str:
    """The JSON text of a value. TypeError for what JSON cannot say, ValueError for what holds itself."""
    try:
        to_string = _json.encode_basestring_ascii if ensure_ascii else _json.encode_basestring
        between, after_key = separators
        skip_keys, allow_nan = False, True
        encode = _json.make_encoder({}, _refuse, to_string, None, after_key, between, sort_keys, skip_keys, allow_nan)
    except (AttributeError, TypeError):
        import json  # noqa: PLC0415 - see above

        return json.dumps(value, sort_keys=sort_keys, separators=separators, ensure_ascii=ensure_ascii)
    return "".join(encode(value, 0))


def _refuse(value: Any) -> None:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _error(problem: str, text: str, position: int) -> ValueError:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return ValueError(f"{problem}: line {line} column {column} (char {position})")
