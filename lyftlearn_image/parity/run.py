"""Runs a suite: every case on both targets side by side, then compared and judged."""

from __future__ import annotations

import shutil
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lyftlearn_image
from lyftlearn_image.emulation.private_directories import claimed_directory
from lyftlearn_image.emulation.session import embedded
from lyftlearn_image.errors import RunError
from lyftlearn_image.limits import Limits
from lyftlearn_image.nearest import did_you_mean
from lyftlearn_image.parity import case_data
from lyftlearn_image.parity.backends import embedded_place
from lyftlearn_image.parity.case_error import ERRORS, describe_case_error
from lyftlearn_image.parity.case_runner import CaseRunner
from lyftlearn_image.parity.compare.model_reader import ModelReader
from lyftlearn_image.parity.run_plan import RUNS, Event, RunPlan
from lyftlearn_image.parity.secrets import find_unmaskable
from lyftlearn_image.parity.verdict import CaseResult, Outcome, SuiteResult
from lyftlearn_image.platforms.launch import TARGETS
from lyftlearn_image.services.staging import put_copies

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.parity.suite import Case, Suite

_POLL_S = 0.1
# No case has such a name.
_SUITE_LOG = "_suite"
_NOT_BEGUN = "interrupted before it had begun"


@dataclass(frozen=True, kw_only=True)
class SuiteRun(RunPlan):
    """The run of these cases of a suite, `jobs` of them at a time.

    `built_image` is the id of the image that was built for it, else what has the suite's name on the engine.
    """

    cases: Sequence[Case]
    jobs: int = 2
    built_image: str | None = None

    def run(self) -> SuiteResult:
        """The result of every case, in the suite's order.

        Whatever fails inside a case becomes an error of that case, and the others still run; an engine that is not there
        at all raises UnavailableError. Ctrl-C ends what runs; what had finished is in the result, and so it is when
        something fails after the cases.
        """
        started_at, started = time.time(), time.monotonic()
        run_id = uuid.uuid4().hex[:8]
        shutil.rmtree(self.directory / ERRORS, ignore_errors=True)
        played = _Played()
        problem = ""
        try:
            self._play(run_id, played)
        except Exception as error:
            # Before the cases nothing has been tried, and after them they have their results.
            if played.cases is None:
                raise
            problem = self.describe_error(error, _SUITE_LOG, self.cases)
        return self._result(run_id, started_at, time.monotonic() - started, played, problem)

    def failed(self, error: BaseException) -> SuiteResult:
        """The result of a run that never began: every case is an error, for this reason."""
        is_interruption = isinstance(error, KeyboardInterrupt)
        problem = _NOT_BEGUN if is_interruption else self.describe_error(error, _SUITE_LOG, self.cases)
        played = _Played(cases=tuple(_unfinished(case, problem) for case in self.cases), interrupted=is_interruption)
        return self._result(uuid.uuid4().hex[:8], time.time(), 0.0, played, "")

    def _result(self, run_id: str, started_at: float, duration_s: float, played: _Played, problem: str) -> SuiteResult:
        return SuiteResult(
            suite=self.suite.name,
            run_id=run_id,
            targets=TARGETS,
            image=self.suite.image,
            image_id=played.image_id,
            started_at=started_at,
            duration_s=duration_s,
            cases=played.cases or (),
            tool_version=lyftlearn_image.__version__,
            interrupted=played.interrupted,
            problem=problem,
            unmasked=find_unmaskable(self.cases),
        )

    def _play(self, run_id: str, played: _Played) -> None:
        """Runs the cases; what came of them is in `played` also when something fails after them."""
        runs_directory = self.directory / RUNS
        limits = Limits(**self.suite.limits.model_dump())
        with embedded(run_id, limits=limits, place=embedded_place(self.backends)) as session:
            # Another run may give the name to an image of its own while this one goes on.
            played.image_id = image_id = session.containers.pin_image(self.suite.image, self.built_image)
            if why := session.credentials.unavailable_reason:
                self.on_event(Event("", "note", text=f"containers are given AWS keys as variables: {why}"))
            if self.backends.has_embedded:
                put_copies(session.s3, case_data.copies(self.suite, self.suite_path))
            with claimed_directory(runs_directory):
                runner = CaseRunner(session, self, run_id, ModelReader(session.containers, image_id))
                played.cases = self._run_cases(runner, session.containers)
                played.interrupted = runner.interrupted.is_set()

    def _run_cases(self, runner: CaseRunner, containers: Containers) -> tuple[CaseResult, ...]:
        """Every case, several at a time. Interrupted, it ends what runs: nobody waits for a script that has hours to go."""
        with ThreadPoolExecutor(self.jobs, thread_name_prefix="case") as pool:
            futures = [pool.submit(runner.run, case) for case in self.cases]
            try:
                return tuple(future.result() for future in futures)
            except BaseException as error:
                finished = {case.name: future for case, future in zip(self.cases, futures, strict=True) if future.done()}
                runner.interrupted.set()
                pool.shutdown(wait=False, cancel_futures=True)
                # A case that was about to start its next container does so, and loses that one too.
                while not all(future.done() for future in futures):
                    containers.remove_all()
                    time.sleep(_POLL_S)
                if not isinstance(error, KeyboardInterrupt):
                    raise
            return tuple(finished[case.name].result() if case.name in finished else _unfinished(case) for case in self.cases)


@dataclass
class _Played:
    """What has come of a suite's run so far; `cases` is None before they have ended."""

    image_id: str = ""
    cases: tuple[CaseResult, ...] | None = None
    interrupted: bool = False


def _unfinished(case: Case, problem: str = "interrupted before it had finished") -> CaseResult:
    return CaseResult(
        name=case.name,
        description=case.description,
        expected=case.expected,
        outcome=Outcome.ERROR,
        runs=(),
        comparisons=(),
        duration_s=0.0,
        expected_in=case.different_in,
        problem=problem,
    )


def failed_suite(name: str, directory: Path, error: BaseException) -> SuiteResult:
    """The result of a run whose suite is not known: it has no case, and this problem."""
    is_interruption = isinstance(error, KeyboardInterrupt)
    log = directory / ERRORS / f"{_SUITE_LOG}.log"
    return SuiteResult(
        suite=name,
        run_id=uuid.uuid4().hex[:8],
        targets=TARGETS,
        image="",
        image_id="",
        started_at=time.time(),
        duration_s=0.0,
        cases=(),
        tool_version=lyftlearn_image.__version__,
        interrupted=is_interruption,
        problem=_NOT_BEGUN if is_interruption else describe_case_error(error, log, ()),
    )


def select_cases(suite: Suite, names: Sequence[str]) -> tuple[Any, ...]:
    """The suite's cases with these names, all when none is named. Raises RunError for a name that it does not have."""
    known = {case.name: case for case in suite.cases}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise RunError(
            f"the suite has no case {', '.join(unknown)}", hint=f"{did_you_mean(unknown[0], known)}It has: {', '.join(known)}."
        )
    return tuple(case for case in suite.cases if not names or case.name in names)
