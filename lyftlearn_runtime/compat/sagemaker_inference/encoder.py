"""Predictions as bodies."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from . import content_types, errors

if TYPE_CHECKING:
    from collections.abc import Callable


def _array_to_json(array_like: Any) -> str:
    def default(value: Any) -> Any:
        return value.tolist() if hasattr(value, "tolist") else json.JSONEncoder().default(value)

    return json.dumps(array_like, default=default)


def _array_to_npy(array_like: Any) -> bytes:
    import numpy as np  # noqa: PLC0415 - of those who import the package, few encode

    buffer = io.BytesIO()
    np.save(buffer, array_like)
    return buffer.getvalue()


def _array_to_csv(array_like: Any) -> str:
    import numpy as np  # noqa: PLC0415 - as above

    stream = io.StringIO()
    np.savetxt(stream, array_like, delimiter=",", fmt="%s")
    return stream.getvalue()


_encoder_map: dict[str, Callable[[Any], Any]] = {
    content_types.NPY: _array_to_npy,
    content_types.CSV: _array_to_csv,
    content_types.JSON: _array_to_json,
}
SUPPORTED_CONTENT_TYPES = set(_encoder_map)


def encode(array_like: Any, content_type: str | None) -> Any:
    """The body: text for JSON and CSV, bytes for NPY. UnsupportedFormatError for a type without an encoder."""
    encoder = _encoder_map.get(content_type or "")
    if encoder is None:
        raise errors.UnsupportedFormatError(content_type)
    return encoder(array_like)
