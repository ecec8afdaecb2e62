"""What a real service does beside what every target does: jobs that outlive the client, and are found again by name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lyftlearn_image.errors import UnsupportedError
from lyftlearn_image.retry import Backoff, Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.platforms.launch import Compiled, TargetName
    from lyftlearn_image.retry import Clock
    from lyftlearn_image.run import Run, State, StopRequest
    from lyftlearn_image.workload import Workload

_DIGEST_CHARACTERS = 12
_STATE_POLLS = Backoff(first_s=2.0, longest_s=30.0, factor=1.5)


@dataclass(frozen=True)
class Address:
    """Where a server is reached: beside it by `url`, and from here by `local_url` once the command `forward` runs."""

    url: str
    forward: str
    local_url: str


@dataclass(frozen=True)
class Followed:
    """Who stops a run, and who gets its lines and phases: the arguments of Target.run."""

    stop: StopRequest | None
    on_line: Callable[[str], None] | None
    on_phase: Callable[[str], None] | None


class Service(Protocol):
    """A platform's own API. A job is named by its `id`, from any client and at any later time.

    It is `<kind>/<name>`, and on Kubernetes `<kind>/<namespace>/<name>`.

    `s3` is where the jobs' data and outputs are.
    """

    name: TargetName
    s3: S3Client

    def submit(self, compiled: Compiled) -> str:
        """Sends the request and gives the job's id; the same request again gives the same job."""

    def state(self, job: str) -> State:
        """Where a job is."""

    def wait(self, job: str, on_state: Callable[[State], None]) -> State:
        """The state at the job's end; `on_state` gets every change."""

    def logs(
        self,
        job: str,
        *,
        follow: bool,
        on_state: Callable[[State], None] | None = None,
        on_cut: Callable[[str], None] | None = None,
        keep: bool = False,
    ) -> Iterator[str]:
        """The lines that the job has written; with `follow` until its end. `on_state` gets the states seen meanwhile.

        `on_cut` is told what is missing, where the platform has not kept all. With `keep`, what is read is what `collect`
        then gives, also where the platform has it no more.
        """

    def stop(self, job: str) -> None:
        """Asks for the job to be stopped; one that has ended is left as it is, and what it has done is kept."""

    def delete(self, job: str) -> None:
        """Deletes the job with all that was made for it, save its outputs.

        Raises UnsupportedError where its platform keeps it.
        """

    def address(self, job: str) -> Address | None:
        """Where a server is reached; None for what is none, and for what the platform's own API calls."""

    def collect(self, job: str, workspace: Path) -> Run:
        """What an ended job has left, below `workspace`."""

    def run(
        self,
        compiled: Compiled,
        *,
        workspace: Path,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
        on_phase: Callable[[str], None] | None = None,
    ) -> Run:
        """All of it; see Target.run."""

    def close(self) -> None:
        """Closes the connections: a watch or a log that is not read to its end keeps its own."""


def job_name(workload: Workload, target: str, s3_prefix: str, again: str = "") -> str:
    """A name from the content: who submits the same workload twice, or after a crash, meets the same job.

    `again` is any word that makes it another job.
    """
    content = [workload.model_dump(mode="json"), target, s3_prefix, again]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{workload.name}-{digest[:_DIGEST_CHARACTERS]}"


def poll_until_ended(ask: Callable[[], State], on_state: Callable[[State], None], clock: Clock) -> State:
    """Asks until the end, more seldom the longer nothing changes; `on_state` gets every change.

    boto3's waiters would ask as well, and tell nothing of what comes before the end.
    """
    waits, last = Waits(_STATE_POLLS, clock), None
    while True:
        state = ask()
        if state != last:
            on_state(state)
            last = state
            waits.reset()
        if state.status is not None:
            return state
        waits.sleep()


def run_to_end(
    service: Service,
    compiled: Compiled,
    workspace: Path,
    followed: Followed,
) -> Run:
    """Submits, follows the log, stops when asked to, waits and collects."""
    stop, on_line, on_phase = followed.stop, followed.on_line, followed.on_phase
    if stop and stop.is_interruption:
        raise UnsupportedError(
            "the hosts of a real service cannot be taken away from here", hint="Run the case on the embedded targets."
        )
    job = service.submit(compiled)

    def on_state(state: State) -> None:
        if on_phase:
            on_phase(state.attempt or state.phase)

    if (stop and stop.when) or on_line:
        is_stopped = False
        for line in service.logs(job, follow=True, keep=True, on_state=on_state):
            if on_line:
                on_line(line)
            matches = stop and stop.when and stop.when.search(line)
            if stop and matches and not is_stopped:
                service.stop(job)
                is_stopped = True
                stop.asked.set()
    service.wait(job, on_state)
    return service.collect(job, workspace)
