"""How large may be what a container leaves: what is larger is cut and told, or not taken at all."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Limits:
    """The limits of one run of a container; each is far above what a job that is compared has use for.

    `log_bytes` are those of each of stdout and stderr that are kept. `artifact_bytes` and `artifact_files` are those of all
    that a job leaves, as its files say (a sparse file counts whole).
    """

    log_bytes: int = 128 << 20
    artifact_bytes: int = 3 << 30
    artifact_files: int = 50_000


# For what is somebody's own, such as the model of a job on a service.
UNLIMITED = Limits(log_bytes=sys.maxsize, artifact_bytes=sys.maxsize, artifact_files=sys.maxsize)
# For a job of one's own on this machine: a script that prints in a loop does not fill its disk.
HERE = replace(UNLIMITED, log_bytes=1 << 30)


def format_bytes(size: int) -> str:
    """Such as `3.0 GiB`."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:  # noqa: PLR2004 - of one unit to the next
            break
        amount, unit = amount / 1024, larger
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"
