"""report.html: one page that works from disk, with everything that a person asks of a run.

The page asks nothing of the network: style, script and drawings are inline, and its Content-Security-Policy permits
exactly that style and that script, so text of a hostile script could not act even if it were not escaped.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from lyftlearn_image.report import summary, timeline
from lyftlearn_image.report.html_view import ENVIRONMENT, case_details, case_views, least_bytes
from lyftlearn_image.report.size_budget import Part, fit_parts, truncate_reason
from lyftlearn_image.sanitize import make_visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lyftlearn_image.report.html_view import CaseView
    from lyftlearn_image.report.report_data import ReportData
    from lyftlearn_image.report.size_budget import SizeBudget

FILE_NAME = "report.html"
LIMIT_BYTES = 1_000_000
_TEMPLATES = Path(__file__).parent / "templates"
_SYMBOLS = {
    summary.Standing.PARITY: "=",
    summary.Standing.CONTROL: "≠",
    summary.Standing.DIFFERENT: "✗",
    summary.Standing.UNEXPECTED: "✗",
    summary.Standing.ERROR: "!",
}


def render(data: ReportData) -> str:
    """The report as one HTML document of less than LIMIT_BYTES, unless the bare table of the cases is longer.

    Cases that did not come out as expected come first, and have their room first.
    """
    views = case_views(data.result)
    room = LIMIT_BYTES - len(_page(data, views, ()).encode("utf-8"))
    texts = fit_parts(room, [_part(view, data) for view in views])
    shown = [replace(view, is_detailed=text is not None) for view, text in zip(views, texts, strict=True)]
    ordered = sorted(zip(views, texts, strict=True), key=lambda each: each[0].case.is_as_expected)
    return _page(data, shown, [text for _, text in ordered if text is not None])


def _page(data: ReportData, views: Sequence[CaseView], sections: Sequence[str]) -> str:
    result = data.result
    style, script = _source("report.css"), _source("report.js")
    return _environment().get_template("report.html.j2").render(
        result=result,
        views=views,
        sections=[Markup(section) for section in sections],  # noqa: S704 - rendered here, from the case's own template
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}",
        style=Markup(style),  # noqa: S704 - the project's own file
        script=Markup(script),  # noqa: S704 - likewise
        scale=timeline.fit_scale([run for case in result.cases for run in case.runs]),
    )  # fmt: skip


def _part(view: CaseView, data: ReportData) -> Part:
    def pieces(budget: SizeBudget) -> Iterator[str]:
        template = _environment().get_template("case.html.j2")
        return template.generate(result=data.result, view=view, budget=budget, more=case_details(view, data, budget))

    weight = sum(1 + len(comparison.differences) for comparison in view.case.comparisons)
    return Part(
        is_failing=not view.case.is_as_expected,
        weight=weight,
        render=pieces,
        least_bytes=lambda budget: least_bytes(view.case, budget),
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.globals.update(
        summary=summary,
        timeline=timeline,
        labels=summary.STANDING_LABELS,
        symbols=_SYMBOLS,
        environment_subject=ENVIRONMENT,
        phases=timeline.PHASES,
    )
    environment.filters.update(truncate_reason=truncate_reason, href=_href, percent=_percent, size=_size)
    return environment


def _finalized(value: object) -> object:
    """What the template prints: plain text made visible; markup of our own as it is."""
    return make_visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@functools.cache
def _source(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    """The source expression of an inline element: https://www.w3.org/TR/CSP3/#grammardef-hash-source."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _href(path: str) -> str:
    """A path relative to the page as a link that cannot name another scheme or host."""
    return "./" + quote(path.encode("utf-8", "surrogateescape"))


def _percent(fraction: float) -> str:
    return f"{fraction * 100:.2f}%"


def _size(size_bytes: int) -> str:
    """Bytes for people, in powers of 1,000."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 - the base of the units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
