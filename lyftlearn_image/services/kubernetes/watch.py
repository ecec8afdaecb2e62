"""Waiting for a Job by a watch: from a resourceVersion on, listed anew when the server has forgotten it, or was away.

Source: Kubernetes, "Kubernetes API Concepts", "Efficient detection of changes" and "410 Gone responses".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightkube import Client

    from lyftlearn_image.run import State
    from lyftlearn_image.services.service import Clock

_GONE = 410
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 30.0
# A server that is away for longer than a control plane's update takes is told as such.
_PATIENCE_S = 600.0
# The server closes a watch after so long, and it is opened again from where it was.
_SERVER_TIMEOUT_S = 300


def watch_until(client: Client, name: str, ask: Callable[[], State], on_state: Callable[[State], None], clock: Clock) -> State:
    """The state at the Job's end. Every event is only a reason to `ask`: what counts is what the server says now."""
    last: State | None = None
    away_since: float | None = None
    wait = _FIRST_WAIT_S

    def look() -> State:
        nonlocal last
        state = ask()
        if state != last:
            on_state(state)
            last = state
        return state

    while True:
        try:
            version = _version(client, name)
            state = look()
            if state.status is not None:
                return state
            away_since, wait = None, _FIRST_WAIT_S
            for _ in _events(client, name, version):
                state = look()
                if state.status is not None:
                    return state
        except UnavailableError as error:
            away_since = clock.now() if away_since is None else away_since
            if clock.now() - away_since > _PATIENCE_S:
                raise UnavailableError(
                    error.what, where=error.where, hint=f"The Job goes on without us: lyftlearn-image wait job/{name}"
                ) from None
            clock.sleep(wait)
            wait = min(_LONGEST_WAIT_S, wait * 2)


def _version(client: Client, name: str) -> str:
    """Where a watch is to begin."""
    from lightkube.resources.batch_v1 import Job  # noqa: PLC0415 - an extra

    from lyftlearn_image.services.kubernetes.api_errors import translated  # noqa: PLC0415 - as above

    with translated(f"asking for {name}"):
        listed = client.list(Job, fields={"metadata.name": name})
        list(listed)
        return str(listed.resourceVersion)


def _events(client: Client, name: str, version: str) -> Any:
    """Changes of the Job and of its pods' states that change the Job; ends where the list has to be made anew."""
    import httpx2  # noqa: PLC0415 - comes with lightkube, which is an extra
    from lightkube.core.exceptions import ApiError  # noqa: PLC0415 - as above
    from lightkube.resources.batch_v1 import Job  # noqa: PLC0415 - as above

    from lyftlearn_image.services.kubernetes import api_errors  # noqa: PLC0415 - as above

    try:
        yield from client.watch(Job, fields={"metadata.name": name}, resource_version=version, server_timeout=_SERVER_TIMEOUT_S)
    except ApiError as error:
        if error.status.code != _GONE:
            raise api_errors.of(error, f"watching {name}") from None
    except httpx2.HTTPError as error:
        raise api_errors.unavailable(f"watching {name}", error) from None
