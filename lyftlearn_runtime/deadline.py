"""The one limit of time for everything that is fetched before the script starts."""

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
    """Seconds, by LYFTLEARN_FETCH_TIMEOUT."""
    value = environ.get(contract.FETCH_TIMEOUT)
    try:
        seconds = float(value) if value else DEFAULT_S
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise ShimError(f"{contract.FETCH_TIMEOUT} is {value!r}; expected seconds", contract.EXIT_CONFIG)
    return seconds
