"""A start as a row of steps over frozen values: detect → read → resolve → place → describe → run → finish.

Here are the steps that write nothing: `detect` and `read` look at what the container was given, `resolve` fetches what
references point to, `describe` says what will run. `placement.place` writes files, `execution` runs the script and uploads.

Every value knows the `secrets` so far, which no message may show, and whether the job `is_processing`, by which a failure
finds its place. `origins` has, for each variable that was not given to this process as it is, what it came from.
"""

from __future__ import annotations

import os

from lyftlearn_runtime import (
    bundle,
    cgroup,
    cluster,
    contract,
    deadline,
    environment,
    execve,
    metrics,
    program,
    references,
)
from lyftlearn_runtime.context import detect as detect_context
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.frozen import namedtuple
from lyftlearn_runtime.log import log_line
from lyftlearn_runtime.supervise import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from lyftlearn_runtime.refresh import RefreshPolicy

Invocation = namedtuple("Invocation", ["argv", "environ", "context", "secrets", "is_processing"])
# `refresh` is a RefreshPolicy or None; `grace_s` is between SIGTERM and SIGKILL.
Inputs = namedtuple(
    "Inputs", ["argv", "environ", "origins", "context", "bundle", "refresh", "grace_s", "secrets", "is_processing"]
)
# `environ` has values where `inputs.environ` has references; `references` is what was fetched.
Resolved = namedtuple("Resolved", ["inputs", "environ", "origins", "references", "secrets", "is_processing"])
# `files` says of each path that was placed whether there is a secret in it; `checkpoints` is a CheckpointSync or None.
Placed = namedtuple(
    "Placed", ["inputs", "environ", "origins", "hyperparameters", "files", "checkpoints", "secrets", "is_processing"]
)
Launch = namedtuple(
    "Launch", ["inputs", "environ", "origins", "command", "cluster", "files", "checkpoints", "secrets", "is_processing"]
)

# Seconds between SIGTERM and SIGKILL (developer guide, your-algorithms-training-algo-running-container and
# your-algorithms-inference-code; Kubernetes' terminationGracePeriodSeconds; `docker stop`).
_GRACE_S = {"sagemaker-training": 120.0, "docker": 10.0}
_OTHER_GRACE_S = 30.0


def process_environment() -> dict[str, str]:
    """The variables that this process was started with: without a locale, CPython adds LC_CTYPE to its own (PEP 538)."""
    environ = dict(os.environ)
    if environ.get("LC_CTYPE") == "C.UTF-8":
        with open("/proc/self/environ", "rb") as file:
            if not any(one.startswith(b"LC_CTYPE=") for one in file.read().split(b"\0")):
                del environ["LC_CTYPE"]
    return environ


def detect(argv: Sequence[str], environ: Mapping[str, str]) -> Invocation:
    """What the container was started with, and by which service."""
    context = detect_context(environ, argv, os.path.exists)
    named = (*contract.SECRET_VARIABLES, *environ.get(contract.SECRETS, "").split(","))
    secrets = frozenset(environ[name] for name in named if environ.get(name))
    return Invocation(tuple(argv), environ, context, secrets, context.name == "sagemaker-processing")


def read(invocation: Invocation) -> Inputs:
    """What the workload asks for: its launch bundle and its settings."""
    policy = _refresh_policy(invocation.environ.get(contract.REFRESH))
    grace_s = deadline.grace_period(invocation.environ, _GRACE_S.get(invocation.context.name, _OTHER_GRACE_S))
    launch = bundle.read(invocation.environ)
    argv = invocation.argv
    if argv[:1] == (contract.BUNDLED_COMMAND,) and launch.command:
        argv = launch.command
    # What came by the bundle is the workload's own word, and wins over the image's.
    environ = {**invocation.environ, **launch.environment}
    origins = dict.fromkeys(launch.environment, "bundle")
    is_processing = launch.job.kind == "processing" if launch.job else invocation.is_processing
    return Inputs(argv, environ, origins, invocation.context, launch, policy, grace_s, invocation.secrets, is_processing)


def _refresh_policy(value: str | None) -> RefreshPolicy | None:
    if not value:
        return None
    from lyftlearn_runtime import refresh  # noqa: PLC0415 - only where a workload asks for it

    return refresh.parse(value)


def resolve(inputs: Inputs) -> Resolved:
    """Values in the place of references in variables, and those that files will need. Asks the sources for them."""
    environ = inputs.environ
    names = references.reference_variables(environ)
    texts = [environ[name] for name in names] + [file.secret for file in inputs.bundle.files if file.secret]
    sets = environ.get(contract.ENV_FROM, "").split()
    if not texts and not sets:
        return Resolved(inputs, environ, inputs.origins, references.NOTHING, inputs.secrets, inputs.is_processing)
    from lyftlearn_runtime import resolver  # noqa: PLC0415 - only where there are references

    found = resolver.resolve(texts, environ, sets)
    values, origins = dict(environ), dict(inputs.origins)
    for name in names:
        values[name] = found.values[environ[name]]
        origins[name] = environ[name]
    for text, members in found.sets.items():
        for name, keys in environment.keys_by_variable(members).items():
            if len(keys) > 1:
                lost = " and ".join(map(repr, keys[:-1]))
                log_line(f"{text}: {lost} would be the variable {name}, as {keys[-1]!r} is; rename what is to be kept")
            # A variable that somebody has set is never overwritten; of two sets the later one wins, as of envFrom.
            if name not in environ:
                values[name] = members[keys[-1]]
                origins[name] = f"{text} ({keys[-1]})"
    resolved = {name: value for name, value in values.items() if value is not None}
    secrets = inputs.secrets.union(resolver.secret_values(found))
    return Resolved(inputs, resolved, origins, found, secrets, inputs.is_processing)


def without_bundle(invocation: Invocation) -> Inputs:
    """What `read` would give where the workload asks for nothing."""
    argv, environ, context, secrets, is_processing = invocation
    return Inputs(argv, environ, {}, context, bundle.EMPTY, None, _OTHER_GRACE_S, secrets, is_processing)


def without_files(resolved: Resolved, values: Mapping[str, Any]) -> Placed:
    """What `place` would give for these hyperparameters, with nothing written."""
    inputs, environ, origins, _, secrets, is_processing = resolved
    return Placed(inputs, environ, origins, dict(values), {}, None, secrets, is_processing)


def describe(placed: Placed) -> Launch:
    """The command that will run, with every variable of the contract that the workload has not set itself."""
    script = program.resolve(placed.inputs.argv, placed.environ, placed.hyperparameters)
    cpus = cgroup.cpu_count(cgroup.cpu_quota())
    derived = _platform_variables(placed, cpus)
    resources = {} if placed.is_processing else cluster.read_config("resourceconfig.json")
    here = cluster.parse_resource_config(resources)
    if not placed.is_processing:
        derived.update(environment.training_variables(_training_job(placed, script, resources, here, cpus)))
    derived = {name: value for name, value in derived.items() if name not in placed.environ}
    own = dict(placed.environ)
    if script.name:
        own["PYTHONPATH"] = environment.python_path(own.get("PYTHONPATH", ""))
    added = (name for name, value in own.items() if placed.environ.get(name) != value)
    origins = {**placed.origins, **dict.fromkeys((*derived, *added), "derived")}
    command = Command(script.argv, _fitting_variables(own, derived, script), script.cwd or _writable_copy(os.getcwd()))
    return Launch(
        placed.inputs, placed.environ, origins, command, here,
        placed.files, placed.checkpoints, placed.secrets, placed.is_processing,
    )  # fmt: skip


def _writable_copy(directory: str) -> str | None:
    """The copy of a working directory that is on a read-only root; None where there is none, or no need for one."""
    copy = contract.WORK_DIR + directory.rstrip("/")
    return copy if os.path.isdir(copy) and not os.access(directory, os.W_OK) else None


def _platform_variables(placed: Placed, cpus: int) -> dict[str, str]:
    """What a script of any kind may look for: threads, metrics, the job's name, the region in every spelling."""
    found = {**cgroup.thread_variables(cpus), **metrics.statsd_variables()}
    job = placed.inputs.bundle.job
    if job and placed.inputs.context.name == "kubernetes":
        found["PROCESSING_JOB_NAME" if placed.is_processing else "TRAINING_JOB_NAME"] = job.name
    if placed.environ.get("AWS_REGION"):
        # boto3 reads the second name alone, and jobs of SageMaker have the first.
        found.update(dict.fromkeys(("SAGEMAKER_REGION", "AWS_DEFAULT_REGION"), placed.environ["AWS_REGION"]))
    return found


def _training_job(
    placed: Placed, script: program.Program, resources: Mapping[str, Any], here: cluster.Cluster, cpus: int
) -> environment.TrainingJob:
    job = placed.inputs.bundle.job
    return environment.TrainingJob(
        name=job.name if job else placed.environ.get("TRAINING_JOB_NAME", ""),
        hyperparameters=placed.hyperparameters,
        cluster=here,
        resource_config=resources,
        input_data_config=cluster.read_config("inputdataconfig.json"),
        num_cpus=cpus,
        num_gpus=cgroup.gpu_count(),
        program=script,
    )


def _fitting_variables(environ: Mapping[str, str], derived: Mapping[str, str], script: program.Program) -> dict[str, str]:
    """The script's variables, without those derived ones that the kernel would refuse: a line says which."""
    own = {name: value for name, value in environ.items() if name not in contract.HIDDEN_VARIABLES}
    used = 0
    for word in script.argv:
        size = execve.size_of(word)
        if size is None:
            raise ShimError("a word of the command line is too long or has a NUL in it", contract.EXIT_CONFIG)
        used += size
    variables, omitted = execve.fit_variables(own, derived, used)
    if omitted or script.omitted:
        names = [f"--{name}" for name in script.omitted] + sorted(omitted)
        log_line(f"too large for a command line or a variable, and in the files only: {', '.join(names)}")
    return variables
