"""Which of several hosts failed first: its exit code, its reason and its output tell why the job failed.

The others mostly fail because of it: they lose their peer, or their platform ends them (143, 137).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# A shell's and an engine's code for a process that a signal has ended begins here.
_SIGNALLED = 128


@dataclass(frozen=True)
class Attempt:
    """How one attempt of a host ended. `ended_at` is in seconds of any one clock.

    `is_ended_by_platform`: it was stopped because another host had failed, or because somebody asked.
    """

    host: int
    exit_code: int
    ended_at: float
    is_failed: bool
    is_ended_by_platform: bool = False


def first_failure(attempts: Sequence[Attempt]) -> int:
    """The index of the attempt that decided a job: of the host that failed first, its last attempt.

    A host that succeeded later, in another attempt, decided nothing. Where nobody has failed by himself, it is the lowest
    host that was ended with an error, else the lowest.
    """
    recovered = {attempt.host for attempt in attempts if not attempt.is_failed}
    own = [
        index
        for index, attempt in enumerate(attempts)
        if attempt.is_failed and not attempt.is_ended_by_platform and attempt.host not in recovered
    ]
    if not own:
        return min(range(len(attempts)), key=lambda index: (not attempts[index].is_failed, attempts[index].host, -index))
    # Clocks of a service count whole seconds: of two that ended in the same one, a signal is the likelier consequence.
    first = min(own, key=lambda index: (attempts[index].ended_at, attempts[index].exit_code >= _SIGNALLED))
    same_host = [index for index in own if attempts[index].host == attempts[first].host]
    return max(same_host, key=lambda index: (attempts[index].ended_at, index))
