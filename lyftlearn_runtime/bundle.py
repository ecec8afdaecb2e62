"""The launch bundle: what did not fit the platform's request. Its digest is checked before a byte of it is used."""

from __future__ import annotations

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.frozen import namedtuple
from lyftlearn_runtime.quick_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_MARK = "#sha256="
_MODES = 0o7777
# chown(2) takes it, as -1, for "leave it as it is".
_NOBODYS_ID = (1 << 32) - 1

# `job` is None where no bundle was given, or where it does not say. The rest is empty then. `hosts` are the names of all
# hosts of a job on Kubernetes, by completion index; empty for a job on one.
Job = namedtuple("Job", ["name", "kind", "instance_type", "hosts"])
# `owner` is a UID and a GID, None for whoever the container runs as.
File = namedtuple("File", ["path", "content", "secret", "mode", "owner"])
Transfer = namedtuple("Transfer", ["path", "uri"])
# A directory that is kept in S3, looked at every so many seconds.
Checkpoints = namedtuple("Checkpoints", ["path", "uri", "every_s"])
Bundle = namedtuple(
    "Bundle",
    ["job", "environment", "hyperparameters", "files", "channels", "mounted", "downloads", "uploads", "checkpoints", "command"],
)
EMPTY = Bundle(None, {}, {}, (), {}, (), (), (), None, ())


def read(environ: Mapping[str, str]) -> Bundle:
    """The bundle that LYFTLEARN_BUNDLE names, EMPTY when it names none. ShimError when it is not what was meant."""
    value = environ.get(contract.BUNDLE)
    if not value:
        return EMPTY
    where, mark, digest = value.rpartition(_MARK)
    if not mark or not where:
        raise ShimError(f"{contract.BUNDLE} is {value!r}; expected <place>{_MARK}<hex digest>", contract.EXIT_CONFIG)
    data = _fetch(where, environ)
    _check(where, data, digest)
    try:
        document = loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ShimError(f"the launch bundle {where} is not JSON: {error}", contract.EXIT_CONFIG) from None
    version = document.get("version") if isinstance(document, dict) else None
    if version != contract.BUNDLE_VERSION:
        raise ShimError(
            f"the launch bundle {where} has version {version!r}, this image reads {contract.BUNDLE_VERSION}:"
            " rebuild the image or update the toolkit",
            contract.EXIT_CONFIG,
        )
    try:
        return _bundle(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ShimError(f"the launch bundle {where} is malformed: {error}", contract.EXIT_CONFIG) from None


def _bundle(document: Mapping[str, Any]) -> Bundle:
    job = document.get("job")
    return Bundle(
        _job(job) if job else None,
        _strings(document, "environment"),
        _object(document, "hyperparameters"),
        tuple(_file(one) for one in document.get("files", [])),
        _strings(document, "channels"),
        tuple(_path(path) for path in document.get("mounted", [])),
        tuple(_transfer(one) for one in document.get("downloads", [])),
        tuple(_transfer(one) for one in document.get("uploads", [])),
        _checkpoints(document.get("checkpoints")),
        tuple(_word(one) for one in document.get("command", [])),
    )


def _job(job: Mapping[str, Any]) -> Job:
    hosts = tuple(str(host) for host in job.get("hosts", []))
    return Job(str(job["name"]), _kind(job.get("kind", "training")), str(job.get("instance_type", "")), hosts)


def _kind(kind: Any) -> str:
    if kind not in ("training", "processing"):
        raise ValueError(f"job.kind is {kind!r}; expected training or processing")
    return str(kind)


def _object(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key, {})
    if not isinstance(found, dict):
        raise TypeError(f"{key} is not an object")
    return found


def _strings(document: Mapping[str, Any], key: str) -> dict[str, str]:
    found = _object(document, key)
    for name, value in found.items():
        if not isinstance(value, str):
            raise TypeError(f"{key}.{name} is not a string")
    return found


def _file(one: Mapping[str, Any]) -> File:
    path, content, secret = _path(one["path"]), one.get("content"), one.get("secret")
    if path.rpartition("/")[2] in {"", ".", ".."}:
        raise ValueError(f"files: {path!r} names no file")
    text = secret if content is None else content
    if not isinstance(text, str):
        raise TypeError(f"files: {path} has neither a text nor a reference")
    text.encode("utf-8", "surrogateescape")  # half of a pair of surrogates, which JSON can say, cannot be written
    # A secret is for its owner alone unless somebody says otherwise.
    mode = int(one.get("mode", "0644" if secret is None else "0400"), 8)
    if not 0 <= mode <= _MODES:
        raise ValueError(f"files: {path} has a mode that there is not")
    return File(path, content, secret, mode, _owner(one.get("owner")))


def _word(one: Any) -> str:
    if not isinstance(one, str):
        raise TypeError(f"command: {one!r} is not a string")
    one.encode("utf-8", "surrogateescape")
    return one


def _path(path: Any) -> str:
    """The path, when it can be one."""
    if not isinstance(path, str) or not path.startswith("/"):
        raise ValueError(f"{path!r} is not an absolute path")
    if "\0" in path:
        raise ValueError(f"{path!r} has a NUL in it")
    path.encode("utf-8", "surrogateescape")
    return path


def _owner(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    user, _, group = str(value).partition(":")
    found = int(user), int(group)
    if not all(0 <= number < _NOBODYS_ID for number in found):
        raise ValueError(f"the owner {value!r} is no UID and GID")
    return found


def _transfer(one: Mapping[str, Any]) -> Transfer:
    path, uri = _path(one["path"]), one["uri"]
    if not isinstance(uri, str) or not uri.startswith("s3://"):
        raise ValueError(f"{path!r} and {uri!r}: expected an absolute path and an s3:// URI")
    uri.encode("utf-8", "surrogateescape")
    return Transfer(path, uri)


def _checkpoints(one: Any) -> Checkpoints | None:
    if one is None:
        return None
    every_s = float(one.get("every_s", 30))
    if not 0 < every_s < float("inf"):
        raise ValueError(f"checkpoints.every_s is {every_s}; expected seconds")
    return Checkpoints(*_transfer(one), every_s)


def _fetch(where: str, environ: Mapping[str, str]) -> bytes:
    if where.startswith("s3://"):
        from lyftlearn_runtime.aws.s3 import S3, split_uri  # noqa: PLC0415 - network modules only where something is fetched

        return S3(environ).get(*split_uri(where))
    try:
        with open(where, "rb") as file:
            return file.read()
    except OSError as error:
        raise ShimError(f"the launch bundle {where} cannot be read: {error.strerror}", contract.EXIT_UNAVAILABLE) from None


def _check(where: str, data: bytes, digest: str) -> None:
    import hashlib  # noqa: PLC0415 - 5 ms that a start without a bundle saves

    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise ShimError(
            f"the launch bundle {where} is not the one that was launched: sha256 {found}, expected {digest}",
            contract.EXIT_CONFIG,
        )
