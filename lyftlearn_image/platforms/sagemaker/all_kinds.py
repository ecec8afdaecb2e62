"""Every kind of workload that SageMaker has something for: one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.sagemaker.kinds import notebook, processing, serving, training, transform, tuning

if TYPE_CHECKING:
    from lyftlearn_image.platforms.sagemaker.kind import WorkloadKind

KINDS: dict[str, WorkloadKind] = {
    "training": training.KIND,
    "processing": processing.KIND,
    "tuning": tuning.KIND,
    "serving": serving.KIND,
    "transform": transform.KIND,
    "notebook": notebook.KIND,
}


def workload_kind(kind: str) -> WorkloadKind:
    """What there is to know of a kind. Raises InvalidInputError for one that SageMaker has nothing for."""
    if kind not in KINDS:
        raise InvalidInputError(f"SageMaker has nothing for the kind {kind}", hint=f"It has: {', '.join(KINDS)}.")
    return KINDS[kind]
