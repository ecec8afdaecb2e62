"""The environments of jobs on several hosts: the hosts' names are the platform's, their ranks are not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lyftlearn_image.parity.compare.environment import compare_environment

NAMES = [f"algo-{number}" for number in range(1, 12)]
PODS = [f"job-{number}.job" for number in range(11)]


def observed(hosts: list[str], **more: Any) -> dict[str, Any]:
    """What a host of these sees."""
    variables = {"SM_HOSTS": json.dumps(hosts), "SM_CURRENT_HOST": hosts[0], "PEERS": f"tcp://{hosts[10]}:1,{hosts[1]}"}
    return {"variables": {**variables, **more}}


def test_the_names_are_compared_by_rank() -> None:
    """In any variable; algo-1 is not found in algo-11."""
    assert compare_environment(observed(NAMES), observed(PODS)).differences == ()


@pytest.mark.parametrize(
    ("name", "value"), [("SM_CURRENT_HOST", PODS[1]), ("PEERS", f"tcp://{PODS[9]}:1,{PODS[1]}"), ("OTHER", PODS[0])]
)
def test_another_rank_is_a_difference(name: str, value: str) -> None:
    """So is a name where the other side has none."""
    (difference,) = compare_environment(observed(NAMES), observed(PODS, **{name: value})).differences
    assert difference.place == f"variables/{name}"
    assert difference.accepted is None


@pytest.mark.parametrize("hosts", ["no JSON", '"text"', "[1, 2]", '["one"]', "[]"])
def test_what_is_no_list_of_several_names_is_compared_as_it_is(hosts: str) -> None:
    """A script may have set the variable itself."""
    left, right = ({"variables": {"SM_HOSTS": hosts, "A": name}} for name in ("one", "two"))
    assert [one.place for one in compare_environment(left, right).differences] == ["variables/A"]
