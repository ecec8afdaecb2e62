"""S3: get, put and list. One PUT an object, which S3 limits to 5 GiB."""

from __future__ import annotations

import hashlib
import time

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws import client, credentials, sigv4
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class S3:
    """S3 as this container may use it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._credentials = credentials.find(environ)

    def get(self, bucket: str, key: str) -> bytes:
        """An object's bytes."""
        return self._call("GET", bucket, key, (), b"")

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Writes an object; S3 shows it whole or not at all."""
        self._call("PUT", bucket, key, (), body)

    def list(self, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
        """Keys below a prefix with their sizes in bytes."""
        import xml.etree.ElementTree as ET  # noqa: PLC0415 - only for listings

        token = None
        while True:
            query = [("list-type", "2"), ("prefix", prefix)] + ([("continuation-token", token)] if token else [])
            root = ET.fromstring(self._call("GET", bucket, "", query, b""))  # noqa: S314 - S3's own answer over a checked channel
            space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
            for item in root.iter(space + "Contents"):
                yield item.findtext(space + "Key") or "", int(item.findtext(space + "Size") or 0)
            token = root.findtext(space + "NextContinuationToken")
            if not token:
                return

    def _call(self, method: str, bucket: str, key: str, query: Sequence[tuple[str, str]], body: bytes) -> bytes:
        # Path style works for every bucket name and for endpoints that have one host name.
        base = client.endpoint("s3", self._environ)
        path = "/" + sigv4.quote(bucket) + ("/" + sigv4.quote(key, b"/") if key else "")
        text = sigv4.canonical_query(query)
        timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        digest = hashlib.sha256(body).hexdigest()
        headers = {"Host": base.partition("://")[2].partition("/")[0]}
        region = client.region(self._environ)
        signed = sigv4.sign(method, path, text, headers, digest, self._credentials, region, "s3", timestamp)
        url = base + path + ("?" + text if text else "")
        status, answer = client.request(method, url, signed, body, self._environ)
        if status == 200:
            return answer
        place = "s3://%s/%s" % (bucket, key or dict(query).get("prefix", ""))
        if status == 403:
            raise ShimError(
                "%s: access denied; the job's role needs s3:%s" % (place, method.title() + "Object"),
                contract.EXIT_ACCESS_DENIED,
            )
        raise ShimError("%s: S3 answered %d" % (place, status), contract.EXIT_UNAVAILABLE)
