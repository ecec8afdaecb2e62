"""Networks of runs that share an engine."""

from __future__ import annotations

import contextlib
import ipaddress
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest

from lyftlearn_image.emulation.docker.network import bridge_network
from lyftlearn_image.errors import RunError

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


@pytest.mark.parametrize(
    "words",
    [
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        "all predefined address pools have been fully subnetted",
    ],
)
def test_an_engine_without_a_free_subnet_is_told(words: str) -> None:
    """It has about thirty, for everybody who uses it: what to do is told, and that nothing of the run is wrong."""

    def refuse(*_: object, **__: object) -> None:
        raise docker.errors.APIError("500 Server Error", explanation=words)

    client: Any = SimpleNamespace(networks=SimpleNamespace(create=refuse))
    with pytest.raises(RunError, match="no subnet left") as caught, bridge_network(client, "lyftlearn-run", {}):
        pass
    assert "docker network prune" in caught.value.hint
