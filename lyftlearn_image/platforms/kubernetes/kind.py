"""What has to be known of one kind of workload to compile, lint and permit it on Kubernetes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.platforms.kubernetes.pod_template import PodDefaults
    from lyftlearn_image.platforms.launch import Compiled, Launch


@dataclass(frozen=True)
class WorkloadKind:
    """One row of `all_kinds.KINDS`.

    `is_job` is for what ends by itself and leaves something below the launch's prefix. `reads`, `synchronises` are fields of
    the workload with S3 URIs that the pod reads, or keeps the same as a directory of its own. `used` are fields that only
    kinds like this one have a use for on Kubernetes.
    """

    compile: Callable[[Any, Launch], Compiled]
    pod: PodDefaults
    is_job: bool = True
    reads: tuple[str, ...] = ()
    synchronises: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
