"""The shape of report.json: its JSON schema is made of these types, and mypy holds the writer to them.

A newer tool may add keys; `version` goes up when a reader would have to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, TypeAdapter

# Python 3.11's own does not keep what pydantic needs.
from typing_extensions import TypedDict

# pydantic reads the annotations.
from lyftlearn_image.parity.verdict import Outcome
from lyftlearn_image.report.summary import Standing
from lyftlearn_image.run import Limit, Status

VERSION: Literal[1] = 1

Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class DifferenceDocument(TypedDict):
    """One thing that is not the same on the two targets."""

    place: Annotated[str, Field(description="Where within the subject; empty when the subject as a whole differs.")]
    left: Annotated[str | None, Field(description="The first target's value; null where it has none.")]
    right: Annotated[str | None, Field(description="The second target's value; null where it has none.")]
    detail: Annotated[str, Field(description="What else is to be said of it; mostly empty.")]
    accepted: Annotated[str | None, Field(description="The reason why the difference does not count; null when it does.")]


class ComparisonDocument(TypedDict):
    """All that was found about one subject."""

    subject: Annotated[
        str, Field(description="`exit status`, `stdout`, `stderr`, `metrics`, `environment`, or an artifact's path.")
    ]
    comparator: Annotated[str, Field(description="Name of the comparator.")]
    tolerance: Annotated[str, Field(description="All that is not exact about the comparison, in words; else `exact`.")]
    counting: Annotated[Count, Field(description="Number of differences that count against parity.")]
    differences: Annotated[list[DifferenceDocument], Field(description="Every difference, accepted ones too.")]


class TimingsDocument(TypedDict):
    """Seconds of each phase of one run."""

    prepare_s: Annotated[Seconds, Field(description="From the request to the container's start.")]
    startup_s: Annotated[Seconds | None, Field(description="From there to the script's; null where it was not observed.")]
    script_s: Annotated[Seconds, Field(description="The script's own.")]
    collect_s: Annotated[Seconds, Field(description="From the container's end to the last byte collected.")]


class ArtifactDocument(TypedDict):
    """A directory that a run left."""

    path: Annotated[str, Field(description="Where it was unpacked.")]
    kept: Annotated[bool, Field(description="Whether it is still there.")]


SuiteExitCode = Literal[0, 1, 2, 69, 78, 130]


class RunDocument(TypedDict):
    """One run of a case on one target."""

    target: Annotated[str, Field(description="Name of the target.")]
    job_name: Annotated[str, Field(description="Name of the job there.")]
    status: Annotated[Status, Field(description="How the job ended, in SageMaker's words.")]
    exit_code: Annotated[
        int | None,
        Field(
            description="The container's own status, 128 + signal for a killed one; null where the platform does not tell it."
        ),
    ]
    reason: Annotated[
        str, Field(description="SageMaker's FailureReason or the pod's termination message; empty when there is none.")
    ]
    stdout: Annotated[str, Field(description="Path of the stream's exact bytes.")]
    stderr: Annotated[str, Field(description="Path of the stream's exact bytes.")]
    artifacts: Annotated[dict[str, ArtifactDocument], Field(description="By artifact name.")]
    timings: Annotated[TimingsDocument, Field(description="How long it took.")]
    metrics: Annotated[list[str], Field(description="StatsD lines in the order of arrival.")]
    observation: Annotated[
        Mapping[str, Any] | None,
        Field(description="The realised environment that the script saw, with a version of its own; null without one."),
    ]
    limit: NotRequired[
        Annotated[Limit | None, Field(description="The limit of its platform that ended the run; null where none did.")]
    ]
    notes: Annotated[
        list[str],
        Field(description="What the run asked for and was not held to: limits that are not enforced where it ran."),
    ]


class CaseDocument(TypedDict):
    """One case: what ran on both targets, and what comparing them gave."""

    name: Annotated[str, Field(description="Name of the case in the suite file.")]
    description: Annotated[str, Field(description="What the suite file says of it.")]
    standing: Annotated[
        Standing,
        Field(
            description="`control` is a case that should differ and did; `unexpected` one that should differ and did not, or"
            " not where it should, or whose runs ended alike but not as the case expects."
        ),
    ]
    as_expected: Annotated[bool, Field(description="Whether the case is a success of the suite.")]
    expected: Annotated[Outcome, Field(description="What the suite file says.")]
    expected_in: Annotated[list[str], Field(description="Patterns of the subjects in which a negative control must differ.")]
    outcome: Annotated[Outcome, Field(description="What the case showed.")]
    problem: Annotated[
        str,
        Field(
            description="Why there is no comparison, or how the differences are not the expected ones;"
            " empty when there is none."
        ),
    ]
    exposed: NotRequired[
        Annotated[list[str], Field(description="Kept files that hold a secret of the case, below `runs/<case>`.")]
    ]
    advice: NotRequired[
        Annotated[
            list[str],
            Field(
                description="Of a case that differs: whether the script differs from itself, and what else there is to know,"
                " the most important first."
            ),
        ]
    ]
    patch: NotRequired[
        Annotated[str, Field(description="Lines for the suite file (YAML) that make the differences count no more.")]
    ]
    duration_s: Annotated[Seconds, Field(description="How long the case took.")]
    runs: Annotated[list[RunDocument], Field(description="The runs, in the order of `targets`; none where there was none.")]
    comparisons: Annotated[list[ComparisonDocument], Field(description="Every subject that was compared.")]


class ToolDocument(TypedDict):
    """Who wrote the report."""

    name: Annotated[Literal["lyftlearn-image"], Field(description="Always the same.")]
    version: Annotated[str, Field(description="The toolkit's version.")]


class ImageDocument(TypedDict):
    """The image that the cases ran in."""

    name: Annotated[str, Field(description="As the suite file names it.")]
    id: Annotated[str, Field(description="The image's config digest.")]


class CountsDocument(TypedDict):
    """How many cases stand where."""

    parity: Annotated[Count, Field(description="The same on both targets.")]
    control: Annotated[Count, Field(description="Expected to differ, and did.")]
    different: Annotated[Count, Field(description="Different.")]
    unexpected: Annotated[Count, Field(description="Not as expected.")]
    error: Annotated[Count, Field(description="Without a verdict: the harness failed, or a limit ended one side.")]


class ReportDocument(TypedDict):
    """One run of a parity suite. Times are in seconds, paths are relative to the directory of this file.

    A newer tool may add keys; `version` goes up when a reader would have to change.
    """

    version: Annotated[Literal[1], Field(description="Of this format.")]
    tool: Annotated[ToolDocument, Field(description="What wrote the report.")]
    suite: Annotated[str, Field(description="Name of the suite.")]
    run_id: Annotated[str, Field(description="Another one for each run.")]
    verdict: Annotated[str, Field(description="The verdict as one sentence.")]
    exit_code: Annotated[
        SuiteExitCode,
        Field(
            description="Of the command: 0 every case came out as expected, 1 one did not, 2 the harness failed; 69 or 78"
            " an error before the first case, 130 an interruption."
        ),
    ]
    problem: NotRequired[Annotated[str, Field(description="What failed outside of the cases; empty when nothing did.")]]
    unmasked: NotRequired[
        Annotated[
            list[str],
            Field(
                description="Names of planted secrets that are too short, or too plain a word, to be masked:"
                " logs and reports may show them."
            ),
        ]
    ]
    targets: Annotated[
        list[str],
        Field(min_length=2, max_length=2, description="`left` and `right` of every difference, in this order."),
    ]
    image: Annotated[ImageDocument, Field(description="What the cases ran in.")]
    started_at: Annotated[float, Field(description="Seconds since the epoch.")]
    duration_s: Annotated[Seconds, Field(description="How long the suite took.")]
    counts: Annotated[CountsDocument, Field(description="Number of cases by standing.")]
    cases: Annotated[list[CaseDocument], Field(description="The cases, in the suite's order.")]


def json_schema() -> dict[str, Any]:
    """The JSON schema of a report.json (draft 2020-12)."""
    return {**TypeAdapter(ReportDocument).json_schema(), "title": "report.json of lyftlearn-image"}
