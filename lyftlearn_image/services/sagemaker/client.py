"""SageMaker itself, through boto3: jobs are submitted, watched, read, stopped and collected."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.aws.errors import translate_errors
from lyftlearn_image.aws.session import retrying
from lyftlearn_image.errors import InvalidInputError, LyftlearnError, UnsupportedError
from lyftlearn_image.nearest import did_you_mean
from lyftlearn_image.platforms.sagemaker import job_kinds
from lyftlearn_image.platforms.sagemaker.api_model import validate_request
from lyftlearn_image.platforms.sagemaker.outputs import training_outputs
from lyftlearn_image.retry import Backoff, Clock, Waits
from lyftlearn_image.run import Status, Trial
from lyftlearn_image.services.collect import EndedJob, collect_run
from lyftlearn_image.services.sagemaker import logs
from lyftlearn_image.services.sagemaker.listing import list_names
from lyftlearn_image.services.sagemaker.logs import LogReader
from lyftlearn_image.services.service import Followed, poll_until_ended, run_to_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import boto3

    from lyftlearn_image.platforms.launch import Compiled, TargetName
    from lyftlearn_image.run import Run, State, StopRequest

_LOG_POLLS = Backoff(first_s=2.0, longest_s=2.0)
# Of a model or an endpoint's configuration (words of the service, seen in its answers).
_EXISTS = "already existing"


class SageMakerService:
    """The `sagemaker` target where it is the real service."""

    name: TargetName = "sagemaker"

    def __init__(self, session: boto3.Session, clock: Clock | None = None) -> None:
        config = retrying()
        with translate_errors("connecting to AWS"):
            self._sagemaker: Any = session.client("sagemaker", config=config)
            self._logs: Any = session.client("logs", config=config)
            self.s3 = session.client("s3", config=config)
        self._clock = clock or Clock()

    def submit(self, compiled: Compiled) -> str:
        """Sends the request, after the objects that it needs; a job that is there already is the one that was meant.

        Of a job that is refused, no object is left.
        """
        requests = list(zip(compiled.actions or (compiled.action,), compiled.documents, strict=True))
        for action, request in requests:
            validate_request(action, request)
        kind = job_kinds.kind_for_action(compiled.action)
        name = str(requests[-1][1][kind.name_field])
        if self._find(kind, name) is not None:
            return f"{kind.name}/{name}"
        with contextlib.ExitStack() as undo:
            undo.callback(objects.delete_objects, self.s3, compiled.objects)
            objects.put_objects(self.s3, compiled.objects)
            for action, request in requests:
                self._create(action, request, name)
            undo.pop_all()
        return f"{kind.name}/{name}"

    def state(self, job: str) -> State:
        """What Describe…Job says."""
        kind, name = job_kinds.parse_job_id(job)
        return job_kinds.state_of(kind, self._describe(kind, name))

    def wait(self, job: str, on_state: Callable[[State], None]) -> State:
        """Asks until the end; for many jobs at once, see `events`."""
        return poll_until_ended(lambda: self.state(job), on_state, self._clock)

    def logs(
        self,
        job: str,
        *,
        follow: bool,
        keep: bool = False,  # noqa: ARG002 - CloudWatch keeps it
        on_state: Callable[[State], None] | None = None,
        on_cut: Callable[[str], None] | None = None,  # noqa: ARG002 - see above
    ) -> Iterator[str]:
        """The lines of all hosts' streams. A job that has written nothing has no stream.

        A tuning job's log is that of its best trial so far, once it has ended.
        """
        kind, name = job_kinds.parse_job_id(job)
        reader, waits = self._log_reader(kind, name), Waits(_LOG_POLLS, self._clock)
        ended_at: float | None = None
        while True:
            description = self._describe(kind, name)
            state = job_kinds.state_of(kind, description)
            if on_state:
                on_state(state)
            if ended_at is None and state.status is not None:
                ended_at = self._clock.now()
            prefix = _stream_prefix(kind, description, name, is_over=ended_at is not None)
            if prefix is not None:
                yield from reader.new_lines(prefix)
            if not follow or (ended_at is not None and self._clock.now() - ended_at >= logs.LAG_S):
                return
            waits.sleep()

    def stop(self, job: str) -> None:
        """Stop…Job; an endpoint is deleted."""
        kind, name = job_kinds.parse_job_id(job)
        if kind is job_kinds.ENDPOINT:
            with translate_errors(f"deleting {job}", "sagemaker:DeleteEndpoint"):
                self._call("DeleteEndpoint", {kind.name_field: name})
        elif self.state(job).status is None:
            with translate_errors(f"stopping {job}", f"sagemaker:Stop{kind.stem}"):
                self._call(f"Stop{kind.stem}", {kind.name_field: name})

    def delete(self, job: str) -> None:
        """An endpoint with its configuration and its model; of a job the service keeps the record."""
        kind, name = job_kinds.parse_job_id(job)
        if kind is not job_kinds.ENDPOINT:
            raise UnsupportedError(
                f"{job} cannot be deleted: SageMaker keeps the record of a job",
                hint="`lyftlearn-image stop` ends it; what it left in S3 is yours.",
            )
        for stem in (kind.stem, "EndpointConfig", "Model"):
            self._delete(stem, name)

    def address(self, job: str) -> None:
        """Nowhere: an endpoint is called through the API (InvokeEndpoint)."""

    def collect(self, job: str, workspace: Path) -> Run:
        """Artifacts from S3, and the log."""
        kind, name = job_kinds.parse_job_id(job)
        description = self._describe(kind, name)
        created = description.get("CreationTime")
        started = _time(description, "StartTime") or created
        state = job_kinds.state_of(kind, description)
        ended = EndedJob(
            job=job,
            state=state,
            log=self._failed_log(kind, description, name) if state.status is Status.FAILED else self.logs(job, follow=False),
            outputs=_outputs(kind, description),
            created=created,
            started=started,
            ended=_time(description, "EndTime") or started,
            final_metrics={metric["MetricName"]: metric["Value"] for metric in description.get("FinalMetricDataList", [])},
            trials=self._trials(name) if kind.name == "tuning" and state.status is not None else (),
        )
        return collect_run(self, ended, workspace)

    def run(
        self,
        compiled: Compiled,
        *,
        workspace: Path,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
        on_phase: Callable[[str], None] | None = None,
    ) -> Run:
        """All of it; see Target.run."""
        return run_to_end(self, compiled, workspace, Followed(stop, on_line, on_phase))

    def close(self) -> None:
        """Closes the connections."""
        for client in (self._sagemaker, self._logs, self.s3):
            client.close()

    def _failed_log(self, kind: job_kinds.Kind, description: Mapping[str, Any], name: str) -> Iterator[str]:
        """The lines of the host that failed, as far as the service's reason tells which."""
        prefix = _stream_prefix(kind, description, name, is_over=True)
        if prefix is not None:
            yield from self._log_reader(kind, name).failed_lines(prefix, str(description.get("FailureReason", "")))

    def _log_reader(self, kind: job_kinds.Kind, name: str) -> LogReader:
        group = f"{kind.log_group}/{name}" if kind is job_kinds.ENDPOINT else kind.log_group
        return LogReader(self._logs, group, name)

    def _trials(self, name: str) -> tuple[Trial, ...]:
        """The trials, in the order of their beginning, with the values as the API has them: strings."""
        with translate_errors(f"listing the trials of {name}", "sagemaker:ListTrainingJobsForHyperParameterTuningJob"):
            pages = self._sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
                HyperParameterTuningJobName=name
            )
            summaries = [summary for page in pages for summary in page["TrainingJobSummaries"]]
        summaries.sort(key=lambda summary: (summary["CreationTime"], summary["TrainingJobName"]))
        return tuple(
            Trial(
                number,
                dict(summary["TunedHyperParameters"]),
                summary.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value"),
            )
            for number, summary in enumerate(summaries)
        )

    def _describe(self, kind: job_kinds.Kind, name: str) -> Mapping[str, Any]:
        description = self._find(kind, name)
        if description is None:
            near = ""
            with contextlib.suppress(LyftlearnError), translate_errors(f"listing each {kind.name}"):  # who may not list it
                near = did_you_mean(name, list_names(self._sagemaker, kind))
            hint = f"{near}Check its name, AWS_REGION and AWS_PROFILE."
            raise InvalidInputError(f"there is no {kind.name} job {name}", hint=hint)
        return description

    def _find(self, kind: job_kinds.Kind, name: str) -> Mapping[str, Any] | None:
        """The description of a job, None where there is none."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - 200 ms, for the verbs that run

        with translate_errors(f"asking for {name}", f"sagemaker:Describe{kind.stem}"):
            try:
                description: Mapping[str, Any] = self._call(f"Describe{kind.stem}", {kind.name_field: name})
            except ClientError as error:
                # A training job that is not there is a ValidationException, the others are ResourceNotFound.
                answer = error.response.get("Error", {})
                message = str(answer.get("Message", ""))
                if answer.get("Code") in {"ResourceNotFound", "ResourceNotFoundException"} or _is_missing(message):
                    return None
                raise
        return description

    def _create(self, action: str, request: Mapping[str, Any], name: str) -> None:
        """One request. What is there already was made by an earlier try, or by another client with the same request."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - see _find

        with translate_errors(f"submitting {name}", f"sagemaker:{action}"):
            try:
                self._call(action, request)
            except ClientError as error:
                answer = error.response.get("Error", {})
                if answer.get("Code") != "ResourceInUse" and _EXISTS not in str(answer.get("Message", "")):
                    raise

    def _delete(self, stem: str, name: str) -> None:
        """Deletes what is there; `stop` may have deleted the endpoint before."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - see _find

        with translate_errors(f"deleting {stem} {name}", f"sagemaker:Delete{stem}"):
            try:
                self._call(f"Delete{stem}", {f"{stem}Name": name})
            except ClientError as error:
                if not _is_missing(str(error.response.get("Error", {}).get("Message", ""))):
                    raise

    def _call(self, action: str, request: Mapping[str, Any]) -> Any:
        from botocore import xform_name  # noqa: PLC0415 - see _find

        return getattr(self._sagemaker, xform_name(action))(**request)


def _is_missing(message: str) -> bool:
    return "not find" in message or "does not exist" in message or "not found" in message


def _stream_prefix(kind: job_kinds.Kind, description: Mapping[str, Any], name: str, *, is_over: bool) -> str | None:
    """What the names of a job's log streams begin with; None where it has no log yet."""
    if kind is job_kinds.ENDPOINT:
        return ""
    writer = name if kind.name != "tuning" else _best_trial(description) if is_over else ""
    return f"{writer}/" if writer else None


def _best_trial(description: Mapping[str, Any]) -> str:
    """The name of a tuning job's best training job; empty where there is none yet."""
    return str(description.get("BestTrainingJob", {}).get("TrainingJobName", ""))


def _outputs(kind: job_kinds.Kind, description: Mapping[str, Any]) -> dict[str, str]:
    """Where a job left what it made, by its description: no client needs to remember it."""
    if kind.name == "training":
        return training_outputs(description)
    if kind.name == "processing":
        outputs = description.get("ProcessingOutputConfig", {}).get("Outputs", [])
        return {one["OutputName"]: one["S3Output"]["S3Uri"].rstrip("/") + "/" for one in outputs if "S3Output" in one}
    if kind.name == "tuning" and (best := _best_trial(description)):
        return training_outputs({**description["TrainingJobDefinition"], "TrainingJobName": best})
    if kind.name == "transform":
        return {"output": description["TransformOutput"]["S3OutputPath"].rstrip("/") + "/"}
    return {}


def _time(description: Mapping[str, Any], suffix: str) -> Any:
    """The start or the end of a job: a field such as TrainingStartTime."""
    values = (description.get(f"{stem}{suffix}") for stem in ("Training", "Processing", "Transform"))
    return next((value for value in values if value), None)
