"""vCPUs and memory of the instance types that this machine can stand for.

Which types an action takes, the service's API model says: a request is checked against it before.
"""

from __future__ import annotations

from lyftlearn_image.errors import UnsupportedError
from lyftlearn_image.platforms.sagemaker.instances import find_instance

_MIB = 1 << 20


def instance_size(instance_type: str) -> tuple[int, int]:
    """The vCPUs and bytes of memory of an instance type such as `ml.m5.large`.

    Raises UnsupportedError for a type that EC2 does not have, and for one with an accelerator or another architecture.
    """
    size = find_instance(instance_type)
    if size is None:
        raise UnsupportedError(
            f"the embedded target does not know the instance type {instance_type}",
            hint="It knows those that EC2 has, too: ml.m5.large as m5.large.",
        )
    if not size.is_plain:
        raise UnsupportedError(
            f"the embedded target does not stand for the instance type {instance_type}",
            hint="A GPU, another accelerator or an ARM processor needs the service.",
        )
    return size.cpus, size.memory_mib * _MIB
