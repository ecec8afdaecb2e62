"""Interprets a CreateTrainingJob or CreateProcessingJob request on this machine, as the service's documentation has it."""

from __future__ import annotations

import contextlib
import copy
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.aws import s3 as objects, s3_archives
from lyftlearn_image.aws.archive import merge_directories
from lyftlearn_image.emulation.docker.container_spec import ContainerSpec, Mount
from lyftlearn_image.emulation.sagemaker import processing, training, tuner
from lyftlearn_image.emulation.sagemaker.batch import transform
from lyftlearn_image.emulation.sagemaker.context import DEFAULT_REGION, create_context
from lyftlearn_image.emulation.sagemaker.host_group import GroupExit, HostContainer, run_hosts
from lyftlearn_image.emulation.sagemaker.request_checks import check_request
from lyftlearn_image.errors import InvalidInputError, RunError
from lyftlearn_image.platforms.launch import Compiled, TargetName
from lyftlearn_image.platforms.sagemaker.actions import TRAINING, TUNING
from lyftlearn_image.platforms.sagemaker.outputs import training_outputs
from lyftlearn_image.run import Limit, Run, Status, Timings
from lyftlearn_image.runs.log_lines import read_lines
from lyftlearn_image.runs.log_metrics import final_metrics
from lyftlearn_image.runs.observation import read_observation
from lyftlearn_image.runs.stop_watch import StopWatch
from lyftlearn_image.runs.told_limit import told_limit
from lyftlearn_image.runs.tuning import TrialRunner, TuningJob, TuningRun, run_trials
from lyftlearn_image.untrusted_tree import Allowance, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.docker.network import Network
    from lyftlearn_image.emulation.machine import Machine
    from lyftlearn_image.emulation.sagemaker.job_plan import Host, JobPlan
    from lyftlearn_image.run import StopRequest

# SecondaryStatus of DescribeTrainingJob, with its words (API reference).
_TIMED_OUT = "MaxRuntimeExceeded - The job stopped because it exceeded the maximum allowed runtime."
_WAITED = "MaxWaitTimeExceeded - The job stopped because it exceeded the maximum allowed wait time."
_NOT_UTF8 = "ClientError: /opt/ml/output/message is not UTF-8"


@dataclass(frozen=True)
class _Attempt:
    """A job's last attempt; there are several where spot capacity was taken away. Times are of the monotonic clock."""

    plan: JobPlan
    group_exit: GroupExit
    prepared: float
    finished: float
    waited_too_long: bool = False

    def limit(self, watch: StopWatch) -> Limit | None:
        """The limit that ended the job, as far as its container tells."""
        if watch.timed_out or self.waited_too_long:
            return Limit.RUNTIME if watch.timed_out else Limit.WAIT
        return Limit.MEMORY if self.group_exit.exit.oom_killed and self.group_exit.exit.exit_code else None


class SageMakerEmulator:
    """The embedded `sagemaker` target."""

    name: TargetName = "sagemaker"

    def __init__(self, machine: Machine) -> None:
        self.context = create_context(machine)

    def with_credentials_lifetime(self, credentials_lifetime_s: int) -> SageMakerEmulator:
        """The same service, the keys of whose new jobs live so long (see ContainerCredentials.with_lifetime)."""
        changed = copy.copy(self)
        changed.context = self.context.with_credentials_lifetime(credentials_lifetime_s)
        return changed

    def run(
        self,
        compiled: Compiled,
        *,
        workspace: Path,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
        on_phase: Callable[[str], None] | None = None,
    ) -> Run:
        """Carries the request out; see Target.run. `on_phase` gets each SecondaryStatus that a training job comes to."""
        if compiled.action in transform.ACTIONS:
            return transform.run(self.context, compiled, workspace, StopWatch(stop, on_line))
        (request,) = compiled.documents
        self._check(compiled.action, request, stop)
        if compiled.action == TUNING:
            return self.tune(request, workspace, stop)
        started = time.monotonic()
        watch = StopWatch(stop, on_line, on_phase)
        attempt = self._run_attempts(compiled.action, request, workspace, watch)
        job, group_exit = attempt.plan, attempt.group_exit
        watch.on_phase("Uploading")
        self._upload(job)
        artifacts = s3_archives.download_outputs(
            self.context.s3, compiled.outputs, workspace / "artifacts", self.context.containers.limits
        )
        observation = read_observation(artifacts)
        first = group_exit.exits[0]
        startup = None if observation is None else observation["observed_at"] - first.started_at
        outcome = _training_outcome if compiled.action == TRAINING else _processing_outcome
        status, reason = (Status.STOPPED, _WAITED) if attempt.waited_too_long else outcome(job, group_exit, watch)
        streams = [_streams(workspace, job, index) for index in range(len(job.hosts))]
        stdout, stderr = streams[group_exit.deciding_index]
        return Run(
            target=self.name,
            job_name=job.name,
            status=status,
            exit_code=group_exit.exit.exit_code,
            reason=reason,
            stdout=stdout,
            stderr=stderr,
            artifacts=artifacts,
            observation=observation,
            timings=Timings(
                attempt.prepared - started,
                startup,
                first.finished_at - first.started_at - (startup or 0.0),
                time.monotonic() - attempt.finished,
            ),
            # Of several hosts the last one's value counts (automatic-model-tuning-considerations).
            final_metrics=final_metrics(job.metrics, read_lines(path for pair in streams for path in pair))
            if job.metrics
            else {},
            limit=attempt.limit(watch) or told_limit(reason),
            notes=self.context.notes(job.instance_type, job.volume_gb),
        )

    @staticmethod
    def _check(action: str, request: Mapping[str, Any], stop: StopRequest | None) -> None:
        """What is refused before anything is made."""
        check_request(action, request)
        if stop and stop.is_interruption and not request.get("EnableManagedSpotTraining"):
            raise InvalidInputError(
                "the job has no spot capacity that could be taken away", hint="Give the workload `spot` and `checkpoints`."
            )

    def tune(
        self, request: Mapping[str, Any], workspace: Path, stop: StopRequest | None, run_trial: TrialRunner | None = None
    ) -> Run:
        """Runs the trials of a tuning job, each as the training job that it is; `run_trial` may do so for the emulator."""

        def run(number: int, values: Mapping[str, Any], directory: Path, stop: StopRequest) -> Run:
            trial = tuner.trial_request(request, number, values)
            outputs = training_outputs(trial)
            return self.run(Compiled(self.name, TRAINING, (trial,), {}, outputs), workspace=directory, stop=stop)

        search, regex = tuner.parse_search(request), tuner.objective_regex(request)
        job = TuningJob(request["HyperParameterTuningJobName"], search, regex)
        return run_trials(job, run_trial or run, TuningRun(workspace, stop))

    def _run_attempts(self, action: str, request: Mapping[str, Any], workspace: Path, watch: StopWatch) -> _Attempt:
        """Runs the job, again after every interruption: on new hosts, which have nothing but the checkpoints."""
        started, ran_s, number = time.monotonic(), 0.0, 1
        while True:
            directory = workspace / ("opt-ml" if number == 1 else f"opt-ml-{number}")
            watch.on_phase("Downloading")
            prepare = training.prepare if action == TRAINING else processing.prepare
            job = prepare(request, directory, self.context.s3, self.context.account)
            prepared = time.monotonic()
            watch.on_phase("Training")
            group_exit = self._run_hosts(job, watch, workspace, directory, max_runtime_s=job.max_runtime_s - ran_s)
            finished = time.monotonic()
            self._upload_checkpoints(job)
            if not watch.interrupted:
                return _Attempt(job, group_exit, prepared, finished)
            watch.on_phase("Interrupted")
            # MaxRuntimeInSeconds is for all attempts together, MaxWaitTimeInSeconds also for what is between them.
            ran_s, number, watch.interrupted = ran_s + finished - prepared, number + 1, False
            if finished - started >= training.max_wait_s(request):
                return _Attempt(job, group_exit, prepared, finished, waited_too_long=True)

    def _run_hosts(
        self, job: JobPlan, watch: StopWatch, workspace: Path, directory: Path, *, max_runtime_s: float
    ) -> GroupExit:
        try:
            with self._job_network(job) as network:
                addresses = {host.name: network.allocate_ip() for host in job.hosts}
                hosts = [
                    HostContainer(self._container_spec(job, host, network, addresses), *_streams(workspace, job, index))
                    for index, host in enumerate(job.hosts)
                ]
                return run_hosts(
                    self.context.containers, hosts, watch, stop_signal=job.stop_signal, max_runtime_s=max_runtime_s
                )
        finally:
            if os.geteuid() != 0:
                self._change_owner(job, directory)

    @contextlib.contextmanager
    def _job_network(self, job: JobPlan) -> Iterator[Network]:
        """The run's network, or for an isolated job one of its own, from which no call gets out; its hosts may talk.

        It has no credentials either; the service itself still moves its data (developer guide, mkt-algo-model-internet-free).
        """
        if not job.is_isolated:
            yield self.context.network
            return
        with self.context.containers.isolated_network(job.name) as network:
            yield network

    def _container_spec(self, job: JobPlan, host: Host, network: Network, addresses: Mapping[str, str]) -> ContainerSpec:
        """The container as `docker run` is documented to start it: the image's own user, no TTY, no capabilities added."""
        cpus, memory_bytes = self.context.limits(job.instance_type)
        ip = addresses[host.name]
        # HOSTNAME is the instance's name and not algo-1 (developer guide, your-algorithms-training-algo-running-container).
        region = self.context.account.region
        domain = "ec2.internal" if region == DEFAULT_REGION else f"{region}.compute.internal"
        return ContainerSpec(
            image=job.image,
            name=f"{self.context.containers.run_id}-sagemaker-{job.name}-{host.name}",
            environment=tuple(self._environment(job).items()),
            entrypoint=job.entrypoint,
            command=job.arguments,
            mounts=host.mounts,
            network=network.name,
            ip=ip,
            hostname=f"ip-{ip.replace('.', '-')}.{domain}",
            extra_hosts=addresses,
            cpus=cpus,
            memory_bytes=memory_bytes,
        )

    def _environment(self, job: JobPlan) -> dict[str, str]:
        platform = self.context.container_environment(None if job.is_isolated else job.role_arn)
        return {**platform, "AWS_EXECUTION_ENV": "AWS_ECS_EC2", **job.environment}

    def _change_owner(self, job: JobPlan, directory: Path) -> None:
        """Gives what root wrote into the job's directories to this process's user, who could not read or remove it."""
        script = 'chown -R "$0" /owned && chmod -R u+rwX /owned'
        spec = ContainerSpec(
            image=job.image,
            name=f"{self.context.containers.run_id}-sagemaker-{job.name}-owner",
            entrypoint=("/bin/sh", "-c", script, f"{os.geteuid()}:{os.getegid()}"),
            command=(),
            user="0",
            mounts=(Mount("/owned", directory),),
        )
        stderr = directory.parent / "owner.err"
        with self.context.containers.start(spec, stdout=directory.parent / "owner.out", stderr=stderr) as running:
            ended = running.wait()
        if ended is None or ended.exit_code != 0:
            raise RunError(
                "the files that the job wrote could not be taken over from root",
                where=stderr.read_text(encoding="utf-8", errors="replace")[:200],
            )

    def _upload(self, job: JobPlan) -> None:
        allowance = Allowance(self.context.containers.limits)
        for upload in job.uploads:
            directories = [host.directory / upload.directory for host in job.hosts]
            for directory in directories:
                measure(directory, allowance)
            if upload.uri.endswith("/"):
                # Of files with one name the first host's stays: whose does is not documented.
                for directory in reversed(directories):
                    objects.upload_directory(self.context.s3, directory, upload.uri)
                continue
            # "Amazon SageMaker AI aggregates" the hosts' files into one archive (your-algorithms-training-algo-output).
            if len(directories) > 1:
                merged = job.hosts[0].directory.parent / "merged" / upload.directory
                merge_directories(directories, merged)
                directories = [merged]
            s3_archives.upload_archive(self.context.s3, directories[0], upload.uri)

    def _upload_checkpoints(self, job: JobPlan) -> None:
        for host in job.hosts:
            if checkpoints := host.checkpoints:
                measure(checkpoints.directory, Allowance(self.context.containers.limits))
                objects.sync_directory(self.context.s3, checkpoints.directory, checkpoints.uri, checkpoints.known)


def _streams(workspace: Path, job: JobPlan, index: int) -> tuple[Path, Path]:
    """The files of a host's output: the first host's are the job's own."""
    directory = workspace if index == 0 else workspace / "hosts" / job.hosts[index].name
    directory.mkdir(parents=True, exist_ok=True)
    return directory / "stdout", directory / "stderr"


def _training_outcome(job: JobPlan, group_exit: GroupExit, watch: StopWatch) -> tuple[Status, str]:
    """Status and reason. Stopped after a stop or at the end of its time, whatever the exit code (StopTrainingJob)."""
    if watch.stopped or watch.timed_out:
        return Status.STOPPED, _TIMED_OUT if watch.timed_out else ""
    if group_exit.exit.exit_code == 0:
        return Status.COMPLETED, ""
    return Status.FAILED, training.failure_reason(job.hosts[group_exit.deciding_index].directory, group_exit.exit.exit_code)


def _processing_outcome(job: JobPlan, group_exit: GroupExit, watch: StopWatch) -> tuple[Status, str]:
    """Status and ExitMessage, which is there for Completed, Failed and Stopped (DescribeProcessingJob)."""
    message = processing.exit_message([host.directory for host in job.hosts])
    if message is None:
        return Status.FAILED, _NOT_UTF8
    if watch.stopped or watch.timed_out:
        return Status.STOPPED, message or (_TIMED_OUT if watch.timed_out else "")
    return Status.COMPLETED if group_exit.exit.exit_code == 0 else Status.FAILED, message
