"""The local AWS endpoint of a run."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lyftlearn_image.emulation.aws.endpoint import REGION, aws_endpoint
from lyftlearn_image.errors import RunError
from lyftlearn_image.services.staging import Stager

if TYPE_CHECKING:
    from collections.abc import Iterator


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
            json.dumps({"account": "000000000000", "region": "us-east-1", "buckets": [], "fd": None}),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with server:
        assert server.stdout is not None
        assert server.stdin is not None
        server.stdin.write(b'{"key": ["AKIA", "secret"], "host": "127.0.0.1"}\n')
        server.stdin.flush()
        assert server.stdout.readline().strip().isdigit()
        server.stdin.close()
        assert server.wait(timeout=120) == 0


OBJECT_MIB = 64
# Of the process, at its largest: a client with ten connections has a few buffers, and no object.
GROWTH_MIB = 32


PEAK_MIB = 300
BOMBS = {
    "logs": (b"[" + b"[]," * (2 << 20) + b"[]]", "/", {"X-Amz-Target": "Logs_20140328.DescribeLogGroups"}),
    "events": (b"&a" * (3 << 20), "/", {"X-Amz-Target": "AWSEvents.ListRules"}),
    "sts": (b"Action=GetCallerIdentity" + b"&a" * (3 << 20), "/", {"Content-Type": "application/x-www-form-urlencoded"}),
    "s3": (b"<Delete>" + b"<a/>" * (700 << 10) + b"</Delete>", "/bucket?delete", {}),
}


def peak_mib() -> int:
    """The most memory that the endpoint's process, a child of this one, has had."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text, command = status.read_text(), (status.parent / "cmdline").read_text()
        except OSError:  # it has ended
            continue
        if f"PPid:\t{os.getpid()}\n" in text and "emulation.aws.server" in command:
            return int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]) >> 10
    raise AssertionError("there is no endpoint")


@pytest.fixture
def large_file(tmp_path: Path) -> Iterator[Path]:
    """Of which no byte is on the disk."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(OBJECT_MIB << 20)
    yield path
    path.unlink()


@pytest.mark.slow
def test_an_object_s_size_is_none_of_the_endpoint_s_memory(large_file: Path) -> None:
    """Put whole and in parts, got whole and in ranges, copied whole and in parts: it is more than the process grows by."""
    config = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=16 << 20)
    with aws_endpoint("127.0.0.1") as endpoint:
        s3: Any = endpoint.s3()
        s3.create_bucket(Bucket="bucket")
        before = peak_mib()
        s3.upload_file(str(large_file), "bucket", "parts", Config=config)
        with large_file.open("rb") as file:
            s3.put_object(Bucket="bucket", Key="whole", Body=file)
        s3.copy_object(Bucket="bucket", Key="copy", CopySource="bucket/parts")
        s3.copy({"Bucket": "bucket", "Key": "whole"}, "bucket", "copied parts", Config=config)
        for key in ("parts", "whole", "copy", "copied parts"):
            got = s3.get_object(Bucket="bucket", Key=key)["Body"]
            assert sum(map(len, got.iter_chunks(1 << 20))) == OBJECT_MIB << 20
        s3.download_file("bucket", "parts", str(large_file), Config=config)
        assert peak_mib() - before < GROWTH_MIB
        s3.close()


@pytest.mark.slow
def test_a_document_that_swells_is_none_of_the_endpoint_s_memory_either() -> None:
    """Whoever has keys may send lists of nothing, several at a time."""
    with aws_endpoint("127.0.0.1") as endpoint:
        s3 = endpoint.s3()
        s3.create_bucket(Bucket="bucket")
        s3.close()

        def send(service: str) -> int:
            body, path, headers = BOMBS[service]
            request = AWSRequest(method="POST", url=f"{endpoint.url}{path}", data=body, headers=headers)
            credentials = Credentials(endpoint.key.access_key_id, endpoint.key.secret_access_key)
            (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials, service, REGION).add_auth(request)
            with closing(http.client.HTTPConnection(endpoint.url.removeprefix("http://"), timeout=300)) as connection:
                connection.request("POST", path, body, dict(request.headers.items()))
                answer = connection.getresponse()
                answer.read()
                return answer.status

        with ThreadPoolExecutor(6) as pool:
            statuses = list(pool.map(send, [*BOMBS, "logs", "s3"]))
        assert set(statuses) == {200, 400}
        assert peak_mib() < PEAK_MIB
