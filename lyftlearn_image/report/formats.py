"""The formats of a report, by the names that programs ask for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from lyftlearn_image.report.report_data import ReportData

# Name → module, which has what the protocol `ReportFormat` asks for. A new format is a module, and its line here.
FORMATS = {
    "json": "lyftlearn_image.report.json_report",
    "junit": "lyftlearn_image.report.junit",
    "markdown": "lyftlearn_image.report.markdown",
    "html": "lyftlearn_image.report.html",
}


@runtime_checkable
class ReportFormat(Protocol):
    """A module that renders a suite's result. `FILE_NAME` is that of its file in the report directory."""

    FILE_NAME: str

    def render(self, data: ReportData, /) -> str:
        """The whole file. Nothing in `data` is secret any more; all of it may come from a hostile script."""


def load_format(name: str) -> ReportFormat:
    """The format of this name. KeyError when there is none."""
    report_format: ReportFormat = importlib.import_module(FORMATS[name])
    return report_format
