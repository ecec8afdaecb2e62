"""The launch bundle: what did not fit the platform's request. Its digest is checked before a byte of it is used."""

from __future__ import annotations

import json

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_MARK = "#sha256="


def read(environ: Mapping[str, str]) -> dict[str, Any]:
    """The bundle that LYFTLEARN_BUNDLE names, {} when there is none. ShimError when it is not what was meant."""
    value = environ.get(contract.BUNDLE)
    if not value:
        return {}
    where, mark, digest = value.rpartition(_MARK)
    if not mark or not where:
        raise ShimError("%s is %r; expected <place>%s<hex digest>" % (contract.BUNDLE, value, _MARK), contract.EXIT_CONFIG)
    data = _fetch(where, environ)
    _check(where, data, digest)
    try:
        document = json.loads(data.decode("utf-8"))
    except ValueError as error:
        raise ShimError("the launch bundle %s is not JSON: %s" % (where, error), contract.EXIT_CONFIG) from None
    version = document.get("version") if isinstance(document, dict) else None
    if version != contract.BUNDLE_VERSION:
        raise ShimError(
            "the launch bundle %s has version %r, this image reads %d: rebuild the image or update the toolkit"
            % (where, version, contract.BUNDLE_VERSION),
            contract.EXIT_CONFIG,
        )
    return dict(document)


def _fetch(where: str, environ: Mapping[str, str]) -> bytes:
    if where.startswith("s3://"):
        from lyftlearn_runtime.aws.s3 import S3  # noqa: PLC0415 - network modules only where something is fetched

        bucket, _, key = where[len("s3://") :].partition("/")
        return S3(environ).get(bucket, key)
    try:
        with open(where, "rb") as file:
            return file.read()
    except OSError as error:
        raise ShimError(
            "the launch bundle %s cannot be read: %s" % (where, error.strerror), contract.EXIT_UNAVAILABLE
        ) from None


def _check(where: str, data: bytes, digest: str) -> None:
    import hashlib  # noqa: PLC0415 - 5 ms that a start without a bundle saves

    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise ShimError(
            "the launch bundle %s is not the one that was launched: sha256 %s, expected %s" % (where, found, digest),
            contract.EXIT_CONFIG,
        )
