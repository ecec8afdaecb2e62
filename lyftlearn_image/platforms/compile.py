"""A workload and what the caller adds to it, compiled for a target, and checked before it is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lyftlearn_image import clear_secrets
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.kubernetes.compile import compile_manifests
from lyftlearn_image.platforms.kubernetes.lint import lint_manifests
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.platforms.sagemaker.compile import compile_requests
from lyftlearn_image.platforms.sagemaker.lint import lint_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from lyftlearn_image.platforms.findings import Finding
    from lyftlearn_image.platforms.launch import Compiled, TargetName
    from lyftlearn_image.workload import Workload

# Stand-ins: a request that has one of them in it is not ready to be sent.
UNKNOWN_PREFIX = "s3://output-is-not-said/here"
UNKNOWN_ROLE = "arn:aws:iam::000000000000:role/role-is-not-said"

_COMPILERS: Mapping[TargetName, Callable[[Workload, Launch], Compiled]] = {
    "sagemaker": compile_requests,
    "kubernetes": compile_manifests,
}
_LINTERS: Mapping[TargetName, Callable[[Workload, Compiled], Iterator[Finding]]] = {
    "sagemaker": lint_requests,
    "kubernetes": lint_manifests,
}


def launch_for(
    workload: Workload, *, job_name: str | None = None, s3_prefix: str | None = None, role_arn: str | None = None
) -> Launch:
    """Names and places of one run: the caller's, else the workload's, else a stand-in that is never sent."""
    prefix = s3_prefix or workload.output or UNKNOWN_PREFIX
    return Launch(job_name or workload.name, prefix.rstrip("/"), role_arn or workload.role_arn or UNKNOWN_ROLE)


def compile_for(target: TargetName, workload: Workload, launch: Launch) -> Compiled:
    """The target's requests or manifests. Raises what the target's own compiler raises."""
    return _COMPILERS[target](workload, launch)


def lint_compiled(target: TargetName, workload: Workload, compiled: Compiled) -> Iterator[Finding]:
    """What the target would refuse of what was compiled, and what has no effect there."""
    return _LINTERS[target](workload, compiled)


def compile_for_submission(target: TargetName, workload: Workload, launch: Launch) -> Compiled:
    """As `compile_for`, and ready to be sent.

    Raises InvalidInputError for a place or a role that nobody said, for a secret in the clear, and for what would be refused.
    """
    refuse_clear_secrets(workload.model_dump(mode="json"), workload.name)
    compiled = compile_for(target, workload, launch)
    text = json.dumps([*compiled.documents, *compiled.objects])
    where = f"the workload {workload.name}"
    if UNKNOWN_PREFIX in text:
        raise InvalidInputError(
            "it is not said where models, outputs and the launch bundle go",
            where=where,
            hint="Add `output: s3://bucket/prefix` to the file, or give --s3-prefix.",
        )
    if UNKNOWN_ROLE in text:
        raise InvalidInputError(
            "the execution role is not said",
            where=where,
            hint="Add `role_arn: arn:aws:iam::…` to the file, or give --role-arn.",
        )
    errors = [finding for finding in lint_compiled(target, workload, compiled) if finding.level == "error"]
    if errors:
        lines = "\n".join(f"  {'.'.join(map(str, error.field))}: {error.what}" for error in errors)
        raise InvalidInputError(
            f"{target} would refuse it:\n{lines}", where=where, hint="`lyftlearn-image lint` shows the lines."
        )
    return compiled


def refuse_clear_secrets(data: Mapping[str, Any], name: str) -> None:
    """InvalidInputError that names every clear text which looks like a secret, and repeats none."""
    secrets = [f"`{'.'.join(map(str, path))}` looks like {what}" for path, what in clear_secrets.find_secrets(data)]
    if secrets:
        raise InvalidInputError(
            f"{name} has a secret in the clear: {'; '.join(secrets)}",
            where=f"the workload {name}",
            hint="Put it into a secret store, and its reference under `secrets`: aws-sm://name#key.",
        )
