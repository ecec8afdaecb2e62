"""Data down and up, with a real S3 endpoint and a proxy that breaks connections."""

from __future__ import annotations

import contextlib
import os
import socket
import tarfile
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from lyftlearn_runtime import transfer
from lyftlearn_runtime.aws.s3 import S3, split
from lyftlearn_runtime.bundle import Transfer
from lyftlearn_runtime.errors import ShimError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.targets.aws_endpoint import AwsEndpoint


@pytest.fixture(scope="module")
def environ(aws: AwsEndpoint) -> dict[str, str]:
    """An identity at an endpoint with a bucket."""
    return aws.environment()


def content(directory: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@settings(max_examples=20, deadline=None)
@given(
    st.dictionaries(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=8).filter(
                lambda part: part not in (".", "..") and len(part.encode()) < 50
            ),
            min_size=1,
            max_size=1,
        ).map("/".join),
        st.binary(max_size=200),
        min_size=1,
        max_size=4,
    )
)
def test_data_goes_up_and_comes_down_unchanged(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    """Byte for byte, with names that need quoting."""
    up, down = tmp_path_factory.mktemp("up"), tmp_path_factory.mktemp("down")
    for name, data in files.items():
        (up / "below a+b").mkdir(exist_ok=True)
        (up / "below a+b" / name).write_bytes(data)
    prefix = f"s3://bucket/{down.name}-{os.urandom(4).hex()}/"
    transfer.upload([Transfer(str(up), prefix)], environ)
    transfer.download([Transfer(str(down), prefix)], environ)
    assert content(down) == content(up)


def test_many_objects_come_down(environ: dict[str, str], aws: AwsEndpoint, bucket_prefix: str, tmp_path: Path) -> None:
    """More than one page of a listing, several at a time; what stands for a directory is no file."""
    bucket, prefix = split(bucket_prefix)
    s3 = aws.s3()
    for number in range(1010):
        s3.put_object(Bucket=bucket, Key=f"{prefix}/d/{number}", Body=b"%d" % number)
    s3.put_object(Bucket=bucket, Key=f"{prefix}/d/", Body=b"")
    transfer.download([Transfer(str(tmp_path / "train"), f"{bucket_prefix}/")], environ)
    assert content(tmp_path / "train") == {f"d/{number}": b"%d" % number for number in range(1010)}


def test_a_single_object_is_a_channel_too(
    environ: dict[str, str], aws: AwsEndpoint, bucket_prefix: str, tmp_path: Path
) -> None:
    """A URI that is an object's whole name gives the file by its own name."""
    bucket, prefix = split(bucket_prefix)
    aws.s3().put_object(Bucket=bucket, Key=f"{prefix}/iris.csv", Body=b"1,2")
    transfer.download([Transfer(str(tmp_path), f"{bucket_prefix}/iris.csv")], environ)
    assert content(tmp_path) == {"iris.csv": b"1,2"}


def test_an_empty_channel_stops_the_start(environ: dict[str, str], bucket_prefix: str, tmp_path: Path) -> None:
    """As at SageMaker: a script that trains on nothing would say nothing."""
    with pytest.raises(ShimError, match="there is no object below s3://") as caught:
        transfer.download([Transfer(str(tmp_path), f"{bucket_prefix}/")], environ)
    assert caught.value.exit_code == 78


def test_a_missing_bucket_is_told(environ: dict[str, str], tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(ShimError, match="s3://no-such-bucket-here/x/: there is no such bucket or object"):
        transfer.download([Transfer(str(tmp_path), "s3://no-such-bucket-here/x/")], environ)


def test_an_object_cannot_leave_its_directory(
    environ: dict[str, str], aws: AwsEndpoint, bucket_prefix: str, tmp_path: Path
) -> None:
    """A key may have `..` in it; a path that is written may not."""
    bucket, prefix = split(bucket_prefix)
    aws.s3().put_object(Bucket=bucket, Key=f"{prefix}/a/../../escaped", Body=b"x")
    with pytest.raises(ShimError, match="leads out of"):
        transfer.download([Transfer(str(tmp_path / "in"), f"{bucket_prefix}/")], environ)
    assert not (tmp_path / "escaped").exists()


def test_links_are_not_followed_into_a_prefix(environ: dict[str, str], bucket_prefix: str, tmp_path: Path) -> None:
    """As SageMaker uploads a processing output."""
    up, down = tmp_path / "up", tmp_path / "down"
    up.mkdir()
    (up / "file").write_text("x")
    (up / "link").symlink_to("file")
    transfer.upload([Transfer(str(up), f"{bucket_prefix}/")], environ)
    transfer.download([Transfer(str(down), f"{bucket_prefix}/")], environ)
    assert content(down) == {"file": b"x"}


def test_an_archive_is_the_same_for_the_same_content(tmp_path: Path) -> None:
    """Times, owners and the order of creation do not reach it; empty directories, links and modes do."""
    for name in ("one", "two"):
        directory = tmp_path / name
        (directory / "sub" / "empty").mkdir(parents=True)
        for file in ("a", "b") if name == "one" else ("b", "a"):
            (directory / file).write_text(file)
            (directory / file).chmod(0o640)
        (directory / "link").symlink_to("a")
        os.mkfifo(directory / "fifo")
        transfer.archive(str(directory), str(tmp_path / f"{name}.tar.gz"))
    os.utime(tmp_path / "two" / "a", (0, 0))
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "one.tar.gz") as archive:
        assert archive.getnames() == ["a", "b", "fifo", "link", "sub", "sub/empty"]
        assert archive.getmember("a").mode == 0o640
        assert archive.getmember("link").linkname == "a"


def test_an_archive_goes_up(environ: dict[str, str], aws: AwsEndpoint, bucket_prefix: str, tmp_path: Path) -> None:
    """model.tar.gz, as SageMaker makes it: members relative to the directory. Nothing stays in /tmp."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"w" * 1000)
    transfer.upload([Transfer(str(tmp_path / "model"), f"{bucket_prefix}/output/model.tar.gz")], environ)
    bucket, prefix = split(bucket_prefix)
    (tmp_path / "got.tar.gz").write_bytes(
        aws.s3().get_object(Bucket=bucket, Key=f"{prefix}/output/model.tar.gz")["Body"].read()
    )
    with tarfile.open(tmp_path / "got.tar.gz") as archive:
        assert archive.getnames() == ["weights"]


@pytest.mark.parametrize("size", [0, 1, 5 << 20, (5 << 20) + 1, (10 << 20) + 3])
def test_a_large_file_goes_up_in_parts(
    environ: dict[str, str], aws: AwsEndpoint, bucket_prefix: str, tmp_path: Path, size: int
) -> None:
    """One PUT takes 5 GiB at most; the object is whole, whatever the parts. Here a part has 5 MiB, S3's smallest."""
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    bucket, key = split(f"{bucket_prefix}/file")
    with contextlib.closing(S3(environ, part_bytes=5 << 20)) as s3:
        s3.put_file(bucket, key, str(tmp_path / "file"))
    assert aws.s3().get_object(Bucket=bucket, Key=key)["Body"].read() == data


def test_every_upload_is_tried(environ: dict[str, str], aws: AwsEndpoint, bucket_prefix: str, tmp_path: Path) -> None:
    """A model that cannot be saved does not take the results with it; the error names it."""
    (tmp_path / "file").write_text("x")
    wanted = [
        Transfer(str(tmp_path), "s3://no-such-bucket-here/a.tar.gz"),
        Transfer(str(tmp_path), f"{bucket_prefix}/b.tar.gz"),
    ]
    with pytest.raises(ShimError, match=r"^s3://no-such-bucket-here/a\.tar\.gz: there is no such bucket or object$"):
        transfer.upload(wanted, environ)
    bucket, key = split(f"{bucket_prefix}/b.tar.gz")
    assert aws.s3().head_object(Bucket=bucket, Key=key)["ContentLength"] > 0


class Breaking:
    """A proxy that breaks off the first connections after some bytes, and then lets everything through."""

    def __init__(self, url: str, break_first: int, after_bytes: int) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._to, self.left, self._after = (host, int(port)), break_first, after_bytes
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.broken = 0
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                mine, _ = self._server.accept()
            except OSError:
                return
            room = self._after if self.left > 0 else 1 << 62
            self.left -= 1
            theirs = socket.create_connection(self._to)
            self._sockets += [mine, theirs]
            for one, other in ((mine, theirs), (theirs, mine)):
                thread = threading.Thread(target=self._pump, args=(one, other, room))
                self._threads.append(thread)
                thread.start()

    def _pump(self, one: socket.socket, other: socket.socket, room: int) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(min(room, 65536)):
                other.sendall(data)
                room -= len(data)
                if not room:
                    self.broken += 1
                    break
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def breaking(aws: AwsEndpoint) -> Iterator[Breaking]:
    """The endpoint behind a proxy that breaks two connections in the middle."""
    proxy = Breaking(aws.url, break_first=2, after_bytes=200_000)
    yield proxy
    proxy.close()


def test_a_connection_that_breaks_costs_a_try(
    environ: dict[str, str], breaking: Breaking, bucket_prefix: str, tmp_path: Path
) -> None:
    """In the middle of an upload and of a download: the object and the file are whole in the end."""
    data = os.urandom(1_000_000)
    (tmp_path / "up").write_bytes(data)
    bucket, key = split(f"{bucket_prefix}/file")
    with contextlib.closing(S3({**environ, "AWS_ENDPOINT_URL": breaking.url})) as s3:
        s3.put_file(bucket, key, str(tmp_path / "up"))
    assert breaking.broken >= 2
    breaking.left = 2
    with contextlib.closing(S3({**environ, "AWS_ENDPOINT_URL": breaking.url})) as s3:
        assert s3.get_file(bucket, key, str(tmp_path / "down")) == len(data)
    assert breaking.broken >= 4
    assert (tmp_path / "down").read_bytes() == data
