"""report.json: everything that is known of a suite's run, for programs. Its shape is in `document.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from lyftlearn_image.report.document import VERSION
from lyftlearn_image.report.summary import case_standing, count_standings, headline
from lyftlearn_image.sanitize import dump_json

if TYPE_CHECKING:
    from pathlib import Path

    from lyftlearn_image.parity.differences import Comparison, Difference
    from lyftlearn_image.parity.verdict import CaseResult
    from lyftlearn_image.report.document import (
        ArtifactDocument,
        CaseDocument,
        ComparisonDocument,
        CountsDocument,
        DifferenceDocument,
        ReportDocument,
        RunDocument,
        SuiteExitCode,
    )
    from lyftlearn_image.report.report_data import ReportData
    from lyftlearn_image.run import Run

FILE_NAME = "report.json"


def render(data: ReportData) -> str:
    """The report as JSON text. Paths are relative to the report's directory; times are in seconds."""
    result = data.result
    counts = {str(each): number for each, number in count_standings(result).items()}
    document: ReportDocument = {
        "version": VERSION,
        "tool": {"name": "lyftlearn-image", "version": result.tool_version},
        "suite": result.suite,
        "run_id": result.run_id,
        "verdict": headline(result),
        "exit_code": cast("SuiteExitCode", int(result.command_exit_code)),
        "problem": result.problem,
        "unmasked": list(result.unmasked),
        "targets": list(result.targets),
        "image": {"name": result.image, "id": result.image_id},
        "started_at": result.started_at,
        "duration_s": result.duration_s,
        "counts": cast("CountsDocument", counts),
        "cases": [_case(case, data) for case in result.cases],
    }
    return dump_json(document, indent=1) + "\n"


def _case(case: CaseResult, data: ReportData) -> CaseDocument:
    return {
        "name": case.name,
        "description": case.description,
        "standing": case_standing(case),
        "as_expected": case.is_as_expected,
        "expected": case.expected,
        "expected_in": list(case.expected_in),
        "outcome": case.outcome,
        "problem": case.problem,
        "exposed": list(case.exposed),
        "advice": list(case.advice),
        "patch": case.patch,
        "duration_s": case.duration_s,
        "runs": [_run(run, data) for run in case.runs],
        "comparisons": [_comparison(comparison) for comparison in case.comparisons],
    }


def _run(run: Run, data: ReportData) -> RunDocument:
    timings = run.timings
    return {
        "target": run.target,
        "job_name": run.job_name,
        "status": run.status,
        "exit_code": run.exit_code,
        "reason": run.reason,
        "stdout": data.relative_path(run.stdout),
        "stderr": data.relative_path(run.stderr),
        "artifacts": {name: _artifact(path, data) for name, path in run.artifacts.items()},
        "timings": {
            "prepare_s": timings.prepare_s,
            "startup_s": timings.startup_s,
            "script_s": timings.script_s,
            "collect_s": timings.collect_s,
        },
        "metrics": list(run.metrics),
        "observation": run.observation,
        "limit": run.limit,
        "notes": list(run.notes),
    }


def _artifact(path: Path, data: ReportData) -> ArtifactDocument:
    """Where the artifact was unpacked, and whether it was kept there."""
    return {"path": data.relative_path(path), "kept": path in data.kept_files}


def _comparison(comparison: Comparison) -> ComparisonDocument:
    return {
        "subject": comparison.subject,
        "comparator": comparison.comparator,
        "tolerance": comparison.tolerance,
        "counting": len(comparison.counting),
        "differences": [_difference(difference) for difference in comparison.differences],
    }


def _difference(difference: Difference) -> DifferenceDocument:
    return {
        "place": difference.place,
        "left": difference.left,
        "right": difference.right,
        "detail": difference.detail,
        "accepted": difference.accepted,
    }
