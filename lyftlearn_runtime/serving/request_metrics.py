"""`context.metrics`: figures of a handler's own, as lines of the log.

Source: awslabs/multi-model-server, mms/metrics/metrics_store.py and metric.py. Their lines are kept to the letter: filters
of CloudWatch and others look for them.
"""

# ruff: noqa: ARG002 - the index that their calls take is not looked at

from __future__ import annotations

import socket
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UNITS = {
    "ms": "Milliseconds", "s": "Seconds", "percent": "Percent", "count": "Count",
    "B": "Bytes", "kB": "Kilobytes", "MB": "Megabytes", "GB": "Gigabytes",
}  # fmt: skip
_TIMES, _SIZES = ("ms", "s"), ("MB", "kB", "GB", "B")


class _Key(NamedTuple):
    """What makes two values one figure."""

    name: str
    unit: str
    request: str | None
    dimensions: tuple[str, ...]


class RequestMetrics:
    """The figures of one request. A counter adds up, and the last value of all others stands."""

    def __init__(self, model_name: str, request_ids: Mapping[int, str]) -> None:
        self._model_name = model_name
        self._request = ",".join(request_ids.values())
        self._values: dict[_Key, object] = {}

    def add_counter(self, name: str, value: float, idx: int | None = None, dimensions: Sequence[object] | None = None) -> None:
        """Counts."""
        key = self._key(name, "count", dimensions)
        before = self._values.get(key, 0)
        self._values[key] = value + before if isinstance(before, (int, float)) else value

    def add_time(
        self,
        name: str,
        value: float,
        idx: int | None = None,
        unit: str = "ms",
        dimensions: Sequence[object] | None = None,
    ) -> None:
        """A time in `ms` or `s`. ValueError for another unit."""
        self._values[self._key(name, _one_of(unit, _TIMES), dimensions)] = value

    def add_size(
        self,
        name: str,
        value: float,
        idx: int | None = None,
        unit: str = "MB",
        dimensions: Sequence[object] | None = None,
    ) -> None:
        """A size in `B`, `kB`, `MB` or `GB`. ValueError for another unit."""
        self._values[self._key(name, _one_of(unit, _SIZES), dimensions)] = value

    def add_percent(self, name: str, value: float, idx: int | None = None, dimensions: Sequence[object] | None = None) -> None:
        """A share in percent."""
        self._values[self._key(name, "percent", dimensions)] = value

    def add_error(self, name: str, value: str, dimensions: Sequence[object] | None = None) -> None:
        """What went wrong, in words."""
        given = () if dimensions is None else tuple(map(str, dimensions))
        self._values[_Key(name, "", None, (*given, "Level:Error"))] = value

    def add_metric(
        self,
        name: str,
        value: float,
        idx: int | None = None,
        unit: str | None = None,
        dimensions: Sequence[object] | None = None,
    ) -> None:
        """A figure in a unit of its own."""
        self._values[self._key(name, unit or "unit", dimensions)] = value

    def lines(self, now_s: int, host: str) -> list[str]:
        """A line for each figure, in the order in which they came. `now_s` counts from 1970."""
        found = []
        for key, value in self._values.items():
            figure = f"{key.name}.{_UNITS.get(key.unit, key.unit)}:{value}|#{','.join(key.dimensions)}"
            found.append(f"[METRICS]{figure}|#hostname:{host},{now_s}" + (f",{key.request}" if key.request else ""))
        return found

    def write(self) -> None:
        """Writes them to stdout, once."""
        lines = self.lines(int(time.time()), socket.gethostname())
        self._values.clear()
        if lines:
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()

    def _key(self, name: str, unit: str, dimensions: Sequence[object] | None) -> _Key:
        given = () if dimensions is None else tuple(map(str, dimensions))
        return _Key(name, unit, self._request, (*given, f"ModelName:{self._model_name}", "Level:Model"))


def _one_of(unit: str, units: Sequence[str]) -> str:
    if unit not in units:
        raise ValueError(f"the unit is {unit!r}; expected one of {', '.join(units)}")
    return unit
