"""Interprets a CreateTrainingJob or CreateProcessingJob request on this machine, as the service's documentation has it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.targets import objects
from lyftlearn_image.targets.containers import ContainerSpec, Mount
from lyftlearn_image.targets.limits import validate_request
from lyftlearn_image.targets.sagemaker import fields, opt_ml
from lyftlearn_image.targets.sagemaker.compile import TRAINING, compile_workload
from lyftlearn_image.targets.sagemaker.instances import size_of
from lyftlearn_image.targets.target import Compiled, Run, Status, Timings
from lyftlearn_image.targets.watching import Watch, read_observation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.targets.containers import ContainerExit, Containers, Network
    from lyftlearn_image.targets.target import Launch, StopRequest
    from lyftlearn_image.workload import Workload

ACCOUNT, REGION = "000000000000", "us-east-1"
# StopTrainingJob: SIGTERM, then SIGKILL 120 s later (API reference, StopTrainingJob; so for MaxRuntimeInSeconds).
STOP_GRACE_S = 120
_DEFAULT_RUNTIME_S = 24 * 3600
# Of /opt/ml/output/failure and of /opt/ml/output/message (API reference, FailureReason and ExitMessage).
_REASON_CHARACTERS = 1024
_NOT_UTF8 = "ClientError: /opt/ml/output/message is not UTF-8"


@dataclass(frozen=True)
class _Job:
    """A request as the emulator carries it out."""

    name: str
    arn: str
    spec: ContainerSpec
    host: Path
    max_runtime_s: int
    # Where the host's directories go afterwards: directory → URI; an archive, or a prefix that ends in `/`.
    uploads: Mapping[str, str] = field(default_factory=dict)


class SageMakerEmulator:
    """The embedded `sagemaker` target."""

    name = "sagemaker"

    def __init__(self, containers: Containers, network: Network, s3: S3Client, platform_environment: Mapping[str, str]) -> None:
        self._containers = containers
        self._network = network
        self._s3 = s3
        self._platform = dict(platform_environment)
        info = containers.client.info()
        self._cpus, self._memory_bytes = int(info["NCPU"]), int(info["MemTotal"])

    def compile(self, workload: Workload, launch: Launch) -> Compiled:
        """The request for this workload."""
        return compile_workload(workload, launch)

    def run(
        self,
        compiled: Compiled,
        *,
        workspace: Path,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Run:
        """Carries the request out; see Target.run."""
        started = time.monotonic()
        (request,) = compiled.documents
        validate_request(compiled.action, request)
        is_training = compiled.action == TRAINING
        fields.refuse_unknown(request, fields.TRAINING if is_training else fields.PROCESSING)
        job = self._prepare_training(request, workspace) if is_training else self._prepare_processing(request, workspace)
        watch = Watch(stop, on_line)
        prepared = time.monotonic()
        with self._containers.start(
            job.spec, stdout=workspace / "stdout", stderr=workspace / "stderr", on_line=watch.on_line
        ) as running:
            ended = watch.wait(running, max_runtime_s=job.max_runtime_s, grace_s=STOP_GRACE_S)
            finished = time.monotonic()
            self._open_permissions(job, workspace)
        for directory, uri in job.uploads.items():
            self._upload(job.host / directory, uri)
        artifacts = objects.collect(self._s3, compiled.outputs, workspace / "artifacts")
        observation = read_observation(artifacts)
        startup = None if observation is None else observation["observed_at"] - ended.started_at
        ran = ended.finished_at - ended.started_at
        message = _training_reason(job, ended, watch) if is_training else _exit_message(job)
        return Run(
            target=self.name,
            job_name=job.name,
            status=_status(ended, watch) if message is not None else Status.FAILED,
            exit_code=ended.exit_code,
            reason=_NOT_UTF8 if message is None else message,
            stdout=workspace / "stdout",
            stderr=workspace / "stderr",
            artifacts=artifacts,
            observation=observation,
            timings=Timings(prepared - started, startup, ran - (startup or 0.0), time.monotonic() - finished),
        )

    def _prepare_training(self, request: Mapping[str, Any], workspace: Path) -> _Job:
        """The /opt/ml tree on the host, and the container that sees it."""
        name, host = request["TrainingJobName"], workspace / "opt-ml"
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}"
        algorithm, resources = request["AlgorithmSpecification"], request["ResourceConfig"]
        channels = request.get("InputDataConfig", [])
        config = host / "input" / "config"
        opt_ml.write_json(config / "hyperparameters.json", request.get("HyperParameters", {}))
        opt_ml.write_json(config / "inputdataconfig.json", opt_ml.input_data_config(channels, algorithm["TrainingInputMode"]))
        opt_ml.write_json(config / "resourceconfig.json", opt_ml.resource_config(resources["InstanceType"]))
        for below in ("input/data", "model", "output/data", "checkpoints"):
            (host / below).mkdir(parents=True, exist_ok=True)
        mounts = [Mount(f"/opt/ml/{below}", host / below) for below in ("input", "model", "output")]
        for channel in channels:
            mounts += self._channel(channel, host, algorithm["TrainingInputMode"])
        place = f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{name}/output"
        uploads = {"model": f"{place}/model.tar.gz", "output/data": f"{place}/output.tar.gz"}
        if checkpoints := request.get("CheckpointConfig"):
            objects.download_prefix(self._s3, checkpoints["S3Uri"], host / "checkpoints")
            mounts.append(Mount(checkpoints.get("LocalPath", "/opt/ml/checkpoints"), host / "checkpoints"))
            uploads["checkpoints"] = checkpoints["S3Uri"].rstrip("/") + "/"
        environment = {"TRAINING_JOB_NAME": name, "TRAINING_JOB_ARN": arn, **request.get("Environment", {})}
        spec = self._spec(
            name, algorithm["TrainingImage"], algorithm, resources["InstanceType"], environment, mounts, default=("train",)
        )
        return _Job(name, arn, spec, host, _max_runtime(request), uploads)

    def _channel(self, channel: Mapping[str, Any], host: Path, default_mode: str) -> list[Mount]:
        """Downloads a channel; a FastFile channel is mounted read-only over its place."""
        name = channel["ChannelName"]
        directory = host / "input" / "data" / name
        objects.download_prefix(self._s3, channel["DataSource"]["S3DataSource"]["S3Uri"], directory)
        is_fast = channel.get("InputMode", default_mode) == "FastFile"
        return [Mount(f"/opt/ml/input/data/{name}", directory, read_only=True)] if is_fast else []

    def _prepare_processing(self, request: Mapping[str, Any], workspace: Path) -> _Job:
        name, host = request["ProcessingJobName"], workspace / "opt-ml"
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:processing-job/{name}"
        app, cluster = request["AppSpecification"], request["ProcessingResources"]["ClusterConfig"]
        opt_ml.write_json(host / "config" / "processingjobconfig.json", opt_ml.processing_job_config(request, arn))
        opt_ml.write_json(host / "config" / "resourceconfig.json", opt_ml.resource_config(cluster["InstanceType"]))
        (host / "output").mkdir()
        mounts = [Mount("/opt/ml/config", host / "config"), Mount("/opt/ml/output", host / "output")]
        for one in request.get("ProcessingInputs", []):
            directory = host / "inputs" / one["InputName"]
            objects.download_prefix(self._s3, one["S3Input"]["S3Uri"], directory)
            mounts.append(Mount(one["S3Input"]["LocalPath"], directory))
        uploads = {}
        for one in request.get("ProcessingOutputConfig", {}).get("Outputs", []):
            # They exist before the entrypoint runs (API reference, ProcessingS3Output.LocalPath).
            directory = host / "outputs" / one["OutputName"]
            directory.mkdir(parents=True)
            mounts.append(Mount(one["S3Output"]["LocalPath"], directory))
            uploads[f"outputs/{one['OutputName']}"] = one["S3Output"]["S3Uri"].rstrip("/") + "/"
        environment = dict(request.get("Environment", {}))
        spec = self._spec(name, app["ImageUri"], app, cluster["InstanceType"], environment, mounts, default=None)
        return _Job(name, arn, spec, host, _max_runtime(request), uploads)

    def _spec(  # noqa: PLR0913, PLR0917 - what a container of either kind of job is made from
        self, name: str, image: str, said: Mapping[str, Any], instance_type: str, environment: Mapping[str, str],
        mounts: list[Mount], *, default: tuple[str, ...] | None,
    ) -> ContainerSpec:  # fmt: skip
        """The container as `docker run` is documented to start it: root, CMD replaced, no TTY."""
        entrypoint, arguments = said.get("ContainerEntrypoint"), said.get("ContainerArguments")
        cpus, memory_gib = size_of(instance_type)
        ip = self._network.allocate_ip()
        variables = {**self._platform, "AWS_EXECUTION_ENV": "AWS_ECS_EC2", **environment}
        return ContainerSpec(
            image=image,
            name=f"{self._containers.run_id}-sagemaker-{name}",
            environment=tuple(variables.items()),
            entrypoint=tuple(entrypoint) if entrypoint else None,
            command=tuple(arguments) if arguments else None if entrypoint else default,
            user="0",
            mounts=tuple(mounts),
            network=self._network.name,
            ip=ip,
            hostname=f"ip-{ip.replace('.', '-')}.ec2.internal",
            aliases=(f"{opt_ml.HOST}.{name}",),
            extra_hosts={opt_ml.HOST: ip},
            cpus=min(cpus, self._cpus),
            memory_bytes=min(memory_gib << 30, self._memory_bytes),
        )

    def _open_permissions(self, job: _Job, workspace: Path) -> None:
        """Nothing to do for root; another user's harness could not remove what root wrote into its directories."""
        import os  # noqa: PLC0415 - for this one question

        if os.geteuid() == 0:
            return
        spec = ContainerSpec(
            image=job.spec.image, name=f"{job.spec.name}-chmod", entrypoint=("chmod", "-R", "a+rwX", "/opt/ml"),
            command=(), user="0", mounts=(Mount("/opt/ml", job.host),),
        )  # fmt: skip
        with self._containers.start(spec, stdout=workspace / "chmod.out", stderr=workspace / "chmod.err") as running:
            running.wait(60)

    def _upload(self, directory: Path, uri: str) -> None:
        if uri.endswith("/"):
            objects.upload_directory(self._s3, directory, uri)
        else:
            objects.upload_archive(self._s3, directory, uri)


def _max_runtime(request: Mapping[str, Any]) -> int:
    return int(request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME_S))


def _status(ended: ContainerExit, watch: Watch) -> Status:
    """Stopped after a stop or at the end of its time, whatever the exit code (API reference, StopTrainingJob)."""
    if watch.stopped or watch.timed_out:
        return Status.STOPPED
    return Status.COMPLETED if ended.exit_code == 0 else Status.FAILED


def _training_reason(job: _Job, ended: ContainerExit, watch: Watch) -> str:
    """FailureReason: the first characters of /opt/ml/output/failure, with the exit code after it."""
    if ended.exit_code == 0 or watch.stopped or watch.timed_out:
        return ""
    path = job.host / "output" / "failure"
    told = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return f"AlgorithmError: {told[:_REASON_CHARACTERS]}, exit code: {ended.exit_code}"[:_REASON_CHARACTERS]


def _exit_message(job: _Job) -> str | None:
    """ExitMessage: /opt/ml/output/message. None when it is not UTF-8, which fails the job (API reference, ExitMessage)."""
    path = job.host / "output" / "message"
    if not path.is_file():
        return ""
    try:
        return path.read_bytes().decode("utf-8")[:_REASON_CHARACTERS]
    except UnicodeDecodeError:
        return None
