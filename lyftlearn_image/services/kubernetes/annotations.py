"""What the toolkit has written on a Job or Deployment, read by a schema: whoever may edit these may write there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import pydantic

from lyftlearn_image.aws.s3 import split_uri
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.run import State, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

OUTPUTS = "lyftlearn.dev/outputs"
OBJECTS = "lyftlearn.dev/objects"
END = "lyftlearn.dev/end"

_T = TypeVar("_T")
_STRICT = pydantic.ConfigDict(extra="forbid", frozen=True)
_S3Uri = Annotated[str, pydantic.Field(pattern=r"^s3://[^/]+/.+$", max_length=2048)]
# Names of directories, below which a job's outputs are put.
_Name = Annotated[str, pydantic.Field(pattern=r"^\w[\w.-]*$", max_length=128)]
_OUTPUTS = pydantic.TypeAdapter(dict[_Name, _S3Uri])
_OBJECTS = pydantic.TypeAdapter(list[_S3Uri])


class _End(pydantic.BaseModel):
    model_config = _STRICT

    status: Status
    phase: str
    reason: str
    exit_code: int | None
    is_waiting: bool = False


_END = pydantic.TypeAdapter(_End)


def read_outputs(document: Any) -> Mapping[str, str]:
    """Where a job leaves its artifacts: name → S3 URI. Raises InvalidInputError for what `submit` would not write."""
    return _read(document, OUTPUTS, _OUTPUTS) or {}


def read_objects(document: Any) -> list[str]:
    """The S3 URIs of what was put for this job and goes with it. Raises InvalidInputError as `read_outputs`.

    They lie in a folder of the job's name: whatever else is named there is not deleted with the rights of who deletes a job.
    """
    name = document.metadata.name
    return [uri for uri in _read(document, OBJECTS, _OBJECTS) or () if name in split_uri(uri)[1].split("/")[:-1]]


def read_end(document: Any) -> State | None:
    """The end that was written on a Job. Raises InvalidInputError as `read_outputs`."""
    end = _read(document, END, _END)
    return State(end.status, end.phase, end.reason, end.exit_code) if end else None


def read_seconds(document: Any, annotation: str) -> float | None:
    """A length of time in seconds. Raises InvalidInputError for another value."""
    text = (document.metadata.annotations or {}).get(annotation)
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        raise _unknown(document, annotation)
    return float(text)


def _read(document: Any, annotation: str, adapter: pydantic.TypeAdapter[_T]) -> _T | None:
    text = (document.metadata.annotations or {}).get(annotation)
    if not text:
        return None
    try:
        return adapter.validate_json(text)
    except pydantic.ValidationError:
        raise _unknown(document, annotation) from None


def _unknown(document: Any, annotation: str) -> InvalidInputError:
    metadata = document.metadata
    return InvalidInputError(
        f"{metadata.namespace}/{metadata.name}: its annotation {annotation} is not what `submit` writes",
        hint=f"Somebody has changed it. Without it: kubectl -n {metadata.namespace} annotate {type(document).__name__.lower()}"
        f" {metadata.name} {annotation}-",
    )
