"""Reads BuildKit's plain output as steps, and shows them: live on a terminal, else one line a finished step."""

from __future__ import annotations

import contextlib
import re
import sys
from collections import deque
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Protocol, Self

from lyftlearn_image.sanitize import make_visible, make_visible_line, strip_ansi, without_commands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType

_KEPT_LINES = 40
_LINE = re.compile(r"#(?P<number>\d+) (?P<rest>.*)")
_DONE = re.compile(r"DONE (?P<seconds>\d+\.\d+)s")
_OUTPUT = re.compile(r"\d+\.\d+ (?P<text>.*)")
# What BuildKit does for itself; nobody waits for it.
_INTERNAL = ("[internal]", "[auth]", "resolve image config", "importing cache")


class State(Enum):
    """Where a step is."""

    RUNNING = "running"
    DONE = "done"
    CACHED = "cached"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True)
class Step:
    """One step of a build. `name` is the Dockerfile's instruction with its place, `detail` the last line of its output."""

    number: int
    name: str
    state: State = State.RUNNING
    duration_s: float = 0.0
    detail: str = ""

    @property
    def is_internal(self) -> bool:
        """Whether the step is BuildKit's own business."""
        return self.name.startswith(_INTERNAL)


class BuildOutput:
    """What `docker build --progress=plain` has said so far (the format of Docker 20.10 and of buildx)."""

    def __init__(self) -> None:
        self.steps: dict[int, Step] = {}
        self._lines: dict[int, deque[str]] = {}
        self._other: deque[str] = deque(maxlen=_KEPT_LINES)

    def feed(self, line: str) -> Step | None:
        """Takes one line without its end; the step that it changed, or None."""
        match = _LINE.fullmatch(line)
        if match is None:
            if line.strip("- "):
                self._other.append(line)
            return None
        number, rest = int(match["number"]), match["rest"]
        before = self.steps.get(number)
        after = Step(number, readable(rest)) if before is None else self._advance(before, rest)
        if after == before:
            return None
        self.steps[number] = after
        return after

    @property
    def failed(self) -> Step | None:
        """The step that failed; None where the build failed outside of any."""
        return next((step for step in self.steps.values() if step.state is State.FAILED), None)

    def tail(self, step: Step | None) -> list[str]:
        """The last lines that a step wrote, or, without one, that belong to no step."""
        return list(self._other if step is None else self._lines.get(step.number, ()))

    def _advance(self, step: Step, rest: str) -> Step:
        if rest == "..." or readable(rest) == step.name or rest.startswith("sha256:"):
            return step
        if done := _DONE.fullmatch(rest):
            return replace(step, state=State.DONE, duration_s=float(done["seconds"]), detail="")
        if rest == "CACHED":
            return replace(step, state=State.CACHED, detail="")
        if rest == "CANCELED":
            return replace(step, state=State.CANCELED, detail="")
        if rest.startswith("ERROR"):
            return replace(step, state=State.FAILED, detail=rest)
        output = _OUTPUT.fullmatch(rest)
        text = output["text"] if output else rest
        self._lines.setdefault(step.number, deque(maxlen=_KEPT_LINES)).append(text)
        return replace(step, detail=text)


def readable(name: str) -> str:
    """A step's name on one line, without the mounts of its RUN, so that what it does is at the front."""
    return re.sub(r"(?<= )--mount=\S+ ", "", re.sub(r"\s+", " ", name))


class Progress(Protocol):
    """Who is told how a build goes."""

    def note(self, line: str) -> None:
        """Takes one line about what happens around the build."""

    def step(self, step: Step) -> None:
        """Takes a step that has changed."""


class Silent:
    """Says nothing."""

    def note(self, line: str) -> None:
        """Drops the line."""

    def step(self, step: Step) -> None:
        """Drops the step."""


class Lines:
    """One line on stderr for each finished step, for logs and CI."""

    def note(self, line: str) -> None:
        """Writes the line."""
        sys.stderr.write(f"{without_commands(make_visible(strip_ansi(line)))}\n")
        sys.stderr.flush()

    def step(self, step: Step) -> None:
        """Writes the step when it is over."""
        if step.state is not State.RUNNING and not step.is_internal:
            self.note(_describe(step, width=110))


class Live:
    """The steps on a terminal: those that are over as lines, those that run below them with their last output."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live as RichLive  # noqa: PLC0415 - only a terminal needs it

        self._console = console
        self._running: dict[int, Step] = {}
        self._live = RichLive(console=console, refresh_per_second=8, transient=True, get_renderable=self._render)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def note(self, line: str) -> None:
        """Writes the line above the running steps."""
        self._console.print(make_visible(strip_ansi(line)), style="dim", markup=False, highlight=False)

    def step(self, step: Step) -> None:
        """Keeps a running step on the screen, and writes one that is over above the others."""
        if step.is_internal:
            return
        if step.state is State.RUNNING:
            self._running[step.number] = step
            return
        self._running.pop(step.number, None)
        style = {State.FAILED: "bold red", State.CACHED: "dim", State.CANCELED: "dim"}.get(step.state, "")
        self._console.print(
            make_visible(_describe(step, width=self._console.width - 1)), style=style, markup=False, highlight=False
        )

    def _render(self) -> RenderableType:
        from rich.spinner import Spinner  # noqa: PLC0415 - see __init__()
        from rich.table import Table  # noqa: PLC0415 - likewise
        from rich.text import Text  # noqa: PLC0415 - likewise

        table = Table.grid(padding=(0, 1))
        for step in list(self._running.values()):
            table.add_row(Spinner("dots"), Text(make_visible_line(step.name), no_wrap=True, overflow="ellipsis"))
            if step.detail:
                table.add_row(
                    "", Text(make_visible_line(strip_ansi(step.detail.strip())), style="dim", no_wrap=True, overflow="ellipsis")
                )
        return table


@contextlib.contextmanager
def open_progress(*, quiet: bool) -> Iterator[Progress]:
    """A display for one build: nothing, a live list on a terminal, or lines on stderr."""
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

        with Live(Console(stderr=True)) as live:
            yield live
    else:
        yield Lines()


_MARKS = {State.DONE: "✓", State.CACHED: "=", State.FAILED: "✗", State.CANCELED: "-", State.RUNNING: "…"}


def _describe(step: Step, width: int) -> str:
    """A step in one line of at most `width` characters: mark, name, and how long it took."""
    took = f"{step.duration_s:.1f} s" if step.state is State.DONE else step.state.value
    room = width - len(took) - 4
    name = step.name if len(step.name) <= room else f"{step.name[: room - 1]}…"
    return f"{_MARKS[step.state]} {name}  {took}"
