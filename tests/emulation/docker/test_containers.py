"""Containers and networks of one run on the engine."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.build.connection import connect
from lyftlearn_image.emulation.docker.container_spec import ContainerSpec, Mount
from lyftlearn_image.errors import RunError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network

WITHIN_S = 60.0


def test_a_container_gives_its_exact_output_and_status(containers: Containers, probe_image: str, tmp_path: Path) -> None:
    """Both streams are kept apart to the byte, lines are handed on as they come, and the status is exact."""
    program = "import os,sys; os.write(1, b'one\\ntwo'); os.write(2, bytes(range(256))); sys.exit(7)"
    spec = ContainerSpec(image=probe_image, name=f"{containers.run_id}-output", entrypoint=("python3", "-c", program))
    lines: list[str] = []
    with containers.start(spec, stdout=tmp_path / "out", stderr=tmp_path / "err", on_line=lines.append) as running:
        ended = running.wait(60)
    assert ended is not None
    assert ended.exit_code == 7
    assert (tmp_path / "out").read_bytes() == b"one\ntwo"
    assert (tmp_path / "err").read_bytes() == bytes(range(256))
    assert lines == ["one", "two"]


def test_output_is_read_to_its_end_after_an_error(containers: Containers, probe_image: str, tmp_path: Path) -> None:
    """An engine that cannot deliver a container's output can neither inspect nor remove it."""

    def refuse(_stream: str, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "full")

    (tmp_path / "seen").mkdir()
    program = "head -c 40000000 /dev/zero; touch /seen/all; sleep 300"
    spec = ContainerSpec(
        image=probe_image,
        name=f"{containers.run_id}-loud",
        entrypoint=("sh", "-c", program),
        mounts=(Mount("/seen", tmp_path / "seen"),),
    )
    with containers.start(spec, stdout=tmp_path / "out", stderr=tmp_path / "err", on_chunk=refuse) as running:
        with pytest.raises(RunError, match="cannot be written"):
            running.wait(WITHIN_S)
        deadline = time.monotonic() + WITHIN_S
        while not (tmp_path / "seen" / "all").exists():
            assert time.monotonic() < deadline, "the container waits for ever for a reader of its output"
            time.sleep(0.05)
    assert not containers.client.containers.list(all=True, filters={"name": spec.name})


def test_addresses_of_a_network_can_be_given_out(
    containers: Containers, network: Network, probe_image: str, tmp_path: Path
) -> None:
    """A container gets exactly the address that was allocated, so it can be known before the container is."""
    address = network.allocate_ip()
    program = "import socket; print(socket.gethostbyname(socket.gethostname()))"
    spec = ContainerSpec(
        image=probe_image,
        name=f"{containers.run_id}-ip",
        entrypoint=("python3", "-c", program),
        network=network.name,
        ip=address,
    )
    with containers.start(spec, stdout=tmp_path / "out", stderr=tmp_path / "err") as running:
        running.wait(60)
    assert (tmp_path / "out").read_text().strip() == address


def test_an_image_that_is_not_there_is_one_error(containers: Containers, tmp_path: Path) -> None:
    """The engine's refusal becomes an error with the image's name."""
    spec = ContainerSpec(image="lyftlearn-no-such-image:1", name=f"{containers.run_id}-none")
    with (
        pytest.raises(RunError, match="lyftlearn-no-such-image:1"),
        containers.start(spec, stdout=tmp_path / "out", stderr=tmp_path / "err"),
    ):
        pass


def test_no_engine_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without an engine the user reads how to get one."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(UnavailableError, match="make engine"):
        connect()


def test_a_pinned_image_is_the_same_when_its_name_is_anothers(containers: Containers, probe_image: str, tmp_path: Path) -> None:
    """Another run may build another image of this name at any time: the containers of one run are all of one image."""
    api: Any = containers.client.api
    name = f"lyftlearn-test-{containers.run_id}:1"
    ids = {}
    try:
        for user in ("1001", "1002"):
            created = api.create_container(probe_image, "true")["Id"]
            ids[user] = api.commit(created, *name.split(":"), changes=f"USER {user}")["Id"]
            api.remove_container(created)
            if user == "1001":
                assert containers.pin_image(name) == ids[user]
        spec = ContainerSpec(image=name, name=f"{containers.run_id}-pinned", entrypoint=("id", "-u"), command=())
        with containers.start(spec, stdout=tmp_path / "out", stderr=tmp_path / "err") as started:
            started.wait()
        assert (tmp_path / "out").read_text() == "1001\n"
        assert containers.image_user(name) == "1001"
        assert containers.pin_image(name, ids["1001"]) == ids["1001"]
        assert containers.image_user(name) == "1001"
        with pytest.raises(RunError, match="there is no image"):
            containers.pin_image(f"{name}-none")
    finally:
        for image_id in ids.values():
            api.remove_image(image_id, force=True)
