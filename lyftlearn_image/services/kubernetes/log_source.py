"""Containers' logs as the kubelet serves them through the API: bytes, from a time on.

lightkube's own reader knows no time to begin at, and cuts lines where Python's `splitlines` does, at a progress bar's carriage
returns too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2
from lightkube.config import client_adapter
from lightkube.core.exceptions import ApiError, ConfigError

from lyftlearn_image.errors import UnavailableError
from lyftlearn_image.services.kubernetes.api_errors import api_error, unavailable_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightkube import Client

_BAD_REQUEST, _UNAUTHORIZED, _NOT_FOUND = 400, 401, 404
# What the API server and the kubelet say of a container that has no log at this moment.
_NOT_THERE_YET = ("is not available", "is waiting to start", "previous terminated container", "not found")
_CONNECT_S = 10.0
# A connection whose other end has vanished says nothing for ever; one whose job is silent is opened again at little cost.
_SILENT_S = 300.0


class NoLogError(Exception):
    """There is no log of this container now: it has not begun, or its kubelet does not know it (yet, or any more)."""


@dataclass(frozen=True)
class LogPlace:
    """Which container of which pod."""

    namespace: str
    pod: str
    container: str


class LogSource:
    """The logs of one cluster. Its connections are its own: they stay open as long as jobs run."""

    def __init__(self, client: Client) -> None:
        timeout = httpx2.Timeout(_CONNECT_S, read=_SILENT_S)
        self._http = client_adapter.Client(client.config, client_adapter.ConnectionParams(timeout=timeout))

    def read(self, place: LogPlace, *, follow: bool, since: str | None = None, previous: bool = False) -> Iterator[bytes]:
        """The log's bytes, each line with its time before it, in pieces of any size.

        `since` is a time in RFC 3339, of which whole seconds count; `previous` is for the container before it was started
        again. Raises NoLogError, UnavailableError where the stream breaks off or who asks is not known (a plugin may be asked
        again), and our other errors.
        """
        query = {"container": place.container, "timestamps": "true", "follow": str(follow).lower()}
        if since:
            query["sinceTime"] = since
        if previous:
            query["previous"] = "true"
        doing = f"reading the log of {place.pod}"
        path = f"api/v1/namespaces/{place.namespace}/pods/{place.pod}/log"
        try:
            with self._http.stream("GET", path, params=query) as response:
                if response.is_error:
                    response.read()
                    raise _refusal(response, doing)
                yield from response.iter_bytes()
        except ConfigError as error:  # a plugin that is asked for a token again, and has none at this moment
            raise UnavailableError(f"{doing}: {error}", hint="Log in to the cluster again.") from None
        except httpx2.HTTPError as error:
            raise unavailable_error(error, doing) from None

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()


def _refusal(response: httpx2.Response, doing: str) -> Exception:
    """Our error for an answer that is no log."""
    try:
        error = ApiError(request=response.request, response=response)
    except ValueError:  # of a balancer before the API server
        return UnavailableError(f"{doing}: the Kubernetes API answers {response.status_code}", hint="Try again later.")
    code, message = response.status_code, str(error.status.message or "")
    is_missing = code == _BAD_REQUEST and any(words in message for words in _NOT_THERE_YET)
    if is_missing or code == _NOT_FOUND:
        return NoLogError(message)
    if code == _UNAUTHORIZED:
        return UnavailableError(f"{doing}: the API does not know who asks", where=message, hint="Log in to the cluster again.")
    return api_error(error, doing)
