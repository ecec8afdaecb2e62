"""Bodies as arrays."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from . import content_types, errors

if TYPE_CHECKING:
    from collections.abc import Callable


def _json_to_numpy(string_like: Any, dtype: Any = None) -> Any:
    import numpy as np  # noqa: PLC0415 - of those who import the package, few decode

    return np.array(json.loads(string_like), dtype=dtype)


def _csv_to_numpy(string_like: str, dtype: Any = None) -> Any:
    import numpy as np  # noqa: PLC0415 - as above

    return np.genfromtxt(io.StringIO(string_like), dtype=dtype, delimiter=",")


def _npy_to_numpy(npy_array: bytes) -> Any:
    """An array. Unlike the original no pickle: one in a request would be code of the client's."""
    import numpy as np  # noqa: PLC0415 - as above

    return np.load(io.BytesIO(npy_array), allow_pickle=False)


def _npz_to_sparse(npz_bytes: bytes) -> Any:
    import scipy.sparse  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

    return scipy.sparse.load_npz(io.BytesIO(npz_bytes))


_decoder_map: dict[str, Callable[[Any], Any]] = {
    content_types.NPY: _npy_to_numpy,
    content_types.CSV: _csv_to_numpy,
    content_types.JSON: _json_to_numpy,
    content_types.NPZ: _npz_to_sparse,
}


def decode(obj: Any, content_type: str | None) -> Any:
    """The body as an array, or as a sparse matrix. UnsupportedFormatError for a type without a decoder."""
    decoder = _decoder_map.get(content_type or "")
    if decoder is None:
        raise errors.UnsupportedFormatError(content_type)
    return decoder(obj)
