"""The kinds of workload: one line here for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.workload.base import Workload
from lyftlearn_image.workload.jobs import Processing, Training, Tuning
from lyftlearn_image.workload.services import Notebook, Serving, Transform

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS: Mapping[str, type[Workload]] = {
    "training": Training,
    "processing": Processing,
    "tuning": Tuning,
    "serving": Serving,
    "transform": Transform,
    "notebook": Notebook,
}
Workload.set_members(KINDS)


def json_schema() -> dict[str, Any]:
    """The JSON schema of a workload file, for editors."""
    return Workload.model_json_schema()
