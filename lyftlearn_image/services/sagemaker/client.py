"""SageMaker itself, through boto3: jobs are submitted, watched, read, stopped and collected."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.aws.errors import translated
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.sagemaker import job_kinds
from lyftlearn_image.platforms.sagemaker.api_model import validate_request
from lyftlearn_image.platforms.sagemaker.outputs import training_outputs
from lyftlearn_image.run import Run, State, Status, Timings, Trial
from lyftlearn_image.runs.observation import read_observation
from lyftlearn_image.services.service import Clock, poll, run_to_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import boto3

    from lyftlearn_image.platforms.launch import Compiled, TargetName
    from lyftlearn_image.run import StopRequest

# Throttled and failed requests are repeated by botocore, which slows down by itself (its "adaptive" mode).
_TRIES = 10
# CloudWatch shows a line some seconds after it was written; an ended job's last ones are waited for.
_LOG_LAG_S = 10.0
_LOG_WAIT_S = 2.0
_UNKNOWN_EXIT = 1
# Of a model or an endpoint's configuration (words of the service, seen in its answers).
_EXISTS = "already existing"


class SageMakerService:
    """The `sagemaker` target where it is the real service."""

    name: TargetName = "sagemaker"

    def __init__(self, session: boto3.Session, clock: Clock | None = None, log_lag_s: float = _LOG_LAG_S) -> None:
        from botocore.config import Config  # noqa: PLC0415 - 200 ms, for the verbs that run

        config = Config(retries={"mode": "adaptive", "max_attempts": _TRIES})
        with translated("connecting to AWS"):
            self._sagemaker: Any = session.client("sagemaker", config=config)
            self._logs: Any = session.client("logs", config=config)
            self.s3 = session.client("s3", config=config)
        self._clock = clock or Clock()
        self._log_lag_s = log_lag_s

    def submit(self, compiled: Compiled) -> str:
        """Sends the request, after the objects that it needs; a job that is there already is the one that was meant.

        Of a job that is refused, no object is left.
        """
        requests = list(zip(compiled.actions or (compiled.action,), compiled.documents, strict=True))
        for action, request in requests:
            validate_request(action, request)
        kind = job_kinds.kind_for_action(compiled.action)
        name = str(requests[-1][1][kind.name_field])
        if self._described(kind, name) is not None:
            return f"{kind.name}/{name}"
        with contextlib.ExitStack() as in_vain:
            in_vain.callback(objects.remove, self.s3, compiled.objects)
            objects.put(self.s3, compiled.objects)
            for action, request in requests:
                self._create(action, request, name)
            in_vain.pop_all()
        return f"{kind.name}/{name}"

    def state(self, job: str) -> State:
        """What Describe…Job says."""
        kind, name = job_kinds.parse_job_id(job)
        return job_kinds.state_of(kind, self._describe(kind, name))

    def wait(self, job: str, on_state: Callable[[State], None]) -> State:
        """Asks until the end; for many jobs at once, see `events`."""
        return poll(lambda: self.state(job), on_state, self._clock)

    def logs(self, job: str, *, follow: bool) -> Iterator[str]:
        """The lines of all hosts' streams. A job that has written nothing has no stream.

        A tuning job's log is that of its best trial so far, once it has ended.
        """
        kind, name = job_kinds.parse_job_id(job)
        group, prefix = (f"{kind.log_group}/{name}", "") if kind is job_kinds.ENDPOINT else (kind.log_group, f"{name}/")
        tokens: dict[str, str] = {}
        ended_at: float | None = None
        while True:
            told = self._describe(kind, name)
            if ended_at is None and job_kinds.state_of(kind, told).status is not None:
                ended_at = self._clock.now()
            if kind.name == "tuning":
                best = told.get("BestTrainingJob", {}).get("TrainingJobName")
                prefix = f"{best}/" if best and ended_at is not None else ""
            if prefix or kind is job_kinds.ENDPOINT:
                yield from self._new_lines(group, prefix, name, tokens)
            if not follow or (ended_at is not None and self._clock.now() - ended_at >= self._log_lag_s):
                return
            self._clock.sleep(_LOG_WAIT_S)

    def stop(self, job: str) -> None:
        """Stop…Job; an endpoint is deleted."""
        kind, name = job_kinds.parse_job_id(job)
        if kind is job_kinds.ENDPOINT:
            with translated(f"deleting {job}", "sagemaker:DeleteEndpoint"):
                self._call("DeleteEndpoint", {kind.name_field: name})
        elif self.state(job).status is None:
            with translated(f"stopping {job}", f"sagemaker:Stop{kind.stem}"):
                self._call(f"Stop{kind.stem}", {kind.name_field: name})

    def collect(self, job: str, workspace: Path) -> Run:
        """Artifacts from S3, and the log: the service keeps no difference between stdout and stderr."""
        kind, name = job_kinds.parse_job_id(job)
        told = self._describe(kind, name)
        state = job_kinds.state_of(kind, told)
        if state.status is None:
            raise InvalidInputError(f"{job} has not ended: {state.phase}", hint=f"Wait for it: lyftlearn-image wait {job}")
        started = time.monotonic()
        (workspace / "stderr").write_bytes(b"")
        with (workspace / "stdout").open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in self.logs(job, follow=False))
        artifacts = objects.collect(self.s3, _outputs(kind, told), workspace / "artifacts")
        code = state.exit_code
        return Run(
            target=self.name,
            job_name=name,
            status=state.status,
            exit_code=(0 if state.status is Status.COMPLETED else _UNKNOWN_EXIT) if code is None else code,
            reason=state.reason,
            stdout=workspace / "stdout",
            stderr=workspace / "stderr",
            artifacts=artifacts,
            observation=read_observation(artifacts),
            timings=_timings(told, time.monotonic() - started),
            final_metrics={one["MetricName"]: one["Value"] for one in told.get("FinalMetricDataList", [])},
            trials=self._trials(name) if kind.name == "tuning" else (),
        )

    def run(
        self,
        compiled: Compiled,
        *,
        workspace: Path,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Run:
        """All of it; see Target.run."""
        return run_to_end(self, compiled, workspace, stop, on_line)

    def _trials(self, name: str) -> tuple[Trial, ...]:
        """The trials, in the order of their beginning, with the values as the API has them: strings."""
        with translated(f"listing the trials of {name}", "sagemaker:ListTrainingJobsForHyperParameterTuningJob"):
            pages = self._sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
                HyperParameterTuningJobName=name
            )
            found = [one for page in pages for one in page["TrainingJobSummaries"]]
        found.sort(key=lambda one: (one["CreationTime"], one["TrainingJobName"]))
        reached = [one.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value") for one in found]
        return tuple(
            Trial(number, dict(one["TunedHyperParameters"]), objective)
            for number, (one, objective) in enumerate(zip(found, reached, strict=True))
        )

    def _describe(self, kind: job_kinds.Kind, name: str) -> Mapping[str, Any]:
        found = self._described(kind, name)
        if found is None:
            raise InvalidInputError(f"there is no {kind.name} job {name}", hint="Check its name, AWS_REGION and AWS_PROFILE.")
        return found

    def _described(self, kind: job_kinds.Kind, name: str) -> Mapping[str, Any] | None:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - see __init__

        with translated(f"asking for {name}", f"sagemaker:Describe{kind.stem}"):
            try:
                found: Mapping[str, Any] = self._call(f"Describe{kind.stem}", {kind.name_field: name})
            except ClientError as error:
                # A training job that is not there is a ValidationException, the others are ResourceNotFound.
                told = error.response.get("Error", {})
                message = str(told.get("Message", ""))
                if told.get("Code") in {"ResourceNotFound", "ResourceNotFoundException"} or _is_missing(message):
                    return None
                raise
        return found

    def _create(self, action: str, request: Mapping[str, Any], name: str) -> None:
        """One request. What is there already was made by an earlier try, or by another client with the same request."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - see __init__

        with translated(f"submitting {name}", f"sagemaker:{action}"):
            try:
                self._call(action, request)
            except ClientError as error:
                told = error.response.get("Error", {})
                if told.get("Code") != "ResourceInUse" and _EXISTS not in str(told.get("Message", "")):
                    raise

    def _call(self, action: str, request: Mapping[str, Any]) -> Any:
        from botocore import xform_name  # noqa: PLC0415 - see __init__

        return getattr(self._sagemaker, xform_name(action))(**request)

    def _new_lines(self, group: str, prefix: str, name: str, tokens: dict[str, str]) -> Iterator[str]:
        """What each stream has beyond its token; the tokens move on."""
        for stream in self._streams(group, prefix, name):
            while True:
                given = {"nextToken": tokens[stream]} if stream in tokens else {}
                with translated(f"reading the log of {name}", "logs:GetLogEvents"):
                    page = self._logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **given)
                yield from (str(event["message"]).rstrip("\n") for event in page["events"])
                following = str(page["nextForwardToken"])
                # The last page gives its own token again (API reference, GetLogEvents).
                if tokens.get(stream) == following or not page["events"]:
                    tokens[stream] = following
                    break
                tokens[stream] = following

    def _streams(self, group: str, prefix: str, name: str) -> list[str]:
        with translated(f"reading the log of {name}", "logs:DescribeLogStreams"):
            try:
                given = {"logStreamNamePrefix": prefix} if prefix else {}
                pages = self._logs.get_paginator("describe_log_streams").paginate(logGroupName=group, **given)
                return sorted(str(stream["logStreamName"]) for page in pages for stream in page["logStreams"])
            except self._logs.exceptions.ResourceNotFoundException:
                return []


def _is_missing(message: str) -> bool:
    return "not find" in message or "does not exist" in message or "not found" in message


def _outputs(kind: job_kinds.Kind, told: Mapping[str, Any]) -> dict[str, str]:
    """Where a job left what it made, by its description: no client needs to remember it."""
    if kind.name == "training":
        return training_outputs(told)
    if kind.name == "processing":
        outputs = told.get("ProcessingOutputConfig", {}).get("Outputs", [])
        return {one["OutputName"]: one["S3Output"]["S3Uri"].rstrip("/") + "/" for one in outputs if "S3Output" in one}
    if kind.name == "tuning" and "BestTrainingJob" in told:
        of_trial = {**told["TrainingJobDefinition"], "TrainingJobName": told["BestTrainingJob"]["TrainingJobName"]}
        return training_outputs(of_trial)
    if kind.name == "transform":
        return {"output": told["TransformOutput"]["S3OutputPath"].rstrip("/") + "/"}
    return {}


def _timings(told: Mapping[str, Any], collect_s: float) -> Timings:
    """Seconds by the service's own clock."""
    created = told.get("CreationTime")
    started = told.get("TrainingStartTime") or told.get("ProcessingStartTime") or told.get("TransformStartTime") or created
    ended = told.get("TrainingEndTime") or told.get("ProcessingEndTime") or told.get("TransformEndTime") or started
    prepare = (started - created).total_seconds() if started and created else 0.0
    return Timings(prepare, None, (ended - started).total_seconds() if started and ended else 0.0, collect_s)
