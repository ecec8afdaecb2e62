"""What the containers of the SageMaker emulator run on: this machine with its size, and the account that they are in."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.docker.limits import beyond_machine, unenforced_limits
from lyftlearn_image.emulation.machine import Machine
from lyftlearn_image.emulation.sagemaker.instances import instance_size
from lyftlearn_image.emulation.sagemaker.job_plan import Account

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, kw_only=True)
class Context(Machine):
    """The machine and what its engine says of it; the account of what runs on it."""

    account: Account
    info: Mapping[str, Any]

    def limits(self, instance_type: str) -> tuple[int, int]:
        """CPUs and bytes of an instance type, and at most what this machine has. UnsupportedError for an unknown type."""
        cpus, memory_bytes = instance_size(instance_type)
        return min(cpus, int(self.info["NCPU"])), min(memory_bytes, int(self.info["MemTotal"]))

    def notes(self, instance_type: str, volume_gb: int | None = None) -> tuple[str, ...]:
        """What of an instance's limits is not enforced here, each by its name in the request."""
        cpus, memory_bytes = instance_size(instance_type)
        notes = [*unenforced_limits(self.info), *beyond_machine(f"InstanceType={instance_type}", memory_bytes, self.info)]
        if cpus > int(self.info["NCPU"]):
            notes.append(f"InstanceType={instance_type} has {cpus} CPUs, and this machine {self.info['NCPU']}")
        if volume_gb is not None:
            notes.append(f"VolumeSizeInGB={volume_gb} is not enforced: the volume is this machine's disk")
        return tuple(notes)

    def container_environment(self, role_arn: str | None) -> dict[str, str]:
        """What the service itself puts into a container that runs as a role; None for one that has no credentials."""
        variables = self.credentials.job_environment(role_arn) if self.credentials and role_arn else {}
        return {**self.platform_environment, **variables}


def create_context(machine: Machine) -> Context:
    """The context of this machine, whose size its engine says."""
    info = machine.containers.client.info()
    number = {"number": machine.credentials.place.account} if machine.credentials else {}
    return Context(
        **{field.name: getattr(machine, field.name) for field in fields(Machine)},
        account=Account(machine.platform_environment.get("AWS_REGION", DEFAULT_REGION), **number),
        info=info,
    )
