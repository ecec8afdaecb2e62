"""A team's Dockerfile: its packages and its code on a LyftLearn image; and what stays out of the build."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CODE = "/opt/ml/code/"
_IGNORED = """\
# What no image needs: reports of `lyftlearn-image parity run`, and what tools keep here.
parity-report/
.lyftlearn/
.git/
.venv/
venv/
**/__pycache__/
**/.ipynb_checkpoints/
.env
.env.*
"""
_FROM = re.compile(r"^\s*FROM\s+(?:--platform=\S+\s+)?(\S+)", re.IGNORECASE | re.MULTILINE)


def dockerfile(base: str, *, requirements: str | None, source: str = ".", places: Sequence[str] = ()) -> str:
    """The text. `source` is the directory of the code; `places` are others than /opt/ml/code where commands expect it."""
    lines = [f"FROM {base}"]
    if requirements:
        # Before the code, so that a change of a script does not install everything again.
        lines += [
            _copy(requirements, "/tmp/requirements.txt"),  # noqa: S108 - in a layer of the build
            "RUN pip install --no-cache-dir --root-user-action=ignore -r /tmp/requirements.txt",
        ]
    for place in (CODE, *places):
        lines.append(_copy(f"{source}/" if source != "." else ".", place))
    return "\n".join(lines) + "\n"


def _copy(source: str, place: str) -> str:
    return f"COPY {source} {place}" if not re.search(r"\s", source + place) else f"COPY {json.dumps([source, place])}"


def dockerignore(names: Sequence[str]) -> str:
    """The text; `names` are the files around the code that were written, and data that a job gets by a channel."""
    return _IGNORED + "".join(f"{name}\n" for name in names)


def last_base(text: str) -> str:
    """The image that the last stage of a Dockerfile stands on, empty where it names none."""
    found = _FROM.findall(text)
    return str(found[-1]) if found else ""
