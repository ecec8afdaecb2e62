"""S3 as the emulators use it, against a real endpoint: nothing is lost, and nothing leads out."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import tarfile
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.aws import s3 as objects, s3_archives
from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint, aws_endpoint
from lyftlearn_image.emulation.aws.signature import Key
from lyftlearn_image.errors import InvalidInputError, LyftlearnError, RunError, UnavailableError
from lyftlearn_image.limits import Limits
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Client]:
    """A client of a local endpoint with one bucket."""
    with aws_endpoint("127.0.0.1") as endpoint:
        client = endpoint.s3()
        client.create_bucket(Bucket="bucket")
        yield client
        client.close()


@pytest.fixture
def prefix() -> str:
    """A prefix that no other test uses."""
    return f"s3://bucket/{uuid.uuid4().hex}/"


def put(s3: S3Client, uri: str, data: bytes) -> None:
    """An object at a URI."""
    bucket, key = objects.split_uri(uri)
    s3.put_object(Bucket=bucket, Key=key, Body=data)


def files_of(directory: Path) -> dict[str, bytes]:
    """Every regular file below a directory."""
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def archive_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar.gz of exactly these members."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """A member of an archive."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


NAMES = st.from_regex(r"[a-z][a-z0-9 é._-]{0,8}", fullmatch=True)
# Directories end in `.d` and files do not, so that no name is wanted for both.
TREES = st.dictionaries(
    st.tuples(st.lists(NAMES.map(lambda name: f"{name}.d"), max_size=2), NAMES.map(lambda name: f"{name}.f")).map(
        lambda parts: "/".join([*parts[0], parts[1]])
    ),
    st.binary(max_size=50),
    max_size=4,
)


@examples(25)
@given(TREES)
def test_a_directory_survives_its_archive_and_its_prefix(
    s3: S3Client, tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes]
) -> None:
    """Up and down again, packed or as single objects, every file has its name and its bytes."""
    top, uri = tmp_path_factory.mktemp("tree"), f"s3://bucket/{uuid.uuid4().hex}"
    source = top / "source"
    source.mkdir()
    for name, data in tree.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    s3_archives.upload_archive(s3, source, f"{uri}/model.tar.gz")
    objects.upload_directory(s3, source, f"{uri}/files/")
    found = s3_archives.download_outputs(s3, {"packed": f"{uri}/model.tar.gz", "single": f"{uri}/files/"}, top / "found")
    assert files_of(found["packed"]) == files_of(found["single"]) == tree


def test_no_archive_is_an_empty_directory(s3: S3Client, prefix: str, tmp_path: Path) -> None:
    """A job without a model leaves no archive, and whoever collects it finds an empty directory."""
    (tmp_path / "empty").mkdir()
    s3_archives.upload_archive(s3, tmp_path / "empty", f"{prefix}model.tar.gz")
    s3_archives.upload_archive(s3, tmp_path / "removed", f"{prefix}output.tar.gz")
    assert objects.list_keys(s3, prefix) == []
    found = s3_archives.download_outputs(s3, {"model": f"{prefix}model.tar.gz"}, tmp_path)
    assert list(found["model"].iterdir()) == []


def test_a_directory_that_became_a_link_is_not_followed(s3: S3Client, prefix: str, tmp_path: Path) -> None:
    """A script that puts a link in place of its output directory does not get this machine's files into S3."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("private")
    (tmp_path / "data").symlink_to(tmp_path / "secret")
    s3_archives.upload_archive(s3, tmp_path / "data", f"{prefix}output.tar.gz")
    objects.upload_directory(s3, tmp_path / "data", prefix)
    assert objects.list_keys(s3, prefix) == []


def test_links_inside_an_archive_stay_links(s3: S3Client, prefix: str, tmp_path: Path) -> None:
    """`latest -> v2.bin` is read as v2.bin is."""
    put(s3, f"{prefix}a.tar.gz", archive_of((member("latest", tarfile.SYMTYPE, "v2.bin"), b""), (member("v2.bin"), b"2")))
    found = s3_archives.download_outputs(s3, {"model": f"{prefix}a.tar.gz"}, tmp_path)["model"]
    assert (found / "latest").is_symlink()
    assert (found / "latest").read_bytes() == b"2"


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([(member("x", tarfile.SYMTYPE, "/etc/hostname"), b"")], "symbolic link to /etc/hostname"),
        ([(member("x", tarfile.SYMTYPE, "../../../etc/hostname"), b"")], "symbolic link to ../../../etc/hostname"),
        ([(member("x", tarfile.SYMTYPE, "nowhere"), b"")], "symbolic link to nowhere"),
        ([(member("x", tarfile.SYMTYPE, "x"), b"")], "symbolic link to x"),
        (
            [(member("a/b/up", tarfile.SYMTYPE, "../.."), b""), (member("x", tarfile.SYMTYPE, "a/b/up/.."), b"")],
            "symbolic link",
        ),
        ([(member("x", tarfile.FIFOTYPE), b"")], "special file"),
        ([(member("x", tarfile.CHRTYPE), b"")], "special file"),
    ],
)
def test_what_leads_out_of_an_archive_becomes_text(
    s3: S3Client, prefix: str, tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]], told: str
) -> None:
    """Links to this machine, links to nothing, loops and devices can be compared, and cannot be followed."""
    put(s3, f"{prefix}a.tar.gz", archive_of(*members))
    found = s3_archives.download_outputs(s3, {"model": f"{prefix}a.tar.gz"}, tmp_path)["model"]
    assert not (found / "x").is_symlink()
    assert (found / "x").read_text().startswith(told)


def test_nothing_is_written_through_a_link(s3: S3Client, prefix: str, tmp_path: Path) -> None:
    """A member below a link of the same archive does not land where the link leads."""
    (tmp_path / "outside").mkdir()
    data = archive_of((member("d", tarfile.SYMTYPE, str(tmp_path / "outside")), b""), (member("d/planted"), b"x"))
    put(s3, f"{prefix}a.tar.gz", data)
    with pytest.raises(RunError):
        s3_archives.download_outputs(s3, {"model": f"{prefix}a.tar.gz"}, tmp_path / "found")
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("name", ["../planted", "/planted", "a/../../planted"])
def test_a_member_that_leads_out_is_an_error(s3: S3Client, prefix: str, tmp_path: Path, name: str) -> None:
    """Such an archive is no work of ours."""
    put(s3, f"{prefix}a.tar.gz", archive_of((member(name), b"x")))
    with pytest.raises(RunError, match="leads out"):
        s3_archives.download_outputs(s3, {"model": f"{prefix}a.tar.gz"}, tmp_path / "found")
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize(
    "data", [b"", b"no archive", archive_of((member("a"), b"x" * 5000))[:-40]], ids=["empty", "none", "cut-short"]
)
def test_a_broken_archive_is_one_error(s3: S3Client, prefix: str, tmp_path: Path, data: bytes) -> None:
    """Empty, something else, or cut off: the user reads which archive."""
    put(s3, f"{prefix}a.tar.gz", data)
    with pytest.raises(RunError, match="cannot be unpacked") as caught:
        s3_archives.download_outputs(s3, {"model": f"{prefix}a.tar.gz"}, tmp_path)
    assert caught.value.where == f"{prefix}a.tar.gz"


@pytest.mark.parametrize("keys", [("a", "a/b"), ("../up",), ("ok/../../up",), ("x" * 300,)])
def test_keys_that_cannot_be_files_are_an_error(s3: S3Client, prefix: str, tmp_path: Path, keys: tuple[str, ...]) -> None:
    """S3 has names that no file system can have side by side."""
    for key in keys:
        put(s3, prefix + key, b"x")
    with pytest.raises(InvalidInputError, match="the object"):
        objects.download_prefix(s3, prefix, tmp_path / "into")
    assert not (tmp_path / "up").exists()


NEIGHBOURS = (
    *("data/train/a.csv", "data/train/deep/b.csv", "data/train/", "data/train-old/c.csv", "data/train.csv"),
    "data/trainer/d.csv",
    *("data/one.csv", "data/one.csv.bak", "data/both", "data/both/inner.csv", "data/part-0.csv", "data/part-1.csv"),
)


@pytest.mark.parametrize(
    ("uri", "files"),
    [
        ("data/one.csv", {"one.csv"}),
        ("data/both", {"both"}),
        ("data/both/", {"inner.csv"}),
        ("data/train", {"a.csv", "deep/b.csv"}),
        ("data/train/", {"a.csv", "deep/b.csv"}),
        ("data/train-", {"train-old/c.csv"}),
        ("data/train/deep/b", {"b.csv"}),
        ("data/part-", {"part-0.csv", "part-1.csv"}),
        ("data/p", {"part-0.csv", "part-1.csv"}),
        ("data/none", set()),
    ],
)
def test_a_uri_is_an_object_or_a_folder_or_the_beginning_of_whole_names(
    s3: S3Client, prefix: str, tmp_path: Path, uri: str, files: set[str]
) -> None:
    """What is called alike does not come with an object or a folder, and no name is cut; markers of folders are no files."""
    for key in NEIGHBOURS:
        put(s3, prefix + key, b"")
    assert objects.download_prefix(s3, prefix + uri, tmp_path) == len(files)
    assert files_of(tmp_path).keys() == files


def test_a_prefix_is_deleted_with_all_its_objects(s3: S3Client, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page at a time, and nothing beside it."""
    monkeypatch.setattr(objects, "_PAGE_KEYS", 2)
    for key in ("run/a", "run/b", "run/c", "run/d/e", "runner"):
        put(s3, prefix + key, b"x")
    objects.delete_prefix(s3, f"{prefix}run/")
    objects.delete_prefix(s3, f"{prefix}none/")
    bucket, start = objects.split_uri(prefix)
    assert objects.list_keys(s3, f"s3://{bucket}/{start}") == [f"{start}runner"]


def test_a_name_that_is_no_utf8_is_told(s3: S3Client, prefix: str, tmp_path: Path) -> None:
    """A key in S3 must be; the archive of a model keeps such a name."""
    (tmp_path / os.fsdecode(b"odd-\xff")).write_bytes(b"x")
    with pytest.raises(RunError, match="not UTF-8"):
        objects.upload_directory(s3, tmp_path, prefix)


@pytest.mark.parametrize("name", ["model.tar.gz", "files/"])
def test_more_than_a_run_may_leave_is_not_fetched(s3: S3Client, prefix: str, tmp_path: Path, name: str) -> None:
    """Neither packed nor unpacked: a pod packs its own archive, and puts what it likes into S3."""
    (tmp_path / "source").mkdir()
    for number in range(5):
        (tmp_path / "source" / str(number)).write_bytes(bytes(1000))
    s3_archives.upload_archive(s3, tmp_path / "source", f"{prefix}model.tar.gz")
    objects.upload_directory(s3, tmp_path / "source", f"{prefix}files/")
    outputs = {"model": prefix + name}
    for number, limits in enumerate([Limits(artifact_bytes=4999), Limits(artifact_files=4), Limits(artifact_bytes=100)]):
        with pytest.raises(RunError, match="the job left more than"):
            s3_archives.download_outputs(s3, outputs, tmp_path / str(number), limits)
    found = s3_archives.download_outputs(s3, outputs, tmp_path / "all", Limits(artifact_bytes=5000, artifact_files=5))
    assert len(list(found["model"].iterdir())) == 5


def test_more_objects_than_a_page_come_all(s3: S3Client, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 lists a page at a time."""
    monkeypatch.setattr(objects, "_PAGE_KEYS", 2)
    for number in range(5):
        put(s3, f"{prefix}{number}", b"")
    assert objects.download_prefix(s3, prefix, tmp_path) == 5


def test_a_synced_prefix_loses_what_the_directory_lost(s3: S3Client, prefix: str, tmp_path: Path) -> None:
    """Deleted checkpoints go, new ones come, and what somebody else put there meanwhile stays."""
    for key in ("old", "gone", "same"):
        put(s3, prefix + key, b"1")
    objects.download_prefix(s3, prefix, tmp_path)
    known = objects.snapshot(tmp_path)
    for key in ("meanwhile", "same"):
        put(s3, prefix + key, b"of another host")
    (tmp_path / "gone").unlink()
    for name in ("old", "new"):
        (tmp_path / name).write_bytes(b"22")
    objects.sync_directory(s3, tmp_path, prefix, known)
    found = tmp_path.parent / "found"
    objects.download_prefix(s3, prefix, found)
    assert files_of(found) == {"meanwhile": b"of another host", "same": b"of another host", "new": b"22", "old": b"22"}


def test_the_archives_of_several_pods_are_put_together(s3: S3Client, prefix: str, tmp_path: Path) -> None:
    """`model.tar.gz`, `model-1.tar.gz` … `model-10.tar.gz`: in the order of their numbers, and nothing else with that name."""
    for name, content in (("model", "0"), ("model-1", "1"), ("model-2", "2"), ("model-10", "10"), ("model-x", "x")):
        source = tmp_path / name
        (source / "deep").mkdir(parents=True)
        (source / "same").write_text(content)
        (source / "deep" / f"of-{content}").write_text(content)
        s3_archives.upload_archive(s3, source, f"{prefix}{name}.tar.gz")
    found = s3_archives.download_outputs(s3, {"model": f"{prefix}model.tar.gz"}, tmp_path / "found")["model"]
    assert {name: text.decode() for name, text in files_of(found).items()} == {
        "same": "0", "deep/of-0": "0", "deep/of-1": "1", "deep/of-2": "2", "deep/of-10": "10",
    }  # fmt: skip


TRANSFERS = """
import resource, sys
from pathlib import Path
from lyftlearn_image.aws import s3 as objects, s3_archives
from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
from lyftlearn_image.emulation.aws.signature import Key
from lyftlearn_image.services.staging import Stager

def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

s3, top = AwsEndpoint(sys.argv[1], Key(*sys.stdin.read().split())).s3(), Path(sys.argv[2])

def carry(name):
    source, found = top / name, top / f"{name}.found"
    uri = Stager(s3, "bucket", f"{name}/").stage(str(source), relative_to=top)
    s3_archives.upload_archive(s3, source, f"s3://bucket/{name}/model.tar.gz")
    outputs = {"staged": uri, "packed": f"s3://bucket/{name}/model.tar.gz"}
    for directory in s3_archives.download_outputs(s3, outputs, found).values():
        sizes = {path.name: path.stat().st_size for path in directory.iterdir()}
        assert sizes == {path.name: path.stat().st_size for path in source.iterdir()}, sizes

carry("small")
before = peak_mib()
carry("large")
print(peak_mib() - before)
"""


def test_memory_does_not_grow_with_the_data(s3: S3Client, tmp_path: Path) -> None:
    """A file of 96 MiB, staged, packed, and brought back both ways, takes no more than the buffers of its transfer."""
    for name, size in (("small", 1), ("large", 96 << 20)):
        (tmp_path / name).mkdir()
        with (tmp_path / name / "data").open("wb") as file:
            file.truncate(size)
    # In a process of its own, whose peak nothing else has raised.
    command = [sys.executable, "-c", TRANSFERS, s3.meta.endpoint_url, str(tmp_path)]
    keys = s3._request_signer._credentials
    done = subprocess.run(command, input=f"{keys.access_key} {keys.secret_key}", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64, f"{done.stdout.strip()} MiB"


@pytest.mark.parametrize("size", [0, 1, (8 << 20) - 1, 8 << 20, (16 << 20) + 1])
def test_a_file_of_any_size_has_its_bytes(s3: S3Client, prefix: str, tmp_path: Path, size: int) -> None:
    """Also where it goes in parts, and where its last part is a single byte."""
    data = random.Random(size).randbytes(size)  # noqa: S311 - no secret
    (tmp_path / "up").write_bytes(data)
    objects.upload_file(s3, tmp_path / "up", f"{prefix}data")
    objects.download_file(s3, f"{prefix}data", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == data


def test_a_download_replaces_no_file_and_leaves_no_half(s3: S3Client, prefix: str, tmp_path: Path) -> None:
    """A file that is there stays as it is; of one that cannot be read nothing is made."""
    put(s3, f"{prefix}a", b"new")
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        objects.download_file(s3, f"{prefix}a", tmp_path / "a")
    with pytest.raises(InvalidInputError, match="NoSuchKey"):
        objects.download_file(s3, f"{prefix}none", tmp_path / "none")
    assert files_of(tmp_path) == {"a": b"old"}


def test_an_upload_that_is_refused_is_told_with_its_code(s3: S3Client, tmp_path: Path) -> None:
    """boto3's own wrapping of it is not shown."""
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(InvalidInputError, match=r"^writing s3://no-such-bucket/a: NoSuchBucket") as caught:
        objects.upload_file(s3, tmp_path / "a", "s3://no-such-bucket/a")
    assert caught.value.where == "no-such-bucket"


class CutOff(BaseHTTPRequestHandler):
    """Promises a thousand bytes and ends after ten."""

    def do_HEAD(self) -> None:
        """What there would be."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.send_header("ETag", '"x"')
        self.end_headers()

    def do_GET(self) -> None:
        """A part of it."""
        self.do_HEAD()
        self.wfile.write(b"x" * 10)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_an_object_that_never_comes_whole_is_unavailable(tmp_path: Path) -> None:
    """After several tries: one error of ours, and no half file."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), CutOff)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = AwsEndpoint(f"http://127.0.0.1:{server.server_port}", Key("A", "s")).s3()
    try:
        with pytest.raises(UnavailableError, match="reading s3://bucket/a: AWS does not answer"):
            objects.download_file(client, "s3://bucket/a", tmp_path / "a")
    finally:
        client.close()
        server.shutdown()
        server.server_close()
    assert not (tmp_path / "a").exists()


def test_a_bucket_that_is_not_there_is_the_users_error(s3: S3Client, tmp_path: Path) -> None:
    """The service's code is in it, and no traceback."""
    for attempt in (
        lambda: objects.download_prefix(s3, "s3://no-such-bucket/x/", tmp_path),
        lambda: s3_archives.download_outputs(s3, {"model": "s3://no-such-bucket/x.tar.gz"}, tmp_path),
    ):
        with pytest.raises(InvalidInputError, match="NoSuchBucket"):
            attempt()


def test_an_endpoint_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """Nobody listens: an error with its own exit code."""
    client = AwsEndpoint("http://127.0.0.1:9", Key("A", "s")).s3()
    with pytest.raises(UnavailableError, match="does not answer"):
        objects.download_prefix(client, "s3://bucket/x/", tmp_path)
    client.close()


@pytest.mark.parametrize("uri", ["", "bucket/key", "http://x/y", "s3://", "s3:///key"])
def test_what_is_no_uri_is_told(uri: str) -> None:
    """An S3 URI has a bucket."""
    with pytest.raises(LyftlearnError, match="is no S3 URI"):
        objects.split_uri(uri)
