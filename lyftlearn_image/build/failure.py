"""What is told of a build that failed: its cause in one line where that is no step's own, else the step and its last words."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from lyftlearn_image.build.causes import find_cause, find_silent_proxy
from lyftlearn_image.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

    from lyftlearn_image.build.progress import BuildOutput, Step
    from lyftlearn_image.errors import LyftlearnError

_SHOWN_LINES = 15
# The step that brings an image, as in `[builder 1/4] FROM docker.io/library/debian`.
_FROM = re.compile(r"\[[^]]*\] FROM ")
# Words in a failed step's output → what to do about it.
_HINTS = (
    (r"certificate verify failed|self.signed certificate", "A CA is missing: give the company's bundle with --ca-bundle."),
    (r"DO NOT MATCH THE HASHES", "A package is not the one that was locked: lyftlearn-image lock CLASS, and look at the diff."),
    (
        r"No matching distribution|ResolutionImpossible",
        "The index lacks what the lock names: check pip's or uv's index settings.",
    ),
    (
        r"Could not resolve|Temporary failure|Name or service not known|Connection timed out|Network is unreachable",
        "A host cannot be reached from the build: check HTTPS_PROXY, apt's mirror, the package index.",
    ),
    (r"Unable to locate package|has no installation candidate", "Debian has no such package: check `apt` in image.yaml."),
)


def failure(image: str, output: BuildOutput, log: Path, engine_root: str) -> LyftlearnError:
    """The error for a failed build: UnavailableError, InvalidInputError or BuildError, with the log's path."""
    step = output.failed
    lines = [line for line in output.tail(step) if line.strip()]
    is_a_step = step is not None and not step.is_internal and not _FROM.match(step.name)
    words = [*([step.name, step.detail] if step else []), *lines, *([] if is_a_step else output.tail(None))]
    said = "\n".join(words)
    if cause := find_cause(said, os.environ, engine_root, is_a_step=is_a_step) or find_silent_proxy(said, os.environ):
        return cause.error(f"the build's log is {log}")
    lines = lines[-_SHOWN_LINES:]
    if step and not lines:
        lines = [step.detail]
    text = "\n".join(lines)
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, text)), "The log has all that the build said.")
    what = f"building {image} failed" + (f" in step {_shortened(step)}" if step else "")
    return BuildError(what, where="\n".join([str(log), *(f"    {line}" for line in lines)]), hint=hint)


def _shortened(step: Step) -> str:
    room = 160
    return step.name if len(step.name) <= room else f"{step.name[: room - 1]}…"
