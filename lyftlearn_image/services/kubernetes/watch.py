"""Waiting for a Job by a watch: from a resourceVersion on, listed anew when the server has forgotten it, or was away.

Source: Kubernetes, "Kubernetes API Concepts", "Efficient detection of changes" and "410 Gone responses".
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from lyftlearn_image.errors import UnavailableError
from lyftlearn_image.retry import Backoff, Waits
from lyftlearn_image.services.kubernetes.job_state import STOPPING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.retry import Clock
    from lyftlearn_image.run import State
    from lyftlearn_image.services.kubernetes.api import ClusterApi
    from lyftlearn_image.services.kubernetes.job_id import JobId

# A server that is away for longer than a control plane's update takes is an error.
_SERVER_AWAY = Backoff(first_s=1.0, longest_s=30.0, deadline_s=600.0)
# What a pod waits for changes without a change of its Job.
_WAITING_POLLS = Backoff(first_s=1.0, longest_s=10.0, factor=1.5)


def watch_until_ended(
    api: ClusterApi, job: JobId, ask: Callable[[], State], on_state: Callable[[State], None], clock: Clock
) -> State:
    """The state at the Job's end; `on_state` gets every change.

    Every event is only a reason to `ask`: what counts is what the server says now. While nothing of the Job runs it is asked
    again and again instead. Raises UnavailableError when the server does not come back.
    """
    away, polls, last = Waits(_SERVER_AWAY, clock), Waits(_WAITING_POLLS, clock), None

    def look() -> State:
        nonlocal last
        state = ask()
        if state != last:
            on_state(state)
            last = state
            polls.reset()
        return state

    while True:
        try:
            state = look()
            if not _is_quiet(state):
                state = _watch_changes(api, job.name, look)
            away.reset()
            if state.status is not None:
                return state
            if _is_quiet(state):
                polls.sleep()
        except UnavailableError as error:
            if not away.sleep():
                hint = f"The Job goes on without us: lyftlearn-image wait {job}"
                raise UnavailableError(error.what, where=error.where, hint=hint) from None


def _watch_changes(api: ClusterApi, name: str, look: Callable[[], State]) -> State:
    """The state after which no watch is needed, or where the watch was closed."""
    version = api.job_version(name)
    # What changed before that version is no event.
    state = look()
    if state.status is None and not _is_quiet(state):
        with contextlib.closing(api.job_events(name, version)) as events:
            for _ in events:
                state = look()
                if state.status is not None or _is_quiet(state):
                    break
    return state


def _is_quiet(state: State) -> bool:
    """Whether what comes next may be no change of the Job."""
    return state.status is None and (state.is_waiting or state.phase == STOPPING)
