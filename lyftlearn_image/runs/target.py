"""A place where a compiled workload runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lyftlearn_image.platforms.launch import Compiled, TargetName
    from lyftlearn_image.run import Run, StopRequest


class Target(Protocol):
    """A place where a workload can run. One instance serves many runs, from several threads at once."""

    name: TargetName

    def run(
        self,
        compiled: Compiled,
        *,
        workspace: Path,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
        on_phase: Callable[[str], None] | None = None,
    ) -> Run:
        """Carries the request out and collects what it left, below `workspace` (an empty directory of its own).

        `on_line` gets every stdout line as it comes, `on_phase` what the platform makes of the run: its own words, and
        `attempt 2 of 3` where it starts a failed one again. Raises UnsupportedError for a field that is not implemented,
        InvalidInputError for a request that the service would refuse, UnavailableError when the engine goes away.
        """
