"""Accepted differences: for a reason, and for a time."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from lyftlearn_image.parity.compare.acceptance import Acceptance, apply_acceptances
from lyftlearn_image.parity.differences import Comparison, Difference

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("acceptance", "is_accepted"),
    [
        ({"subject": "stdout", "reason": "known"}, True),
        ({"subject": "std*", "place": "line 2", "reason": "known", "until": "2026-12-31"}, True),
        ({"subject": "stdout", "place": "line 3", "reason": "known"}, False),
        ({"subject": "stdout", "reason": "known", "until": "2026-01-01"}, False),
    ],
)
def test_a_suite_accepts_differences_for_a_reason_and_a_time(acceptance: dict[str, Any], *, is_accepted: bool) -> None:
    """An acceptance that has expired counts again, and says so."""
    comparison = Comparison("stdout", "text", (Difference("line 2", "a", "b"),))
    (found,) = apply_acceptances([comparison], [Acceptance.model_validate(acceptance)], date(2026, 11, 23))
    assert (not found.counting) == is_accepted
    if acceptance.get("until") == "2026-01-01":
        assert "is past" in found.differences[0].detail


@given(st.lists(st.text("abc/", min_size=1, max_size=3), min_size=2, max_size=5, unique=True), st.data())
def test_an_acceptance_takes_its_place_and_no_other(places: list[str], data: st.DataObject) -> None:
    """Of many differences of two subjects, the one that it names."""
    place = data.draw(st.sampled_from(places))
    differences = tuple(Difference(each, "a", "b") for each in places)
    comparisons = [Comparison("stdout", "text", differences), Comparison("stderr", "text", differences)]
    marked = apply_acceptances(comparisons, [Acceptance(subject="stdout", place=place, reason="known")], TODAY)
    assert [each.place for each in marked[0].counting] == [each for each in places if each != place]
    assert {each.accepted for each in marked[0].differences if each.place == place} == {"known"}
    assert marked[1] == comparisons[1]


@pytest.mark.parametrize(("days", "is_accepted"), [(-1, False), (0, True), (1, True)])
def test_the_last_day_is_still_within(days: int, *, is_accepted: bool) -> None:
    """After it the difference counts again and says since when."""
    acceptance = Acceptance(subject="*", reason="known", until=TODAY + timedelta(days))
    (marked,) = apply_acceptances([Comparison("a", "text", (Difference("line 1", "a", "b"),))], [acceptance], TODAY)
    detail = "" if is_accepted else "accepted until 2026-11-22, which is past: known"
    assert marked.differences == (Difference("line 1", "a", "b", detail, accepted="known" if is_accepted else None),)


def test_the_first_acceptance_that_fits_decides() -> None:
    """It gives the reason, also where it is past; what the platforms explain stays as it is."""
    found = Difference("line 1", "a", "b", "detail")
    explained = Difference("line 2", "a", "b", accepted="platform")
    acceptances = [
        Acceptance(subject="a", place="line 9", reason="elsewhere"),
        Acceptance(subject="a", reason="first", until=TODAY - timedelta(1)),
        Acceptance(subject="a", reason="second"),
    ]
    (marked,) = apply_acceptances([Comparison("a", "text", (found, explained))], acceptances, TODAY)
    assert marked.differences[0].accepted is None
    assert marked.differences[0].detail == "detail; accepted until 2026-11-22, which is past: first"
    assert marked.differences[1] == explained


@pytest.mark.parametrize(
    "fields", [{"subject": "a"}, {"subject": "a", "reason": ""}, {"subject": "", "reason": "r"}, {"reason": "r"}]
)
def test_an_acceptance_has_a_subject_and_a_reason(fields: dict[str, Any]) -> None:
    """What nobody can explain is not accepted."""
    with pytest.raises(ValidationError):
        Acceptance.model_validate(fields)
