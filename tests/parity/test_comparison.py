"""Two runs of a case, compared as a whole: a change in any part of one is told in that part."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.parity.compare.registry import COMPARATORS
from lyftlearn_image.parity.comparison import _compare_trials, compare_runs
from lyftlearn_image.parity.differences import Comparison, Difference
from lyftlearn_image.parity.suite import Case
from lyftlearn_image.run import Run, Status, Timings, Trial

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRIALS = (Trial(0, {"depth": 5, "mode": "a"}, 0.5), Trial(1, {"depth": 7, "mode": "b"}, None))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of a tuning job."""
    return Run("sagemaker", "job", Status.COMPLETED, 0, "", tmp_path, tmp_path, {}, None, Timings(0, None, 0, 0), trials=TRIALS)


def test_numbers_are_what_a_tuner_has_as_strings(run: Run) -> None:
    """A service tells every value as a string."""
    told = replace(run, trials=tuple(replace(one, values={**one.values, "depth": str(one.values["depth"])}) for one in TRIALS))
    (comparison,) = _compare_trials(run, told)
    assert comparison.differences == ()
    assert _compare_trials(replace(run, trials=()), replace(run, trials=())) == ()


def test_a_trial_is_told_by_its_number(run: Run) -> None:
    """With its values, and what it reached; `none` where a side has no such trial."""
    (comparison,) = _compare_trials(run, replace(run, trials=TRIALS[:1]))
    values = '{"depth": "7", "mode": "b"} reached None'
    assert comparison == Comparison("trials", "exact", (Difference("trial 2", values, "none"),))
    (comparison,) = _compare_trials(replace(run, trials=()), replace(run, trials=TRIALS[:1]))
    values = '{"depth": "5", "mode": "a"} reached 0.5'
    assert comparison.differences == (Difference("trial 1", "none", values),)


@pytest.mark.parametrize(
    "other",
    [
        (replace(TRIALS[0], objective=0.4), TRIALS[1]),
        (replace(TRIALS[0], values={"depth": 6, "mode": "a"}), TRIALS[1]),
        TRIALS[:1],
        (*TRIALS, replace(TRIALS[0], number=2)),
    ],
    ids=["objective", "values", "fewer", "more"],
)
def test_every_other_search_is_a_difference(run: Run, other: tuple[Trial, ...]) -> None:
    """What was tried, what was reached, and how often."""
    (comparison,) = _compare_trials(run, replace(run, trials=other))
    assert len(comparison.differences) == 1


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    """Makes a run of a side, with files for what it printed and left."""

    def make(side: str, *, stdout: str = "out\n", stderr: str = "err\n", model: str = "1", **changes: Any) -> Run:
        directory = tmp_path / side
        (directory / "model").mkdir(parents=True, exist_ok=True)
        (directory / "stdout").write_text(stdout)
        (directory / "stderr").write_text(stderr)
        (directory / "model" / "a.json").write_text(model)
        fields = {"metrics": ("a:1|c",), "observation": {"facts": {"a": 1}}, "trials": TRIALS, **changes}
        artifacts = {"model": directory / "model"}
        run = Run(side, "job", Status.COMPLETED, 0, "", directory / "stdout", directory / "stderr", artifacts, None,
                  Timings(0, None, 0, 0))  # fmt: skip
        return replace(run, **fields)

    return make


def case(**fields: Any) -> Case:
    """A case with these fields."""
    return Case.model_validate({"name": "one", "workload": {"name": "one", "image": "a:1", "command": ["true"]}, **fields})


def compare(case: Case, left: Run, right: Run) -> dict[str, tuple[Difference, ...]]:
    """The differences by subject; no model is opened."""
    return {each.subject: each.differences for each in compare_runs(case, (left, right), None)}  # type: ignore[arg-type]


def test_every_part_of_a_run_is_compared(make_run: Callable[..., Run]) -> None:
    """In this order, and two equal runs have no difference."""
    found = compare(case(), make_run("left"), make_run("right"))
    assert list(found) == ["exit status", "stdout", "stderr", "metrics", "trials", "model/a.json", "environment"]
    assert not any(found.values())


@pytest.mark.parametrize(
    ("change", "subject", "expected"),
    [
        ({"exit_code": 3}, "exit status", Difference("exit code", "0", "3")),
        ({"status": Status.STOPPED}, "exit status", Difference("status", "Completed", "Stopped")),
        ({"stdout": "out\nmore\n"}, "stdout", Difference("line 2", None, "more")),
        ({"stderr": "other\n"}, "stderr", Difference("line 1", "err", "other")),
        ({"metrics": ("a:2|c",)}, "metrics", Difference("a", "1|c", "2|c", "sent 1 and 1 times")),
        ({"trials": TRIALS[1:] * 2}, "trials", Difference(
            "trial 1", '{"depth": "5", "mode": "a"} reached 0.5', '{"depth": "7", "mode": "b"} reached None')),
        ({"model": "2"}, "model/a.json", Difference("", "1", "2", "|Δ| 1")),
        ({"observation": {"facts": {"a": 2}}}, "environment", Difference("facts/a", "1", "2")),
        ({"artifacts": {}}, "model/a.json", Difference("", "a file", None, "the file is on one side only")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_change_is_told_in_its_part(
    make_run: Callable[..., Run], change: dict[str, Any], subject: str, expected: Difference
) -> None:
    """And in no other one."""
    found = compare(case(), make_run("left"), make_run("right", **change))
    assert {each: differences for each, differences in found.items() if differences} == {subject: (expected,)}


@pytest.mark.parametrize(
    ("expected", "code", "details"),
    [
        (0, 0, []),
        (0, 3, ["fail alike (status 3), expected 0"]),
        (3, 0, ["end alike (status 0), expected 3"]),
        (3, 3, []),
        (None, 3, []),
    ],
)
def test_two_equal_failures_are_no_parity(
    make_run: Callable[..., Run], expected: int | None, code: int, details: list[str]
) -> None:
    """Unless the case expects them, or any end at all."""
    found = compare(case(exit_code=expected), make_run("left", exit_code=code), make_run("right", exit_code=code))
    assert [(each.left, each.right, each.detail) for each in found["exit status"]] == [
        (str(code),) * 2 + (each,) for each in details
    ]


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("code", [None, 0, 1, 143])
@pytest.mark.parametrize("expected", [{}, {"exit_code": None}, {"exit_code": 0}, {"exit_code": 1}], ids=str)
def test_a_code_that_is_not_told_is_parity_only_of_jobs_that_were_stopped(
    make_run: Callable[..., Run], status: Status, code: int | None, expected: dict[str, int | None]
) -> None:
    """SageMaker has none of these; where a case asks for one, or a job failed, nobody knows whether they ended alike."""
    left, right = make_run("left", exit_code=None, status=status), make_run("right", exit_code=code, status=status)
    for runs in ((left, right), (right, left)):
        found = compare(case(**expected), *runs)["exit status"]
        # Without a word of the case, what is known has to be 0.
        fits = code in {None, 0} if expected == {} else expected["exit_code"] is None
        assert (found == ()) == (status is Status.STOPPED and fits)
        assert all("None" not in str(each) for difference in found for each in (difference.left, difference.right))


def test_whom_the_shim_fetched_as_is_not_compared(make_run: Callable[..., Run]) -> None:
    """It logs that once, where it has something to fetch; a script that prints it on stdout is compared."""
    line = "lyftlearn: AWS identity: role, from the pod\n"
    found = compare(case(), make_run("left"), make_run("right", stderr=f"{line}err\n", stdout=f"{line}out\n"))
    assert found["stderr"] == ()
    assert found["stdout"] == (Difference("line 1", None, line.rstrip()),)
    assert compare(case(), make_run("left"), make_run("right", stderr=f"x {line}err\n"))["stderr"]


def test_the_rules_of_the_case_are_applied(make_run: Callable[..., Run]) -> None:
    """Those of the streams and of the artifacts, and what it accepts."""
    runs = make_run("left"), make_run("right", stdout="out 2\n", stderr="err 0x1234\n", model="2")
    rules = {
        "streams": {
            "stdout": {"compare": "bytes"},
            "stderr": {"compare": "text", "normalise": [{"pattern": " ?0x.*", "replace": ""}]},
        },
        "outputs": {"model/*": {"compare": "json", "atol": 1}},
    }
    found = compare(case(**rules), *runs)
    assert [each.place for each in found["stdout"]] == ["byte 3"]
    assert (found["stderr"], found["model/a.json"]) == ((), ())
    accepted = compare(case(**rules, accept=[{"subject": "stdout", "reason": "known"}]), *runs)
    assert [each.accepted for each in accepted["stdout"]] == ["known"]
    streams = {"stderr": {"compare": "bytes"}}
    (comparison,) = [each for each in compare_runs(case(streams=streams), runs, None) if each.subject == "stderr"]  # type: ignore[arg-type]
    assert (comparison.comparator, comparison.tolerance) == ("bytes", "exact")


OTHER = {"stdout": "2\n", "stderr": "2\n", "model": "2"}
SEEING_THE_CONTEXT = """
from lyftlearn_image.parity.differences import Difference

OPTIONS, SUFFIXES = frozenset(), ()

def compare(left, right, options, context):
    return (Difference(repr(context.models), str(context.left["model"]), str(context.right["model"])),)
"""


def test_every_comparator_sees_what_both_runs_left(
    make_run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the streams as those of the artifacts: the artifacts of both sides, and what opens models."""
    (tmp_path / "seeing_the_context.py").write_text(SEEING_THE_CONTEXT)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(COMPARATORS, "context", "seeing_the_context")
    rule = {"compare": "context"}
    seeing = case(streams={"stdout": rule, "stderr": rule}, outputs={"model/*": rule})
    found = {each.subject: each for each in compare_runs(seeing, (make_run("left"), make_run("right", **OTHER)), "reader")}  # type: ignore[arg-type]
    expected = Difference("'reader'", str(tmp_path / "left" / "model"), str(tmp_path / "right" / "model"))
    for subject in ("stdout", "stderr", "model/a.json"):
        assert found[subject] == Comparison(subject, "context", (expected,))


EMPTY: dict[str, Any] = {"stdout": "", "stderr": "", "metrics": (), "trials": (), "artifacts": {}}


@pytest.mark.parametrize(
    ("something", "code", "is_told"),
    [
        ({}, 0, True),
        ({}, None, True),
        ({"stderr": "lyftlearn: AWS identity: role, from the pod\n"}, 0, True),
        ({"stdout": "x"}, 0, False),
        ({"stderr": "\n"}, 0, False),
        ({"metrics": ("a:1|c",)}, 0, False),
        ({"trials": TRIALS}, 0, False),
        ({}, 7, False),
    ],
)  # fmt: skip
def test_two_runs_that_left_nothing_are_no_parity(
    make_run: Callable[..., Run], something: dict[str, Any], code: int | None, *, is_told: bool
) -> None:
    """There is nothing to agree on; but for an exit code that the case asks for. A case may accept that."""
    runs = [make_run(side, **{**EMPTY, **something, "exit_code": code or 0}) for side in ("left", "right")]
    found = compare(case(exit_code=code), *runs)
    assert ("results" in found) == is_told
    if is_told:
        assert [each.accepted for each in found["results"]] == [None]
        accepted = compare(case(exit_code=code, accept=[{"subject": "results", "reason": "known"}]), *runs)
        assert [each.accepted for each in accepted["results"]] == ["known"]
    assert "results" not in compare(case(), runs[0], make_run("right"))


def test_an_acceptance_that_is_not_needed_is_told(make_run: Callable[..., Run]) -> None:
    """It does not count; one that is needed is not told."""
    entries = [{"subject": "stdout", "reason": "known"}, {"subject": "stderr", "place": "line 7", "reason": "old"}]
    found = compare(case(accept=entries), make_run("left"), make_run("right", stdout="2", stderr="2"))
    assert [(each.left, each.detail, each.accepted) for each in found["accept"]] == [
        (None, "no difference at line 7", "the entry is not needed")
    ]
    assert [each.place for each in found["accept"]] == ["stderr"]
    assert "accept" not in compare(case(accept=entries[:1]), make_run("left"), make_run("right", stdout="2"))
