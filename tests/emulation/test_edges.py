"""The local services of a run: AWS endpoint, StatsD sink, staging, containers and networks."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.emulation.aws.endpoint import aws_endpoint
from lyftlearn_image.emulation.docker.container_spec import ContainerSpec
from lyftlearn_image.emulation.docker.containers import connect
from lyftlearn_image.emulation.statsd import statsd_sink
from lyftlearn_image.errors import InvalidInputError, RunError, UnavailableError
from lyftlearn_image.services.staging import Stager

if TYPE_CHECKING:
    from pathlib import Path

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network


def test_the_endpoint_keeps_objects_and_secrets_and_goes_away(tmp_path: Path) -> None:
    """S3 and Secrets Manager answer while the endpoint runs; afterwards nobody listens on its port."""
    (tmp_path / "a.csv").write_text("x\n1\n")
    with aws_endpoint("127.0.0.1") as endpoint:
        s3 = endpoint.s3()
        s3.create_bucket(Bucket="bucket")
        prefix = Stager(s3, "bucket").stage("a.csv", relative_to=tmp_path)
        bucket, _, key = prefix.removeprefix("s3://").partition("/")
        assert s3.get_object(Bucket=bucket, Key=f"{key}a.csv")["Body"].read() == b"x\n1\n"
        endpoint.put_secrets({"prod/db": "one"})
        endpoint.put_secrets({"prod/db": "two"})
        port = int(endpoint.url.rpartition(":")[2])
    with socket.socket() as closed:
        assert closed.connect_ex(("127.0.0.1", port)) != 0


def test_an_endpoint_that_cannot_start_says_why() -> None:
    """An address that is not this machine's is an error with the server's own words, not a hang."""
    with pytest.raises(RunError, match="did not start"), aws_endpoint("192.0.2.1"):
        pass


def test_the_endpoint_dies_with_its_parent() -> None:
    """A harness that is killed leaves no server behind: the server ends when its standard input closes."""
    server = subprocess.Popen(
        [sys.executable, "-m", "lyftlearn_image.emulation.aws.endpoint", "127.0.0.1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with server:
        assert server.stdout is not None
        assert server.stdin is not None
        assert server.stdout.readline().strip().isdigit()
        server.stdin.close()
        assert server.wait(timeout=120) == 0


def test_the_sink_keeps_every_line_in_order() -> None:
    """A burst of datagrams, some with several lines, arrives complete and in order."""
    with statsd_sink("127.0.0.1") as sink, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        host, _, port = sink.address.partition(":")
        for number in range(500):
            sender.sendto(f"a:{number}|c\nb:{number}|g".encode(), (host, int(port)))
        lines = sink.close()
    assert lines == tuple(line for number in range(500) for line in (f"a:{number}|c", f"b:{number}|g"))


def test_staging_takes_files_that_packages_ship_and_each_once(tmp_path: Path) -> None:
    """A channel may name a package's file; the package is not imported, and equal sources share a prefix."""
    with aws_endpoint("127.0.0.1") as endpoint:
        s3 = endpoint.s3()
        s3.create_bucket(Bucket="bucket")
        stager = Stager(s3, "bucket")
        first = stager.stage("package:sklearn/datasets/data/iris.csv", relative_to=tmp_path)
        assert stager.stage("package:sklearn/datasets/data/iris.csv", relative_to=tmp_path) == first
        assert stager.stage("s3://other/prefix/", relative_to=tmp_path) == "s3://other/prefix/"
        for missing in ("none.csv", "package:nosuchpackage/x.csv", "package:sklearn/nosuch.csv"):
            with pytest.raises(InvalidInputError, match="there is no"):
                stager.stage(missing, relative_to=tmp_path)


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
