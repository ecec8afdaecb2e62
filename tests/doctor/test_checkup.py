"""All checks at once, each in its time, and what comes of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.doctor.checkup import Finding, Level, examine, exit_code, failed, not_set, ok, warning
from lyftlearn_image.errors import InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

PLANTED = "planted-secret-value"


def test_a_check_that_hangs_costs_its_deadline_and_no_other_one_anything() -> None:
    """All begin before any has ended; what one has found so far and what another one raises are lines, in their order."""
    begun, never = threading.Barrier(3), threading.Event()

    def hang() -> Iterator[Finding]:
        begun.wait()
        never.wait()
        yield ok("hangs", "")

    def refuse() -> Iterator[Finding]:
        begun.wait()
        yield ok("refuses", "begun")
        raise UnavailableError("it does not answer", where="over\nthere", hint="Wait.")

    def break_down() -> Iterator[Finding]:
        begun.wait()
        yield from ()
        raise ValueError(PLANTED)

    found = examine({"hangs": hang, "refuses": refuse, "breaks": break_down}, 5)
    never.set()
    assert [(one.name, one.level) for one in found] == [
        ("hangs", Level.ERROR), ("refuses", Level.OK), ("refuses", Level.ERROR), ("breaks", Level.ERROR)
    ]  # fmt: skip
    assert found[0].text == "no answer within 5 s"
    assert found[2] == Finding("refuses", Level.ERROR, "it does not answer: over there", "Wait.", is_unavailable=True)
    assert found[3].text == "cannot be checked: ValueError"
    assert PLANTED not in repr(found)


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([], 0),
        ([ok("a", ""), warning("b", ""), not_set("c", "")], 0),
        ([failed("a", UnavailableError("x"))], 69),
        ([failed("a", UnavailableError("x")), failed("b", InvalidInputError("y"))], 1),
        ([warning("a", ""), failed("b", InvalidInputError("y"))], 1),
    ],
)
def test_what_is_wrong_here_counts_more_than_what_does_not_answer(findings: list[Finding], code: int) -> None:
    """What is not set is no mistake."""
    assert exit_code(findings) == code
