"""The local control plane's hands: each of its jobs runs in the emulator, its log goes to CloudWatch Logs."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any

from lyftlearn_image.targets.sagemaker.transforming import end_of
from lyftlearn_image.targets.target import Compiled, StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import boto3

    from lyftlearn_image.targets.sagemaker.control_plane import Record
    from lyftlearn_image.targets.sagemaker.emulator import SageMakerEmulator
    from lyftlearn_image.targets.sagemaker.hosted import Hosting
    from lyftlearn_image.targets.sagemaker.kinds import Kind

_HOST = "algo-1"
_FLUSH_S = 0.2
_SOURCE = "aws.sagemaker"


class EmulatedJobs:
    """Runs records; see control_plane.Runner. Each has a directory of its own below `workspace`."""

    def __init__(
        self, emulator: SageMakerEmulator, session: boto3.Session, workspace: Path, hosting: Hosting | None = None
    ) -> None:
        self._hosting = hosting
        self._emulator = emulator
        self._logs: Any = session.client("logs")
        self._workspace = workspace

    def __call__(self, record: Record, tell: Callable[..., None]) -> None:
        """Runs one record to its end."""
        kind = record.kind
        name = record.request[kind.name_field]
        log = Log(self._logs, str(kind.log_group), f"{name}/{_HOST}-{int(time.time())}")
        workspace = self._workspace / kind.name / name
        workspace.mkdir(parents=True)
        if kind.name == "training":
            tell(SecondaryStatus="Training", TrainingStartTime=time.time())
        models = self._hosting.models_of(record.request) if self._hosting and kind.name == "transform" else ()
        compiled = Compiled("sagemaker", kind.action, (*models, record.request))
        run = self._emulator.run(compiled, workspace=workspace, stop=StopRequest(asked=record.stop), on_line=log.add)
        # The service does not tell the two streams apart; which came first is not known any more.
        for line in run.stderr.read_text(encoding="utf-8", errors="replace").splitlines():
            log.add(line)
        log.flush()
        if kind.name == "transform":
            tell(**end_of(run))
            return
        told: dict[str, Any] = {kind.status_field: run.status.value}
        if kind.name == "training":
            told.update(SecondaryStatus=run.status.value, TrainingEndTime=time.time(), FailureReason=run.reason)
        else:
            told.update(ProcessingEndTime=time.time(), ExitMessage=run.reason)
            if run.exit_code:
                # The words of a real job (aws/sagemaker-python-sdk#1568).
                told["FailureReason"] = f"AlgorithmError: See job logs for more information, exit code: {run.exit_code}"
        tell(**{key: value for key, value in told.items() if value != ""})


class Publisher:
    """Tells EventBridge of a change, as the service does."""

    def __init__(self, session: boto3.Session) -> None:
        self._events: Any = session.client("events")

    def __call__(self, kind: Kind, told: Mapping[str, Any]) -> None:
        """Sends one event."""
        entry = {"Source": _SOURCE, "DetailType": kind.detail_type, "Detail": json.dumps(told)}
        self._events.put_events(Entries=[entry])


class Log:
    """One stream, filled in batches: a request for each line would be slower than the script."""

    def __init__(self, logs: Any, group: str, stream: str) -> None:
        self._logs, self._group, self._stream = logs, group, stream
        self._lines: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._flushed_at = 0.0
        self._is_made = False

    def add(self, line: str) -> None:
        """One line; an empty one is no event (CloudWatch Logs API reference, InputLogEvent)."""
        if not line:
            return
        with self._lock:
            self._lines.append({"timestamp": int(time.time() * 1000), "message": line})
        if time.monotonic() - self._flushed_at > _FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """What is there goes out."""
        with self._lock:
            lines, self._lines = self._lines, []
            self._flushed_at = time.monotonic()
            if not lines:
                return
            if not self._is_made:
                self._make()
            self._logs.put_log_events(logGroupName=self._group, logStreamName=self._stream, logEvents=lines)

    def _make(self) -> None:
        with contextlib.suppress(self._logs.exceptions.ResourceAlreadyExistsException):
            self._logs.create_log_group(logGroupName=self._group)
        self._logs.create_log_stream(logGroupName=self._group, logStreamName=self._stream)
        self._is_made = True
