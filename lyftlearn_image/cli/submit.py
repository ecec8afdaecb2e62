"""The verbs that send a workload: `submit` sends it, `run` also follows, waits and collects, on a service or here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lyftlearn_image.cli.jobs import (
    CONTEXT,
    JSON,
    OUTPUT,
    PATH,
    collect_job,
    connect,
    empty_directory,
    jobs_go_on,
    show_cut,
    show_run,
    show_states,
    show_waiting,
    state_document,
)
from lyftlearn_image.cli.options import as_value
from lyftlearn_image.cli.output import show, show_log_line

if TYPE_CHECKING:
    from pathlib import Path

    from lyftlearn_image.platforms.launch import Compiled, Launch, TargetName
    from lyftlearn_image.run import State, Trial
    from lyftlearn_image.services.service import Address, Service
    from lyftlearn_image.workload import Workload


@dataclass(frozen=True)
class _Submission:
    """What the options of `submit` and `run` say: which workload goes where, and under which name."""

    workload_file: Path
    target: TargetName
    context: str | None
    s3_prefix: str | None
    role_arn: str | None
    again: str
    queue: str | None
    share_identifier: str | None
    priority: int | None


@dataclass(frozen=True)
class _Here:
    """What the options of `run` say of this machine: whether it runs here, and what it then has in place of an account."""

    here: bool
    data: tuple[str, ...]
    secrets: Path | None


_submission_options = as_value(
    "submission",
    _Submission,
    click.argument("workload_file", metavar="WORKLOAD", type=PATH),
    click.option("--target", required=True, type=click.Choice(["sagemaker", "kubernetes"]), help="The platform."),
    CONTEXT,
    click.option("--s3-prefix", metavar="S3_URI", help="Where models, outputs and bundles go (else the file's `output`)."),
    click.option("--role-arn", metavar="ARN", help="Execution role on SageMaker (else the file's `role_arn`)."),
    click.option("--again", metavar="WORD", default="", help="Any word: the same workload as another job."),
    click.option("--queue", metavar="NAME", help="A queue of AWS Batch before SageMaker: a training job waits there its turn."),
    click.option("--share-identifier", metavar="WORD", help="Of a queue with fair-share scheduling: whose share it takes."),
    click.option("--priority", type=click.IntRange(0, 9999), help="Of a job in a queue: before those with a lower one."),
)
_here_options = as_value(
    "local",
    _Here,
    click.option("--here", is_flag=True, help="Run it on this machine: Docker and nothing else, no account."),
    click.option(
        "--data",
        multiple=True,
        metavar="S3_URI=PATH",
        help="With --here: a copy of what the workload reads there (may be repeated).",
    ),
    click.option(
        "--secrets",
        metavar="FILE",
        type=PATH,
        help="With --here: YAML with a suite's `secret_values` and `parameter_values`.",
    ),
)


@click.command()
@_submission_options
@JSON
def submit(submission: _Submission, *, as_json: bool) -> None:
    """Send a workload and print its job.

    The job's name is made of the workload's content: sent again, it is the same job, which is not started twice.
    """
    import json  # noqa: PLC0415 - every import here waits for its verb

    from lyftlearn_image.errors import UnsupportedError  # noqa: PLC0415
    from lyftlearn_image.platforms.trials import is_driven_from_here  # noqa: PLC0415

    workload, launch = _read(submission)
    target = submission.target
    if is_driven_from_here(workload, target):
        raise UnsupportedError("Kubernetes has no tuner that would go on alone", hint="`lyftlearn-image run`: a Job a trial.")
    job = _connect(submission).submit(_compile(target, workload, launch))
    click.echo(json.dumps({"job": job, "target": target}) if as_json else job)


@click.command()
@_submission_options
@OUTPUT
@JSON
@_here_options
def run(submission: _Submission, local: _Here, output: Path | None, *, as_json: bool) -> int:
    """Send a workload, follow its log, wait for its end and collect what it left.

    Interrupted and started again, it finds its job. A server on a cluster is waited for until it serves, and its address
    is printed. With --here the platform's own request runs on this machine's Docker
    engine instead, as another job each time: channels may be paths, --data names a copy of what is read from S3, --secrets
    the values of references, and an endpoint or a notebook is served until Ctrl-C.
    """
    from lyftlearn_image.platforms.trials import is_driven_from_here  # noqa: PLC0415 - every import here waits for its verb

    if local.here:
        return _run_here(submission, local, output, as_json=as_json)
    if local.data or local.secrets:
        raise click.UsageError("--data and --secrets are for --here: a service has both itself")
    target = submission.target
    service = _connect(submission)
    workload, launch = _read(submission)
    if is_driven_from_here(workload, target):
        return _tune(service, workload, launch, output, as_json=as_json)
    job = service.submit(_compile(target, workload, launch))
    click.echo(f"job: {job}", err=True)
    show_state = show_states(job)
    with jobs_go_on((job,)):
        if address := service.address(job):
            return _show_server(job, service.wait(job, show_state), address, as_json=as_json)
        waiting, cut = show_waiting(show_state), show_cut(job)
        for line in service.logs(job, follow=True, keep=True, on_state=waiting, on_cut=cut):
            show_log_line(line, err=True)
        service.wait(job, show_state)
    return collect_job(service, job, output, as_json=as_json)


def _connect(submission: _Submission) -> Service:
    """The service of the target, or the queue before it."""
    from lyftlearn_image.services.sagemaker.queue import Queue  # noqa: PLC0415 - every import here waits for its verb

    if submission.queue is None:
        if submission.share_identifier is not None or submission.priority is not None:
            raise click.UsageError("--share-identifier and --priority are of a --queue")
        return connect(submission.target, submission.context)
    if submission.target != "sagemaker":
        raise click.UsageError(
            "--queue is one of AWS Batch before SageMaker; on a cluster a workload names `kubernetes: {queue:}`"
        )
    queue = Queue(submission.queue, submission.share_identifier, submission.priority)
    return connect(submission.target, submission.context, queue)


def _show_server(job: str, state: State, address: Address, *, as_json: bool) -> int:
    """Shows whether a server serves, and how it is reached; the exit code of the verb."""
    import json  # noqa: PLC0415 - every import here waits for its verb

    is_up = state.status == "Completed"
    if as_json:
        click.echo(json.dumps({"job": job, **state_document(state), **vars(address)}, indent=2))
    elif not is_up:
        show(f"{job}  {state.status}  {state.reason}".rstrip())
    else:
        show(f"{job}  {state.phase}  {address.url}")
        show(f"from here: {address.forward}   and then {address.local_url}")
    return 0 if is_up else 1


def _run_here(submission: _Submission, local: _Here, output: Path | None, *, as_json: bool) -> int:
    from lyftlearn_image.cli.here import read_options, run_here  # noqa: PLC0415 - every import here waits for its verb

    options = {**vars(submission), **vars(local)}
    done = run_here(
        read_options(submission.workload_file, submission.target, options), lambda name: empty_directory(output, name)
    )
    return 0 if done is None else show_run(*done, as_json=as_json)


def _tune(service: Service, workload: Any, launch: Launch, output: Path | None, *, as_json: bool) -> int:
    """Runs a search whose trials are jobs of their own. Begun again, it finds those that it has begun or ended."""
    from lyftlearn_image.runs.tuning import TuningRun, run_tuning  # noqa: PLC0415 - every import here waits for its verb

    _compile("kubernetes", workload, launch)
    directory = empty_directory(output, launch.job_name)
    click.echo(f"a search of {workload.trials} trials: {launch.job_name}-…", err=True)

    def show_trial(trial: Trial) -> None:
        show(f"trial {trial.number + 1}  {trial.values}  {trial.objective}", err=True)

    try:
        done = run_tuning(service, workload, launch, TuningRun(directory, on_trial=show_trial))
    except KeyboardInterrupt:
        click.echo("the trials that have begun go on; the same command goes on with the search", err=True)
        raise
    return show_run(f"tuning/{launch.job_name}", done, directory, as_json=as_json)


def _read(submission: _Submission) -> tuple[Workload, Launch]:
    """The workload, and the name and places of its job."""
    from lyftlearn_image import yamlfile  # noqa: PLC0415 - every import here waits for its verb
    from lyftlearn_image.platforms.compile import launch_for  # noqa: PLC0415
    from lyftlearn_image.services.service import job_name  # noqa: PLC0415
    from lyftlearn_image.workload import Workload  # noqa: PLC0415

    workload = yamlfile.load(submission.workload_file, Workload)
    prefix = submission.s3_prefix or workload.output or ""
    name = job_name(workload, submission.target, prefix, submission.again)
    launch = launch_for(workload, job_name=name, s3_prefix=submission.s3_prefix, role_arn=submission.role_arn)
    return workload, launch


def _compile(target: TargetName, workload: Workload, launch: Launch) -> Compiled:
    from lyftlearn_image.platforms.compile import compile_for_submission  # noqa: PLC0415 - every import here waits for its verb

    return compile_for_submission(target, workload, launch)
