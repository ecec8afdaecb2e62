"""The local API's jobs: what Create, Describe, Stop, List, Update and Delete of them answer, and the threads they run in."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from lyftlearn_image.emulation.sagemaker.local_api import descriptions, listing, trials
from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError
from lyftlearn_image.emulation.sagemaker.local_api.record import Record
from lyftlearn_image.emulation.sagemaker.request_checks import check_request
from lyftlearn_image.errors import InvalidInputError, LyftlearnError, UnavailableError, UnsupportedError
from lyftlearn_image.platforms.sagemaker import job_kinds
from lyftlearn_image.platforms.sagemaker.api_model import list_members, output_members, validate_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lyftlearn_image.emulation.sagemaker.job_plan import Account
    from lyftlearn_image.platforms.sagemaker.job_kinds import Kind

_TERMINAL = ("Completed", "Failed", "Stopped")
_BY_NAME = {kind.name: kind for kind in job_kinds.KINDS}
_TRAINING, _TUNING = _BY_NAME["training"], _BY_NAME["tuning"]
_TRIALS = "ListTrainingJobsForHyperParameterTuningJob"
# What the service says of a name that it does not know: aws/aws-sdk#165, apache/airflow's SageMakerHook,
# aws/amazon-sagemaker-examples#1540.
_MISSING: Mapping[str, tuple[str, str]] = {
    "training": ("ValidationException", "Requested resource not found."),
    "processing": ("ValidationException", "Could not find requested job with name: {name}"),
    "transform": ("ValidationException", "Could not find requested job with name: {name}"),
    "tuning": ("ResourceNotFound", "Amazon SageMaker can't find a tuning job called {name}. Type another name."),
}
# The API's own defaults (API reference, ListHyperParameterTuningJobs and ListTrainingJobsForHyperParameterTuningJob).
_BY_NAME_UPWARDS = {"SortBy": "Name", "SortOrder": "Ascending"}


class JobRunner(Protocol):
    """Runs a job, in a thread of its own."""

    def __call__(self, record: Record, store: JobStore) -> None:
        """Runs to the end; `store.update` and its kin change the answer to Describe, such as the status."""


class JobStore:
    """The jobs, and what happens to them. `publish` gets the kind and the detail of an event at every change."""

    def __init__(
        self,
        run_job: JobRunner,
        account: Account,
        publish: Callable[[Kind, Mapping[str, Any]], None],
        kinds: Sequence[Kind],
    ) -> None:
        self._run_job = run_job
        self._account = account
        self._publish = publish
        self._records: dict[tuple[str, str], Record] = {}
        self._lock = threading.RLock()
        self._actions: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = dict(self._named_actions(kinds))

    def handle(self, action: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to an action, None for one that is not about jobs. Raises ServiceError."""
        if action not in self._actions:
            return None
        if not action.startswith("Create"):
            try:
                validate_request(action, request)
            except LyftlearnError as error:
                raise ServiceError("ValidationException", str(error)) from None
        return self._actions[action](request)

    def _named_actions(self, kinds: Sequence[Kind]) -> Iterator[tuple[str, Callable[[Mapping[str, Any]], dict[str, Any]]]]:
        for kind in kinds:
            for verb, method in (("Create", self._create), ("Describe", self._describe), ("Stop", self._stop)):
                yield f"{verb}{kind.stem}", lambda request, kind=kind, method=method: method(kind, request)  # type: ignore[misc]
            yield f"List{kind.stem}s", lambda request, kind=kind: self._list(kind, request)  # type: ignore[misc]
            if kind.name != "transform":
                yield f"Delete{kind.stem}", lambda request, kind=kind: self._delete(kind, request)  # type: ignore[misc]
        yield "UpdateTrainingJob", self._update_training
        yield _TRIALS, self._list_trials

    def update(self, record: Record, **fields: Any) -> None:
        """Changes fields of the answer to Describe."""
        with self._lock:
            record.description.update(fields, LastModifiedTime=time.time())
            detail = self._described(record)
        self._publish(record.kind, detail)

    def enter(self, record: Record, phase: str) -> None:
        """A training job comes to a SecondaryStatus; one that is stopping says so until its end."""
        with self._lock:
            fields = descriptions.entered(record.description, phase, time.time())
            if record.status == "Stopping":
                fields["SecondaryStatus"] = "Stopping"
        self.update(record, **fields)

    def fail(self, record: Record, error: Exception) -> None:
        """A job broke off. What its caller can mend is the caller's error; all else is the service's own."""
        what = error.what if isinstance(error, LyftlearnError) else type(error).__name__
        is_callers = isinstance(error, InvalidInputError | UnsupportedError)
        reason = f"{'ClientError' if is_callers else 'InternalServerError'}: {what}"
        self.update(record, **descriptions.failed(record.kind, record.description, reason, time.time()))

    def add_trial(self, tuning: Record, request: Mapping[str, Any], tuned: Mapping[str, str]) -> Record:
        """A training job of a tuning job, which somebody else runs; it is stopped with it."""
        with self._lock:
            trial = self._add(_TRAINING, request)
            trial.description["TuningJobArn"] = tuning.description[f"{_TUNING.stem}Arn"]
            trial.tuned = tuned
            tuning.trials.append(trial)
            if tuning.stop.is_set():
                trial.stop.set()
        return trial

    def described(self, kind: Kind) -> list[dict[str, Any]]:
        """The answers to Describe of all jobs of a kind, in the order of their creation."""
        with self._lock:
            return [self._described(record) for record in self._records.values() if record.kind is kind]

    def has_arn(self, arn: str) -> bool:
        """Whether there is a job of this ARN."""
        with self._lock:
            return any(record.description[f"{record.kind.stem}Arn"] == arn for record in self._records.values())

    def request_stop(self) -> None:
        """Asks every job to end."""
        for record in tuple(self._records.values()):
            record.stop.set()

    def is_busy(self) -> bool:
        """Whether any job still runs."""
        threads = [record.thread for record in tuple(self._records.values())]
        return any(thread is not None and thread.is_alive() for thread in threads)

    def _create(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            check_request(kind.action, request)
        except UnavailableError as error:
            raise ServiceError("ResourceLimitExceeded", str(error)) from None
        except LyftlearnError as error:
            raise ServiceError("ValidationException", str(error)) from None
        record = self._add(kind, request)
        record.thread = threading.Thread(target=self._run, args=(record,), daemon=True)
        record.thread.start()
        return {f"{kind.stem}Arn": record.description[f"{kind.stem}Arn"]}

    def _add(self, kind: Kind, request: Mapping[str, Any]) -> Record:
        name = request[kind.name_field]
        arn = self._account.arn(kind.resource, name)
        record = Record(kind, request, descriptions.created(kind, request, arn, time.time()))
        with self._lock:
            if (kind.name, name) in self._records:
                raise ServiceError("ResourceInUse", f"{kind.stem} names must be unique within an AWS account and region")
            self._records[kind.name, name] = record
        return record

    def _run(self, record: Record) -> None:
        try:
            self._run_job(record, self)
        except Exception as error:  # noqa: BLE001 - a job whose thread has ended must not seem to run for ever
            with contextlib.suppress(Exception):  # where its event goes to may be what has failed
                self.fail(record, error)

    def _describe(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        members = output_members(f"Describe{kind.stem}")
        with self._lock:
            described = self._described(self._get(kind, request))
        # Of a transform job's times, List alone tells the last change.
        return {name: value for name, value in described.items() if name in members}

    @staticmethod
    def _described(record: Record) -> dict[str, Any]:
        return {**record.description, **(trials.progress(record) if record.kind is _TUNING else {})}

    def _stop(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            record = self._get(kind, request)
            if record.status in _TERMINAL:
                raise ServiceError("ValidationException", f"The job {record.name} is in status {record.status}: it has ended.")
            record.description[kind.status_field] = "Stopping"
            if kind is _TRAINING:
                record.description.update(descriptions.entered(record.description, "Stopping", time.time()))
            stopped = [record, *record.trials]
        for one in stopped:
            one.stop.set()
        return {}

    def _delete(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            record = self._get(kind, request)
            if record.status not in _TERMINAL:
                raise ServiceError("ResourceInUse", f"The job {record.name} is in status {record.status}: stop it first.")
            del self._records[kind.name, record.name]
        return {}

    def _update_training(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Takes what has no effect in a container; ResourceConfig and RemoteDebugConfig are refused by name."""
        with self._lock:
            record = self._get(_TRAINING, request)
            for name in ("ResourceConfig", "RemoteDebugConfig"):
                if name in request:
                    raise ServiceError("ValidationException", f"the embedded target does not implement {name}")
            if record.status != "InProgress":
                raise ServiceError("ValidationException", f"The job {record.name} is in status {record.status}: it has ended.")
            told = {name: request[name] for name in ("ProfilerConfig", "ProfilerRuleConfigurations") if name in request}
        self.update(record, **told)
        return {"TrainingJobArn": record.description["TrainingJobArn"]}

    def _list(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        asked = {**_BY_NAME_UPWARDS, **request} if kind is _TUNING else request
        chosen = listing.choose(self.described(kind), asked, name_field=kind.name_field, status_field=kind.status_field)
        member = f"{kind.stem}Summaries"
        return listing.page([_summary(kind, one) for one in chosen], request, member)

    def _list_trials(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            tuning = self._get(_TUNING, request)
            summaries = [trials.trial_summary(tuning, trial) for trial in tuning.trials]
        asked = {**_BY_NAME_UPWARDS, **request}
        if asked["SortBy"] == trials.BY_OBJECTIVE:
            summaries = [one for one in summaries if trials.sort_value(one, trials.BY_OBJECTIVE) is not None]
        chosen = listing.choose(
            summaries, asked, name_field="TrainingJobName", status_field="TrainingJobStatus", value_of=trials.sort_value
        )
        return listing.page(chosen, request, "TrainingJobSummaries")

    def _get(self, kind: Kind, request: Mapping[str, Any]) -> Record:
        name = str(request.get(kind.name_field, ""))
        record = self._records.get((kind.name, name))
        if record is None:
            code, message = _MISSING[kind.name]
            raise ServiceError(code, message.format(name=name))
        return record


def _summary(kind: Kind, description: Mapping[str, Any]) -> dict[str, Any]:
    """What List says of a job: the members of its summary that Describe has, and a tuning job's strategy and limits."""
    config = description.get("HyperParameterTuningJobConfig", {})
    known = {**description, **{name: config[name] for name in ("Strategy", "ResourceLimits") if name in config}}
    return {name: known[name] for name in list_members(f"List{kind.stem}s") if name in known}
