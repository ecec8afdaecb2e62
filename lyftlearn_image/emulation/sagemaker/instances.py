"""vCPUs and memory of instance types, from moto's table of EC2's: SageMaker's have the size of the EC2 type of that name.

What SageMaker itself takes of a machine is not documented and not taken off. Which types an action takes, the service's API
model says: a request is checked against it before.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "ml."
_MIB = 1 << 20
# What this machine cannot stand for, as EC2 describes it (API reference, InstanceTypeInfo).
_ACCELERATORS = ("GpuInfo", "NeuronInfo", "InferenceAcceleratorInfo", "MediaAcceleratorInfo", "FpgaInfo")
_ARCHITECTURE = "x86_64"


def instance_size(instance_type: str) -> tuple[int, int]:
    """The vCPUs and bytes of memory of an instance type such as `ml.m5.large`.

    Raises UnsupportedError for a type that EC2 does not have, and for one with an accelerator or another architecture.
    """
    info = _ec2_types().get(instance_type.removeprefix(_PREFIX)) if instance_type.startswith(_PREFIX) else None
    if info is None:
        raise UnsupportedError(
            f"the embedded target does not know the instance type {instance_type}",
            hint="It knows those that EC2 has, too: ml.m5.large as m5.large.",
        )
    if any(name in info for name in _ACCELERATORS) or _ARCHITECTURE not in info["ProcessorInfo"]["SupportedArchitectures"]:
        raise UnsupportedError(
            f"the embedded target does not stand for the instance type {instance_type}",
            hint="A GPU, another accelerator or an ARM processor needs the service.",
        )
    return int(info["VCpuInfo"]["DefaultVCpus"]), int(info["MemoryInfo"]["SizeInMiB"]) * _MIB


@functools.cache
def _ec2_types() -> Mapping[str, Any]:
    """DescribeInstanceTypes by name: 70 ms, once. The file is read without moto, whose import takes half a second."""
    spec = importlib.util.find_spec("moto")
    assert spec is not None and spec.origin is not None  # noqa: S101, PT018 - a dependency of ours; tells mypy
    path = Path(spec.origin).parent / "ec2" / "resources" / "instance_types.json.gz"
    types: Mapping[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return types
