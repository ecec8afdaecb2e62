"""What the Kubernetes API says went wrong, as our errors: what, where, and what to do next."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import httpx2
import msgspec
from lightkube.core.exceptions import ApiError, ConfigError

from lyftlearn_image.errors import InvalidInputError, LyftlearnError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

# As the API server words it: User "x" cannot create resource "jobs" in API group "batch" in the namespace "y". A 403 without
# these words comes from admission: a quota, a limit range, a policy, a webhook, a namespace that is being deleted.
_FORBIDDEN = re.compile(
    r'(?:\S+(?: "[^"]*")? is )?forbidden: User "[^"]*" cannot (?P<verb>\w+) (?:resource|path) "(?P<resource>[^"]+)"'
)
_SHOWN_CHARACTERS = 500
# Too Many Requests is API Priority and Fairness; the others come from balancers before a server (kubernetes.io/docs).
# 500 is what it says when etcd has lost its leader.
_BUSY = (429, 500, 502, 503, 504)


@contextlib.contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Turns lightkube's errors into ours, which begin with `doing`."""
    try:
        yield
    except ApiError as error:
        raise api_error(error, doing) from None
    except ConfigError as error:
        raise InvalidInputError(f"{doing}: {error}", hint="Check KUBECONFIG and the context's name.") from None
    except httpx2.HTTPError as error:
        raise unavailable_error(error, doing) from None
    except msgspec.DecodeError as error:
        raise UnavailableError(
            f"{doing}: the Kubernetes API gives an answer that is not understood", where=str(error)[:_SHOWN_CHARACTERS],
            hint="Something between may answer in its place; `kubectl get -o yaml` shows it.",
        ) from None  # fmt: skip


def is_transient(error: Exception) -> bool:
    """Whether the server will take the same request a little later: it is busy, restarting, or behind a balancer that is."""
    if isinstance(error, ApiError):
        return error.status.code in _BUSY
    if isinstance(error, httpx2.HTTPStatusError):  # of a balancer, in plain text
        return error.response.status_code in _BUSY
    return isinstance(error, httpx2.TransportError)


def unavailable_error(error: Exception, doing: str) -> UnavailableError:
    """For a server that cannot be reached, or that went away."""
    message = str(error)[:_SHOWN_CHARACTERS] or type(error).__name__
    return UnavailableError(f"{doing}: the Kubernetes API does not answer", where=message, hint="Check the context's server.")


def api_error(error: ApiError, doing: str) -> LyftlearnError:
    """Our error for a Status of the API."""
    code, message = error.status.code, str(error.status.message or "")[:_SHOWN_CHARACTERS]
    if code == 401:  # noqa: PLR2004 - HTTP's own number, as those below
        return InvalidInputError(f"{doing}: the API does not know who asks", where=message, hint="Log in to the cluster again.")
    if code == 403:  # noqa: PLR2004
        forbidden = _FORBIDDEN.match(message)
        if forbidden is None:
            return InvalidInputError(
                f"{doing}: the cluster refuses it: {message or code}",
                hint="It is no matter of permissions: ask who has set the quota or the policy that it names.",
            )
        return InvalidInputError(
            f"{doing}: access denied: it needs {forbidden['verb']} on {forbidden['resource']}",
            where=message,
            hint="Give the identity this permission; `lyftlearn-image permissions WORKLOAD` prints the Role.",
        )
    if code == 429 or (code or 500) >= 500:  # noqa: PLR2004
        return UnavailableError(f"{doing}: the Kubernetes API answers {code}", where=message, hint="Try again later.")
    return InvalidInputError(f"{doing}: {message or code}")
