"""What SageMaker's API accepts, read from the botocore model that is installed here: nothing is typed by hand."""

from __future__ import annotations

import difflib
import functools
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from botocore.model import ServiceModel, Shape

# The longest string that a process can be started with, an argument or NAME=value, NUL included (execve(2), Linux; recorded
# in pods, case 17). Whatever the platform, none is longer.
LONGEST_STRING_BYTES = 131072
# The longest part of a wrong value that an error shows.
_SHOWN_CHARACTERS = 80
_SHOWN_LINE_CHARACTERS = 500
_SHOWN_CHOICES = 6
# Where botocore's own report names the place of a breach.
_PLACE = re.compile(r"parameter (?:in )?([A-Za-z][\w.\[\]-]*)[:,]")
# Of a pattern: a named class, an escape, a bracket expression as a whole, or a bare dot.
_PATTERN_PART = re.compile(r"\\p\{(?P<named>\w+)\}|\\.|(?P<bracket>\[(?:\\.|[^\]\\])*\])|(?P<dot>\.)", re.DOTALL)
_REPEATED_END = re.compile(r"\$\{\d+,\d+\}$")
# A dot stops at these in the model's regular expressions (ECMA 262, with Java's U+0085); Python's stops at \n alone.
_ANY_CHARACTER = "[^\\n\\r\\x85\\u2028\\u2029]"


class Breach(NamedTuple):
    """One thing that the API would refuse: its path in the request, empty for the request as a whole, and why."""

    path: str
    why: str

    def __str__(self) -> str:
        return self.why if self.path in self.why else f"{self.path}: {self.why}"


class MapLimits(NamedTuple):
    """Of a string map of a request: how many entries, and how long and of which form a key and a value may be."""

    entries: int
    key_characters: int
    value_characters: int
    key_pattern: re.Pattern[str]
    value_pattern: re.Pattern[str]


@functools.cache
def map_limits(action: str, member: str) -> MapLimits:
    """The limits of the map `member` of the action's request, such as `CreateTrainingJob` and `Environment`.

    A member below others is written with dots: `PrimaryContainer.Environment`.
    """
    field: Any = _service().operation_model(action).input_shape
    for name in member.split("."):
        field = field.members[name]
    key, value = field.key.metadata, field.value.metadata
    return MapLimits(int(field.metadata["max"]), int(key["max"]), int(value["max"]), _pattern(key), _pattern(value))


def fits(action: str, member: str, values: Mapping[str, str]) -> bool:
    """Whether the API takes this map as it is."""
    limits = map_limits(action, member)
    return len(values) <= limits.entries and all(
        len(key) <= limits.key_characters
        and len(value) <= limits.value_characters
        and limits.key_pattern.fullmatch(key)
        and limits.value_pattern.fullmatch(value)
        for key, value in values.items()
    )


def fits_list(action: str, member: str, values: Sequence[str]) -> bool:
    """Whether the API takes this list of strings as it is."""
    field: Any = input_shape(action)
    for name in member.split("."):
        field = field.members[name]
    return next(_breaches(field, list(values), ""), None) is None


def input_shape(action: str) -> Any:
    """The model's shape of an action's request. KeyError when the API has no such action."""
    return _service().operation_model(action).input_shape


@functools.cache
def choices(action: str, member: str) -> tuple[str, ...]:
    """The values that a string of an action's request may have; a member below others, also of a list, is written with dots."""
    shape: Any = input_shape(action)
    for name in member.split("."):
        shape = (shape.member if shape.type_name == "list" else shape).members[name]
    return tuple(shape.enum)


@functools.cache
def output_members(action: str) -> frozenset[str]:
    """The names of what an action's answer may have. KeyError when the API has no such action."""
    shape: Any = _service().operation_model(action).output_shape
    return frozenset(shape.members if shape else ())


@functools.cache
def list_members(action: str) -> tuple[str, ...]:
    """The names of what a List action says of each item. KeyError when the API has no such action."""
    shape: Any = _service().operation_model(action).output_shape
    (items,) = (member for member in shape.members.values() if member.type_name == "list")
    return tuple(items.member.members)


@functools.cache
def record_members(resource: str) -> frozenset[str]:
    """The names of what Search says of a resource such as `TrainingJob`."""
    record: Any = _service().operation_model("Search").output_shape
    return frozenset(record.members["Results"].member.members[resource].members)


def service_actions() -> frozenset[str]:
    """The names of the API's actions."""
    return frozenset(_service().operation_names)


def validate_request(action: str, request: Mapping[str, Any]) -> None:
    """Checks a request as the service would: names, types, lengths, patterns, counts, enums.

    Raises InvalidInputError that lists every breach with its path in the request.
    """
    if breaches := find_breaches(action, request):
        told = "\n".join(f"  {str(breach)[:_SHOWN_LINE_CHARACTERS]}" for breach in breaches)
        raise InvalidInputError(
            f"{action} would be refused:\n{told}", hint="These are the limits of the installed botocore model."
        )


def find_breaches(action: str, request: Mapping[str, Any]) -> list[Breach]:
    """Everything that the service would refuse of a request."""
    from botocore.validate import ParamValidator  # noqa: PLC0415 - see _service()

    shape: Any = _service().operation_model(action).input_shape
    report = ParamValidator().validate(dict(request), shape).generate_report()
    # botocore names the place in the middle of its sentence.
    places = [(line, _PLACE.search(line)) for line in report.splitlines()]
    return [*(Breach(f"{place[1]}" if place else "", line) for line, place in places), *_breaches(shape, request, "")]


@functools.cache
def _service() -> ServiceModel:
    import botocore.loaders  # noqa: PLC0415 - 200 ms, for the verbs that compile or run
    import botocore.model  # noqa: PLC0415 - see above

    loaded = botocore.loaders.Loader().load_service_model("sagemaker", "service-2")
    return botocore.model.ServiceModel(loaded, "sagemaker")


def _breaches(shape: Shape, value: Any, path: str) -> Iterator[Breach]:
    """What botocore's own validator does not look at: upper bounds, patterns, enums; depth first.

    What has the wrong type or an unknown name is the validator's to tell, and passed over here.
    """
    described: Any = shape
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, inner in value.items():
            if name in described.members:
                yield from _breaches(described.members[name], inner, f"{path}.{name}" if path else name)
    elif shape.type_name == "list" and isinstance(value, list | tuple):
        yield from _too_many(len(value), described, path, "items")
        for position, inner in enumerate(value):
            yield from _breaches(described.member, inner, f"{path}[{position}]")
    elif shape.type_name == "map" and isinstance(value, dict):
        yield from _too_many(len(value), described, path, "entries")
        for key, inner in value.items():
            shown = str(key)[:_SHOWN_CHARACTERS]
            yield from (Breach(f"{path}.{shown}", f"the key {why}") for _, why in _breaches(described.key, key, path))
            yield from _breaches(described.value, inner, f"{path}.{shown}")
    elif shape.type_name == "string" and isinstance(value, str):
        yield from _string_breaches(described, value, path)
    elif shape.type_name in ("integer", "long", "float", "double") and isinstance(value, int | float):
        yield from _too_many(value, described, path, "")


def _string_breaches(shape: Any, value: str, path: str) -> Iterator[Breach]:
    yield from _too_many(len(value), shape, path, "characters")
    shown = repr(value[:_SHOWN_CHARACTERS])
    if shape.enum and value not in shape.enum:
        nearest = difflib.get_close_matches(value, shape.enum, n=_SHOWN_CHOICES, cutoff=0)
        yield Breach(path, f"{shown} is none of the {len(shape.enum)} choices; nearest: {', '.join(nearest)}")
    elif not _pattern(shape.metadata).fullmatch(value):
        yield Breach(path, f"{shown} does not match {shape.metadata['pattern']}")


def _too_many(count: float, shape: Any, path: str, unit: str) -> Iterator[Breach]:
    if "max" in shape.metadata and count > shape.metadata["max"]:
        yield Breach(path, f"{count} {unit}".rstrip() + f", at most {shape.metadata['max']}")


def _pattern(bounds: Mapping[str, Any]) -> re.Pattern[str]:
    return _translate(str(bounds.get("pattern", r"[\S\s]*")))


@functools.cache
def _translate(pattern: str) -> re.Pattern[str]:
    r"""A pattern of the model as Python's: `.`, \w and \d as ECMA has them, \p classes and surrogate pairs spelt out."""
    # One shape writes the characters beyond U+FFFF as Java does, by their surrogates.
    pattern = pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
    # Two shapes repeat the end of the text, which Java takes and Python does not.
    pattern = _REPEATED_END.sub("", pattern)
    return re.compile(_PATTERN_PART.sub(_translate_part, pattern), re.ASCII)


def _translate_part(part: re.Match[str]) -> str:
    if part["named"]:
        return f"[{_named_class(part['named'])}]"
    if part["bracket"]:
        return re.sub(r"\\p\{(\w+)\}", lambda named: _named_class(named[1]), part["bracket"])
    return _ANY_CHARACTER if part["dot"] else part[0]


@functools.cache
def _named_class(name: str) -> str:
    r"""The inside of a bracket expression for Java's \p{name}: `Alnum` (ASCII), or a general category such as `L`."""
    if name == "Alnum":
        return "a-zA-Z0-9"
    runs: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)).startswith(name):
            if runs and runs[-1][1] == code - 1:
                runs[-1][1] = code
            else:
                runs.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in runs)
