"""Parts of a pod's volumes, which are looked for when their container starts, and not before.

Until then an init container makes what is mounted, and a script may put a link to anything on this machine in its place. The
engine follows links of a mount's source. So a path that leads out of its volume is refused, as the kubelet refuses it, and
from the look until the mount every other container of the pod stands still: none of them can change the path in between.
(The kubelet opens each part of the path and mounts what it has opened, which the engine does not take.) Source:
kubernetes/kubernetes pkg/volume/util/subpath.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lyftlearn_image.errors import RunError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lyftlearn_image.emulation.docker.container_spec import Mount
    from lyftlearn_image.emulation.docker.running_container import RunningContainer


@dataclass(frozen=True)
class SubPath:
    """A volumeMount with a subPath: `path` is below `directory`, which is the volume's."""

    target: str
    volume: str
    directory: Path
    path: str
    read_only: bool


class StartGate:
    """Starts the containers of one pod. Where one mounts a part of a volume, a start waits for every other start and stop.

    The kubelet does one after the other in every pod: its worker of a pod is one goroutine.
    """

    def __init__(self, resolve: Callable[[SubPath], Mount]) -> None:
        self._resolve = resolve
        self._turn = threading.Condition()
        self._is_starting = False
        self._stopping = 0
        self._running: set[RunningContainer] = set()
        self._is_needed = False

    def expect(self, sub_paths: tuple[SubPath, ...]) -> None:
        """Says, before anything has started, what a container is going to mount."""
        self._is_needed = self._is_needed or bool(sub_paths)

    @contextlib.contextmanager
    def start(
        self, sub_paths: tuple[SubPath, ...], start: Callable[[tuple[Mount, ...]], AbstractContextManager[RunningContainer]]
    ) -> Iterator[RunningContainer]:
        """A container that `start` starts with further mounts, until it is removed.

        ContainerConfigError for a path that leads out of its volume. UnsupportedError where the engine cannot hold the pod's
        other containers still.
        """
        started: list[RunningContainer] = []
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: self._running.difference_update(started))
            with self._alone(), self._others_frozen() if sub_paths else contextlib.nullcontext():
                container = stack.enter_context(start(tuple(map(self._resolve, sub_paths))))
                started.append(container)
                self._running.add(container)
            yield container

    @contextlib.contextmanager
    def stop(self) -> Iterator[None]:
        """A block in which no container starts, for a stop: the engine lets a frozen container go on for its signal."""
        with self._turn:
            self._turn.wait_for(lambda: not (self._is_needed and self._is_starting))
            self._stopping += 1
        try:
            yield
        finally:
            with self._turn:
                self._stopping -= 1
                self._turn.notify_all()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._turn:
            self._turn.wait_for(lambda: not (self._is_needed and (self._is_starting or self._stopping)))
            self._is_starting = True
        try:
            yield
        finally:
            with self._turn:
                self._is_starting = False
                self._turn.notify_all()

    @contextlib.contextmanager
    def _others_frozen(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for container in tuple(self._running):
                try:
                    container.pause()
                except RunError as error:
                    if container.wait(0) is not None:
                        continue
                    raise UnsupportedError(
                        "a subPath beside a container that runs: the engine cannot hold that one still while it is mounted",
                        where=error.where,
                        hint="Run it on a rootful engine, or mount the whole volume.",
                    ) from None
                stack.callback(container.unpause)
            yield
