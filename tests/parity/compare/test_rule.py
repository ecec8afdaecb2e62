"""Rules: what a comparator takes, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from lyftlearn_image.parity.compare.options import Options
from lyftlearn_image.parity.compare.registry import COMPARATORS
from lyftlearn_image.parity.compare.rule import Rule

VALUES: dict[str, Any] = {
    "rtol": 0.5, "atol": 0.5, "equal_nan": False, "ignore": ["a"], "sort_by": ["a"], "normalise": ["pids"],
    "inputs": "output/X", "ulp": 4, "atol_time": "5ms", "unordered": True, "types": {"a": "number"},
    "members": {"a": {"compare": "bytes"}},
}  # fmt: skip
NUMERIC = ["atol", "equal_nan", "rtol", "ulp"]
TAKES = {
    "text": ["normalise", "unordered"],
    "bytes": [],
    "json": sorted([*NUMERIC, "ignore", "unordered"]),
    "table": sorted([*NUMERIC, "atol_time", "ignore", "sort_by", "types", "unordered"]),
    "array": sorted([*NUMERIC, "atol_time"]),
    "archive": ["members"],
    "png": [],
    "pdf": [],
    "sqlite": sorted([*NUMERIC, "ignore"]),
    "model": sorted([*NUMERIC, "ignore", "inputs"]),
    "sklearn-model": sorted([*NUMERIC, "ignore", "inputs"]),
}


@pytest.mark.parametrize("comparator", COMPARATORS)
@pytest.mark.parametrize("option", VALUES)
def test_an_option_that_means_nothing_is_refused(comparator: str, option: str) -> None:
    """It would otherwise be believed to work; the error lists what the comparator takes."""
    rule = {"compare": comparator, option: VALUES[option]}
    if option in TAKES[comparator]:
        assert Rule.model_validate(rule).model_dump(mode="json", include={option}, exclude_defaults=True) == {
            option: VALUES[option]
        }
        return
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate(rule)
    known = ", ".join(TAKES[comparator]) or "no further key"
    assert f"{option} means nothing to `{comparator}`, which takes {known}" in str(caught.value)


@pytest.mark.parametrize("name", ["jsn", 3, ["json"], None])
def test_a_comparator_that_is_none_is_refused(name: Any) -> None:
    """With all that there are."""
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate({"compare": name})
    (error,) = caught.value.errors()
    assert error["type"] == "literal_error"
    *names, last = (f"'{each}'" for each in TAKES)
    assert error["msg"] == f"Input should be {', '.join(names)} or {last}"


@pytest.mark.parametrize(
    "rule",
    [
        {"rtol": -1}, {"atol": -0.1}, {"rtol": "x"}, {"rtol": math.inf}, {"atol": math.nan}, {"ulp": -1}, {"ulp": 0.5},
        {"atol_time": 5}, {"atol_time": "5"}, {"atol_time": "-5ms"}, {"atol_time": "5 years"}, {"types": {"a": "date"}},
        {"types": ["a"]}, {"unordered": "some"}, {"unknown": 1},
    ],
)  # fmt: skip
def test_a_value_that_makes_no_sense_is_refused(rule: dict[str, Any]) -> None:
    """A tolerance below zero or without an end, a time without a unit, a type or a key that there is not."""
    with pytest.raises(ValidationError):
        Rule.model_validate({"compare": "table", **rule})


def test_several_options_that_mean_nothing_are_told_at_once() -> None:
    """In one error, by name."""
    with pytest.raises(ValidationError, match="rtol, sort_by means nothing to `text`, which takes normalise, unordered"):
        Rule.model_validate({"compare": "text", "sort_by": ["a"], "rtol": 1})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "exact"),
        ({"equal_nan": False}, "exact"),
        ({"rtol": 1e-9}, "rtol 1e-09"),
        ({"rtol": 0.5, "atol": 2}, "rtol 0.5; atol 2"),
        ({"ignore": ["/a", "b"], "atol": 1}, "atol 1; without /a, b"),
        ({"normalise": ["pids", {"pattern": "a+"}]}, "normalised: pids, a+"),
        ({"ulp": 4, "atol_time": "5 ms"}, "ulp 4; times within 5 ms"),
        ({"unordered": True, "types": {"zip": "text", "n": "number"}}, "in any order; zip as text, n as number"),
    ],
)
def test_the_tolerance_in_words(options: dict[str, Any], expected: str) -> None:
    """As a report shows it beside the comparator."""
    assert Options.model_validate(options).tolerance == expected


def test_an_option_that_is_not_given_has_its_default() -> None:
    """Exact, and NaN equals NaN."""
    assert Rule(compare="json").model_dump() == {
        "compare": "json", "rtol": 0.0, "atol": 0.0, "ulp": 0, "atol_time": None, "equal_nan": True, "ignore": (),
        "sort_by": (), "unordered": False, "types": {}, "normalise": (), "inputs": None, "members": {},
    }  # fmt: skip
