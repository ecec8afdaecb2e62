"""Waiting for a Job by a watch: from a resourceVersion on, listed anew when the server has forgotten it, or was away.

Source: Kubernetes, "Kubernetes API Concepts", "Efficient detection of changes" and "410 Gone responses".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.errors import UnavailableError
from lyftlearn_image.retry import Backoff, Waits

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.retry import Clock
    from lyftlearn_image.run import State
    from lyftlearn_image.services.kubernetes.api import ClusterApi

# A server that is away for longer than a control plane's update takes is an error.
_SERVER_AWAY = Backoff(first_s=1.0, longest_s=30.0, deadline_s=600.0)


def watch_until_ended(
    api: ClusterApi, name: str, ask: Callable[[], State], on_state: Callable[[State], None], clock: Clock
) -> State:
    """The state at the Job's end; `on_state` gets every change.

    Every event is only a reason to `ask`: what counts is what the server says now. Raises UnavailableError when the server
    does not come back.
    """
    waits, last = Waits(_SERVER_AWAY, clock), None

    def look() -> State:
        nonlocal last
        state = ask()
        if state != last:
            on_state(state)
            last = state
        return state

    while True:
        try:
            version = api.job_version(name)
            state = look()
            waits.reset()
            if state.status is not None:
                return state
            for _ in api.job_events(name, version):
                state = look()
                if state.status is not None:
                    return state
        except UnavailableError as error:
            if not waits.sleep():
                hint = f"The Job goes on without us: lyftlearn-image wait job/{name}"
                raise UnavailableError(error.what, where=error.where, hint=hint) from None
