"""s3://BUCKET/KEY: an object's content (Amazon S3 API reference, GetObject), with `version` and `sha256` to hold it to."""

from __future__ import annotations

import hashlib

from lyftlearn_runtime import contract, parallel
from lyftlearn_runtime.aws.s3 import S3, split_uri
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lyftlearn_runtime.references import Item

OPTIONS = ("sha256", "version")


def fetch(items: Sequence[Item], environ: Mapping[str, str], deadline: float) -> dict[Item, str | ShimError]:
    """The objects' contents."""
    s3 = S3(environ)
    return parallel.map_items(items, lambda item: _get(s3, item, deadline), deadline)


def _get(s3: S3, item: Item, deadline: float) -> str:
    options = dict(item.options)
    data = s3.get(*split_uri("s3://" + item.name), version=options.get("version", ""), deadline=deadline)
    wanted = options.get("sha256")
    found = hashlib.sha256(data).hexdigest()
    if wanted and wanted.lower() != found:
        raise ShimError(f"the object has the sha256 {found}, and the reference wants {wanted}", contract.EXIT_CONFIG)
    return data.decode("utf-8", "surrogateescape")
