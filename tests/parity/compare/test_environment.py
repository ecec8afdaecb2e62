"""Environments: every difference counts but facts of the platforms; hosts are compared by rank, not by name."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.parity.compare.environment import EXPECTED_DIFFERENCES, compare_environment
from lyftlearn_image.parity.differences import Comparison, Difference
from tests.parity.compare.pairs import SCALARS, changed_values

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


@pytest.mark.parametrize("hosts", [["", "two"], ["one", ""], ["one", 2]])
def test_a_list_with_something_else_in_it_is_no_list_of_hosts(hosts: list[Any]) -> None:
    """An empty name is found everywhere, and a number is none."""
    left, right = ({"variables": {"SM_HOSTS": json.dumps(hosts), "A": name}} for name in ("one", "two"))
    assert [one.place for one in compare_environment(left, right).differences] == ["variables/A"]


def test_two_hosts_are_several() -> None:
    """The smallest job that has peers."""
    left, right = ({"variables": {"SM_HOSTS": json.dumps(hosts), "A": hosts[1], "N": 1}} for hosts in (["a", "b"], ["c", "d"]))
    assert compare_environment(left, right).differences == ()


@pytest.mark.parametrize("name", ["HOSTNAME", "TRAINING_JOB_NAME", "TRAINING_JOB_ARN"])
def test_the_variables_that_name_the_job_are_shown_as_they_are(name: str) -> None:
    """A job's name begins those of its pods."""
    (difference,) = compare_environment(observed(NAMES, **{name: "algo-1"}), observed(PODS, **{name: "x"})).differences
    assert (difference.place, difference.left) == (f"variables/{name}", "algo-1")


OBSERVED: dict[str, Any] = {
    "variables": {"HOME": "/home/lyftlearn", "HOSTNAME": "a", "OMP_NUM_THREADS": "2", "PASSWORD": {"digest": "00"}},
    "ids": {"uid": 0, "gid": 0, "groups": [0]},
    "packages": {"numpy": "2.0"},
}


@pytest.mark.parametrize(
    ("part", "value", "place", "counts"),
    [
        ("variables", {"OMP_NUM_THREADS": "1"}, "variables/OMP_NUM_THREADS", True),
        ("variables", {"NEW": "1"}, "variables/NEW", True),
        ("variables", {"PASSWORD": {"digest": "01"}}, "variables/PASSWORD/digest", True),
        ("packages", {"numpy": "2.1"}, "packages/numpy", True),
        ("variables", {"HOSTNAME": "b"}, "variables/HOSTNAME", False),
        ("variables", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "variables/KUBERNETES_SERVICE_HOST", False),
        ("ids", {"uid": 10001}, "ids/uid", False),
    ],
)
def test_only_facts_of_the_platforms_are_expected(part: str, value: dict[str, Any], place: str, *, counts: bool) -> None:
    """Anything that is not in the table counts, and what is there has its reason."""
    other = {**OBSERVED, part: {**OBSERVED[part], **value}}
    (found,) = compare_environment(OBSERVED, other).differences
    assert found.place == place
    assert (found.accepted is None) == counts


@pytest.mark.parametrize("sides", [(None, OBSERVED), (OBSERVED, None), (None, None)])
def test_a_missing_observation_counts(sides: tuple[Any, Any]) -> None:
    """Also where it is missing on both sides: nothing was observed."""
    there = [None if side is None else "observed" for side in sides]
    missing = Difference("", there[0], there[1], "the shim wrote no observation; does the image start with it?")
    assert compare_environment(*sides) == Comparison("environment", "environment", (missing,))


FACTS = st.dictionaries(st.text("abcXYZ_", min_size=1, max_size=4), st.recursive(
    SCALARS, lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3), max_leaves=6,
), min_size=1, max_size=4)  # fmt: skip


@given(FACTS)
def test_an_environment_is_the_same_as_itself(facts: dict[str, Any]) -> None:
    """Whatever was observed."""
    assert compare_environment(facts, json.loads(json.dumps(facts))) == Comparison("environment", "environment")


@given(changed_values(FACTS))
def test_a_change_is_told_where_it_is(change: tuple[Any, Any, tuple[str | int, ...]]) -> None:
    """By the names on the way to it, and it counts unless the platforms are known to differ there."""
    left, right, path = change
    if not path:
        return
    for pair in ((left, right), (right, left)):
        (difference,) = compare_environment(*pair).differences
        assert difference.place == "/".join(map(str, path))
        assert (difference.accepted is None) == (not any(fnmatchcase(difference.place, each) for each in EXPECTED_DIFFERENCES))


@pytest.mark.parametrize(("left", "right"), [([1, 2], [1, 3]), ([0], [False]), ([], None), ({"a": 1}, [1])])
def test_a_list_is_one_value(left: Any, right: Any) -> None:
    """It is shown as a whole; its items are compared by type and value."""
    (difference,) = compare_environment({"x": left}, {"x": right}).differences
    assert difference == Difference("x", repr(left), repr(right))


def test_a_missing_fact_is_shown_on_its_side() -> None:
    """And nothing on the other."""
    assert compare_environment({"x": None}, {}).differences == (Difference("x", "None", None),)
    assert compare_environment({}, {"x": "y"}).differences == (Difference("x", None, "y"),)


@pytest.mark.parametrize("pattern", EXPECTED_DIFFERENCES)
def test_every_expected_difference_is_accepted_with_its_reason(pattern: str) -> None:
    """A pattern of the table is accepted where it stands, and counts where it does not."""
    path = pattern.replace("*", "some")
    place = "files//opt/ml/x" if path == "files" else path
    value: Any = "left"
    for step in reversed(_steps(place)):
        value = {step: value}
    other = json.loads(json.dumps(value).replace('"left"', '"right"'))
    (difference,) = compare_environment(value, other).differences
    reasons = [reason for each, reason in EXPECTED_DIFFERENCES.items() if fnmatchcase(place, each)]
    assert difference == Difference(place, "left", "right", accepted=reasons[0])
    assert reasons[0]
    (counted,) = compare_environment({"x": value}, {"x": other}).differences
    assert counted.accepted is None


def _steps(place: str) -> list[str]:
    """The names on the way to a place; a file's path is one name."""
    if place.startswith("files/"):
        path, _, last = place.removeprefix("files/").rpartition("/")
        return ["files", path, last]
    return place.split("/")


@pytest.mark.parametrize(
    "hosts",
    ["[" * 100_000, "[1, 2]", '["a", ""]', "{}", "nul", 7, None, ["a", "b"], json.dumps([f"h{n}" for n in range(5000)])],
)
def test_a_script_may_write_anything_into_its_observation(hosts: Any) -> None:
    """What is no list of hosts is compared as it is; what is no observation at all too."""
    left = {"variables": {"SM_HOSTS": hosts, "A": "1"}}
    assert not compare_environment(left, left).counting
    assert [each.place for each in compare_environment(left, {"variables": {"SM_HOSTS": hosts, "A": "2"}}).counting] == [
        "variables/A"
    ]
    assert compare_environment({"variables": hosts}, {"variables": {}}).counting


def test_an_observation_may_be_nested_deeply() -> None:
    """Deeper than Python's functions may call each other."""
    left: Any = 1
    right: Any = 2
    for _ in range(5000):
        left, right = {"a": left}, {"a": right}
    (difference,) = compare_environment(left, right).counting
    assert difference.place.endswith("/a/a")
