"""The Search action: which records an expression means, in which order. Pure.

Source: API reference, Search, SearchExpression, Filter and NestedFilters: a property is a path of members such as
`AlgorithmSpecification.TrainingImage`, `Tags.<key>`, `HyperParameters.<name>` or, for a metric's last value, `Metrics.<name>`.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda have, want: have == want,
    "NotEquals": lambda have, want: have != want,
    "GreaterThan": lambda have, want: have > want,
    "GreaterThanOrEqualTo": lambda have, want: have >= want,
    "LessThan": lambda have, want: have < want,
    "LessThanOrEqualTo": lambda have, want: have <= want,
}


def matches(record: Mapping[str, Any], expression: Mapping[str, Any]) -> bool:
    """Whether a record is one that a SearchExpression means. ServiceError for a value that its operator cannot compare."""
    parts = [
        *(_passes(values_at(record, one["Name"]), one) for one in expression.get("Filters", [])),
        *(_nested(record, one) for one in expression.get("NestedFilters", [])),
        *(matches(record, one) for one in expression.get("SubExpressions", [])),
    ]
    if expression.get("Operator") == "Or" and parts:
        return any(parts)
    return all(parts)


def value_at(record: Mapping[str, Any], path: str) -> Any:
    """The first value at a path, None where there is none."""
    return next(iter(values_at(record, path)), None)


def values_at(record: Mapping[str, Any], path: str) -> list[Any]:
    """The values at a path of a record: several where a list is on the way."""
    first, _, rest = path.partition(".")
    if first == "Tags" and rest:
        return [tag["Value"] for tag in record.get("Tags", []) if tag["Key"] == rest]
    if first == "Metrics" and rest:
        return [metric["Value"] for metric in record.get("FinalMetricDataList", []) if metric["MetricName"] == rest]
    return list(_walk(record, path))


def _walk(value: Any, path: str) -> Iterator[Any]:
    if isinstance(value, list):
        for one in value:
            yield from _walk(one, path)
        return
    if not path:
        if value is not None:
            yield value
        return
    first, _, rest = path.partition(".")
    if isinstance(value, dict):
        # A key of a map may have dots itself.
        if path in value:
            yield from _walk(value[path], "")
        elif first in value:
            yield from _walk(value[first], rest)


def _nested(record: Mapping[str, Any], nested: Mapping[str, Any]) -> bool:
    """Whether one item of a list passes all filters, whose names begin with the list's."""
    prefix = f"{nested['NestedPropertyName']}."
    filters = [{**one, "Name": str(one["Name"]).removeprefix(prefix)} for one in nested["Filters"]]
    items = values_at(record, nested["NestedPropertyName"])
    return any(all(_passes(values_at(item, one["Name"]), one) for one in filters) for item in items)


def _passes(have: Sequence[Any], wanted: Mapping[str, Any]) -> bool:
    operator, value = str(wanted.get("Operator", "Equals")), str(wanted.get("Value", ""))
    if operator in {"Exists", "NotExists"}:
        return bool(have) == (operator == "Exists")
    if operator == "NotEquals":
        return all(_compare("NotEquals", one, value) for one in have)
    if operator == "Contains":
        return any(str(value).lower() in str(one).lower() for one in have)
    if operator == "In":
        return any(_compare("Equals", one, each.strip()) for one in have for each in value.split(","))
    return any(_compare(operator, one, value) for one in have)


def _compare(operator: str, have: Any, want: str) -> bool:
    """By the type of what is there: numbers as numbers, times by ISO 8601, all else as text."""
    compared = _COMPARED[operator]
    if isinstance(have, bool):
        return compared(have, want.lower() == "true")
    if isinstance(have, int | float):
        return compared(float(have), _number(want))
    try:
        return compared(float(have), float(want))  # a hyperparameter is a number in a string
    except ValueError:
        return compared(str(have), want)


def _number(text: str) -> float:
    """A number, or a time as seconds of the epoch."""
    for parse in (float, lambda one: dt.datetime.fromisoformat(one).replace(tzinfo=dt.UTC).timestamp()):
        try:
            return parse(text)
        except ValueError:
            continue
    raise ServiceError("ValidationException", f"Search: {text[:80]!r} is neither a number nor a time")
