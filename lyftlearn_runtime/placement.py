"""The step that writes: whatever the script is to find before it starts."""

from __future__ import annotations

import os

from lyftlearn_runtime import contract, hyperparameters, posix_user, program, spark
from lyftlearn_runtime.log import log_line
from lyftlearn_runtime.start import Placed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from lyftlearn_runtime.atomic_writer import FileProjection
    from lyftlearn_runtime.bundle import File
    from lyftlearn_runtime.checkpoints import CheckpointSync
    from lyftlearn_runtime.references import Resolution
    from lyftlearn_runtime.start import Resolved


def place(resolved: Resolved) -> Placed:
    """Writes configuration and secrets, brings data, and gives the user a home and a name."""
    inputs = resolved.inputs
    files = _write_files(resolved)
    checkpoints = _download(resolved)
    if resolved.references.seconds or inputs.bundle.downloads:
        _report_identity(resolved)
    environ, origins = dict(resolved.environ), dict(resolved.origins)

    def add(variables: dict[str, str], origin: str) -> None:
        environ.update(variables)
        origins.update(dict.fromkeys(variables, origin))

    add(posix_user.user_variables(environ, os.getuid()), "identity")
    posix_user.add_passwd_entry(os.getuid(), os.getgid(), environ.get("HOME", "/"))
    add(spark.write_defaults(environ), "spark")
    values, path = write_hyperparameters(resolved)
    if path:
        add({contract.HYPERPARAMETERS: path}, "hyperparameters")
    secrets = resolved.secrets
    if program.brings_code(inputs.argv, environ, values):
        from lyftlearn_runtime import requirements, script_mode  # noqa: PLC0415 - only where code comes with the job

        secrets = secrets.union(requirements.credentials(environ))
        add(script_mode.prepare(inputs.argv, environ, values), "requirements")
    return Placed(inputs, environ, origins, values, files, checkpoints, secrets, resolved.is_processing)


def write_hyperparameters(resolved: Resolved) -> tuple[dict[str, Any], str | None]:
    """The typed values, and the path of the file that has them; None where a processing job has none."""
    bundle, context = resolved.inputs.bundle, resolved.inputs.context.name
    values = bundle.hyperparameters or hyperparameters.read()
    if bundle.hyperparameters and context == "sagemaker-training":
        # A tuner's own come by the request, also where the others had no room in it.
        values = dict(hyperparameters.read(), **bundle.hyperparameters)
    if resolved.is_processing and not values:
        return {}, None
    is_kubernetes_job = bundle.job is not None and context == "kubernetes"
    with_strings = bool(bundle.hyperparameters) or (is_kubernetes_job and not os.path.exists(hyperparameters.PATH))
    return dict(values), hyperparameters.write(values, with_strings=with_strings)


def projections(files: Iterable[File], references: Resolution) -> list[FileProjection]:
    """What the files of a bundle are to hold, without those whose optional secret is not to be had."""
    from lyftlearn_runtime.atomic_writer import FileProjection  # noqa: PLC0415 - only where there are files

    found = []
    for file in files:
        text = references.values[file.secret] if file.secret else file.content
        if text is not None:
            data = text.encode("utf-8", "surrogateescape")
            found.append(FileProjection(file.path, data, file.mode, file.owner, bool(file.secret)))
    return found


def _write_files(resolved: Resolved) -> dict[str, bool]:
    """Writes the bundle's files. Path → whether there is a secret in it, for these and for the mounted ones."""
    bundle = resolved.inputs.bundle
    files = dict.fromkeys(bundle.mounted, False)
    if bundle.files:
        from lyftlearn_runtime import atomic_writer  # noqa: PLC0415 - as above

        wanted = projections(bundle.files, resolved.references)
        atomic_writer.write(wanted, resolved.environ)
        files.update({file.path: file.is_secret for file in wanted})
    return files


def _download(resolved: Resolved) -> CheckpointSync | None:
    """Brings what SageMaker would have brought, and the checkpoints of an earlier run."""
    bundle, environ = resolved.inputs.bundle, resolved.environ
    checkpoints = None
    if bundle.downloads:
        from lyftlearn_runtime import transfer  # noqa: PLC0415 - only on Kubernetes

        transfer.download(bundle.downloads, environ)
    if bundle.checkpoints:
        from lyftlearn_runtime.checkpoints import CheckpointSync  # noqa: PLC0415 - as above

        checkpoints = CheckpointSync(bundle.checkpoints, environ)
        checkpoints.restore()
    if bundle.job and resolved.inputs.context.name == "kubernetes":
        from lyftlearn_runtime import sagemaker_files  # noqa: PLC0415 - as above

        sagemaker_files.write_job_files(bundle, environ)
    return checkpoints


def _report_identity(resolved: Resolved) -> None:
    """Which AWS identity is in use, and from where: a line, once, where anything was fetched as it."""
    from lyftlearn_runtime.aws import credential_cache  # noqa: PLC0415 - only after a fetch

    identity = credential_cache.describe_identity(resolved.environ)
    if identity:
        log_line(f"AWS identity: {identity}")
