"""Runs the local API's jobs in the emulator; their logs go to CloudWatch Logs, their changes to EventBridge."""

from __future__ import annotations

import json
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker import tuner
from lyftlearn_image.emulation.sagemaker.local_api import descriptions
from lyftlearn_image.emulation.sagemaker.local_api.log import Log
from lyftlearn_image.emulation.sagemaker.local_api.metric_series import MetricSeries
from lyftlearn_image.errors import LyftlearnError, RunError
from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.run import Status, StopRequest
from lyftlearn_image.runs.log_lines import read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator
    from lyftlearn_image.emulation.sagemaker.local_api.hosting import Hosting
    from lyftlearn_image.emulation.sagemaker.local_api.job_store import JobStore
    from lyftlearn_image.emulation.sagemaker.local_api.record import Record
    from lyftlearn_image.platforms.sagemaker.job_kinds import Kind
    from lyftlearn_image.run import Run

_HOST = "algo-1"
_SOURCE = "aws.sagemaker"
# The service's words; it gives up after five (aws/amazon-sagemaker-examples#2437).
_NO_TRIAL = "No training job succeeded. Please take a look at the training job failures to get more details."


class EmulatedJobs:
    """Runs records; see job_store.JobRunner. Each has a directory of its own below `workspace`."""

    def __init__(
        self, emulator: SageMakerEmulator, endpoint: AwsEndpoint, workspace: Path, hosting: Hosting | None = None
    ) -> None:
        self._hosting = hosting
        self._emulator = emulator
        self._clients = Clients(endpoint)
        self._workspace = workspace

    def __call__(self, record: Record, store: JobStore) -> None:
        """Runs one record to its end."""
        workspace = self._workspace / record.kind.name / record.name
        workspace.mkdir(parents=True)
        if record.kind.name == "training":
            self._train(record, store, workspace)
        elif record.kind.name == "tuning":
            self._tune(record, store, workspace)
        else:
            self._run(record, store, workspace)

    def _train(self, record: Record, store: JobStore, workspace: Path) -> Run:
        metrics = record.request["AlgorithmSpecification"].get("MetricDefinitions", [])
        regexes = {metric["Name"]: metric["Regex"] for metric in metrics}
        series = MetricSeries(lambda: self._clients.cloudwatch, record.name, regexes)
        log = self._log(record, _HOST)

        def on_line(line: str) -> None:
            log.add(line)
            series.add(line)

        compiled = Compiled("sagemaker", record.kind.action, (record.request,))
        stop = StopRequest(asked=record.stop)
        run = self._emulator.run(
            compiled, workspace=workspace, stop=stop, on_line=on_line, on_phase=lambda phase: store.enter(record, phase)
        )
        self._write_rest(record, log, workspace)
        for line in read_lines(_unseen_streams(workspace)) if regexes else ():
            series.add(line)
        series.flush()
        store.update(record, **descriptions.ended(record.kind, record.description, run, time.time()))
        return run

    def _tune(self, record: Record, store: JobStore, workspace: Path) -> None:
        """Each trial is a training job that can be described, listed and stopped like any other."""

        def run_trial(number: int, values: Mapping[str, Any], directory: Path, _: StopRequest) -> Run:
            request = tuner.trial_request(record.request, number, values)
            trial = store.add_trial(record, request, tuner.written(values))
            try:
                return self._train(trial, store, directory)
            except LyftlearnError as error:
                store.fail(trial, error)
                raise RunError(error.what) from error
            except Exception as error:
                store.fail(trial, error)
                raise

        try:
            run = self._emulator.tune(record.request, workspace, StopRequest(asked=record.stop), run_trial)
        except RunError:
            # Not one trial could begin, or went through: what stopped each of them stands in its own description.
            status, reason = (Status.STOPPED, "") if record.stop.is_set() else (Status.FAILED, _NO_TRIAL)
            store.update(record, **descriptions.broken_off(record.kind, record.description, status, reason, time.time()))
        else:
            store.update(record, **descriptions.ended(record.kind, record.description, run, time.time()))

    def _run(self, record: Record, store: JobStore, workspace: Path) -> None:
        """A processing or a transform job."""
        store.update(record, **descriptions.started(record.kind, time.time()))
        has_model = self._hosting and record.kind.name == "transform"
        models = self._hosting.model_requests(record.request) if self._hosting and has_model else ()
        compiled = Compiled("sagemaker", record.kind.action, (*models, record.request))
        log = self._log(record, _HOST)
        stop = StopRequest(asked=record.stop)
        run = self._emulator.run(compiled, workspace=workspace, stop=stop, on_line=log.add)
        self._write_rest(record, log, workspace)
        store.update(record, **descriptions.ended(record.kind, record.description, run, time.time()))

    def _write_rest(self, record: Record, log: Log, workspace: Path) -> None:
        """What of a job's log has not been written live: CloudWatch Logs has both streams in one, and each host in its own."""
        log.add_file(workspace / "stderr")
        log.flush()
        for directory in sorted((workspace / "hosts").glob("*")):
            host_log = self._log(record, directory.name)
            for stream in ("stdout", "stderr"):
                host_log.add_file(directory / stream)
            host_log.flush()

    def _log(self, record: Record, host: str) -> Log:
        return Log(self._clients.logs, record.kind.log_group, f"{record.name}/{host}-{int(time.time())}")


def _unseen_streams(workspace: Path) -> Iterator[Path]:
    """The streams whose lines nobody got as they came: stderr, and all of the hosts but the first."""
    yield workspace / "stderr"
    for directory in sorted((workspace / "hosts").glob("*")):
        yield from (directory / "stdout", directory / "stderr")


class Clients:
    """The local endpoint's clients, each made when it is first asked for: most runs need few of them."""

    def __init__(self, endpoint: AwsEndpoint) -> None:
        self._endpoint = endpoint

    @cached_property
    def logs(self) -> Any:
        """CloudWatch Logs."""
        return self._endpoint.client("logs")

    @cached_property
    def cloudwatch(self) -> Any:
        """CloudWatch."""
        return self._endpoint.client("cloudwatch")

    @cached_property
    def events(self) -> Any:
        """EventBridge."""
        return self._endpoint.client("events")


class Publisher:
    """Sends EventBridge an event of a change, as the service does."""

    def __init__(self, endpoint: AwsEndpoint) -> None:
        self._clients = Clients(endpoint)

    def __call__(self, kind: Kind, detail: Mapping[str, Any]) -> None:
        """Sends one event."""
        entry = {"Source": _SOURCE, "DetailType": kind.detail_type, "Detail": json.dumps(detail)}
        self._clients.events.put_events(Entries=[entry])
