"""A CreateTransformJob request with its CreateModel: objects go through the model's containers, and come out beside them.

Sources: SageMaker developer guide, your-algorithms-batch-code and batch-transform; API reference, CreateTransformJob,
TransformOutput and StopTransformJob.
"""

from __future__ import annotations

import concurrent.futures
import shutil
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.aws import s3 as objects, s3_archives
from lyftlearn_image.emulation.sagemaker import fields
from lyftlearn_image.emulation.sagemaker.batch.association import parse_association
from lyftlearn_image.emulation.sagemaker.batch.client import ALGORITHM_ERROR, STRATEGIES, BatchClient, resolve_settings
from lyftlearn_image.emulation.sagemaker.job_plan import REASON_CHARACTERS, Rank, download_input
from lyftlearn_image.emulation.sagemaker.serving import model as models
from lyftlearn_image.emulation.sagemaker.serving.model_server import STOP_GRACE_S, ModelServer
from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.platforms.sagemaker.actions import APP_CONFIG, ENDPOINT, MODEL, TRANSFORM
from lyftlearn_image.platforms.sagemaker.api_model import validate_request
from lyftlearn_image.run import Run, Status, Timings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lyftlearn_image.emulation.docker.container_spec import ContainerSpec
    from lyftlearn_image.emulation.docker.running_container import ContainerExit, RunningContainer
    from lyftlearn_image.emulation.sagemaker.context import Context
    from lyftlearn_image.platforms.launch import Compiled
    from lyftlearn_image.runs.stop_watch import StopWatch

# Actions of hosting's and Studio's requests, for whom runs them here.
ACTIONS = frozenset({TRANSFORM, ENDPOINT, APP_CONFIG})
# So long a container may go without a 200 from /ping, as a maintainer says (aws/amazon-sagemaker-examples#815).
START_TIMEOUT_S = 30 * 60
# The service's words (aws/amazon-sagemaker-examples#852).
_NO_PING = (
    "AlgorithmError: Model container failed to respond to ping. "
    "Please ensure /ping endpoint is implemented and responds with an HTTP 200 status code"
)
_TICK_S = 0.05
# A container's connections break before the engine tells of its end; a busy engine takes seconds.
_END_TOLD_S = 10.0


@dataclass(frozen=True)
class _InstanceExit:
    """How one instance ended: its reason, "" when it did its share, and how its container did, None when it never ran.

    `ended_at` is the monotonic time at which that was known.
    """

    reason: str
    container: ContainerExit | None = None
    ended_by_itself: bool = False
    ended_at: float = 0.0


def run(context: Context, compiled: Compiled, workspace: Path, watch: StopWatch) -> Run:
    """Carries a transform job out; see Target.run.

    Of several instances each has its share of the objects, and their streams stand one after the other. The lines of the
    service's own log ("[sagemaker logs]: …") end stderr. `exit_code` is 0 for a completed job, a container's own when it
    ended by itself, and else 1: a transform job has no exit code of its own. Raises UnsupportedError for an endpoint and for a
    Studio image, which do not end.
    """
    if compiled.action != TRANSFORM:
        raise UnsupportedError(
            f"{compiled.action} starts what does not end: it is no job to run",
            hint="`lyftlearn-image run FILE --target sagemaker --here` starts it, until Ctrl-C.",
        )
    started = time.monotonic()
    model_request, request = _split_requests(compiled)
    validate_request(TRANSFORM, request)
    check(request)
    host = workspace / "opt-ml"
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    download_input(context.s3, source, host / "input", Rank(0, 1), label="TransformInput")
    try:
        transform = _TransformRun(context, models.prepare(model_request, host, context.s3), request, workspace, watch)
    except models.ModelDataError as error:
        ends, prepared = [_InstanceExit(f"ClientError: {error}")], time.monotonic()
        _join_streams(workspace, [], [])
    else:
        prepared = time.monotonic()
        ends = transform.run()
    finished = time.monotonic()
    status, reason = _status(ends, watch)
    if status is not Status.STOPPED:
        # "When you stop a batch transform job before it is completed, SageMaker doesn't store the job's output" (API
        # reference, StopTransformJob); of a failed one it keeps that of the objects that went through (TransformOutput).
        objects.upload_directory(context.s3, host / "output", request["TransformOutput"]["S3OutputPath"])
    return Run(
        target="sagemaker",
        job_name=request["TransformJobName"],
        status=status,
        exit_code=_exit_code(ends, status),
        reason=reason[:REASON_CHARACTERS],
        stdout=workspace / "stdout",
        stderr=workspace / "stderr",
        artifacts=s3_archives.download_outputs(
            context.s3, compiled.outputs, workspace / "artifacts", context.containers.limits
        ),
        observation=None,
        timings=Timings(prepared - started, None, finished - prepared, time.monotonic() - finished),
        notes=context.notes(request["TransformResources"]["InstanceType"]),
    )


def check(request: Mapping[str, Any]) -> None:
    """UnsupportedError for a field that is not implemented, InvalidInputError for a path of DataProcessing that is none."""
    fields.refuse_unknown(request, fields.TRANSFORM)
    parse_association(request)


def _split_requests(compiled: Compiled) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The model and the job that names it."""
    if len(compiled.documents) != 2:  # noqa: PLR2004 - the two
        raise InvalidInputError(f"a transform job is {MODEL} and {TRANSFORM}", where=f"got {len(compiled.documents)} requests")
    model, request = compiled.documents
    if model.get("ModelName") != request.get("ModelName"):
        raise InvalidInputError(f"ModelName is {request.get('ModelName')}, and the model's is {model.get('ModelName')}")
    return model, request


class _TransformRun:
    """One transform job on its instances."""

    def __init__(
        self, context: Context, model: models.Model, request: Mapping[str, Any], workspace: Path, watch: StopWatch
    ) -> None:
        self._context = context
        self._model = model
        self._request = request
        self._workspace = workspace
        self._watch = watch
        self._abandoned = threading.Event()
        self._lines: list[str] = []

    def run(self) -> list[_InstanceExit]:
        """How each instance ended. "SageMaker maps S3 objects in the input by key" to instances (batch-transform)."""
        directory = self._workspace / "opt-ml" / "input"
        files = sorted((path.relative_to(directory).as_posix(), path) for path in directory.rglob("*") if path.is_file())
        count = self._request["TransformResources"]["InstanceCount"]
        directories = [self._workspace / "instances" / str(index) for index in range(count)]
        for directory in directories:
            directory.mkdir(parents=True)
        (self._workspace / "opt-ml" / "output").mkdir()
        with concurrent.futures.ThreadPoolExecutor(count) as threads:
            pending = [
                threads.submit(self._run_instance, index, directories[index], files[index::count]) for index in range(count)
            ]
            try:
                exits = [future.result() for future in pending]
            finally:
                # After Ctrl-C, or when the engine has gone away for one of them.
                self._abandoned.set()
        _join_streams(self._workspace, directories, self._lines)
        return exits

    def _run_instance(self, index: int, directory: Path, files: Sequence[tuple[str, Path]]) -> _InstanceExit:
        spec = self._container_spec(index)
        stdout, stderr = directory / "stdout", directory / "stderr"
        over = threading.Event()
        server = ModelServer(str(spec.ip))
        with self._context.containers.start(spec, stdout=stdout, stderr=stderr, on_line=self._watch.on_line) as running:
            with concurrent.futures.ThreadPoolExecutor(1) as thread:
                work = thread.submit(self._transform_share, server, running, files, over)
                try:
                    ended = self._wait(running, work, server)
                    is_cut = not work.done()
                finally:
                    over.set()
                if ended is None:
                    self._watch.stopped = self._watch.stopped or (is_cut and self._watch.wait_for_stop(0))
                    running.stop(0 if self._abandoned.is_set() else STOP_GRACE_S)
                reason = work.result()
                ended_at = time.monotonic()
            last = running.wait()
        # A container that ends before its work has failed, whatever it did before.
        return _InstanceExit(reason or (ALGORITHM_ERROR if ended else ""), last, ended is not None, ended_at)

    def _wait(
        self, running: RunningContainer, work: concurrent.futures.Future[str], server: ModelServer
    ) -> ContainerExit | None:
        """Until the work is done, somebody asks for a stop, or the container ends: then how it did."""
        while not (work.done() or self._abandoned.is_set() or self._watch.wait_for_stop(_TICK_S)):
            if ended := running.wait(0):
                return ended
        return running.wait(_END_TOLD_S) if _has_failed(work) and not server.accepts() else None

    def _transform_share(
        self, server: ModelServer, running: RunningContainer, files: Sequence[tuple[str, Path]], over: threading.Event
    ) -> str:
        if not server.wait_until_healthy(running, START_TIMEOUT_S, over.is_set):
            return _NO_PING
        settings = resolve_settings(self._request, server.execution_parameters())
        self._lines.append(settings.log_line())
        client = BatchClient(server, settings, self._lines.append, over)
        return client.transform(files, self._workspace / "opt-ml" / "output")

    def _container_spec(self, index: int) -> ContainerSpec:
        name = self._request["TransformJobName"]
        arn = self._context.account.arn("transform-job", name)
        environment = {
            **self._request.get("Environment", {}),
            **_batch_variables(self._request),
            # Not documented, and two code bases of AWS rely on it (aws/sagemaker-python-sdk, experiments/_environment.py).
            "TRANSFORM_JOB_ARN": arn,
        }
        instance_type = self._request["TransformResources"]["InstanceType"]
        return models.container_spec(self._model, self._context, instance_type, name=f"{name}-{index}", environment=environment)


def _has_failed(work: concurrent.futures.Future[str]) -> bool:
    return work.done() and not work.exception() and bool(work.result())


def _batch_variables(request: Mapping[str, Any]) -> dict[str, str]:
    """What the service adds: the last three only where the caller has set them (your-algorithms-batch-code)."""
    variables = {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": request.get("MaxPayloadInMB"),
        "SAGEMAKER_BATCH_STRATEGY": STRATEGIES.get(request.get("BatchStrategy", "")),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": request.get("MaxConcurrentTransforms"),
    }
    return {name: str(value) for name, value in variables.items() if value is not None}


def _status(ends: Sequence[_InstanceExit], watch: StopWatch) -> tuple[Status, str]:
    """The status, and the reason of the instance that failed first."""
    if watch.stopped:
        return Status.STOPPED, ""
    failed = _first_failed(ends)
    return (Status.FAILED, failed.reason) if failed else (Status.COMPLETED, "")


def _exit_code(ends: Sequence[_InstanceExit], status: Status) -> int:
    """0 for a completed job; the code of the container that failed first where it ended by itself; else 1."""
    if status is Status.COMPLETED:
        return 0
    failed = _first_failed(ends)
    container = failed.container if failed and failed.ended_by_itself else None
    return (container.exit_code if container else 0) or 1


def _first_failed(ends: Sequence[_InstanceExit]) -> _InstanceExit | None:
    return min((end for end in ends if end.reason), key=lambda end: end.ended_at, default=None)


def _join_streams(workspace: Path, directories: Sequence[Path], lines: Sequence[str]) -> None:
    """One file of each stream, in the order of the instances."""
    for name in ("stdout", "stderr"):
        with (workspace / name).open("wb") as file:
            for directory in directories:
                with (directory / name).open("rb") as part:
                    shutil.copyfileobj(part, file)
            if name == "stderr":
                file.writelines(f"{line}\n".encode() for line in lines)


def describe_end(run: Run) -> dict[str, Any]:
    """The fields that DescribeTransformJob has at the end."""
    description: dict[str, Any] = {"TransformJobStatus": run.status.value, "TransformEndTime": time.time()}
    return {**description, "FailureReason": run.reason} if run.reason else description
