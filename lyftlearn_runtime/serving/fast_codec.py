"""JSON and CSV of plain numbers by orjson and numpy, where the result is to the last bit what the standard library's would be.

Each gives None for everything else: then `codec` does it, and says what is wrong.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

# From here on Python writes an exponent, and below the other one, too; and no integer of 64 bits is as large as this float.
_LARGEST, _SMALLEST, _INTEGERS = 1e16, 1e-4, float(1 << 63)


def from_json(text: str) -> Any:
    """An array of numbers."""
    try:
        import numpy as np  # noqa: PLC0415 - a server of own handlers may do without
        import orjson  # noqa: PLC0415 - where the image has it

        array = np.array(orjson.loads(text))
    except (ImportError, ValueError):
        return None
    if array.dtype.kind == "f":
        # orjson makes floats of integers that are too large, and Python none of a number that is.
        return array if array.ndim and array.size and bool((abs(array) < _INTEGERS).all()) else None
    return array if array.ndim and array.dtype.kind in "iub" else None


def from_csv(text: str) -> Any:
    """Rows and columns of floats: no quotes, no empty cells."""
    import numpy as np  # noqa: PLC0415 - as above

    lines = text.replace("\r\n", "\n")
    if not lines.isascii() or any(one in lines for one in '"\r_') or not lines.strip():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return np.loadtxt(io.StringIO(lines), delimiter=",", comments=None, ndmin=2)
    except (ValueError, UserWarning):
        return None


def to_json(prediction: Any) -> bytes | None:
    """An array of numbers, spelt as Python spells them."""
    try:
        import numpy as np  # noqa: PLC0415 - as above
        import orjson  # noqa: PLC0415 - as above
    except ImportError:
        return None
    if type(prediction) is not np.ndarray or not prediction.ndim or not prediction.flags.c_contiguous:
        return None
    if prediction.dtype == np.float64:
        sizes = abs(prediction)
        if not (((sizes < _LARGEST) & (sizes >= _SMALLEST)) | (sizes == 0)).all():
            return None
    elif prediction.dtype != np.int64:
        return None
    written: bytes = orjson.dumps(prediction, option=orjson.OPT_SERIALIZE_NUMPY)
    return written.replace(b",", b", ")
