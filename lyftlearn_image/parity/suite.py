"""The suite file: cases that run on both targets, and what counts as the same result."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from lyftlearn_image import yamlfile
from lyftlearn_image.limits import Limits
from lyftlearn_image.parity import case_files
from lyftlearn_image.parity.compare.acceptance import Acceptance
from lyftlearn_image.parity.compare.normalisers import RegularExpression
from lyftlearn_image.parity.compare.rule import Rule
from lyftlearn_image.parity.verdict import Outcome
from lyftlearn_image.platforms.launch import TargetName
from lyftlearn_image.run import StopRequest
from lyftlearn_image.workload import Workload
from lyftlearn_image.workload.parts import S3Uri

if TYPE_CHECKING:
    from pydantic import ValidationInfo, ValidatorFunctionWrapHandler
    from pydantic_core import ErrorDetails

    from lyftlearn_image.parity.case_files import WorkloadFile


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Case(_Model):
    """One workload, run on both targets, and how to compare what it leaves."""

    name: str = Field(
        pattern=r"^[a-z0-9](-?[a-z0-9])*$", max_length=40, description="Name of the case, in reports and in `--case`."
    )
    description: str = Field(default="", description="What the case shows, for the report.")
    workload: Workload = Field(description="What runs, as in a workload file; `image` is the suite's.")
    overrides: dict[TargetName, Workload] = Field(
        default={}, description="Workload fields for one target only: this is how a negative control is made to differ."
    )
    secret_values: dict[str, str] = Field(default={}, description="Secret name → value, put into the local Secrets Manager.")
    parameter_values: dict[str, str] = Field(
        default={}, description="Parameter name → value, put into the local Parameter Store."
    )
    stop_when: RegularExpression | None = Field(
        default=None, description="Regular expression; the job is stopped when a line of its stdout matches."
    )
    interrupt_when: RegularExpression | None = Field(
        default=None,
        description="Regular expression; when a line of its stdout matches, the job loses its host: spot capacity, or a node.",
    )
    credentials_lifetime_s: int | None = Field(
        default=None, ge=10, le=43200,
        description="Seconds for which keys of the AWS identity live, instead of hours: a rehearsal of their end on the"
        " embedded targets. SDKs renew theirs 15 minutes before the end, so with less they ask for new ones at each request.",
    )  # fmt: skip
    exit_code: int | None = Field(
        default=0,
        description="What both runs must end with, so that two equal failures are no parity; null for any."
        " SageMaker tells none of a job that was stopped: it is then compared only where this names one.",
    )
    outputs: dict[str, Rule] = Field(
        default={}, description="Artifact pattern, such as `model/*.npy` → rule; first match wins."
    )
    streams: dict[Literal["stdout", "stderr"], Rule] = Field(
        default={}, description="stdout or stderr → rule; else both are compared as text."
    )
    accept: tuple[Acceptance, ...] = Field(default=(), description="Differences that do not count, each with its reason.")
    expect: Literal["parity", "different"] = Field(
        default="parity", description="What should come out: `different` for a negative control."
    )
    different_in: tuple[str, ...] = Field(
        default=(), description="With `expect: different`: patterns of exactly those subjects that must differ."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.expect == "different") != bool(self.different_in):
            raise ValueError("`expect: different` and `different_in` go together: say in which subjects it must differ")
        if self.stop_when and self.interrupt_when:
            raise ValueError("`stop_when` and `interrupt_when` exclude each other; keep one")
        return self

    def stop_request(self) -> StopRequest | None:
        """What is asked of a run of this case; every run has its own."""
        when = self.stop_when or self.interrupt_when
        return StopRequest(re.compile(when), is_interruption=bool(self.interrupt_when)) if when else None

    @property
    def planted_secrets(self) -> dict[str, str]:
        """Everything that must not be shown, by its name."""
        return {**self.secret_values, **self.parameter_values}

    @property
    def expected(self) -> Outcome:
        """The outcome that makes this case a success."""
        return Outcome(self.expect)

    def workload_for(self, target: TargetName) -> Workload:
        """The workload as this target gets it."""
        return self.overrides.get(target, self.workload)


class SuiteLimits(_Model):
    """How much a run of a case may leave; more of a log is cut, and more artifacts are an error. A cut run is no parity."""

    log_bytes: int = Field(default=Limits.log_bytes, ge=1, description="Of each of stdout and stderr.")
    artifact_bytes: int = Field(default=Limits.artifact_bytes, ge=1, description="Of all artifacts of a run together.")
    artifact_files: int = Field(default=Limits.artifact_files, ge=1, description="Files and directories among them.")


class Suite(_Model):
    """Cases that share an image. `build` is a directory with a Dockerfile that makes the image from a LyftLearn one.

    A case's `workload` may also be a file, or a list of files with a case for each: as `submit` sends it, but with the image
    that the suite tests.
    """

    name: str = Field(
        pattern=r"^[a-z0-9](-?[a-z0-9])*$", max_length=20, description="Name of the suite, in reports and in jobs' names."
    )
    image: str = Field(min_length=1, description="The image that the cases run in.")
    build: Path | None = Field(default=None, description="Directory with a Dockerfile, relative to the suite file.")
    data: dict[S3Uri, str] = Field(
        default={},
        description="Copies of what workloads read from S3: URI → path, relative to the suite file, or"
        " package:<package>/<file>. The embedded targets have them there; real services read the account.",
    )
    defaults: dict[str, Any] = Field(default={}, description="Workload fields that every case shares.")
    limits: SuiteLimits = Field(default=SuiteLimits(), description="How much a run may leave.")
    cases: tuple[Case, ...] = Field(min_length=1, description="What is run and compared.")

    @field_validator("cases", mode="wrap")
    @classmethod
    def _complete_cases(cls, data: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """Gives every case's workload the suite's image and defaults, and every override the case's own fields.

        It happens before a case is validated, and an error still points at the line that somebody wrote, also where one
        entry of the list becomes several cases.
        """
        if not isinstance(data, list):
            return handler(data)
        shared = {"image": info.data.get("image"), **info.data.get("defaults", {})}
        directory = Path((info.context or {}).get("file", "")).parent
        places, cases, files, errors = _read_entries(data, directory)
        completed = []
        for place, case, file in zip(places, case_files.name_cases(cases, files), files, strict=True):
            try:
                completed.append(Case.model_validate(_complete_case(case, shared, file)))
            except ValidationError as error:
                errors += [_moved(detail, place) for detail in error.errors(include_url=False)]
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return handler(completed)

    @model_validator(mode="after")
    def _unique_names(self) -> Self:
        names = [case.name for case in self.cases]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"case names must be unique; twice: {', '.join(twice)}")
        return self


def load_suite(path: Path) -> Suite:
    """The suite in the file at `path`; `build` and local channels are made absolute.

    Raises InvalidInputError with file, line and key.
    """
    suite = yamlfile.load(path, Suite)
    return suite.model_copy(update={"build": path.parent.resolve() / suite.build}) if suite.build else suite


def json_schema() -> dict[str, Any]:
    """The JSON schema of a suite file, for editors. A case's workload need not say what the suite says for it.

    Where it is a file, or a list of files, the case need not have a name either.
    """
    schema = Suite.model_json_schema()
    whole = schema["$defs"]["Case"]
    case = whole["properties"]
    for workload in (case["workload"], case["overrides"]["additionalProperties"]):
        for kind in workload["oneOf"]:
            kind["required"] = [key for key in kind["required"] if key == "kind"]
    file = {"type": "string", "description": "A workload file, relative to this file."}
    choices = [case["workload"], file, {"type": "array", "items": file, "minItems": 1}]
    case["workload"] = {"description": "What runs: a workload, the file of one, or several files.", "anyOf": choices}
    whole["required"] = [key for key in whole["required"] if key != "name"]
    whole["anyOf"] = [
        {"required": ["name"]},
        {"properties": {"workload": {"type": ["string", "array"], "description": "A file has a name."}}},
    ]
    return schema


def _read_entries(
    entries: list[Any], directory: Path
) -> tuple[list[int], list[Any], list[WorkloadFile | None], list[InitErrorDetails]]:
    """The cases of a list, one for each file of an entry: the entry's number, the case, its file, and the errors so far."""
    places: list[int] = []
    cases: list[Any] = []
    files: list[WorkloadFile | None] = []
    errors: list[InitErrorDetails] = []
    for place, entry in enumerate(entries):
        workload: Any = entry.get("workload") if isinstance(entry, dict) else None
        found: tuple[WorkloadFile | None, ...] = (None,)
        made = [entry]
        if case_files.is_files(workload):
            try:
                found = read = case_files.read(workload, directory)
                made = case_files.for_each_file(entry, read)
            except ValueError as error:
                # The entry stays out: nothing else can be told of it.
                kind = PydanticCustomError("workload_file", "{told}", {"told": str(error)})
                errors.append(InitErrorDetails(type=kind, loc=(place, "workload"), input=workload))
                found, made = (), []
        places += [place] * len(made)
        cases += made
        files += found
    return places, cases, files, errors


def _moved(detail: ErrorDetails, place: int) -> InitErrorDetails:
    """An error of a case at its entry of the list."""
    return InitErrorDetails(type=detail["type"], loc=(place, *detail["loc"]), input=detail["input"], ctx=detail.get("ctx", {}))


def _complete_case(case: Any, shared: dict[str, Any], file: WorkloadFile | None) -> Any:
    """A case whose workload and overrides have all that the suite shares; a file's image is that which the suite tests."""
    if file is not None:
        shared, own = {key: value for key, value in shared.items() if key != "image"}, {"image": shared["image"]}
        workload = _merge(_merge(shared, dict(file.fields)), {key: value for key, value in own.items() if value})
    elif isinstance(case, dict) and isinstance(case.get("workload"), dict):
        workload = _merge({**shared, "name": case.get("name")}, case["workload"])
    else:
        return case
    completed = {**case, "workload": workload}
    overrides = case.get("overrides")
    if isinstance(overrides, dict):
        completed["overrides"] = {
            target: _merge(workload, fields) if isinstance(fields, dict) else fields for target, fields in overrides.items()
        }
    return completed


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` over `below`; where both have a mapping (environment, hyperparameters …) the keys are merged."""
    merged = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = {**below[key], **above[key]}
    return merged
