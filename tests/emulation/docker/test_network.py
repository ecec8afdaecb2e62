"""Networks of runs that share an engine."""

from __future__ import annotations

import contextlib
import ipaddress
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lyftlearn_image.emulation.docker.containers import Containers


def test_networks_that_are_made_at_the_same_time_have_subnets_of_their_own(containers: Containers) -> None:
    """A subnet is first learnt and then taken; who finds it taken learns another one."""
    with contextlib.ExitStack() as stack:

        def make(number: int) -> str:
            return stack.enter_context(containers.isolated_network(f"at-once-{number}")).name

        with ThreadPoolExecutor(6) as pool:
            names = list(pool.map(make, range(6)))
        made = [containers.client.networks.get(name) for name in names]
        subnets = [ipaddress.IPv4Network(one.attrs["IPAM"]["Config"][0]["Subnet"]) for one in made]
    assert not [(one, other) for one in subnets for other in subnets if one is not other and one.overlaps(other)]
