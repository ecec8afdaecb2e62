"""The shim's transfers against S3 servers that nobody here wrote, well and with faults."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from lyftlearn_runtime import s3_download, s3_upload, transfer
from lyftlearn_runtime.aws import http as http_of_the_shim, s3 as s3_of_the_shim
from lyftlearn_runtime.aws.file_range import ByteRange
from lyftlearn_runtime.aws.s3 import S3
from lyftlearn_runtime.bundle import Transfer
from lyftlearn_runtime.errors import ShimError
from tests.evidence import s3_servers
from tests.evidence.conftest import PEERS, ROOT
from tests.evidence.s3_servers import BUCKET, S3Server
from tests.runtime.aws.proxies import Breaking, Flipping, forwarding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
PIECE = 5 << 20  # the smallest part that S3 takes
NAMES = ("a", "empty", "sub/b c", "sub/ü+%&=?#.txt", "sub/deep/[x]'(1)~!*", "z" * 200)
# VmHWM is the program's own; what getrusage says is that of the process before it, too.
PEAK = """
import os, re, sys
from lyftlearn_runtime import transfer
from lyftlearn_runtime.bundle import Transfer
what, path, uri = sys.argv[1:]
getattr(transfer, what)([Transfer(path, uri)], os.environ)
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
"""


@pytest.fixture(scope="session")
def rclone_program() -> Path:
    """The program, as PyPI has it."""
    command = [str(ROOT / ".ci" / "peers"), str(PEERS), "s3"]
    done = subprocess.run(command, env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"rclone cannot be installed:\n{done.stdout}{done.stderr}", pytrace=False)
    return PEERS / "s3" / "bin" / "rclone"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, signed by itself, with its key in the same file."""
    directory = tmp_path_factory.mktemp("tls")
    command = [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem",
    ]  # fmt: skip
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    both: Path = directory / "both.pem"
    both.write_text((directory / "key.pem").read_text() + (directory / "cert.pem").read_text())
    return both


@pytest.fixture(scope="module")
def rclone(rclone_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The server of rclone."""
    with s3_servers.rclone(rclone_program, tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Server]:
    """The server of moto."""
    with s3_servers.moto() as server:
        yield server


@pytest.fixture(params=["rclone", "rclone over https", "moto"])
def server(request: pytest.FixtureRequest, rclone_program: Path, tmp_path: Path) -> Iterator[S3Server]:
    """One after the other."""
    if "https" not in request.param:
        yield request.getfixturevalue(request.param)
        return
    (tmp_path / "served").mkdir()
    with s3_servers.rclone(rclone_program, tmp_path / "served", request.getfixturevalue("certificate")) as encrypted:
        yield encrypted


@pytest.fixture
def prefix() -> str:
    """A place of this test's own in the bucket."""
    return uuid.uuid4().hex


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that files of a few MiB travel in parts."""
    for module in (s3_download, s3_upload):
        monkeypatch.setattr(module, "PIECE_BYTES", PIECE)
    monkeypatch.setattr(s3_upload, "STREAM_PIECE_BYTES", PIECE)


@pytest.fixture
def large(tmp_path: Path) -> bytes:
    """A file `large/file` of four parts, the last one short; its bytes."""
    data = os.urandom(3 * PIECE + 12345)
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "file").write_bytes(data)
    return data


def content(directory: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def uploads(server: S3Server) -> list[str]:
    """The keys of multipart uploads that nobody has ended."""
    with contextlib.closing(server.boto3()) as client:
        return [one["Key"] for one in client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]


def test_a_directory_goes_up_and_comes_down(server: S3Server, prefix: str, tmp_path: Path, small_pieces: None) -> None:
    """With names that need quoting, an empty file and one in parts; boto3 finds the same objects under the same keys."""
    files = {name: name.encode() * 3 for name in NAMES} | {"empty": b"", "large": os.urandom(2 * PIECE + 7)}
    for name, data in files.items():
        path = tmp_path / "up" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    transfer.upload([Transfer(str(tmp_path / "up"), f"s3://{BUCKET}/{prefix}/")], server.environ)
    transfer.download([Transfer(str(tmp_path / "down"), f"s3://{BUCKET}/{prefix}/")], server.environ)
    assert content(tmp_path / "down") == files
    with contextlib.closing(server.boto3()) as client:
        listed = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/")["Contents"]
        assert {one["Key"].removeprefix(f"{prefix}/"): one["Size"] for one in listed} == {
            name: len(data) for name, data in files.items()
        }
        assert client.get_object(Bucket=BUCKET, Key=f"{prefix}/large")["Body"].read() == files["large"]
    transfer.remove([f"s3://{BUCKET}/{prefix}/a"], server.environ)
    transfer.download([Transfer(str(tmp_path / "rest"), f"s3://{BUCKET}/{prefix}/")], server.environ)
    assert content(tmp_path / "rest") == {name: data for name, data in files.items() if name != "a"}


def test_an_archive_goes_up_in_parts_while_it_is_packed(
    server: S3Server, prefix: str, tmp_path: Path, small_pieces: None, large: bytes
) -> None:
    """The object is a tar.gz for tar, too, and nothing is left in the temporary directory, nor of the upload."""
    (tmp_path / "large" / "text").write_bytes(b"shrinks " * 500_000)
    transfer.upload([Transfer(str(tmp_path / "large"), f"s3://{BUCKET}/{prefix}/model.tar.gz")], server.environ)
    with contextlib.closing(server.boto3()) as client:
        head = client.head_object(Bucket=BUCKET, Key=f"{prefix}/model.tar.gz")
        client.download_file(BUCKET, f"{prefix}/model.tar.gz", str(tmp_path / "model.tar.gz"))
    assert len(large) < head["ContentLength"] < len(large) + 200_000
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "xzf", str(tmp_path / "model.tar.gz"), "-C", str(tmp_path / "unpacked")], check=True)
    assert content(tmp_path / "unpacked") == content(tmp_path / "large")
    assert uploads(server) == []


@pytest.mark.parametrize("byte_range", [ByteRange(0, 10), ByteRange(PIECE - 1, 2), ByteRange(2 * PIECE, PIECE + 12345)])
def test_a_range_is_read(server: S3Server, prefix: str, tmp_path: Path, large: bytes, byte_range: ByteRange) -> None:
    """Also where it is answered with status 200: rclone's server does so."""
    uri = f"s3://{BUCKET}/{prefix}/file"
    transfer.upload_files({str(tmp_path / "large" / "file"): uri}, server.environ)
    with contextlib.closing(S3(server.environ)) as s3, (tmp_path / "range").open("wb") as file:
        s3.get_range(BUCKET, next(iter(s3.list_objects(BUCKET, f"{prefix}/file"))), file, byte_range)
        file.seek(0, os.SEEK_END)
        assert file.tell() == byte_range.start + byte_range.size
    end = byte_range.start + byte_range.size
    assert (tmp_path / "range").read_bytes()[byte_range.start :] == large[byte_range.start : end]


def test_a_large_object_comes_from_a_server_without_ranges(
    moto: S3Server, prefix: str, tmp_path: Path, small_pieces: None, large: bytes
) -> None:
    """It sends the whole object with status 200: one thread takes it, and the others ask for nothing more."""
    transfer.upload([Transfer(str(tmp_path / "large"), f"s3://{BUCKET}/{prefix}/")], moto.environ)
    with forwarding(moto.url, drop=("range",)) as proxy:
        environ = {**moto.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}"}
        transfer.download([Transfer(str(tmp_path / "down"), f"s3://{BUCKET}/{prefix}/")], environ)
    assert content(tmp_path / "down") == {"file": large}


@pytest.mark.parametrize("name", ["rclone", "moto"])
def test_connections_that_break_cost_a_try(  # noqa: PLR0913, PLR0917 - fixtures
    request: pytest.FixtureRequest, name: str, prefix: str, tmp_path: Path, small_pieces: None, large: bytes
) -> None:
    """In the middle of parts, on the way up and on the way down."""
    server: S3Server = request.getfixturevalue(name)
    proxy = Breaking(server.url, break_first=6, after_bytes=1_000_000)
    broken = {**server.environ, "AWS_ENDPOINT_URL": proxy.url}
    try:
        transfer.upload([Transfer(str(tmp_path / "large"), f"s3://{BUCKET}/{prefix}/")], broken)
        assert proxy.broken >= 3
        proxy.left = 6
        transfer.download([Transfer(str(tmp_path / "down"), f"s3://{BUCKET}/{prefix}/")], broken)
    finally:
        proxy.close()
    assert content(tmp_path / "down") == {"file": large}
    assert uploads(server) == []


@pytest.mark.parametrize("name", ["rclone", "moto"])
@pytest.mark.parametrize("how", ["file", "archive"])
def test_a_part_that_never_gets_through_leaves_nothing(  # noqa: PLR0913, PLR0917 - fixtures
    request: pytest.FixtureRequest,
    name: str,
    how: str,
    prefix: str,
    tmp_path: Path,
    small_pieces: None,
    large: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One error that names the object, how far it came and who refused; no object, and no part that costs money."""
    server: S3Server = request.getfixturevalue(name)
    monkeypatch.setattr(http_of_the_shim, "_FIRST_WAIT_S", 0.001)
    key = f"{prefix}/" + ("file" if how == "file" else "model.tar.gz")
    with forwarding(server.url, lambda line, _: line.startswith("PUT") and "partNumber=2" in line) as proxy:
        environ = {**server.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}"}
        wanted = Transfer(str(tmp_path / "large"), f"s3://{BUCKET}/{key.removesuffix('file')}")
        with pytest.raises(ShimError) as caught:
            transfer.upload([wanted], environ)
    message = caught.value.message
    assert "\n" not in message
    assert message.startswith(f"s3://{BUCKET}/{key}: {PIECE} of {PIECE} bytes were sent: http://127.0.0.1:{proxy.port}: ")
    assert "it answered 500 (6 tries); " in message
    assert message.endswith(" bytes had come up before")
    with contextlib.closing(server.boto3()) as client:
        assert "Contents" not in client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/")
    assert uploads(server) == []


@pytest.mark.parametrize("name", ["rclone", "moto"])
def test_parts_that_are_refused_now_and_then_are_sent_again(  # noqa: PLR0913, PLR0917 - fixtures
    request: pytest.FixtureRequest, name: str, prefix: str, tmp_path: Path, small_pieces: None, large: bytes
) -> None:
    """Each part's first request is answered with 500."""
    server: S3Server = request.getfixturevalue(name)
    seen = set[str]()

    def is_first(line: str, _: int) -> bool:
        is_new = "partNumber" in line and line not in seen
        seen.add(line)
        return is_new

    with forwarding(server.url, is_first) as proxy:
        environ = {**server.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}"}
        transfer.upload([Transfer(str(tmp_path / "large"), f"s3://{BUCKET}/{prefix}/")], environ)
    with contextlib.closing(server.boto3()) as client:
        assert client.get_object(Bucket=BUCKET, Key=f"{prefix}/file")["Body"].read() == large


def test_a_server_that_stops_answering_is_named(  # noqa: PLR0913, PLR0917 - fixtures
    moto: S3Server, prefix: str, tmp_path: Path, small_pieces: None, large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what was on its way: the packing is not blamed for the endpoint."""
    monkeypatch.setattr(s3_of_the_shim, "_STALL_S", 0.5)
    monkeypatch.setattr(s3_of_the_shim, "_ATTEMPTS", 2)
    proxy = Breaking(moto.url, break_first=0, after_bytes=0)
    proxy.stall_after = 2_000_000
    try:
        with pytest.raises(ShimError, match=rf"model\.tar\.gz: \d+ of {PIECE} bytes were sent: {proxy.url}: .*timed out"):
            transfer.upload(
                [Transfer(str(tmp_path / "large"), f"s3://{BUCKET}/{prefix}/model.tar.gz")],
                {**moto.environ, "AWS_ENDPOINT_URL": proxy.url},
            )
    finally:
        proxy.close()


def test_a_container_that_has_to_end_says_what_it_was_waiting_for(moto: S3Server, prefix: str, tmp_path: Path) -> None:
    """The packing, and the bytes that are there: of a deadline that passes in an upload nobody else can tell why."""
    (tmp_path / "up").mkdir()
    with (tmp_path / "up" / "file").open("wb") as file:
        for _ in range(6):
            file.write(os.urandom(16 << 20))
    proxy = Breaking(moto.url, break_first=0, after_bytes=0)
    proxy.stall_after = 1_000_000
    command = [sys.executable, "-c", PEAK, "upload", str(tmp_path / "up"), f"s3://{BUCKET}/{prefix}/model.tar.gz"]
    environ = {**moto.environ, "PYTHONPATH": str(ROOT), "AWS_ENDPOINT_URL": proxy.url}
    try:
        with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
            while proxy.stalled < 2:  # two parts are on their way and do not arrive
                assert process.poll() is None
                time.sleep(0.05)
            process.terminate()
            assert process.stderr
            line = process.stderr.readline()
            process.kill()
    finally:
        proxy.close()
    told = (
        rf"ends this container while it is packing and uploading s3://{BUCKET}/{prefix}/model.tar.gz, (\d+) bytes \(of at most"
    )
    found = re.search(told, line)
    assert found, line
    assert int(found[1]) >= 2 * (32 << 20)
    assert "are packed, 0 are there" in line


@pytest.mark.parametrize("name", ["rclone", "moto"])
def test_a_wrong_checksum_is_refused(request: pytest.FixtureRequest, name: str, prefix: str, tmp_path: Path) -> None:
    """A byte that flips on the way down is noticed, and no file appears."""
    server: S3Server = request.getfixturevalue(name)
    (tmp_path / "file").write_bytes(b"the true bytes")
    transfer.upload_files({str(tmp_path / "file"): f"s3://{BUCKET}/{prefix}/file"}, server.environ)
    proxy = Flipping(server.url, break_first=0, after_bytes=0)
    try:
        with pytest.raises(ShimError, match=r"/file: what came has another checksum than S3 has"):
            transfer.download(
                [Transfer(str(tmp_path / "down"), f"s3://{BUCKET}/{prefix}/")],
                {**server.environ, "AWS_ENDPOINT_URL": proxy.url},
            )
    finally:
        proxy.close()
    assert content(tmp_path / "down") == {}


def test_no_piece_is_ever_whole_in_memory(rclone: S3Server, prefix: str, tmp_path: Path) -> None:
    """256 MiB up, as an archive, and down, in pieces of 64 MiB: no process of it has as much as one of them."""
    (tmp_path / "up").mkdir()
    with (tmp_path / "up" / "file").open("wb") as file:
        for _ in range(16):
            file.write(os.urandom(16 << 20))

    def peak_mib(what: str, path: Path, uri: str) -> int:
        command = [sys.executable, "-c", PEAK, what, str(path), uri]
        environ = {**rclone.environ, "PYTHONPATH": str(ROOT)}
        return int(subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout)

    peaks = {
        "files up": peak_mib("upload", tmp_path / "up", f"s3://{BUCKET}/{prefix}/"),
        "down": peak_mib("download", tmp_path / "down", f"s3://{BUCKET}/{prefix}/"),
        "an archive up": peak_mib("upload", tmp_path / "up", f"s3://{BUCKET}/{prefix}-m/model.tar.gz"),
    }
    assert all(peak < 64 for peak in peaks.values()), peaks
    assert (tmp_path / "up" / "file").stat().st_size == (tmp_path / "down" / "file").stat().st_size
