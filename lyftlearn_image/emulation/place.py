"""Where the emulated platforms seem to be: the region, the role of jobs with its account, and the name of the cluster."""

from __future__ import annotations

from dataclasses import dataclass

from lyftlearn_image.platforms.launch import DEFAULT_ROLE


@dataclass(frozen=True)
class Place:
    """What the SDKs say in a container, and what stands in ARNs. Beside a real service it is that service's (see parity)."""

    region: str = "us-east-1"
    role_arn: str = DEFAULT_ROLE
    cluster: str = "lyftlearn"

    @property
    def account(self) -> str:
        """The account of the role: that of all data, and of who has no role."""
        return self.role_arn.split(":")[4]


DEFAULT_PLACE = Place()
