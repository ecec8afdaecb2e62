"""Where SageMaker takes images from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lyftlearn_image.platforms.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.workload import Workload

# A private registry of Amazon ECR, by its address for IPv4 or for both (Amazon ECR user guide, "Private registries").
_ECR = re.compile(r"\d{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|on\.(aws|amazonwebservices\.com\.cn))/.+")


def lint_image(workload: Workload) -> Iterator[Finding]:
    """An image that is not in ECR, which the service would not pull.

    A registry of one's own in a VPC is for training jobs and models, with TrainingImageConfig and ImageConfig (developer guide,
    docker-containers-adapt-your-own-private-registry, your-algorithms-containers-inference-private); no request here has them.
    Runs on this machine take any image, and do not ask.
    """
    if not _ECR.fullmatch(workload.image):
        yield Finding(
            ("image",),
            f"{workload.image} is no image of Amazon ECR, and SageMaker takes none from elsewhere",
            f"`lyftlearn-image push {workload.image} ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG`, and name what it prints.",
        )
