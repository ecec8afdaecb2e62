"""`run --here`: one workload on this machine's Docker engine, with an AWS endpoint of its own, and no suite around it."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import Field

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.cli.output import show, show_log_line
from lyftlearn_image.cli.signals import Signalled, raise_on_signals, wait_for_signal
from lyftlearn_image.emulation.private_directories import private_directory
from lyftlearn_image.emulation.sagemaker import studio_app
from lyftlearn_image.emulation.sagemaker.local_api.runtime_server import serve_endpoint
from lyftlearn_image.emulation.session import BUCKET, embedded
from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.limits import HERE
from lyftlearn_image.parity.secrets import redact_file, secret_values
from lyftlearn_image.parity.stored_secrets import check_workload, cluster_secrets
from lyftlearn_image.platforms.compile import compile_for_submission
from lyftlearn_image.platforms.launch import DEFAULT_ROLE, Launch
from lyftlearn_image.platforms.trials import is_driven_from_here
from lyftlearn_image.runs.stop_watch import tells_retry
from lyftlearn_image.runs.tuning import TuningRun, run_tuning
from lyftlearn_image.services.staging import Stager, put_copies
from lyftlearn_image.workload import Job, Notebook, Serving, Trainable, Transform, Tuning, Workload
from lyftlearn_image.workload.parts import Model
from lyftlearn_image.yamlfile import load

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from lyftlearn_image.emulation.session import Embedded
    from lyftlearn_image.platforms.launch import Compiled, TargetName
    from lyftlearn_image.run import Run

_RUN_ID_CHARACTERS = 8
_MODEL_AND_INPUT = ("model", "input")


class StoredValues(Model):
    """The file of `--secrets`: what the local Secrets Manager and Parameter Store have, by the names that references use."""

    secret_values: dict[str, str] = Field(default={}, description="Secret name → value, for Secrets Manager.")
    parameter_values: dict[str, str] = Field(default={}, description="Parameter name → value, for Parameter Store.")


@dataclass(frozen=True)
class HereRun:
    """What is run. Paths in the workload are relative to `directory`; `data` are copies of what it reads from S3."""

    workload: Workload
    target: TargetName
    directory: Path
    role_arn: str | None = None
    data: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    stored: StoredValues = dataclasses.field(default_factory=StoredValues)


def read_options(workload_file: Path, target: TargetName, options: Mapping[str, Any]) -> HereRun:
    """What the options of `run --here` say. Raises click's UsageError for one that is about a service."""
    of_a_service = ("context", "s3_prefix", "again", "queue", "share_identifier", "priority")
    if wrong := [name for name in of_a_service if options[name] not in {None, ""}]:
        raise click.UsageError(f"--{wrong[0].replace('_', '-')} does not go with --here, which sends nothing anywhere")
    return HereRun(
        workload=load(workload_file, Workload),
        target=target,
        directory=workload_file.parent,
        role_arn=options["role_arn"],
        data=_parse_data(options["data"]),
        stored=load(options["secrets"], StoredValues) if options["secrets"] else StoredValues(),
    )


def _parse_data(options: Sequence[str]) -> dict[str, Path]:
    """S3 URI → path, from `--data` options such as `s3://bucket/prefix/=DIR`. Raises InvalidInputError for what is none."""
    data: dict[str, Path] = {}
    for option in options:
        uri, mark, path = option.partition("=")
        if not (uri.startswith("s3://") and mark and path):
            raise InvalidInputError(f"--data {option}: expected S3_URI=PATH", hint="Such as s3://bucket/prefix/=./data.")
        if not Path(path).exists():
            raise InvalidInputError(f"--data {uri}: there is nothing at {path}", hint="Name a file or a directory.")
        data[uri] = Path(path)
    return data


def run_here(here: HereRun, make_directory: Callable[[str], Path]) -> tuple[str, Run, Path] | None:
    """Runs a workload to its end: its id, what came of it, and the directory with its log and artifacts.

    `make_directory` makes that directory for the job's name. None for an endpoint or a notebook, which is served until
    Ctrl-C. Raises InvalidInputError for data that is only in a real account, and what an emulator raises.
    """
    _refuse_real_data(here)
    _refuse_services_on_kubernetes(here)
    check_workload(here.workload, here.stored.secret_values)
    run_id = uuid.uuid4().hex[:_RUN_ID_CHARACTERS]
    secrets = secret_values({**here.stored.secret_values, **here.stored.parameter_values})
    launch = Launch(
        job_name=f"{here.workload.name}-{run_id}",
        s3_prefix=f"s3://{BUCKET}/runs",
        role_arn=here.role_arn or here.workload.role_arn or DEFAULT_ROLE,
    )
    with _interruptible(), private_directory() as workspace:
        with embedded(f"run-{run_id}", limits=HERE) as session:
            workload = _stage(here, session, launch)
            compiled = compile_for_submission(here.target, workload, launch)
            objects.put_objects(session.s3, compiled.objects)
            if isinstance(workload, Serving | Notebook):
                _serve_until_signalled(session, compiled, workspace)
                return None
            directory = make_directory(launch.job_name)
            session.containers.output.mask_below(workspace, secrets)
            cluster = cluster_secrets(workload, here.stored.secret_values)
            run = _run_job(session.with_secrets(cluster), workload, launch, compiled, workspace)
            cut = (f"the log is cut: {what}" for what in session.containers.output.cut_below(workspace))
            for note in (*run.notes, *cut):
                show(f"note: {note}", err=True)
        return _job_id(here, launch), _keep(run, directory, secrets), directory


def _refuse_real_data(here: HereRun) -> None:
    """InvalidInputError that names everything which the workload reads from S3 and `data` has no copy of."""
    missing = {field: uri for field, uri in _s3_sources(here.workload).items() if uri not in here.data}
    if missing:
        uri = next(iter(missing.values()))
        listed = ", ".join(f"`{field}` ({uri})" for field, uri in missing.items())
        raise InvalidInputError(
            f"a run here reads no real account, and has no copy of {listed}",
            where=f"the workload {here.workload.name}",
            hint=f"Copy it with `aws s3 cp --recursive`, and add --data {uri}=PATH; a channel may be a path, too.",
        )
    if unused := here.data.keys() - set(_s3_sources(here.workload).values()):
        raise InvalidInputError(
            f"--data {', '.join(sorted(unused))}: the workload reads no such URI", where=f"the workload {here.workload.name}"
        )


def _s3_sources(workload: Workload) -> dict[str, str]:
    """What a workload reads from S3: field → URI."""
    fields: dict[str, str] = {}
    if isinstance(workload, Job):
        fields = {f"channels.{name}": source for name, source in workload.channels.items()}
    elif isinstance(workload, Serving | Transform):
        fields = {name: getattr(workload, name) for name in _MODEL_AND_INPUT if hasattr(workload, name)}
    return {field: source for field, source in fields.items() if source.startswith("s3://")}


def _refuse_services_on_kubernetes(here: HereRun) -> None:
    if here.target == "kubernetes" and isinstance(here.workload, Serving | Notebook):
        raise UnsupportedError(
            f"the embedded kubernetes target runs Jobs, and a {here.workload.kind} workload is a Deployment",
            hint="Run it here with --target sagemaker, or submit it to a cluster.",
        )


def _stage(here: HereRun, session: Embedded, launch: Launch) -> Workload:
    """The workload, and all that it reads in the local endpoint, each copy at the URI that it is a copy of."""
    session.endpoint.put_secrets(here.stored.secret_values)
    session.endpoint.put_parameters(here.stored.parameter_values)
    put_copies(session.s3, here.data)
    if not isinstance(here.workload, Job):
        return here.workload
    stager = Stager(session.s3, BUCKET)
    channels = {name: stager.stage(source, relative_to=here.directory) for name, source in here.workload.channels.items()}
    has_checkpoints = isinstance(here.workload, Trainable) and here.workload.checkpoints
    checkpoints = {"checkpoints": f"{launch.s3_prefix}/{launch.job_name}/checkpoints"} if has_checkpoints else {}
    return here.workload.with_(channels=channels, **checkpoints)


def _run_job(session: Embedded, workload: Workload, launch: Launch, compiled: Compiled, workspace: Path) -> Run:
    target = session.targets[compiled.target]
    if isinstance(workload, Tuning) and is_driven_from_here(workload, target.name):

        def put_objects(trial: Compiled) -> None:
            objects.put_objects(session.s3, trial.objects)

        return run_tuning(target, workload, launch, TuningRun(workspace), put_objects)

    def show_phase(phase: str) -> None:
        if tells_retry(phase):
            show(f"{target.name}  {phase}", err=True)

    return target.run(compiled, workspace=workspace, on_line=lambda line: show_log_line(line, err=True), on_phase=show_phase)


def _serve_until_signalled(session: Embedded, compiled: Compiled, workspace: Path) -> None:
    """Says where an endpoint or JupyterLab answers, and waits for Ctrl-C."""

    def show(line: str) -> None:
        show_log_line(line, err=True)

    context = session.sagemaker.context
    with contextlib.ExitStack() as stack:
        if compiled.action == "CreateEndpoint":
            url = stack.enter_context(serve_endpoint(context, compiled, workspace, show))
            click.echo(f"{url}/endpoints/{compiled.documents[-1]['EndpointName']}/invocations")
        else:
            app = studio_app.run_app(context, studio_app.app_spec(compiled), workspace, on_line=show)
            click.echo(stack.enter_context(app).url)
        click.echo("Ctrl-C ends it", err=True)
        with contextlib.suppress(Signalled):
            wait_for_signal()


def _job_id(here: HereRun, launch: Launch) -> str:
    """As a service would have it: SageMaker's kind of job, or a Kubernetes Job, and the name."""
    kind = here.workload.kind if here.target == "sagemaker" or isinstance(here.workload, Tuning) else "job"
    return f"{kind}/{launch.job_name}"


def _keep(run: Run, directory: Path, secrets: Collection[str]) -> Run:
    """The run, with its log, without secrets, and artifacts in `directory`."""
    stdout, stderr = directory / "stdout", directory / "stderr"
    for kept, path in ((run.stdout, stdout), (run.stderr, stderr)):
        redact_file(kept, secrets)
        shutil.move(kept, path)
    artifacts = {name: directory / "artifacts" / name for name in run.artifacts}
    (directory / "artifacts").mkdir()
    for name, path in artifacts.items():
        shutil.move(run.artifacts[name], path)
    return dataclasses.replace(run, stdout=stdout, stderr=stderr, artifacts=artifacts)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ends the block by a signal as Ctrl-C ends a verb, when everything on the engine has been removed."""
    try:
        with raise_on_signals():
            yield
    except Signalled:
        raise click.Abort from None
