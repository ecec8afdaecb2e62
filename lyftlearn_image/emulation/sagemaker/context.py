"""What the containers of the SageMaker emulator run on: this machine with its size, and the account that they are in."""

from __future__ import annotations

from dataclasses import dataclass, fields

from lyftlearn_image.emulation.machine import Machine
from lyftlearn_image.emulation.sagemaker.instances import instance_size
from lyftlearn_image.emulation.sagemaker.job_plan import Account

DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, kw_only=True)
class Context(Machine):
    """The machine and its size, `cpus` and `memory_bytes`; the account of what runs on it."""

    account: Account
    cpus: int
    memory_bytes: int

    def limits(self, instance_type: str) -> tuple[int, int]:
        """CPUs and bytes of an instance type, and at most what this machine has. UnsupportedError for an unknown type."""
        cpus, memory_bytes = instance_size(instance_type)
        return min(cpus, self.cpus), min(memory_bytes, self.memory_bytes)

    def container_environment(self, role_arn: str | None) -> dict[str, str]:
        """What the service itself puts into a container that runs as a role; None for one that has no credentials."""
        variables = self.credentials.job_environment(role_arn) if self.credentials and role_arn else {}
        return {**self.platform_environment, **variables}


def create_context(machine: Machine) -> Context:
    """The context of this machine, whose size its engine says."""
    info = machine.containers.client.info()
    return Context(
        **{field.name: getattr(machine, field.name) for field in fields(Machine)},
        account=Account(region=machine.platform_environment.get("AWS_REGION", DEFAULT_REGION)),
        cpus=int(info["NCPU"]),
        memory_bytes=int(info["MemTotal"]),
    )
