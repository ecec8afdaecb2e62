"""The local AWS endpoint of a run."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.emulation.aws.endpoint import aws_endpoint
from lyftlearn_image.errors import RunError
from lyftlearn_image.services.staging import Stager

if TYPE_CHECKING:
    from pathlib import Path


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
        [
            sys.executable,
            "-m",
            "lyftlearn_image.emulation.aws.server",
            json.dumps({"host": "127.0.0.1", "account": "000000000000", "fd": None}),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with server:
        assert server.stdout is not None
        assert server.stdin is not None
        server.stdin.write(b'{"key": ["AKIA", "secret"]}\n')
        server.stdin.flush()
        assert server.stdout.readline().strip().isdigit()
        server.stdin.close()
        assert server.wait(timeout=120) == 0
