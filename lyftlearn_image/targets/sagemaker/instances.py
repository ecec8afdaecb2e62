"""vCPUs and memory of instance types.

Source: the EC2 types of the same name (https://aws.amazon.com/ec2/instance-types/). SageMaker's own overhead is not
documented and not taken off.
"""

from __future__ import annotations

from lyftlearn_image.errors import UnsupportedError

# Sizes of a family double; this is its `large`: vCPUs, GiB.
_LARGE = {"m5": (2, 8), "c5": (2, 4), "r5": (2, 16), "m6i": (2, 8), "c6i": (2, 4), "r6i": (2, 16), "m7i": (2, 8), "c7i": (2, 4)}
_FACTOR = {"large": 1, "xlarge": 2, "2xlarge": 4, "4xlarge": 8, "8xlarge": 16, "12xlarge": 24, "16xlarge": 32, "24xlarge": 48}
_BURSTABLE = {"ml.t3.medium": (2, 4), "ml.t3.large": (2, 8), "ml.t3.xlarge": (4, 16), "ml.t3.2xlarge": (8, 32)}


def size_of(instance_type: str) -> tuple[int, int]:
    """The vCPUs and GiB of an instance type. UnsupportedError that names the known families for any other."""
    if instance_type in _BURSTABLE:
        return _BURSTABLE[instance_type]
    prefix, _, rest = instance_type.partition(".")
    family, _, size = rest.partition(".")
    if prefix == "ml" and family in _LARGE and size in _FACTOR:
        cpus, memory = _LARGE[family]
        return cpus * _FACTOR[size], memory * _FACTOR[size]
    known = ", ".join(["t3", *_LARGE])
    raise UnsupportedError(f"the embedded target does not know {instance_type}", hint=f"It knows the families {known}.")
