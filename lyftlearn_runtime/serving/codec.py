"""JSON, CSV and NPY, in and out: what a handler that the team has not written does."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
from typing import TYPE_CHECKING, Any

from lyftlearn_runtime.serving import fast_codec
from lyftlearn_runtime.serving.errors import RequestError
from lyftlearn_runtime.serving.settings import JSON

if TYPE_CHECKING:
    from collections.abc import Callable

CSV = "text/csv"
NPY = "application/x-npy"
NPZ = "application/x-npz"
_IN = (JSON, CSV, NPY, NPZ)
_OUT = (JSON, CSV, NPY)
# Bodies that input_fn gets as text (inference toolkit, content_types.UTF8_TYPES).
_TEXT = (JSON, CSV)


def media_type(header: str) -> str:
    """A type without its parameters."""
    return header.partition(";")[0].strip().lower()


def text_or_bytes(content: bytes, content_type: str) -> str | bytes:
    """What input_fn gets: text for JSON and CSV, bytes for everything else. RequestError 400 when it is not UTF-8."""
    if content_type not in _TEXT and media_type(content_type) not in _TEXT:
        return content
    try:
        # Without a mark the plain codec is the same, and in C.
        return content.decode("utf-8-sig" if content[:3] == codecs.BOM_UTF8 else "utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(400, f"the body is not UTF-8: byte {error.start}") from None


def decode(body: str | bytes, content_type: str) -> Any:
    """The body as a numpy array of one row at least, or as a sparse matrix, or for another archive as a dictionary of arrays.

    RequestError 415 for another type, 400 for a body that is not of its type or has no rows.
    """
    kind = media_type(content_type)
    if kind not in _IN:
        raise RequestError(415, f"Content-Type is {kind or 'missing'}; expected one of {', '.join(_IN)}")
    try:
        decoded = _DECODERS[kind](body)
    except json.JSONDecodeError as error:
        raise RequestError(400, f"the body is not JSON: line {error.lineno}, column {error.colno}") from None
    except Exception:  # noqa: BLE001 - whatever the readers of foreign formats raise, these are the client's bytes
        # Their texts quote the body.
        raise RequestError(400, f"the body is not an array of numbers in {kind}") from None
    if 0 in getattr(decoded, "shape", ()):
        raise RequestError(400, "the body has no rows" if decoded.shape[0] == 0 else "the rows of the body have no columns")
    return decoded


def encode(prediction: Any, accept: str) -> tuple[bytes, str]:
    """The prediction's bytes and their type. RequestError 406 when none of the accepted types can be written."""
    kind = negotiate(accept)
    return _ENCODERS[kind](prediction), kind


def negotiate(accept: str) -> str:
    """The type to answer with: what the client likes best of what can be written. RequestError 406 when there is none."""
    ranked = sorted(_ranges(accept), key=lambda one: -one[1])
    for pattern, quality in ranked:
        for kind in _OUT:
            if quality > 0 and pattern in {kind, kind.partition("/")[0] + "/*", "*/*"}:
                return kind
    raise RequestError(406, f"cannot answer with what Accept names; expected one of {', '.join(_OUT)}")


def _ranges(accept: str) -> list[tuple[str, float]]:
    """Media ranges and their quality (RFC 9110, 12.5.1)."""
    found = []
    for item in accept.split(","):
        quality = 1.0
        for parameter in item.split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        found.append((media_type(item), quality))
    return found


def _from_json(text: str) -> Any:
    quick = fast_codec.from_json(text)
    if quick is not None:
        return quick
    import numpy as np  # noqa: PLC0415 - a server of own handlers may do without

    # Python alone takes NaN and Infinity, which are no JSON, and makes infinity of a number that is too large.
    array = np.array(json.loads(text, parse_constant=_refuse_constant, parse_float=_finite_float))
    if array.dtype == object:
        raise ValueError("not rectangular")
    if array.ndim == 0:
        raise ValueError("not an array")
    return array


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("too large a number")
    return number


def _from_csv(text: str) -> Any:
    """Always rows and columns. An empty cell is a missing value; numpy's own reader would make one of every word, too."""
    quick = fast_codec.from_csv(text)
    if quick is not None:
        return quick
    import numpy as np  # noqa: PLC0415 - as above

    cells = [row for row in csv.reader(io.StringIO(text)) if row]
    rows = [[_cell(cell.strip()) for cell in row] for row in cells]
    return np.array(rows, dtype=float) if rows else np.empty((0, 0))


def _cell(text: str) -> float:
    """A number, NaN for an empty cell. Python alone takes 1_000 and the digits of other scripts."""
    if "_" in text or not text.isascii():
        raise ValueError("not a number")
    return float(text) if text else math.nan


def _from_npy(content: bytes) -> Any:
    import numpy as np  # noqa: PLC0415 - as above

    # A pickle in a request would be code of the client's.
    loaded = np.load(io.BytesIO(content), allow_pickle=False)
    if not hasattr(loaded, "files"):
        if loaded.ndim == 0:
            raise ValueError("not an array")
        return loaded
    if {"format", "shape", "data"}.issubset(loaded.files):  # of scipy.sparse.save_npz, which the inference toolkit reads
        import scipy.sparse  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

        return scipy.sparse.load_npz(io.BytesIO(content))
    return {name: loaded[name] for name in loaded.files}


def _plain(value: Any) -> Any:
    """Values of numpy and pandas as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "to_dict"):
        return value.to_dict("records")
    raise TypeError(f"{type(value).__name__} is not JSON; write an output_fn")


def to_json(prediction: Any) -> bytes:
    """A value as JSON. What is no finite number is null: JSON has no word for it. TypeError for what it cannot hold."""
    quick = fast_codec.to_json(prediction)
    if quick is not None:
        return quick
    try:
        return json.dumps(prediction, default=_plain, allow_nan=False).encode()
    except ValueError:
        return json.dumps(_without_nan(prediction), allow_nan=False).encode()


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(one) for one in value]
    return value if value is None or isinstance(value, (str, int)) else _without_nan(_plain(value))


def _to_csv(prediction: Any) -> bytes:
    import numpy as np  # noqa: PLC0415 - as above

    array = np.atleast_1d(np.asarray(prediction))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(row if array.ndim > 1 else [row] for row in _cells(array))
    return text.getvalue().encode()


def _cells(array: Any) -> Any:
    """An array's values as CSV has them: a float of 32 bits with the digits that tell it, not those of one of 64."""
    return array.astype(str).tolist() if array.dtype.kind == "f" and array.dtype.itemsize < 8 else array.tolist()


def _to_npy(prediction: Any) -> bytes:
    import numpy as np  # noqa: PLC0415 - as above

    content = io.BytesIO()
    np.save(content, np.asarray(prediction), allow_pickle=False)
    return content.getvalue()


_DECODERS: dict[str, Callable[[Any], Any]] = {JSON: _from_json, CSV: _from_csv, NPY: _from_npy, NPZ: _from_npy}
_ENCODERS: dict[str, Callable[[Any], bytes]] = {JSON: to_json, CSV: _to_csv, NPY: _to_npy}
