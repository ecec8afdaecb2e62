"""Network isolation: nothing gets out of the container, and the service still moves its data (mkt-algo-model-internet-free)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.docker.containers import RUN_LABEL
from lyftlearn_image.run import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.run import Run

PROGRAM = """
import json, os, pathlib, socket, sys, urllib.parse
endpoint = urllib.parse.urlparse(os.environ["AWS_ENDPOINT_URL"])
def reached(address):
    try: socket.create_connection(address, timeout=2).close()
    except OSError: return False
    return True
told = {
    "endpoint": reached((endpoint.hostname, endpoint.port)),
    "credentials": reached(("169.254.170.2", 80)),
    "metadata": reached(("169.254.169.254", 80)),
    "variables": sorted(name for name in os.environ if "CREDENTIALS" in name or "KEY" in name),
    "algo-1": socket.gethostbyname("algo-1") == socket.gethostbyname(socket.gethostname()),
}
pathlib.Path(sys.argv[1]).write_text(json.dumps(told))
"""
CLOSED = {
    "endpoint": False, "credentials": False, "metadata": False,
    "variables": [], "algo-1": True,
}  # fmt: skip
OPEN = {"endpoint": True, "credentials": True, "metadata": True, "variables": ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]}


@pytest.mark.parametrize("is_isolated", [True, False])
def test_an_isolated_training_job_reaches_nothing(
    train: Callable[..., Run], containers: Containers, *, is_isolated: bool
) -> None:
    """No endpoint, no credentials; inputs came and the model went all the same. Without isolation all of it is reached."""
    program = f"import sys; sys.argv = ['', '/opt/ml/model/told']\n{PROGRAM}"
    run = train(program, EnableNetworkIsolation=is_isolated)
    assert run.status is Status.COMPLETED, run.stderr.read_text()
    assert json.loads((run.artifacts["model"] / "told").read_text()) == expected(is_isolated)
    assert networks(containers) == 1


@pytest.mark.parametrize("is_isolated", [True, False])
def test_an_isolated_processing_job_reaches_nothing(
    process: Callable[..., Run], containers: Containers, *, is_isolated: bool
) -> None:
    """The same, by NetworkConfig."""
    program = f"import sys; sys.argv = ['', '/opt/ml/processing/out/told']\n{PROGRAM}"
    run = process(program, outputs={"out": "/opt/ml/processing/out"}, NetworkConfig={"EnableNetworkIsolation": is_isolated})
    assert run.status is Status.COMPLETED, run.stderr.read_text()
    assert json.loads((run.artifacts["out"] / "told").read_text()) == expected(is_isolated)
    assert networks(containers) == 1


def expected(is_isolated: bool) -> dict[str, Any]:  # noqa: FBT001 - the one thing that it is about
    """What the program says."""
    return CLOSED if is_isolated else {**CLOSED, **OPEN}


def networks(containers: Containers) -> int:
    """How many networks the run has now: its own one, when no isolated job runs."""
    return len(containers.client.networks.list(filters={"label": f"{RUN_LABEL}={containers.run_id}"}))
