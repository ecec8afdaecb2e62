"""Shows how a suite run gets on: live lines on a terminal, one line a finished case elsewhere."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lyftlearn_image.sanitize import make_visible, without_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lyftlearn_image.parity.run_plan import Event
    from lyftlearn_image.parity.verdict import CaseResult

    Watcher = Callable[[Event], None]


@contextlib.contextmanager
def watch(cases: Sequence[str], *, quiet: bool) -> Iterator[Watcher]:
    """A function to give the run's events to. It writes to stderr, so that stdout keeps the result alone."""
    console = Console(stderr=True)
    if quiet:
        yield _ignore
    elif console.is_terminal:
        with _bars(console) as progress:
            yield _Live(progress, len(cases)).on_event
    else:
        yield _Lines(console, len(cases)).on_event


def _ignore(event: Event) -> None:
    """Takes an event and says nothing."""


def _bars(console: Console) -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, transient=True)


class _Live:
    """A bar for the suite, and the cases that run just now beside it."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("starting the targets", total=total)
        self._running: dict[str, str] = {}

    def on_event(self, event: Event) -> None:
        if event.state == "note":
            self._progress.console.print(without_commands(make_visible(f"note: {event.text}")), markup=False, highlight=False)
        elif event.state == "started":
            self._running[event.case] = ""
        elif event.state == "retried" and event.case in self._running:
            self._running[event.case] = f" ({event.target}: {event.text})"
        elif event.result is not None:
            self._running.pop(event.case, None)
            self._progress.advance(self._task)
            self._progress.console.print(_line(event.result))
        self._progress.update(self._task, description=", ".join(map("".join, self._running.items())) or "comparing")


class _Lines:
    """One line a finished case, numbered: what a CI log needs."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0

    def on_event(self, event: Event) -> None:
        if event.state == "note":
            self._console.print(without_commands(make_visible(f"note: {event.text}")), markup=False, highlight=False)
        elif event.state == "retried":
            self._console.print(f"{event.case}: {event.target}: {event.text}", markup=False, highlight=False)
        if event.result is not None:
            self._done += 1
            self._console.print(f"[{self._done}/{self._total}] ", _line(event.result), sep="", markup=True, highlight=False)


def _line(result: CaseResult) -> str:
    mark = "[green]ok[/green]  " if result.is_as_expected else "[red]FAIL[/red]"
    control = " (expected)" if result.expected == result.outcome == "different" else ""
    return f"{mark} {result.name}: {result.outcome}{control}, {result.duration_s:.1f} s"
