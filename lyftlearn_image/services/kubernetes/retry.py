"""Asking a busy API server again: as often as is decent, and later each time."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.services.service import Clock

_T = TypeVar("_T")
# Too Many Requests is API Priority and Fairness; the others come from balancers before a server (kubernetes.io/docs).
_BUSY = (429, 502, 503, 504)
_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)


def patiently(ask: Callable[[], _T], clock: Clock) -> _T:
    """What `ask` gives. It may be called several times, so it must be harmless to ask twice. Raises its last error."""
    from lightkube.core.exceptions import ApiError  # noqa: PLC0415 - an extra

    for pause_s in _PAUSES_S:
        try:
            return ask()
        except ApiError as error:
            if error.status.code not in _BUSY:
                raise
            clock.sleep(random.uniform(pause_s / 2, pause_s))  # noqa: S311 - jitter, no secret
    return ask()
