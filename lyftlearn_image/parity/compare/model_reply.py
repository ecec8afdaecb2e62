"""What comes out of a container in which a model was opened, read by a schema: a model can write anything."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lyftlearn_image.errors import RunError

_Text = Annotated[str, Field(max_length=2000)]
_Shape = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=32)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ArrayResult(_Data):
    """Numbers, texts or times, as the bytes of an array."""

    kind: Literal["array"]
    dtype: str = Field(pattern=r"^[<>|=][biufcmMSU]\d{1,6}(\[\d{0,6}[a-zA-Z]{1,7}\])?$")
    shape: _Shape
    base64: str


class ItemsResult(_Data):
    """Objects one by one, each as its type and its text."""

    kind: Literal["items"]
    shape: _Shape
    items: tuple[str, ...]


class PartsResult(_Data):
    """What has parts: a sparse matrix, a table, a list of lists."""

    kind: Literal["sparse matrix", "table", "list"]
    shape: _Shape = ()
    parts: dict[str, Result]


Result = Annotated[ArrayResult | ItemsResult | PartsResult, Field(discriminator="kind")]


class ModelPredictions(_Data):
    """What one model predicted: `model` is its place in a bundle, `rows` what it predicted on."""

    model: _Text
    rows: _Text
    values: dict[_Text, Result]
    failed: dict[_Text, _Text]


class Reply(_Data):
    """The whole answer of one container."""

    models: tuple[ModelPredictions, ...] = ()
    error: _Text = ""


def read_reply(text: bytes) -> Reply:
    """The answer of a container. Raises RunError for one that says that it failed, or that is none."""
    try:
        reply = Reply.model_validate_json(text)
    except (ValidationError, RecursionError):
        raise RunError("what came out of the container is no list of predictions") from None
    if reply.error or not reply.models:
        raise RunError(reply.error or "it predicted nothing")
    return reply
