"""Data down and up, with a real S3 endpoint and a proxy that breaks connections."""

from __future__ import annotations

import contextlib
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, strategies as st

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_runtime import s3_checksums, s3_download, s3_upload, transfer, transfer_pool
from lyftlearn_runtime.archive import write_archive
from lyftlearn_runtime.aws import s3 as s3_of_the_shim
from lyftlearn_runtime.aws.file_range import ByteRange
from lyftlearn_runtime.aws.s3 import S3, split_uri
from lyftlearn_runtime.bundle import Transfer
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.transfer_pool import Pool
from tests.examples import examples
from tests.runtime.aws.proxies import Breaking, Flipping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint


@pytest.fixture(scope="module")
def environ(aws: AwsEndpoint) -> dict[str, str]:
    """An identity at an endpoint with a bucket."""
    return aws.environment()


def content(directory: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@examples(20)
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
    bucket, prefix = split_uri(bucket_prefix)
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
    bucket, prefix = split_uri(bucket_prefix)
    aws.s3().put_object(Bucket=bucket, Key=f"{prefix}/iris.csv", Body=b"1,2")
    transfer.download([Transfer(str(tmp_path), f"{bucket_prefix}/iris.csv")], environ)
    assert content(tmp_path) == {"iris.csv": b"1,2"}


# Few letters, so that generated names begin alike, and are folders and objects at once.
KEYS = st.from_regex(r"[ab.]{1,3}(/[ab.]{0,2}){0,2}", fullmatch=True)


@examples(60)
@given(st.sets(KEYS, min_size=1, max_size=6), KEYS | st.just(""))
@example({"one.csv", "one.csv.bak"}, "one.csv")
@example({"train/a.csv", "train.csv", "train-old/b.csv", "trainer/c.csv"}, "train")
@example({"train-old/b.csv", "train.csv"}, "train")
@example({"both", "both/inner.csv"}, "both")
@example({"both", "both/inner.csv"}, "")
@example({"a//b", "a/b"}, "a/")
@example({"a", "a.part"}, "")
@example({"a", "a.part/b"}, "")
def test_a_channel_brings_the_same_files_on_both_platforms(
    environ: dict[str, str], aws: AwsEndpoint, tmp_path_factory: pytest.TempPathFactory, keys: set[str], uri: str
) -> None:
    """The shim and the client of the emulators agree on files and contents, or neither takes names that cannot be files."""
    s3, top, shim, client = aws.s3(), os.urandom(8).hex(), tmp_path_factory.mktemp("shim"), tmp_path_factory.mktemp("client")
    for key in keys:
        s3.put_object(Bucket="bucket", Key=f"{top}/{key}", Body=b"" if key.endswith("/") else key.encode())
    try:
        objects.download_prefix(s3, f"s3://bucket/{top}/{uri}", client)
    except InvalidInputError:
        with pytest.raises(ShimError, match=r"cannot both be files|is no path below"):
            transfer.download([Transfer(str(shim), f"s3://bucket/{top}/{uri}")], environ, may_be_empty=True)
    else:
        transfer.download([Transfer(str(shim), f"s3://bucket/{top}/{uri}")], environ, may_be_empty=True)
        assert content(shim) == content(client)
        # No name is cut: every file ends with what follows the last `/` of its object's key.
        assert all(path.rpartition("/")[2] == data.decode().rpartition("/")[2] for path, data in content(shim).items())
    finally:
        s3.close()


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
    bucket, prefix = split_uri(bucket_prefix)
    aws.s3().put_object(Bucket=bucket, Key=f"{prefix}/a/../../escaped", Body=b"x")
    with pytest.raises(ShimError, match="is no path below"):
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
        with (tmp_path / f"{name}.tar.gz").open("wb") as file:
            write_archive(str(directory), file)
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
    bucket, prefix = split_uri(bucket_prefix)
    (tmp_path / "got.tar.gz").write_bytes(
        aws.s3().get_object(Bucket=bucket, Key=f"{prefix}/output/model.tar.gz")["Body"].read()
    )
    with tarfile.open(tmp_path / "got.tar.gz") as archive:
        assert archive.getnames() == ["weights"]


@pytest.mark.parametrize("size", [0, 1, 5 << 20, (5 << 20) + 1, (10 << 20) + 3])
def test_a_large_file_travels_in_pieces(  # noqa: PLR0913, PLR0917 - fixtures
    environ: dict[str, str], aws: AwsEndpoint, bucket_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """One PUT takes 5 GiB at most; object and file are whole, whatever the pieces. Here one has 5 MiB, S3's smallest."""
    for module in (s3_download, s3_upload):
        monkeypatch.setattr(module, "PIECE_BYTES", 5 << 20)
    data = os.urandom(size)
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "file").write_bytes(data)
    transfer.upload([Transfer(str(tmp_path / "up"), f"{bucket_prefix}/")], environ)
    bucket, key = split_uri(f"{bucket_prefix}/file")
    found = aws.s3().get_object(Bucket=bucket, Key=key)
    assert found["Body"].read() == data
    assert ("-" in found["ETag"]) == (size > 5 << 20), "not in parts"
    transfer.download([Transfer(str(tmp_path / "down"), f"{bucket_prefix}/")], environ)
    assert content(tmp_path / "down") == {"file": data}


def test_every_upload_is_tried(environ: dict[str, str], aws: AwsEndpoint, bucket_prefix: str, tmp_path: Path) -> None:
    """A model that cannot be saved does not take the results with it; the error names it."""
    (tmp_path / "file").write_text("x")
    wanted = [
        Transfer(str(tmp_path), "s3://no-such-bucket-here/a.tar.gz"),
        Transfer(str(tmp_path), f"{bucket_prefix}/b.tar.gz"),
    ]
    with pytest.raises(ShimError, match=r"^s3://no-such-bucket-here/a\.tar\.gz: there is no such bucket or object$"):
        transfer.upload(wanted, environ)
    bucket, key = split_uri(f"{bucket_prefix}/b.tar.gz")
    assert aws.s3().head_object(Bucket=bucket, Key=key)["ContentLength"] > 0


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
    broken = {**environ, "AWS_ENDPOINT_URL": breaking.url}
    transfer.upload_files({str(tmp_path / "up"): f"{bucket_prefix}/file"}, broken)
    assert breaking.broken >= 2
    # The listing goes through; the download is broken off twice, and each time what came is kept.
    transfer.download([Transfer(str(tmp_path / "down"), f"{bucket_prefix}/")], {**broken, "AWS_ENDPOINT_URL": breaking.url})
    assert content(tmp_path / "down") == {"file": data}


def test_a_download_goes_on_where_it_broke_off(
    environ: dict[str, str], breaking: Breaking, bucket_prefix: str, tmp_path: Path
) -> None:
    """What came is not asked for again: four broken connections of 200 kB each bring most of a megabyte."""
    data = os.urandom(1_000_000)
    (tmp_path / "up").write_bytes(data)
    transfer.upload_files({str(tmp_path / "up"): f"{bucket_prefix}/file"}, environ)
    bucket, key = split_uri(f"{bucket_prefix}/file")
    with contextlib.closing(S3(environ)) as s3:
        found = next(iter(s3.list_objects(bucket, key)))
    # More than 6 tries of 200 kB would be needed if each began anew.
    breaking.left = 5
    with contextlib.closing(S3({**environ, "AWS_ENDPOINT_URL": breaking.url})) as s3, (tmp_path / "down").open("wb") as file:
        s3.get_range(bucket, found, file, ByteRange(0, len(data)))
    assert breaking.broken >= 4
    assert (tmp_path / "down").read_bytes() == data


def test_an_object_that_changes_on_the_way_is_refused(
    environ: dict[str, str], aws: AwsEndpoint, bucket_prefix: str, tmp_path: Path
) -> None:
    """Stretches of two versions never come together."""
    bucket, key = split_uri(f"{bucket_prefix}/file")
    aws.s3().put_object(Bucket=bucket, Key=key, Body=b"before")
    with contextlib.closing(S3(environ)) as s3, (tmp_path / "down").open("wb") as file:
        found = next(iter(s3.list_objects(bucket, key)))
        aws.s3().put_object(Bucket=bucket, Key=key, Body=b"behind")
        with pytest.raises(ShimError, match=r"/file: it was changed while it was being downloaded; start again"):
            s3.get_range(bucket, found, file, ByteRange(0, found.size))


def test_parts_that_cannot_be_completed_are_taken_back(
    environ: dict[str, str], aws: AwsEndpoint, bucket_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no part of a large file gets through there is no object in the end, and no part that costs money."""
    for module in (s3_download, s3_upload):
        monkeypatch.setattr(module, "PIECE_BYTES", 5 << 20)
    # A connection that broke in one direction only is waited for.
    monkeypatch.setattr(s3_of_the_shim, "_STALL_S", 5.0)
    (tmp_path / "file").write_bytes(os.urandom(6 << 20))
    proxy = Breaking(aws.url, break_first=1000, after_bytes=500_000)
    try:
        with pytest.raises(ShimError, match=r"\(6 tries\)"):
            transfer.upload_files({str(tmp_path / "file"): f"{bucket_prefix}/file"}, {**environ, "AWS_ENDPOINT_URL": proxy.url})
    finally:
        proxy.close()
    assert proxy.broken >= 6
    bucket, key = split_uri(f"{bucket_prefix}/file")
    assert "Contents" not in aws.s3().list_objects_v2(Bucket=bucket, Prefix=key)
    assert not [one for one in aws.s3().list_multipart_uploads(Bucket=bucket).get("Uploads", []) if one["Key"] == key]


@pytest.mark.parametrize("algorithm", ["", "SHA256", "SHA1", "CRC32"])
def test_a_flipped_byte_is_noticed(
    environ: dict[str, str], aws: AwsEndpoint, bucket_prefix: str, tmp_path: Path, algorithm: Any
) -> None:
    """By the checksum that the object was stored with, or by its MD5; no file appears."""
    bucket, key = split_uri(f"{bucket_prefix}/file")
    extra = {"ChecksumAlgorithm": algorithm} if algorithm else {}
    aws.s3().put_object(Bucket=bucket, Key=key, Body=b"the true bytes", **extra)
    transfer.download([Transfer(str(tmp_path / "well"), f"{bucket_prefix}/")], environ)
    assert content(tmp_path / "well") == {"file": b"the true bytes"}
    proxy = Flipping(aws.url, break_first=0, after_bytes=0)
    try:
        with pytest.raises(ShimError, match=r"/file: what came has another checksum than S3 has"):
            transfer.download(
                [Transfer(str(tmp_path / "ill"), f"{bucket_prefix}/")], {**environ, "AWS_ENDPOINT_URL": proxy.url}
            )
    finally:
        proxy.close()
    assert content(tmp_path / "ill") == {}


def test_what_is_added_first_is_done_first(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of what is added by a job: a server may keep the last part of an object waiting for the first one."""
    monkeypatch.setattr(transfer_pool, "_WORKERS", 1)
    pool, done = Pool(environ, stop_at_errors=True), list[int]()

    def add_three(_: S3) -> None:
        for number in range(3):
            pool.add(lambda _, number: done.append(number), number)

    pool.add(add_three)
    pool.run()
    assert done == [0, 1, 2]


def test_a_fault_of_ours_is_not_lost_in_a_thread(environ: dict[str, str]) -> None:
    """What no job should raise is raised where the work was asked for: an upload that did not happen is none that did."""
    pool = Pool(environ, stop_at_errors=False)
    pool.add(lambda _: {}[0])
    with pytest.raises(KeyError):
        pool.run()


@pytest.mark.parametrize(("tag", "headers", "whole"), [
    ('"5d41402abc4b2a76b9719d911017c592"', {}, True),
    ('"5d41402abc4b2a76b9719d911017c593"', {}, False),
    # Encrypted with a key of KMS, the ETag is no MD5; that of parts is none either.
    ('"5d41402abc4b2a76b9719d911017c593"', {"x-amz-server-side-encryption": "aws:kms"}, True),
    ('"5d41402abc4b2a76b9719d911017c593-2"', {}, True),
    ("", {"x-amz-checksum-crc32": "NhCmhg=="}, True),
    ("", {"x-amz-checksum-crc32": "NhCmhw=="}, False),
    ("", {"x-amz-checksum-crc32": "NhCmhw==-2"}, True),
    ("", {"x-amz-checksum-sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="}, True),
    ("", {"x-amz-checksum-sha256": "MPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="}, False),
])  # fmt: skip
def test_a_file_is_whole_by_what_s3_says_of_it(tmp_path: Path, tag: str, headers: dict[str, str], whole: bool) -> None:  # noqa: FBT001 - a case
    """The published checksums of `hello`."""
    (tmp_path / "file").write_bytes(b"hello")
    assert s3_checksums.matches(str(tmp_path / "file"), tag, headers) == whole
