"""A limit that a run's own reason tells of."""

from __future__ import annotations

from lyftlearn_image.run import Limit

# What ENOSPC reads in a script's exception (strerror), and the kubelet's reason for a container beyond its memory.
_WORDS = {"No space left on device": Limit.DISK, "OOMKilled": Limit.MEMORY}


def told_limit(reason: str) -> Limit | None:
    """The limit that a reason names, None for any other reason."""
    return next((limit for words, limit in _WORDS.items() if words in reason), None)
