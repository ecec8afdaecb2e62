"""What the Kubernetes API says went wrong, as our errors: what, where, and what to do next."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from lyftlearn_image.errors import InvalidInputError, LyftlearnError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightkube.core.exceptions import ApiError

# As the API server words it: User "x" cannot create resource "jobs" in API group "batch" in the namespace "y".
_FORBIDDEN = re.compile(r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)"(?: in API group "(?P<group>[^"]*)")?')
_SHOWN_CHARACTERS = 500


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turns lightkube's errors into ours; `doing` is told first."""
    import httpx2  # noqa: PLC0415 - comes with lightkube, which is an extra
    from lightkube.core.exceptions import ApiError, ConfigError  # noqa: PLC0415 - as above

    try:
        yield
    except ApiError as error:
        raise of(error, doing) from None
    except ConfigError as error:
        raise InvalidInputError(f"{doing}: {error}", hint="Check KUBECONFIG and the context's name.") from None
    except httpx2.HTTPError as error:
        raise unavailable(doing, error) from None


def unavailable(doing: str, error: Exception) -> UnavailableError:
    """For a server that cannot be reached, or that went away."""
    said = str(error)[:_SHOWN_CHARACTERS] or type(error).__name__
    return UnavailableError(f"{doing}: the Kubernetes API does not answer", where=said, hint="Check the context's server.")


def of(error: ApiError, doing: str) -> LyftlearnError:
    """Our error for a Status of the API."""
    code, message = error.status.code, str(error.status.message or "")[:_SHOWN_CHARACTERS]
    if code == 401:  # noqa: PLR2004 - HTTP's own number, as those below
        return InvalidInputError(f"{doing}: the API does not know who asks", where=message, hint="Log in to the cluster again.")
    if code == 403:  # noqa: PLR2004
        found = _FORBIDDEN.search(message)
        needs = f": it needs {found['verb']} on {found['resource']}" if found else ""
        return InvalidInputError(
            f"{doing}: access denied{needs}",
            where=message,
            hint="Give the identity this permission; `lyftlearn-image permissions WORKLOAD` prints the Role.",
        )
    if code == 429 or (code or 500) >= 500:  # noqa: PLR2004
        return UnavailableError(f"{doing}: the Kubernetes API answers {code}", where=message, hint="Try again later.")
    return InvalidInputError(f"{doing}: {message or code}")
