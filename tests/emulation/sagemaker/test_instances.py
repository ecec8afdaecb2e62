"""vCPUs and memory of instance types."""

from __future__ import annotations

import re

import pytest

from lyftlearn_image.emulation.sagemaker.instances import instance_size
from lyftlearn_image.errors import UnsupportedError


@pytest.mark.parametrize(
    ("instance_type", "cpus", "memory_gib"),
    [
        ("ml.m5.large", 2, 8),
        ("ml.m5.24xlarge", 96, 384),
        ("ml.m4.10xlarge", 40, 160),
        ("ml.c5.9xlarge", 36, 72),
        ("ml.c5.xlarge", 4, 8),
        ("ml.r5.16xlarge", 64, 512),
        ("ml.r7i.48xlarge", 192, 1536),
        ("ml.t3.medium", 2, 4),
        ("ml.t3.2xlarge", 8, 32),
    ],
)
def test_sizes_are_those_of_the_ec2_types(instance_type: str, cpus: int, memory_gib: int) -> None:
    """Checked against the published tables, the smallest and the largest of a family."""
    assert instance_size(instance_type) == (cpus, memory_gib)


@pytest.mark.parametrize(
    "instance_type", ["ml.p4d.24xlarge", "m5.large", "ml.m5.medium", "ml.m5", "ml.c4.xlarge", "ml.m5.large "]
)
def test_any_other_type_is_refused_with_the_known_families(instance_type: str) -> None:
    """No size is guessed."""
    with pytest.raises(UnsupportedError, match=re.escape(instance_type)) as caught:
        instance_size(instance_type)
    assert "c5, c6i, c7i, m4, m5, m6i, m7i, r5, r6i, r7i, t3" in str(caught.value)
