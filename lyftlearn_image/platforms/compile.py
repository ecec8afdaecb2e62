"""A workload and what the caller adds to it, compiled for a target, with nothing in it that somebody has yet to say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lyftlearn_image import clear_secrets
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.launch import Launch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from lyftlearn_image.platforms.findings import Remark
    from lyftlearn_image.platforms.launch import Compiled, TargetName
    from lyftlearn_image.workload import Workload

# Stand-ins: a request that has one of them in it is not ready to be sent.
UNKNOWN_PREFIX = "s3://output-is-not-said/here"
UNKNOWN_ROLE = "arn:aws:iam::000000000000:role/role-is-not-said"


def launch_of(
    workload: Workload, *, job_name: str | None = None, s3_prefix: str | None = None, role_arn: str | None = None
) -> Launch:
    """Names and places of one run, from the workload where the caller does not say them."""
    prefix = s3_prefix or workload.output or UNKNOWN_PREFIX
    return Launch(job_name or workload.name, prefix.rstrip("/"), role_arn or workload.role_arn or UNKNOWN_ROLE)


def compile_for(target: TargetName, workload: Workload, launch: Launch) -> Compiled:
    """The target's requests or manifests. Raises what the target's own compiler raises."""
    if target == "sagemaker":
        from lyftlearn_image.platforms.sagemaker.compile import compile_workload  # noqa: PLC0415 - one of the two

        return compile_workload(workload, launch)
    from lyftlearn_image.platforms.kubernetes.compile import compile_job  # noqa: PLC0415 - as above

    return compile_job(workload, launch)


def remarks(target: TargetName, workload: Workload, compiled: Compiled) -> Iterator[Remark]:
    """What the target would refuse of what was compiled, and what has no effect there."""
    if target == "sagemaker":
        from lyftlearn_image.platforms.sagemaker import lint as of_sagemaker  # noqa: PLC0415 - one of the two

        return of_sagemaker.remarks(workload, compiled)
    from lyftlearn_image.platforms.kubernetes import lint as of_kubernetes  # noqa: PLC0415 - as above

    return of_kubernetes.remarks(workload, compiled)


def compile_complete(target: TargetName, workload: Workload, launch: Launch) -> Compiled:
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
    if told := [
        f"{'.'.join(map(str, one.key))}: {one.what}" for one in remarks(target, workload, compiled) if one.level == "error"
    ]:
        listed = "\n".join(f"  {one}" for one in told)
        raise InvalidInputError(
            f"{target} would refuse it:\n{listed}", where=where, hint="`lyftlearn-image lint` shows the lines."
        )
    return compiled


def refuse_clear_secrets(data: Mapping[str, Any], name: str) -> None:
    """InvalidInputError that names every clear text which looks like a secret, and repeats none."""
    found = [f"`{'.'.join(map(str, path))}` looks like {what}" for path, what in clear_secrets.found_in(data)]
    if found:
        raise InvalidInputError(
            f"{name} has a secret in the clear: {'; '.join(found)}",
            where=f"the workload {name}",
            hint="Put it into a secret store, and its reference under `secrets`: aws-sm://name#key.",
        )
