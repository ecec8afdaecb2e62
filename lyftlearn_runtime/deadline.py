"""The limits of time for what a start waits for."""

from __future__ import annotations

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_S = 30.0
# The other hosts of a job may still be pulling the image.
HOSTS_S = 300.0


def fetch_timeout(environ: Mapping[str, str]) -> float:
    """Seconds for everything that is fetched before the script starts, by LYFTLEARN_FETCH_TIMEOUT."""
    return _seconds(environ, contract.FETCH_TIMEOUT, DEFAULT_S)


def hosts_timeout(environ: Mapping[str, str]) -> float:
    """Seconds within which every host of a job must have an address, by LYFTLEARN_HOSTS_TIMEOUT."""
    return _seconds(environ, contract.HOSTS_TIMEOUT, HOSTS_S)


def grace_period(environ: Mapping[str, str], default_s: float) -> float:
    """Seconds between SIGTERM and SIGKILL, by LYFTLEARN_GRACE."""
    return _seconds(environ, contract.GRACE, default_s)


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    value = environ.get(name)
    try:
        seconds = float(value) if value else default
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise ShimError(f"{name} is {value!r}; expected seconds", contract.EXIT_CONFIG)
    return seconds
