"""A limit that ended the run on one side alone: it decided what came out, and not the script."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lyftlearn_image.run import Run


def describe_limit(runs: Sequence[Run]) -> str:
    """Which limit ended one run, what the other one took, and which key to raise; empty where a limit decided nothing.

    Where both were ended by one, they were ended alike.
    """
    limited = [run for run in runs if run.limit]
    others = [run for run in runs if not run.limit]
    if len(limited) != 1 or len(others) != 1:
        return ""
    (ended,), (other,) = limited, others
    limit = ended.limit
    if limit is None:
        return ""
    return (
        f"the limit decided, not the script: {ended.target} ended its run after {_ran_s(ended):.0f} s by its limit of"
        f" {limit.what}, and {other.target}, which took {_ran_s(other):.0f} s, did not; raise {limit.key(ended.target)}"
    )


def is_out_of_time(runs: Sequence[Run]) -> bool:
    """Whether one run alone was ended by a limit of time: a faster or an idle machine would have decided otherwise."""
    return bool(describe_limit(runs)) and any(run.limit is not None and run.limit.is_of_time for run in runs)


def _ran_s(run: Run) -> float:
    return (run.timings.startup_s or 0.0) + run.timings.script_s
