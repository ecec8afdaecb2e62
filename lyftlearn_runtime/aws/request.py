"""A request and its response as values, and the parts of a URL."""

from __future__ import annotations

from lyftlearn_runtime.frozen import namedtuple

# Path and query of `url` are encoded; `body` is bytes, or a FileRange whose size is the header Content-Length.
Request = namedtuple("Request", ["method", "url", "headers", "body"])
# `body` is b"" where it went to a file.
Response = namedtuple("Response", ["status", "body", "headers"])


def split_url(url: str) -> tuple[str, str, str]:
    """Scheme, host with port, and path with query of a URL."""
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].partition("?")[0]
    path = rest[len(host) :]
    return scheme, host, path if path.startswith("/") else "/" + path


def origin(url: str) -> str:
    """Scheme and host alone: a path or a query may say more than a log should hold."""
    return "/".join(url.split("/")[:3])
