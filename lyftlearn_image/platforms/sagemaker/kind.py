"""What has to be known of one kind of workload to compile, lint and permit it on SageMaker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lyftlearn_image.platforms.findings import FieldPath, Finding
    from lyftlearn_image.platforms.launch import Compiled, Launch


def _no_findings(_: Any) -> Iterator[Finding]:
    return iter(())


@dataclass(frozen=True)
class WorkloadKind:
    """One row of `all_kinds.KINDS`.

    `log_group` is below /aws/sagemaker, with `{name}` for the workload's name; `log_streams` likewise. `is_job` is for what
    ends by itself and leaves something to collect. `reads`, `synchronises` are fields of the workload with S3 URIs that the
    container reads, or keeps the same as a directory of its own; `writes` tells whether it writes below the launch's prefix.
    `fields` maps a member that only this kind's requests have, or a path as a whole, to the workload's field that it has.
    `arguments` is the field that a container's arguments come from, and how many words were put before them. `ignored` are
    fields without effect. `lint` finds what the API's model has no number for.
    """

    compile: Callable[[Any, Launch], Compiled]
    log_group: str
    log_streams: str = "{name}*"
    metrics_namespace: str | None = None
    is_job: bool = True
    reads: tuple[str, ...] = ()
    synchronises: tuple[str, ...] = ()
    writes: Callable[[Any], bool] = field(default=lambda _: True)
    # A notebook's network interfaces are those of its Studio domain.
    has_own_network: bool = True
    fields: Mapping[str, FieldPath] = field(default_factory=dict)
    arguments: tuple[str, int] = ("command", 0)
    ignored: tuple[str, ...] = ()
    lint: Callable[[Any], Iterator[Finding]] = _no_findings
