"""vCPUs and memory of instance types."""

from __future__ import annotations

import re

import botocore.loaders
import pytest

from lyftlearn_image.emulation.sagemaker.instances import instance_size
from lyftlearn_image.errors import UnsupportedError

GIB = 1 << 30


@pytest.mark.parametrize(
    ("instance_type", "cpus", "memory_gib"),
    [
        ("ml.m5.large", 2, 8),
        ("ml.m5.24xlarge", 96, 384),
        ("ml.m4.10xlarge", 40, 160),
        ("ml.c4.xlarge", 4, 7.5),
        ("ml.c5.9xlarge", 36, 72),
        ("ml.c5.xlarge", 4, 8),
        ("ml.r5.16xlarge", 64, 512),
        ("ml.r7i.48xlarge", 192, 1536),
        ("ml.t3.medium", 2, 4),
        ("ml.t3.2xlarge", 8, 32),
    ],
)
def test_sizes_are_those_of_the_ec2_types(instance_type: str, cpus: int, memory_gib: float) -> None:
    """Checked against the published tables, the smallest and the largest of a family."""
    assert instance_size(instance_type) == (cpus, memory_gib * GIB)


@pytest.mark.parametrize("action_types", ["TrainingInstanceType", "ProcessingInstanceType", "ProductionVariantInstanceType"])
def test_every_type_of_the_api_has_a_size_or_is_refused_by_name(action_types: str) -> None:
    """General, compute and memory families all have one; what is refused has an accelerator or is of ARM, or EC2 has it not."""
    types = botocore.loaders.Loader().load_service_model("sagemaker", "service-2")["shapes"][action_types]["enum"]
    refused = set()
    for instance_type in types:
        try:
            cpus, memory_bytes = instance_size(instance_type)
        except UnsupportedError as error:
            assert instance_type in error.what  # noqa: PT017 - of many types at once
            refused.add(instance_type.split(".")[1])
        else:
            assert cpus >= 1
            assert GIB <= memory_bytes / cpus <= 32 * GIB
    assert not refused & {"m4", "m5", "m5d", "m6i", "m7i", "c4", "c5", "c5d", "c6i", "c7i", "r5", "r5d", "r6i", "r7i", "t3"}


@pytest.mark.parametrize(
    ("instance_type", "hint"),
    [
        ("ml.p4d.24xlarge", "needs the service"),
        ("ml.g5.xlarge", "needs the service"),
        ("ml.trn1.2xlarge", "needs the service"),
        ("ml.inf1.xlarge", "needs the service"),
        ("ml.m6g.large", "needs the service"),
        ("m5.large", "that EC2 has"),
        ("ml.m5.medium", "that EC2 has"),
        ("ml.m5", "that EC2 has"),
        ("ml.m5.large ", "that EC2 has"),
        ("ml.ml.m5.large", "EC2"),
    ],
)
def test_any_other_type_is_refused(instance_type: str, hint: str) -> None:
    """No size is guessed."""
    with pytest.raises(UnsupportedError, match=re.escape(instance_type)) as caught:
        instance_size(instance_type)
    assert hint in caught.value.hint
