"""Measures how long the reports of a hundred cases take, and how large they are.

A third of the cases differ: each in 5 subjects with 200 differences. Every case has 40 accepted differences of the
environment and 2 MB of stdout on each target, and two secrets are masked everywhere. Nothing is kept.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.report import Measurement, show
from lyftlearn_image.parity.differences import Comparison, Difference
from lyftlearn_image.parity.verdict import CaseResult, Outcome, SuiteResult
from lyftlearn_image.report.write import write_reports
from lyftlearn_image.run import Run, Status, Timings

LONGEST_S = 5.0
SUMMARY_BYTES = 1024 * 1024
CASES = 100
DIFFERENCES = 200
SUBJECTS = 5
ACCEPTED = 40
LOG = "".join(f"epoch {number} loss {1 / (number + 1):.9f}\n" for number in range(75_000))
SECRETS = ("planted-password-one", "planted/password+two=")
TARGETS = ("sagemaker", "kubernetes")


def main() -> None:
    """Makes the cases, writes every report of them, and prints how long that took and how large they are."""
    with tempfile.TemporaryDirectory() as directory:
        result = _result(Path(directory))
        started = time.perf_counter()
        written = write_reports(result, Path(directory), SECRETS)
        seconds = time.perf_counter() - started
        summary, page = (written[name].stat().st_size for name in ("markdown", "html"))
    show(
        Measurement(f"all reports of {CASES} cases", seconds, LONGEST_S, "s", 1, "allowed"),
        Measurement("report.md", summary, SUMMARY_BYTES, "bytes", 1, "allowed in a CI summary"),
        Measurement("report.html", page, SUMMARY_BYTES, "bytes", 1, "allowed"),
    )


def _result(directory: Path) -> SuiteResult:
    return SuiteResult(
        suite="benchmark",
        run_id="00000000",
        targets=TARGETS,
        image="benchmark:latest",
        image_id="sha256:" + "0" * 64,
        started_at=0.0,
        duration_s=1.0,
        cases=tuple(_case(directory, number) for number in range(CASES)),
        tool_version="0",
    )


def _case(directory: Path, number: int) -> CaseResult:
    comparisons = [Comparison("environment", "environment", tuple(_accepted(place) for place in range(ACCEPTED)))]
    if number % 3 == 0:
        comparisons += [
            Comparison(f"output/{subject}.csv", "table", tuple(_difference(row) for row in range(DIFFERENCES)))
            for subject in range(SUBJECTS)
        ]
    return CaseResult(
        name=f"case-{number}",
        description="A case of the benchmark.",
        expected=Outcome.PARITY,
        outcome=Outcome.DIFFERENT if number % 3 == 0 else Outcome.PARITY,
        runs=tuple(_run(directory, number, target) for target in TARGETS),
        comparisons=tuple(comparisons),
        duration_s=1.0,
    )


def _accepted(place: int) -> Difference:
    return Difference(f"variables/NAME_{place}", f"left {place}", f"right {place}", accepted=f"reason {place % 7}")


def _difference(row: int) -> Difference:
    left, right = (f"the score of row {row} is {row / divisor:.9f} and its name is name-{row}" for divisor in (97, 97.001))
    return Difference(f"column 'score', row {row}", left, right, "relative 1.0e-05")


def _run(directory: Path, number: int, target: str) -> Run:
    place = directory / "runs" / f"case-{number}" / target
    place.mkdir(parents=True)
    (place / "stdout.log").write_text(f"{LOG}{target} {SECRETS[0]}\n", encoding="utf-8")
    (place / "stderr.log").write_text("", encoding="utf-8")
    observation = {
        "version": 1,
        "variables": {f"NAME_{index}": f"value {index} of {target} {number}" for index in range(80)},
        "packages": {f"package-{index}": f"1.{index}" for index in range(150)},
        "cpu": {"flags": [f"flag{index}" for index in range(120)]},
    }
    return Run(
        target=target,
        job_name=f"benchmark-case-{number}",
        status=Status.COMPLETED,
        exit_code=0,
        reason="",
        stdout=place / "stdout.log",
        stderr=place / "stderr.log",
        artifacts={},
        observation=observation,
        timings=Timings(0.4, 0.1, 3.0 + number / 10, 0.2),
        metrics=(f"loss:{number}|g",),
    )


if __name__ == "__main__":
    main()
