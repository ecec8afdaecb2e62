"""What the local API remembers of a job."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.sagemaker.job_kinds import Kind


@dataclass
class Record:
    """A job: its request, and the answer to Describe. `stop` is set when somebody asks for a stop.

    `trials` are the summaries of a tuning job's training jobs.
    """

    kind: Kind
    request: Mapping[str, Any]
    description: dict[str, Any]
    stop: threading.Event = field(default_factory=threading.Event)
    trials: list[dict[str, Any]] = field(default_factory=list)
    thread: threading.Thread | None = None
