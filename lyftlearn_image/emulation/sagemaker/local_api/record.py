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

    `trials` are the training jobs of a tuning job, in the order of their beginning; of each of them `tuned` are the values that
    it tries.
    """

    kind: Kind
    request: Mapping[str, Any]
    description: dict[str, Any]
    stop: threading.Event = field(default_factory=threading.Event)
    trials: list[Record] = field(default_factory=list)
    tuned: Mapping[str, str] = field(default_factory=dict)
    thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        """The job's name."""
        return str(self.request[self.kind.name_field])

    @property
    def status(self) -> str:
        """The job's status, in the service's words."""
        return str(self.description[self.kind.status_field])
