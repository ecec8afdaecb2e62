"""Interprets a CreateTrainingJob or CreateProcessingJob request on this machine, as the service's documentation has it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from lyftlearn_image.errors import RunError
from lyftlearn_image.targets import objects
from lyftlearn_image.targets.containers import ContainerSpec, Mount
from lyftlearn_image.targets.limits import validate_request
from lyftlearn_image.targets.sagemaker import fields, opt_ml, processing, training, transforming
from lyftlearn_image.targets.sagemaker.compile import TRAINING, compile_workload
from lyftlearn_image.targets.sagemaker.instances import size_of
from lyftlearn_image.targets.sagemaker.job import Account
from lyftlearn_image.targets.sagemaker.machine import machine_of
from lyftlearn_image.targets.target import Compiled, Run, Status, Timings
from lyftlearn_image.targets.watching import Watch, read_observation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.targets.containers import ContainerExit, Containers, Network
    from lyftlearn_image.targets.sagemaker.job import Job
    from lyftlearn_image.targets.target import Launch, StopRequest
    from lyftlearn_image.workload import Workload

# StopTrainingJob: the signal, then SIGKILL 120 s later; so for MaxRuntimeInSeconds (API reference). The window of a
# processing job is not documented.
STOP_GRACE_S = 120
# SecondaryStatus of DescribeTrainingJob, with its words (API reference).
_TIMED_OUT = "MaxRuntimeExceeded - The job stopped because it exceeded the maximum allowed runtime."
_NOT_UTF8 = "ClientError: /opt/ml/output/message is not UTF-8"
_DEFAULT_REGION = "us-east-1"


class SageMakerEmulator:
    """The embedded `sagemaker` target.

    `platform_environment` is what the service itself puts into a container: region, identity, endpoint.
    """

    name = "sagemaker"

    def __init__(self, containers: Containers, network: Network, s3: S3Client, platform_environment: Mapping[str, str]) -> None:
        self._containers = containers
        self._network = network
        self._s3 = s3
        self._platform = dict(platform_environment)
        self.machine = machine_of(containers, network, s3, platform_environment)
        self._account = Account(region=self._platform.get("AWS_REGION", _DEFAULT_REGION))
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
        if compiled.action in transforming.ACTIONS:
            return transforming.run(self.machine, compiled, workspace, Watch(stop, on_line))
        started = time.monotonic()
        is_training = compiled.action == TRAINING
        host = workspace / "opt-ml"
        job = self._prepare(compiled, host)
        watch = Watch(stop, on_line)
        prepared = time.monotonic()
        ended = self._run_container(job, watch, workspace)
        finished = time.monotonic()
        self._upload(job)
        artifacts = objects.collect(self._s3, compiled.outputs, workspace / "artifacts")
        observation = read_observation(artifacts)
        startup = None if observation is None else observation["observed_at"] - ended.started_at
        ran = ended.finished_at - ended.started_at
        status, reason = (_training_end if is_training else _processing_end)(host, ended, watch)
        return Run(
            target=self.name,
            job_name=job.name,
            status=status,
            exit_code=ended.exit_code,
            reason=reason,
            stdout=workspace / "stdout",
            stderr=workspace / "stderr",
            artifacts=artifacts,
            observation=observation,
            timings=Timings(prepared - started, startup, ran - (startup or 0.0), time.monotonic() - finished),
        )

    def _prepare(self, compiled: Compiled, host: Path) -> Job:
        (request,) = compiled.documents
        validate_request(compiled.action, request)
        if compiled.action == TRAINING:
            fields.refuse_unknown(request, fields.TRAINING)
            return training.prepare(request, host, self._s3, self._account)
        fields.refuse_unknown(request, fields.PROCESSING)
        return processing.prepare(request, host, self._s3, self._account)

    def _run_container(self, job: Job, watch: Watch, workspace: Path) -> ContainerExit:
        spec = self._spec(job)
        try:
            with self._containers.start(
                spec, stdout=workspace / "stdout", stderr=workspace / "stderr", on_line=watch.on_line
            ) as running:
                return watch.wait(running, max_runtime_s=job.max_runtime_s, grace_s=STOP_GRACE_S, stop_signal=job.stop_signal)
        finally:
            if os.geteuid() != 0:
                self._take_over(job, workspace)

    def _spec(self, job: Job) -> ContainerSpec:
        """The container as `docker run` is documented to start it: the image's own user, no TTY, no capabilities added."""
        cpus, memory_gib = size_of(job.instance_type)
        ip = self._network.allocate_ip()
        # HOSTNAME is the instance's name and not algo-1 (developer guide, your-algorithms-training-algo-running-container).
        domain = "ec2.internal" if self._account.region == _DEFAULT_REGION else f"{self._account.region}.compute.internal"
        return ContainerSpec(
            image=job.image,
            name=f"{self._containers.run_id}-sagemaker-{job.name}",
            environment=tuple({**self._platform, "AWS_EXECUTION_ENV": "AWS_ECS_EC2", **job.environment}.items()),
            entrypoint=job.entrypoint,
            command=job.arguments,
            mounts=job.mounts,
            network=self._network.name,
            ip=ip,
            hostname=f"ip-{ip.replace('.', '-')}.{domain}",
            extra_hosts={opt_ml.HOST: ip},
            cpus=min(cpus, self._cpus),
            memory_bytes=min(memory_gib << 30, self._memory_bytes),
        )

    def _take_over(self, job: Job, workspace: Path) -> None:
        """Gives what root wrote into the job's directories to this process's user, who could not read or remove it."""
        script = 'chown -R "$0" /taken && chmod -R u+rwX /taken'
        spec = ContainerSpec(
            image=job.image,
            name=f"{self._containers.run_id}-sagemaker-{job.name}-owner",
            entrypoint=("/bin/sh", "-c", script, f"{os.geteuid()}:{os.getegid()}"),
            command=(),
            user="0",
            mounts=(Mount("/taken", workspace / "opt-ml"),),
        )
        with self._containers.start(spec, stdout=workspace / "owner.out", stderr=workspace / "owner.err") as running:
            ended = running.wait()
        if ended is None or ended.exit_code != 0:
            raise RunError(
                "the files that the job wrote could not be taken over from root",
                where=(workspace / "owner.err").read_text(encoding="utf-8", errors="replace")[:200],
            )

    def _upload(self, job: Job) -> None:
        for directory, uri in job.uploads:
            if uri.endswith("/"):
                objects.upload_directory(self._s3, directory, uri)
            else:
                objects.upload_archive(self._s3, directory, uri)
        if kept := job.checkpoints:
            objects.sync_directory(self._s3, kept.directory, kept.uri, kept.known)


def _training_end(host: Path, ended: ContainerExit, watch: Watch) -> tuple[Status, str]:
    """Status and reason. Stopped after a stop or at the end of its time, whatever the exit code (StopTrainingJob)."""
    if watch.stopped or watch.timed_out:
        return Status.STOPPED, _TIMED_OUT if watch.timed_out else ""
    if ended.exit_code == 0:
        return Status.COMPLETED, ""
    return Status.FAILED, training.failure_reason(host, ended.exit_code)


def _processing_end(host: Path, ended: ContainerExit, watch: Watch) -> tuple[Status, str]:
    """Status and ExitMessage, which is there for Completed, Failed and Stopped (DescribeProcessingJob)."""
    message = processing.exit_message(host)
    if message is None:
        return Status.FAILED, _NOT_UTF8
    if watch.stopped or watch.timed_out:
        return Status.STOPPED, message or (_TIMED_OUT if watch.timed_out else "")
    return Status.COMPLETED if ended.exit_code == 0 else Status.FAILED, message
