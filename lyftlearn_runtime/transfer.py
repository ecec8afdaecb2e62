"""Data in and out on Kubernetes, where no service moves it: prefixes down, archives and directories up."""

from __future__ import annotations

import os
import threading

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws.s3 import S3
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

_WORKERS = 8


def download(wanted: Sequence[Mapping[str, str]], environ: Mapping[str, str]) -> None:
    """Puts every object below each prefix under its path, several at a time."""
    s3 = S3(environ)
    jobs: list[tuple[str, str, int, str]] = []
    for one in wanted:
        bucket, prefix = _place(one["uri"])
        os.makedirs(one["path"], exist_ok=True)
        for key, size in s3.list(bucket, prefix):
            name = key[len(prefix) :].lstrip("/") or os.path.basename(key)
            if not key.endswith("/"):
                jobs.append((bucket, key, size, _below(one["path"], name)))

    def fetch(job: tuple[str, str, int, str]) -> None:
        bucket, key, size, path = job
        data = s3.get(bucket, key)
        if len(data) != size:
            raise ShimError("s3://%s/%s: %d of %d bytes came" % (bucket, key, len(data), size), contract.EXIT_UNAVAILABLE)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # A reader never sees half a file: it appears under its name when it is whole.
        with open(path + ".part", "wb") as file:
            file.write(data)
        os.rename(path + ".part", path)

    _all(fetch, jobs)


def upload(wanted: Sequence[Mapping[str, str]], environ: Mapping[str, str]) -> None:
    """Puts each path at its URI: as a tar.gz, or every file of it where the URI ends in `/`."""
    s3 = S3(environ)

    def send(one: Mapping[str, str]) -> None:
        bucket, key = _place(one["uri"])
        if key.endswith("/"):
            for path in _files(one["path"]):
                with open(path, "rb") as file:
                    s3.put(bucket, key + os.path.relpath(path, one["path"]), file.read())
        else:
            s3.put(bucket, key, archive(one["path"]))

    _all(send, list(wanted))


def archive(directory: str) -> bytes:
    """A tar.gz of a directory's content, as SageMaker makes model.tar.gz; the same bytes for the same content."""
    import gzip  # noqa: PLC0415 - only at the end of a job that uploads
    import io  # noqa: PLC0415 - see above
    import tarfile  # noqa: PLC0415 - see above

    raw = io.BytesIO()
    with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, compresslevel=3) as packed:  # noqa: SIM117 - one `with` of two needs Python 3.9
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for path in sorted(_files(directory)):
                tar.add(path, arcname=os.path.relpath(path, directory), filter=_plain)
    return raw.getvalue()


def _plain(member: Any) -> Any:
    """A member without what only says who ran where and when."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member


def _files(directory: str) -> list[str]:
    return [os.path.join(top, name) for top, _, names in os.walk(directory) for name in names]


def _place(uri: str) -> tuple[str, str]:
    bucket, _, key = uri[len("s3://") :].partition("/")
    return bucket, key


def _below(directory: str, name: str) -> str:
    path = os.path.normpath(os.path.join(directory, name))
    if not path.startswith(directory.rstrip("/") + "/"):
        raise ShimError("the object name %r leads out of %s" % (name, directory), contract.EXIT_CONFIG)
    return path


def _all(work: Callable[[Any], None], jobs: list[Any]) -> None:
    """Does every job, several at a time. The first error is raised when all threads are done."""
    pending = list(reversed(jobs))
    errors: list[BaseException] = []

    def run() -> None:
        while pending and not errors:
            try:
                job = pending.pop()
            except IndexError:
                return
            try:
                work(job)
            except ShimError as error:
                errors.append(error)
            except OSError as error:
                errors.append(ShimError("%s: %s" % (error.filename, error.strerror), contract.EXIT_UNAVAILABLE))

    threads = [threading.Thread(target=run) for _ in range(min(_WORKERS, len(jobs)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
