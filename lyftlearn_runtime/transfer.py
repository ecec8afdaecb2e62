"""Data in and out on Kubernetes, where no service moves it: prefixes down, archives and directories up."""

from __future__ import annotations

import os
import threading

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws.s3 import S3, split
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from lyftlearn_runtime.bundle import Transfer

_WORKERS = 8


def download(wanted: Sequence[Transfer], environ: Mapping[str, str]) -> None:
    """Puts every object below each prefix under its path, several at a time.

    A prefix without any object is an error, as it is for SageMaker.
    """
    s3 = S3(environ)
    jobs: list[tuple[str, str, int, str]] = []
    for one in wanted:
        bucket, prefix = split(one.uri)
        found = list(s3.list(bucket, prefix))
        if not found:
            raise ShimError(f"there is no object below {one.uri}; check the channel", contract.EXIT_CONFIG)
        _make(one.path)
        for key, size in found:
            name = key[len(prefix) :].lstrip("/") or os.path.basename(key)
            if not key.endswith("/"):
                jobs.append((bucket, key, size, _below(one.path, name)))
    _all(_fetch, jobs, environ, stop_at_errors=True)


def upload(wanted: Sequence[Transfer], environ: Mapping[str, str]) -> None:
    """Puts each path at its URI: as a tar.gz, or every file of it where the URI ends in `/`.

    Every one is tried, also when another one failed; the error names all that did.
    """
    jobs: list[tuple[str, str, str, bool]] = []
    for one in wanted:
        bucket, key = split(one.uri)
        if key.endswith("/"):
            # SageMaker follows no symbolic link here (API reference, ProcessingS3Output).
            regular = [path for path in members(one.path) if os.path.isfile(path) and not os.path.islink(path)]
            jobs += [(bucket, key + os.path.relpath(path, one.path), path, False) for path in regular]
        else:
            jobs.append((bucket, key, one.path, True))
    _all(_send, jobs, environ, stop_at_errors=False)


def archive(directory: str, path: str) -> None:
    """Writes a tar.gz of a directory's content, as model.tar.gz is one: the same bytes for the same content."""
    import gzip  # noqa: PLC0415 - only at the end of a job that uploads
    import tarfile  # noqa: PLC0415 - see above

    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 3, raw, 0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for member in members(directory):
            tar.add(member, os.path.relpath(member, directory), recursive=False, filter=_plain)


def members(directory: str) -> list[str]:
    """Everything below a directory, directories before their content, in a fixed order. Links are not followed."""
    return sorted(os.path.join(top, name) for top, below, names in os.walk(directory) for name in below + names)


def _fetch(s3: S3, job: tuple[str, str, int, str]) -> None:
    bucket, key, size, path = job
    _make(os.path.dirname(path))
    # A reader never sees half a file: it appears under its name when it is whole.
    part = path + ".part"
    try:
        _expect(size, s3.get_file(bucket, key, part), f"s3://{bucket}/{key}")
        os.rename(part, path)
    except BaseException:
        if os.path.exists(part):
            os.unlink(part)
        raise


def _expect(size: int, came: int, what: str) -> None:
    if came != size:
        raise ShimError(f"{what}: {came} of {size} bytes came", contract.EXIT_UNAVAILABLE)


def _send(s3: S3, job: tuple[str, str, str, bool]) -> None:
    import tempfile  # noqa: PLC0415 - see `archive`

    bucket, key, path, is_archive = job
    if not is_archive:
        s3.put_file(bucket, key, path)
        return
    descriptor, packed = tempfile.mkstemp(".tar.gz", "lyftlearn-")
    os.close(descriptor)
    try:
        archive(path, packed)
        s3.put_file(bucket, key, packed)
    finally:
        os.unlink(packed)


def _plain(member: Any) -> Any:
    """A member without what only says who ran where and when."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def _make(directory: str) -> None:
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        raise ShimError(f"{directory} cannot be made: {error.strerror}", contract.EXIT_CONFIG) from None


def _below(directory: str, name: str) -> str:
    path = os.path.normpath(os.path.join(directory, name))
    if not path.startswith(directory.rstrip("/") + "/"):
        raise ShimError(f"the object name {name!r} leads out of {directory}", contract.EXIT_CONFIG)
    return path


def _all(work: Callable[[S3, Any], None], jobs: list[Any], environ: Mapping[str, str], *, stop_at_errors: bool) -> None:
    """Does every job, several at a time, each thread with a connection of its own. All errors become one."""
    pending = list(reversed(jobs))
    errors: list[ShimError] = []

    def run() -> None:
        try:
            s3 = S3(environ)
        except ShimError as error:
            errors.append(error)
            return
        while pending and not (stop_at_errors and errors):
            try:
                job = pending.pop()
            except IndexError:
                break  # another thread was faster
            _do(work, s3, job, errors)
        s3.close()

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(_WORKERS, len(jobs)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        lines = dict.fromkeys(error.message for error in errors)
        raise ShimError("\n".join(lines), errors[0].exit_code)


def _do(work: Callable[[S3, Any], None], s3: S3, job: Any, errors: list[ShimError]) -> None:
    try:
        work(s3, job)
    except ShimError as error:
        errors.append(error)
    except OSError as error:
        errors.append(ShimError(f"{error.filename or 'a file'}: {error.strerror}", contract.EXIT_UNAVAILABLE))
