"""The ids of the jobs that both services have, for a shell that completes one."""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING

from lyftlearn_image.aws.session import open_session
from lyftlearn_image.platforms.sagemaker import job_kinds
from lyftlearn_image.services.kubernetes import job_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SAGEMAKER_KINDS = {kind.name: kind for kind in (*job_kinds.KINDS, job_kinds.ENDPOINT)}


def searches(beginning: str, context: str | None, namespace: str | None) -> Iterable[Callable[[], list[str]]]:
    """What is to be asked for the ids that begin so; each may raise whatever its service does, and may be slow.

    The libraries are imported here already, which takes no longer than it takes.
    """
    word, slash, rest = beginning.partition("/")
    for name in (*_SAGEMAKER_KINDS, *job_id.KINDS):
        if not (name == word if slash else name.startswith(word)):
            continue
        is_sagemaker = name in _SAGEMAKER_KINDS
        with contextlib.suppress(ImportError):  # lightkube is an extra
            importlib.import_module("boto3" if is_sagemaker else "lyftlearn_image.services.kubernetes.api")
            if is_sagemaker:
                yield lambda kind=_SAGEMAKER_KINDS[name]: _of_sagemaker(kind, rest)  # type: ignore[misc]
            else:
                yield lambda kind=name: _of_cluster(kind, context, namespace)  # type: ignore[misc]


def _of_sagemaker(kind: job_kinds.Kind, containing: str) -> list[str]:
    from lyftlearn_image.services.sagemaker.listing import hurried_client, list_names  # noqa: PLC0415 - boto3 takes 200 ms

    with contextlib.closing(hurried_client(open_session())) as client:
        return [f"{kind.name}/{name}" for name in list_names(client, kind, containing)]


def _of_cluster(kind: str, context: str | None, namespace: str | None) -> list[str]:
    from lyftlearn_image.services.kubernetes.kubeconfig import open_client  # noqa: PLC0415 - lightkube is an extra

    client = open_client(context)
    from lyftlearn_image.retry import Clock  # noqa: PLC0415
    from lyftlearn_image.services.kubernetes.api import ClusterApi  # noqa: PLC0415 - as above

    with contextlib.closing(ClusterApi(client, Clock(), namespace)) as api:
        return [str(job_id.JobId(kind, api.namespace, name)) for name in api.list_names(kind)]
