"""What SageMaker's API accepts, read from the botocore model that is installed here: nothing is typed by hand."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import ServiceModel, Shape


@functools.cache
def _service() -> ServiceModel:
    import botocore.loaders  # noqa: PLC0415 - 200 ms, for the verbs that compile or run
    import botocore.model  # noqa: PLC0415 - see above

    loaded = botocore.loaders.Loader().load_service_model("sagemaker", "service-2")
    return botocore.model.ServiceModel(loaded, "sagemaker")


def map_limits(action: str, member: str) -> tuple[int, int, int, re.Pattern[str], re.Pattern[str]]:
    """Of a string map of a request: most entries, longest key, longest value, and both patterns."""
    shape: Any = _service().operation_model(action).input_shape
    field = shape.members[member]
    key, value = field.key.metadata, field.value.metadata
    entries = int(field.metadata["max"])
    return entries, int(key["max"]), int(value["max"]), _pattern(key), _pattern(value)


def fits(action: str, member: str, values: Mapping[str, str]) -> bool:
    """Whether the API takes this map as it is."""
    entries, longest_key, longest_value, key_pattern, value_pattern = map_limits(action, member)
    return len(values) <= entries and all(
        len(key) <= longest_key
        and len(value) <= longest_value
        and key_pattern.fullmatch(key)
        and value_pattern.fullmatch(value)
        for key, value in values.items()
    )


def validate_request(action: str, request: Mapping[str, Any]) -> None:
    """Checks a request as the service would: names, types, lengths, patterns, counts, enums.

    Raises InvalidInputError that lists every breach with its path in the request.
    """
    from botocore.validate import ParamValidator  # noqa: PLC0415 - see _service()

    shape = _service().operation_model(action).input_shape
    if shape is None:  # pragma: no cover - every action that is used here has parameters
        return
    report = ParamValidator().validate(dict(request), shape)
    breaches = [report.generate_report()] if report.has_errors() else list(_breaches(shape, request, ""))
    if breaches:
        told = "\n".join(f"  {breach}" for breach in breaches)
        raise InvalidInputError(
            f"{action} would be refused:\n{told}", hint="These are the limits of the installed botocore model."
        )


def _breaches(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """What botocore's own validator does not look at: upper bounds, patterns, enums; depth first."""
    described: Any = shape
    if shape.type_name == "structure":
        for name, inner in value.items():
            yield from _breaches(described.members[name], inner, f"{path}.{name}" if path else name)
    elif shape.type_name == "list":
        yield from _counted(len(value), described.metadata, path, "items")
        for position, inner in enumerate(value):
            yield from _breaches(described.member, inner, f"{path}[{position}]")
    elif shape.type_name == "map":
        yield from _counted(len(value), described.metadata, path, "entries")
        for key, inner in value.items():
            yield from _breaches(described.key, key, f"{path} key {key[:40]!r}")
            yield from _breaches(described.value, inner, f"{path}.{key[:40]}")
    else:
        yield from _scalar_breaches(described, value, path)


def _scalar_breaches(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "string":
        yield from _counted(len(value), shape.metadata, path, "characters")
        if shape.enum and value not in shape.enum:
            yield f"{path}: {value!r:.80} is none of {', '.join(shape.enum)[:300]}"
        elif not _pattern(shape.metadata).fullmatch(value):
            yield f"{path}: {value!r:.80} does not match {shape.metadata['pattern']}"
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _counted(value, shape.metadata, path, "")


def _counted(count: float, bounds: Mapping[str, Any], path: str, unit: str) -> Iterator[str]:
    if "max" in bounds and count > bounds["max"]:
        yield f"{path}: {count} {unit}".rstrip() + f", at most {bounds['max']}"
    if "min" in bounds and count < bounds["min"]:
        yield f"{path}: {count} {unit}".rstrip() + f", at least {bounds['min']}"


def _pattern(bounds: Mapping[str, Any]) -> re.Pattern[str]:
    # The model writes Java's character classes; these two are the ones that Python spells otherwise.
    text = str(bounds.get("pattern", r"[\S\s]*")).replace(r"\p{L}", r"^\W\d_").replace(r"\p{N}", r"\d")
    try:
        return re.compile(text)
    except re.error:
        return re.compile(r"[\S\s]*")
