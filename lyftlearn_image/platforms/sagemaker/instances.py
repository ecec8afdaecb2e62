"""Sizes of instance types: a type of SageMaker's has those of the EC2 type of that name.

Names are those of the enumerations in botocore's model. vCPUs, memory and GPUs are what EC2's DescribeInstanceTypes answers,
from the copy of that answer which moto keeps; of SageMaker's own pages none has them as data. What SageMaker itself takes of a
machine is not documented and not taken off.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "ml."
# API reference of EC2, InstanceTypeInfo: what a machine may have beside its CPUs.
_ACCELERATORS = ("GpuInfo", "NeuronInfo", "InferenceAcceleratorInfo", "MediaAcceleratorInfo", "FpgaInfo")
_ARCHITECTURE = "x86_64"
# What `nvidia.com/gpu` counts on Kubernetes.
_MANUFACTURER = "NVIDIA"


@dataclass(frozen=True)
class InstanceSize:
    """What an instance type has. `is_plain` is one of x86-64 without any accelerator."""

    name: str
    cpus: int
    memory_mib: int
    gpus: int
    is_plain: bool

    def has(self, cpus: float, memory_mib: int, gpus: int) -> bool:
        """Whether it has as much of each."""
        return self.cpus >= cpus and self.memory_mib >= memory_mib and self.gpus >= gpus

    def __str__(self) -> str:
        return f"{self.name} ({describe(self.cpus, self.memory_mib, self.gpus)})"


def describe(cpus: float, memory_mib: int, gpus: int) -> str:
    """The amounts in words: `64 CPUs, 8,192 MiB, 1 GPU`; no word of GPUs where there are none."""
    cards = f", {gpus} GPU{'s' if gpus > 1 else ''}" if gpus else ""
    return f"{cpus:g} CPUs, {memory_mib:,} MiB{cards}"


def find_instance(name: str) -> InstanceSize | None:
    """The size of a type such as `ml.m5.large`; None for one that EC2 does not have."""
    info = _ec2_types().get(name.removeprefix(_PREFIX)) if name.startswith(_PREFIX) else None
    if info is None:
        return None
    cards = info.get("GpuInfo", {}).get("Gpus", ())
    is_x86 = _ARCHITECTURE in info["ProcessorInfo"]["SupportedArchitectures"]
    return InstanceSize(
        name=name,
        cpus=int(info["VCpuInfo"]["DefaultVCpus"]),
        memory_mib=int(info["MemoryInfo"]["SizeInMiB"]),
        gpus=sum(int(card["Count"]) for card in cards if card["Manufacturer"] == _MANUFACTURER),
        is_plain=is_x86 and not any(accelerator in info for accelerator in _ACCELERATORS),
    )


@functools.cache
def _ec2_types() -> Mapping[str, Any]:
    """DescribeInstanceTypes by name: 70 ms, once. The file is read without moto, whose import takes half a second."""
    spec = importlib.util.find_spec("moto")
    assert spec is not None and spec.origin is not None  # noqa: S101, PT018 - a dependency of ours; tells mypy
    path = Path(spec.origin).parent / "ec2" / "resources" / "instance_types.json.gz"
    types: Mapping[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return types
