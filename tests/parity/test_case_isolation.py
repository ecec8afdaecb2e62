"""One case never takes the others down: whatever fails in it is its own outcome, and reports are always written."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from lyftlearn_image.cli.main import main
from lyftlearn_image.errors import InvalidInputError, RunError
from lyftlearn_image.parity import case_runner, run as suite_running
from lyftlearn_image.parity.case_error import describe_case_error
from lyftlearn_image.parity.suite import Case, load_suite
from lyftlearn_image.parity.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET = "Planted-Secret/77aa"


class Unspeakable(Exception):  # noqa: N818 - what it is, not how it ends
    """Its text fails, too."""

    def __str__(self) -> str:
        raise ValueError(SECRET)


def endless(*_: object) -> NoReturn:
    """Recursion without an end."""
    endless()
    raise AssertionError


def raising(error: BaseException) -> Callable[..., NoReturn]:
    """A function that raises it."""

    def fail(*_: object) -> NoReturn:
        raise error

    return fail


# Case → what fails in it.
FAULTS: dict[str, Callable[..., NoReturn]] = {
    "key": raising(KeyError(SECRET)),
    "memory": raising(MemoryError()),
    "exit": raising(SystemExit(0)),
    "disk": raising(OSError(28, "No space left on device", "/x")),
    "text": raising(UnicodeEncodeError("utf-8", f"\ud800{SECRET}", 0, 1, "surrogates")),
    "unspeakable": raising(Unspeakable()),
    "recursion": endless,
    "ours": raising(RunError("it went away", where="here", hint=f"Look at {SECRET}.")),
    "many-lines": raising(ValueError(f"a\n{SECRET}\n" + "b" * 1_000_000)),
}


@pytest.fixture
def suite_file(probe_image: str, tmp_path: Path) -> Path:
    """A suite with a case before, one for each fault, and a case after. Without a shim there is no observation: they differ."""
    path = tmp_path / "suite.yaml"
    cases = [
        {"name": name, "workload": {"command": ["true"]}, "secret_values": {"t/s": SECRET, "t/short": "true"}}
        for name in ("before", *FAULTS, "after")
    ]
    path.write_text(json.dumps({"name": "doors", "image": probe_image, "cases": cases}))
    return path


def fault_in(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a function of the suite's run fail in the cases that are named after a fault."""
    original = getattr(case_runner, function)

    def failing(case: Any, *rest: Any) -> Any:
        if (name := case.name if isinstance(case, Case) else rest[0].name) in FAULTS:
            FAULTS[name]()
        return original(case, *rest)

    monkeypatch.setattr(case_runner, function, failing)


def test_every_fault_of_a_case_is_its_own_outcome(
    suite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line a case, a log with the traceback beside the reports, exit code 2; the others are as they would be."""
    fault_in("compare_runs", monkeypatch)
    report = tmp_path / "report"
    assert main(["parity", "run", str(suite_file), "--report", str(report), "--quiet"]) == 2
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    document = json.loads((report / "report.json").read_text())
    cases = {case["name"]: case for case in document["cases"]}
    assert list(cases) == ["before", *FAULTS, "after"]
    assert {name: case["outcome"] for name, case in cases.items()} == {
        "before": "different", **dict.fromkeys(FAULTS, "error"), "after": "different",
    }  # fmt: skip
    for name in FAULTS:
        problem, log = cases[name]["problem"], report / "errors" / f"{name}.log"
        assert len(problem.splitlines()) == 1
        assert len(problem) < 500
        assert problem.endswith(f"(traceback: errors/{name}.log)")
        assert "Traceback (most recent call last)" in log.read_text() or len(log.read_text()) > 100_000
        assert SECRET not in log.read_text() + problem
        assert log.stat().st_mode & 0o077 == 0
    assert (report / "errors").stat().st_mode & 0o077 == 0
    assert document["exit_code"] == 2
    assert document["unmasked"] == ["t/short"]
    assert all((report / name).exists() for name in ("junit.xml", "report.md", "report.html"))
    assert shown.out.count("Too short to mask") == 1
    assert SECRET not in shown.out + "".join(path.read_text() for path in report.glob("*.*"))


def test_a_screen_that_fails_changes_no_result(probe_image: str, tmp_path: Path) -> None:
    """A terminal that went away is no fault of a case."""
    path = tmp_path / "suite.yaml"
    path.write_text(f"{{name: none, image: {probe_image}, cases: [{{name: one, workload: {{command: ['true']}}}}]}}\n")
    suite = load_suite(path)
    run = suite_running.SuiteRun(
        suite=suite, suite_path=path, directory=tmp_path / "report", cases=suite.cases, on_event=raising(BrokenPipeError())
    )
    assert [case.outcome for case in run.run().cases] == [Outcome.DIFFERENT]


def test_what_cannot_be_masked_is_not_kept(probe_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When tidying up fails, the case is an error and its files are gone: a secret could be in any of them."""
    path = tmp_path / "suite.yaml"
    case = {"name": "one", "workload": {"command": ["true"]}, "secret_values": {"t/s": SECRET}}
    path.write_text(json.dumps({"name": "doors", "image": probe_image, "cases": [case]}))
    suite = load_suite(path)
    monkeypatch.setattr(case_runner, "find_exposed", raising(ValueError("planted")))
    (result,) = (
        suite_running.SuiteRun(suite=suite, suite_path=path, directory=tmp_path / "report", cases=suite.cases).run().cases
    )
    assert (result.outcome, "planted" in result.problem) == (Outcome.ERROR, True)
    assert not (tmp_path / "report/runs/one").exists()


def test_what_fails_after_the_cases_leaves_their_results(
    probe_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are reported, and the exit code is that of a failed harness."""
    path = tmp_path / "suite.yaml"
    path.write_text(f"{{name: none, image: {probe_image}, cases: [{{name: one, workload: {{command: ['true']}}}}]}}\n")
    suite = load_suite(path)
    claimed = suite_running.claimed_directory

    @contextlib.contextmanager
    def failing_at_the_end(directory: Path) -> Iterator[None]:
        with claimed(directory):
            yield
        raise RuntimeError("planted")

    monkeypatch.setattr(suite_running, "claimed_directory", failing_at_the_end)
    result = suite_running.SuiteRun(suite=suite, suite_path=path, directory=tmp_path / "report", cases=suite.cases).run()
    assert [case.outcome for case in result.cases] == [Outcome.DIFFERENT]
    assert "planted" in result.problem
    assert result.exit_code == 2
    assert replace(result, problem="").exit_code == 1


def test_a_run_that_never_begins_leaves_no_report_of_another(
    engine: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every case is an error, for that reason; the program ends with the error's own exit code."""
    path, report = tmp_path / "suite.yaml", tmp_path / "report"
    path.write_text("{name: none, image: 'no-such-image:1', cases: [{name: one, workload: {command: ['true']}}]}\n")
    report.mkdir()
    (report / "report.json").write_text("of another run")
    assert main(["parity", "run", str(path), "--report", str(report), "--quiet"]) == 2
    assert "there is no image no-such-image:1" in capsys.readouterr().err
    (case,) = json.loads((report / "report.json").read_text())["cases"]
    assert case["outcome"] == "error"
    assert "there is no image no-such-image:1" in case["problem"]


def test_an_error_of_ours_is_told_with_its_place_and_what_to_do(tmp_path: Path) -> None:
    """In one line."""
    error = InvalidInputError("it is\nwrong", where="line 1", hint="Mend it.")
    told = describe_case_error(error, tmp_path / "errors" / "x.log", ())
    assert told == "it is wrong; line 1; Mend it. (traceback: errors/x.log)"


def test_a_log_that_cannot_be_written_hides_no_error(tmp_path: Path) -> None:
    """The reason is told all the same."""
    (tmp_path / "file").touch()
    told = describe_case_error(ValueError("planted"), tmp_path / "file" / "x.log", ())
    assert told == "ValueError: planted (its log cannot be written: File exists)"
