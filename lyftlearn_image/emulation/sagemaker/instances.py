"""vCPUs and memory of instance types.

Source: the EC2 types of the same name (https://aws.amazon.com/ec2/instance-types/). What SageMaker itself takes of a
machine is not documented and not taken off. Which sizes a family has, the service's API model says: a request is
checked against it before.
"""

from __future__ import annotations

import re

from lyftlearn_image.errors import UnsupportedError

# GiB for each vCPU: compute, general and memory families keep to one ratio in all their sizes.
_GIB_PER_CPU = {
    "c5": 2, "c6i": 2, "c7i": 2,
    "m4": 4, "m5": 4, "m6i": 4, "m7i": 4,
    "r5": 8, "r6i": 8, "r7i": 8,
}  # fmt: skip
_SIZE = re.compile(r"ml\.(?P<family>\w+)\.(?:(?P<large>large)|(?P<times>\d*)xlarge)")
_BURSTABLE = {"ml.t3.medium": (2, 4), "ml.t3.large": (2, 8), "ml.t3.xlarge": (4, 16), "ml.t3.2xlarge": (8, 32)}


def size_of(instance_type: str) -> tuple[int, int]:
    """The vCPUs and GiB of an instance type. UnsupportedError that names the known families for any other."""
    if instance_type in _BURSTABLE:
        return _BURSTABLE[instance_type]
    size = _SIZE.fullmatch(instance_type)
    if size is None or size["family"] not in _GIB_PER_CPU:
        known = ", ".join(sorted(["t3", *_GIB_PER_CPU]))
        raise UnsupportedError(
            f"the embedded target does not know the instance type {instance_type}",
            hint=f"It knows the families {known}. GPU types need the service.",
        )
    # `large` has 2 vCPUs, `xlarge` 4, `<n>xlarge` 4 n.
    cpus = 2 if size["large"] else 4 * int(size["times"] or 1)
    return cpus, cpus * _GIB_PER_CPU[size["family"]]
