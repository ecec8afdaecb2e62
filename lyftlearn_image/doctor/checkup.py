"""All checks at once, each in its own time: one that hangs costs its deadline, and no other one anything."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from lyftlearn_image.errors import LyftlearnError, UnavailableError
from lyftlearn_image.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


class Level(Enum):
    """How it stands with something. What is not set is no mistake: not everybody needs everything."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    NOT_SET = "not set"


@dataclass(frozen=True)
class Finding:
    """How it stands with `name`, and what to do. `is_unavailable`: something does not answer, nothing here is wrong."""

    name: str
    level: Level
    text: str
    hint: str = ""
    is_unavailable: bool = False


if TYPE_CHECKING:
    Check = Callable[[], Iterable[Finding]]


def ok(name: str, text: str) -> Finding:
    """All is well."""
    return Finding(name, Level.OK, text)


def warning(name: str, text: str, hint: str = "") -> Finding:
    """It works, or cannot be known, with something to mind."""
    return Finding(name, Level.WARNING, text, hint)


def not_set(name: str, text: str, hint: str = "") -> Finding:
    """Nobody has said what to use."""
    return Finding(name, Level.NOT_SET, text, hint)


def failed(name: str, error: LyftlearnError) -> Finding:
    """An error as a finding, on one line."""
    text = ": ".join(filter(None, (error.what, " ".join(error.where.split()))))
    return Finding(name, Level.ERROR, text, error.hint, is_unavailable=isinstance(error, UnavailableError))


def examine(checks: Mapping[str, Check], timeout_s: float) -> list[Finding]:
    """What all checks find, in their order. None of them is waited for longer than `timeout_s`, and all begin at once.

    An error of ours is a finding; of any other exception only its kind is told, for its text may hold anything.
    """
    answers: dict[str, queue.SimpleQueue[Sequence[Finding]]] = {name: queue.SimpleQueue() for name in checks}
    for name, check in checks.items():
        # A daemon: one that hangs does not keep the process from its end.
        threading.Thread(target=_answer, args=(name, check, answers[name]), name=f"check-{name}", daemon=True).start()
    until = time.monotonic() + timeout_s
    return [finding for name in checks for finding in _await(name, answers[name], until, timeout_s)]


def exit_code(findings: Iterable[Finding]) -> ExitCode:
    """Of the verb: NO where something is wrong, UNAVAILABLE where something only does not answer."""
    errors = [finding for finding in findings if finding.level is Level.ERROR]
    if not errors:
        return ExitCode.DONE
    return ExitCode.UNAVAILABLE if all(finding.is_unavailable for finding in errors) else ExitCode.NO


def _answer(name: str, check: Check, answers: queue.SimpleQueue[Sequence[Finding]]) -> None:
    found: list[Finding] = []
    try:
        # One by one: what was found before an error stays.
        found.extend(check())
    except LyftlearnError as error:
        found.append(failed(name, error))
    except Exception as error:  # noqa: BLE001 - a check is no reason for the others not to be told
        found.append(Finding(name, Level.ERROR, f"cannot be checked: {type(error).__name__}", "Please report it."))
    answers.put(found)


def _await(name: str, answers: queue.SimpleQueue[Sequence[Finding]], until: float, timeout_s: float) -> Iterator[Finding]:
    try:
        yield from answers.get(timeout=max(0.0, until - time.monotonic()))
    except queue.Empty:
        text = f"no answer within {timeout_s:g} s"
        yield Finding(
            name, Level.ERROR, text, "Is a proxy or a firewall in between? --timeout gives it longer.", is_unavailable=True
        )
