"""Several waits at the same time: what is fetched waits for others most of its time."""

from __future__ import annotations

import threading
import time

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

# More would only wait for each other at the other end, and for this machine's own encryption.
WORKERS = 16
# Who works stops by itself at the deadline; what still does not answer then (a name server) is left behind.
_PATIENCE_S = 1.0


def map_items(items: Sequence[Any], work: Callable[[Any], Any], deadline: float) -> dict[Any, Any]:
    """What `work` gives for each item, or the ShimError that it raised; those that are late have one, too."""
    late = ShimError("there was no answer in time", contract.EXIT_UNAVAILABLE)
    found: dict[Any, Any] = dict.fromkeys(items, late)
    pending = list(reversed(items))

    def run() -> None:
        while pending:
            try:
                one = pending.pop()
            except IndexError:
                return  # another thread was faster
            found[one] = _done(work, one)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(WORKERS, len(items)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline + _PATIENCE_S - time.monotonic()))
    return dict(found)


def _done(work: Callable[[Any], Any], one: Any) -> Any:
    try:
        return work(one)
    except ShimError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a fault of ours, told without a text that may hold a value
        return ShimError(f"the source failed: {type(error).__name__}", contract.EXIT_UNAVAILABLE)
