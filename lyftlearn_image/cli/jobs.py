"""The verbs of jobs on the real services. A job is named `<kind>/<name>`, from any machine and at any later time."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lyftlearn_image.cli.options import as_value
from lyftlearn_image.cli.output import show, show_log_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.platforms.launch import Compiled, Launch, TargetName
    from lyftlearn_image.run import Run, State, Trial
    from lyftlearn_image.services.service import Service
    from lyftlearn_image.workload import Workload

_FILE = click.Path(path_type=Path, dir_okay=False)
_CONTEXT = click.option("--context", metavar="NAME", help="Context of the kubeconfig (else the current one).")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_OUTPUT = click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Directory for what is collected (else ./<name>)."
)


@dataclass(frozen=True)
class _Submission:
    """What the options of `submit` and `run` say: which workload goes where, and under which name."""

    workload_file: Path
    target: TargetName
    context: str | None
    s3_prefix: str | None
    role_arn: str | None
    again: str


@dataclass(frozen=True)
class _Here:
    """What the options of `run` say of this machine: whether it runs here, and what it then has in place of an account."""

    here: bool
    data: tuple[str, ...]
    secrets: Path | None


_submission_options = as_value(
    "submission",
    _Submission,
    click.argument("workload_file", metavar="WORKLOAD", type=_FILE),
    click.option("--target", required=True, type=click.Choice(["sagemaker", "kubernetes"]), help="The platform."),
    _CONTEXT,
    click.option("--s3-prefix", metavar="S3_URI", help="Where models, outputs and bundles go (else the file's `output`)."),
    click.option("--role-arn", metavar="ARN", help="Execution role on SageMaker (else the file's `role_arn`)."),
    click.option("--again", metavar="WORD", default="", help="Any word: the same workload as another job."),
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
        type=_FILE,
        help="With --here: YAML with a suite's `secret_values` and `parameter_values`.",
    ),
)


@click.command()
@_submission_options
@_JSON
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
    job = _connect(target, submission.context).submit(_compile(target, workload, launch))
    click.echo(json.dumps({"job": job, "target": target}) if as_json else job)


@click.command()
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@_CONTEXT
@click.option("--events", is_flag=True, help="Learn of SageMaker's ends by EventBridge and SQS: for many jobs at once.")
@_JSON
def wait(jobs: tuple[str, ...], context: str | None, *, events: bool, as_json: bool) -> int:
    """Wait until jobs have ended.

    Exit code 0: all completed. 1: one failed or was stopped.
    """
    import json  # noqa: PLC0415 - every import here waits for its verb

    with _jobs_go_on(jobs):
        states = _wait_by_events(jobs) if events else {job: _connect_to(job, context).wait(job, _echo(job)) for job in jobs}
    if as_json:
        click.echo(json.dumps([{"job": job, **_document(state)} for job, state in states.items()], indent=2))
    else:
        for job, state in states.items():
            show(f"{job}  {state.status}  {state.reason}".rstrip())
    return 0 if all(state.status == "Completed" for state in states.values()) else 1


@click.command()
@click.argument("job")
@_CONTEXT
@click.option("-f", "--follow", is_flag=True, help="Until the job's end.")
def logs(job: str, context: str | None, *, follow: bool) -> None:
    """Print what a job has written."""
    with _jobs_go_on((job,)):
        for line in _connect_to(job, context).logs(job, follow=follow):
            show_log_line(line)


@click.command()
@click.argument("job")
@_CONTEXT
def stop(job: str, context: str | None) -> None:
    """Ask for a job to be stopped; an endpoint is deleted, a Deployment scaled to nothing."""
    _connect_to(job, context).stop(job)
    click.echo(f"{job} is being stopped", err=True)


@click.command()
@click.argument("job")
@_CONTEXT
@_OUTPUT
@_JSON
def collect(job: str, context: str | None, output: Path | None, *, as_json: bool) -> int:
    """Fetch what an ended job has left: artifacts and log.

    Exit code 0: the job had completed. 1: it had not.
    """
    return _collect(_connect_to(job, context), job, output, as_json=as_json)


@click.command()
@_submission_options
@_OUTPUT
@_JSON
@_here_options
def run(submission: _Submission, local: _Here, output: Path | None, *, as_json: bool) -> int:
    """Send a workload, follow its log, wait for its end and collect what it left.

    Interrupted and started again, it finds its job. With --here the platform's own request runs on this machine's Docker
    engine instead, as another job each time: channels may be paths, --data names a copy of what is read from S3, --secrets
    the values of references, and an endpoint or a notebook is served until Ctrl-C. Exit code 0: the job completed. 1: it
    did not.
    """
    from lyftlearn_image.platforms.trials import is_driven_from_here  # noqa: PLC0415 - every import here waits for its verb

    if local.here:
        return _run_here(submission, local, output, as_json=as_json)
    if local.data or local.secrets:
        raise click.UsageError("--data and --secrets are for --here: a service has both itself")
    target = submission.target
    service = _connect(target, submission.context)
    workload, launch = _read(submission)
    if is_driven_from_here(workload, target):
        return _tune(service, workload, launch, output, as_json=as_json)
    job = service.submit(_compile(target, workload, launch))
    click.echo(f"job: {job}", err=True)
    with _jobs_go_on((job,)):
        for line in service.logs(job, follow=True, keep=True):
            show_log_line(line, err=True)
        service.wait(job, _echo(job))
    return _collect(service, job, output, as_json=as_json)


def _run_here(submission: _Submission, local: _Here, output: Path | None, *, as_json: bool) -> int:
    from lyftlearn_image.cli.here import read_options, run_here  # noqa: PLC0415 - every import here waits for its verb

    options = {**vars(submission), **vars(local)}
    done = run_here(
        read_options(submission.workload_file, submission.target, options), lambda name: _empty_directory(output, name)
    )
    return 0 if done is None else _show(*done, as_json=as_json)


def _tune(service: Service, workload: Any, launch: Launch, output: Path | None, *, as_json: bool) -> int:
    """Runs a search whose trials are jobs of their own. Begun again, it finds those that it has begun or ended."""
    from lyftlearn_image.runs.tuning import TuningRun, run_tuning  # noqa: PLC0415 - every import here waits for its verb

    _compile("kubernetes", workload, launch)
    directory = _empty_directory(output, launch.job_name)
    click.echo(f"a search of {workload.trials} trials: {launch.job_name}-…", err=True)

    def show_trial(trial: Trial) -> None:
        show(f"trial {trial.number + 1}  {trial.values}  {trial.objective}", err=True)

    try:
        done = run_tuning(service, workload, launch, TuningRun(directory, on_trial=show_trial))
    except KeyboardInterrupt:
        click.echo("the trials that have begun go on; the same command goes on with the search", err=True)
        raise
    return _show(f"tuning/{launch.job_name}", done, directory, as_json=as_json)


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


def _connect(target: TargetName, context: str | None) -> Service:
    """The service of a platform, closed when the verb ends."""
    from lyftlearn_image.services.connect import connect_service  # noqa: PLC0415 - every import here waits for its verb

    service = connect_service(target, context=context)
    click.get_current_context().call_on_close(service.close)
    return service


def _connect_to(job: str, context: str | None) -> Service:
    """The service of a job, by its kind."""
    from lyftlearn_image.services.connect import platform_of_job  # noqa: PLC0415 - every import here waits for its verb

    return _connect(platform_of_job(job), context)


def _echo(job: str) -> Callable[[State], None]:
    return lambda state: show(f"{job}  {state.phase}", err=True)


@contextlib.contextmanager
def _jobs_go_on(jobs: tuple[str, ...]) -> Iterator[None]:
    """Says, when somebody interrupts the waiting, that the jobs are not interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        word = "the job goes on" if len(jobs) == 1 else "the jobs go on"
        click.echo(f"{word}: lyftlearn-image wait {' '.join(jobs)}", err=True)
        raise


def _wait_by_events(jobs: tuple[str, ...]) -> dict[str, State]:
    """The ends by an event queue of our own, which is gone afterwards."""
    import uuid  # noqa: PLC0415 - every import here waits for its verb

    from lyftlearn_image.aws.session import open_session  # noqa: PLC0415
    from lyftlearn_image.services.sagemaker import events  # noqa: PLC0415

    session = open_session()
    queue = events.create_queue(session, f"lyftlearn-{uuid.uuid4().hex[:12]}")
    try:
        consumer = events.Consumer(session, queue)
        return consumer.wait(jobs, lambda job, state: _echo(job)(state), lambda line: show(line, err=True))
    finally:
        with contextlib.suppress(Exception):  # it may be gone already; the waiting's own error is what counts
            events.delete_queue(session, queue)


def _collect(service: Service, job: str, output: Path | None, *, as_json: bool) -> int:
    directory = _empty_directory(output, job.partition("/")[2])
    return _show(job, service.collect(job, directory), directory, as_json=as_json)


def _empty_directory(output: Path | None, name: str) -> Path:
    from lyftlearn_image.errors import InvalidInputError  # noqa: PLC0415 - every import here waits for its verb

    directory = output or Path(name)
    if directory.exists() and any(directory.iterdir()):
        raise InvalidInputError(f"{directory} is not empty", hint="Give another one with --output.")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _show(job: str, done: Run, directory: Path, *, as_json: bool) -> int:
    import json  # noqa: PLC0415 - every import here waits for its verb

    document: dict[str, Any] = {
        "job": job, "status": str(done.status), "exit_code": done.exit_code, "reason": done.reason,
        "log": str(done.stdout), "artifacts": {name: str(path) for name, path in done.artifacts.items()},
        "final_metrics": dict(done.final_metrics),
    }  # fmt: skip
    if done.trials:
        document["trials"] = [
            {"number": trial.number, "values": dict(trial.values), "objective": trial.objective} for trial in done.trials
        ]
    click.echo(json.dumps(document, indent=2) if as_json else f"{job}  {done.status}  {directory}")
    return 0 if done.status == "Completed" else 1


def _document(state: State) -> dict[str, Any]:
    return {"status": str(state.status), "phase": state.phase, "reason": state.reason, "exit_code": state.exit_code}
