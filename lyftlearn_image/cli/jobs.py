"""The verbs of jobs on the real services. A job is named by its id, from any machine and at any later time."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lyftlearn_image.cli.completion import complete_context, complete_job
from lyftlearn_image.cli.options import as_value
from lyftlearn_image.cli.output import show, show_log_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.platforms.launch import TargetName
    from lyftlearn_image.run import Run, State
    from lyftlearn_image.services.sagemaker.queue import Queue
    from lyftlearn_image.services.service import Service

PATH = click.Path(path_type=Path, dir_okay=False)
CONTEXT = click.option(
    "--context", metavar="NAME", shell_complete=complete_context, help="Context of the kubeconfig (else the current one)."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
OUTPUT = click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Directory for what is collected (else ./<name>)."
)


@dataclass(frozen=True)
class _Place:
    """Which cluster has a job, and which of its namespaces where the id does not say."""

    context: str | None
    namespace: str | None


_place_options = as_value(
    "place",
    _Place,
    CONTEXT,
    click.option("--namespace", metavar="NAME", help="Of an id without one, job/NAME (else the context's)."),
)


@click.command()
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True, shell_complete=complete_job)
@_place_options
@click.option("--events", is_flag=True, help="Learn of SageMaker's ends by EventBridge and SQS: for many jobs at once.")
@JSON
def wait(jobs: tuple[str, ...], place: _Place, *, events: bool, as_json: bool) -> int:
    """Wait until jobs have ended.

    What keeps one waiting is told on stderr.
    """
    import json  # noqa: PLC0415 - every import here waits for its verb

    from lyftlearn_image.services.sagemaker.queue import parse_queued_id  # noqa: PLC0415

    if events and any(map(parse_queued_id, jobs)):
        raise click.UsageError("--events tells of training jobs, which a job in a queue is to become: wait without it")
    with jobs_go_on(jobs):
        states = _wait_by_events(jobs) if events else {job: _wait_for(job, place) for job in jobs}
    if as_json:
        click.echo(json.dumps([{"job": job, **state_document(state)} for job, state in states.items()], indent=2))
    else:
        for job, state in states.items():
            show(f"{job}  {state.status}  {state.reason}".rstrip())
    return 0 if all(state.status == "Completed" for state in states.values()) else 1


def _wait_for(job: str, place: _Place) -> State:
    service, job = _find(job, place)
    return service.wait(job, show_states(job))


@click.command()
@click.argument("job", shell_complete=complete_job)
@_place_options
@click.option("-f", "--follow", is_flag=True, help="Until the job's end.")
def logs(job: str, place: _Place, *, follow: bool) -> None:
    """Print what a job has written.

    Of the replicas of a server on a cluster, each line comes with its pod.
    """
    service, job = _find(job, place)
    with jobs_go_on((job,)):
        told = show_waiting(show_states(job))
        for line in service.logs(job, follow=follow, on_state=told, on_cut=show_cut(job)):
            show_log_line(line)


@click.command()
@click.argument("job", shell_complete=complete_job)
@_place_options
def stop(job: str, place: _Place) -> None:
    """Ask for a job to be stopped; an endpoint is deleted, a Deployment scaled to nothing."""
    service, job = _find(job, place)
    service.stop(job)
    show(f"{job} is being stopped", err=True)


@click.command()
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True, shell_complete=complete_job)
@_place_options
def delete(jobs: tuple[str, ...], place: _Place) -> None:
    """Delete jobs and servers with all that was made for them.

    A notebook's disk goes too; what a job has left in S3 stays.
    """
    for one in jobs:
        service, job = _find(one, place)
        service.delete(job)
        show(f"{job} is deleted", err=True)


@click.command()
@click.argument("job", shell_complete=complete_job)
@_place_options
@OUTPUT
@JSON
def collect(job: str, place: _Place, output: Path | None, *, as_json: bool) -> int:
    """Fetch what an ended job has left: artifacts and log."""
    service, job = _find(job, place)
    return collect_job(service, job, output, as_json=as_json)


def connect(target: TargetName, context: str | None, queue: Queue | None = None) -> Service:
    """The service of a platform, closed when the verb ends."""
    from lyftlearn_image.services.connect import connect_service  # noqa: PLC0415 - every import here waits for its verb

    service = connect_service(target, context=context, queue=queue)
    click.get_current_context().call_on_close(service.close)
    return service


def _find(job: str, place: _Place) -> tuple[Service, str]:
    """The service of a job, by its kind, and its id with the namespace that was named beside it."""
    from lyftlearn_image.services.connect import connect_service_of_job  # noqa: PLC0415 - every import here waits for its verb
    from lyftlearn_image.services.kubernetes.job_id import in_namespace  # noqa: PLC0415

    job = in_namespace(job, place.namespace)
    service = connect_service_of_job(job, context=place.context)
    click.get_current_context().call_on_close(service.close)
    return service, job


def show_states(job: str) -> Callable[[State], None]:
    """A function that shows each new state of a job on stderr, and while it waits what for."""
    shown = ""

    def show_state(state: State) -> None:
        nonlocal shown
        more = (state.attempt, state.reason) if state.status is None else ()
        line = "  ".join(part for part in (job, state.phase, *more) if part)
        if line != shown:
            show(line, err=True)
        shown = line

    return show_state


def show_cut(job: str) -> Callable[[str], None]:
    """A function that shows on stderr what is missing of a job's log."""
    return lambda text: show(f"{job}  {text}", err=True)


def show_waiting(show_state: Callable[[State], None]) -> Callable[[State], None]:
    """The same for who reads a log, in which all that comes after the waiting is seen, but not that it is another attempt."""
    return lambda state: show_state(state) if state.is_waiting or state.attempt else None


@contextlib.contextmanager
def jobs_go_on(jobs: tuple[str, ...]) -> Iterator[None]:
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
        return consumer.wait(jobs, lambda job, state: show_states(job)(state), lambda line: show(line, err=True))
    finally:
        with contextlib.suppress(Exception):  # it may be gone already; the waiting's own error is what counts
            events.delete_queue(session, queue)


def collect_job(service: Service, job: str, output: Path | None, *, as_json: bool) -> int:
    """Collects a job and shows it; the exit code of the verb."""
    directory = empty_directory(output, job.rpartition("/")[2])
    return show_run(job, service.collect(job, directory), directory, as_json=as_json)


def empty_directory(output: Path | None, name: str) -> Path:
    """The directory for what is collected, made. Raises InvalidInputError where it has something in it."""
    from lyftlearn_image.build.own_outputs import mark  # noqa: PLC0415 - every import here waits for its verb
    from lyftlearn_image.errors import InvalidInputError  # noqa: PLC0415

    directory = output or Path(name)
    if directory.exists() and any(directory.iterdir()):
        raise InvalidInputError(f"{directory} is not empty", hint="Give another one with --output.")
    directory.mkdir(parents=True, exist_ok=True)
    mark(directory)
    return directory


def show_run(job: str, done: Run, directory: Path, *, as_json: bool) -> int:
    """Shows what came of a job; the exit code of the verb."""
    import json  # noqa: PLC0415 - every import here waits for its verb

    from lyftlearn_image.runs.failure_line import failure_line  # noqa: PLC0415

    document: dict[str, Any] = {
        "job": job, "status": str(done.status), "exit_code": done.exit_code, "reason": done.reason,
        "log": str(done.stdout), "artifacts": {name: str(path) for name, path in done.artifacts.items()},
        "final_metrics": dict(done.final_metrics),
    }  # fmt: skip
    for text in done.cut:
        show_cut(job)(text)
    if failed := failure_line(done):
        show(f"{job}  {failed}", err=True)
    if done.cut:
        document["cut"] = list(done.cut)
    if done.trials:
        document["trials"] = [
            {"number": trial.number, "values": dict(trial.values), "objective": trial.objective} for trial in done.trials
        ]
    click.echo(json.dumps(document, indent=2) if as_json else f"{job}  {done.status}  {directory}")
    return 0 if done.status == "Completed" else 1


def state_document(state: State) -> dict[str, Any]:
    """A state for programs."""
    return {"status": str(state.status), "phase": state.phase, "reason": state.reason, "exit_code": state.exit_code}
