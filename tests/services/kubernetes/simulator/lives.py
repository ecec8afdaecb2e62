"""What becomes of a pod: generators over its edits, of which each `yield` lets a tick pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.services.kubernetes.simulator.pods import Pod

Life = "Callable[[Pod], Iterator[None]]"
_TERMINATED = 143


def runs(
    *lines: str, code: int = 0, message: str = "", on_term: tuple[str, ...] = (), starts: int = 0
) -> Callable[[Pod], Iterator[None]]:
    """The usual life: a node, an image, these lines, an end. SIGTERM has it write `on_term` and end with 143.

    It shows every state on the way for `starts` ticks more. An element without a newline is a line all the same.
    """

    def life(pod: Pod) -> Iterator[None]:
        yield from begins(pod, starts)
        for line in lines:
            if pod.is_asked_to_end:
                break
            pod.write(line if line.endswith("\n") else f"{line}\n")
            yield
        if pod.is_asked_to_end:
            for line in on_term:
                pod.write(f"{line}\n")
                yield
            pod.exit(_TERMINATED)
        else:
            pod.exit(code, message)

    return life


def serves(*lines: str, starts: int = 0) -> Callable[[Pod], Iterator[None]]:
    """A server's life: ready when it has written its lines, until it is asked to end."""

    def life(pod: Pod) -> Iterator[None]:
        yield from begins(pod, starts, is_ready=False)
        for line in lines:
            pod.write(f"{line}\n")
            yield
        pod.ready(is_ready=True)
        while not pod.is_asked_to_end:
            yield
        pod.exit(_TERMINATED)

    return life


def begins(pod: Pod, starts: int = 0, *, is_ready: bool = True) -> Iterator[None]:
    """From no node to running containers, through every state that the kubelet shows."""
    for edit in (lambda: None, pod.schedule, pod.wait, lambda: pod.start(is_ready=is_ready)):
        if pod.is_asked_to_end:
            return
        edit()
        for _ in range(1 + starts):
            yield
