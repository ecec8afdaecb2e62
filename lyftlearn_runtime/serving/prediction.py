"""What predict_fn does where the team has written none, and whose fault it is when the model does not take the data."""

from __future__ import annotations

from typing import Any

from lyftlearn_runtime.serving.errors import RequestError


def predict(data: Any, model: Any) -> Any:
    """model.predict; one flat list of features is one row."""
    return model.predict(data.reshape(1, -1) if getattr(data, "ndim", 0) == 1 else data)


def predict_body(data: Any, model: Any) -> Any:
    """`predict` of a body as the default input_fn reads it. RequestError 400 where the model does not take such data."""
    if not hasattr(data, "ndim"):
        raise RequestError(400, "the body is an archive of several arrays; expected one array, or a sparse matrix of scipy")
    rows = data.reshape(1, -1) if data.ndim == 1 else data
    width = _width(model)
    if width is not None and (rows.ndim != 2 or rows.shape[1] != width):
        shape = f"rows of {rows.shape[1]} columns" if rows.ndim == 2 else f"{rows.ndim} dimensions"
        raise RequestError(400, f"the body has {shape}; the model takes rows of {width}")
    try:
        return model.predict(rows)
    except (MemoryError, OSError, ImportError):
        raise
    except Exception as error:
        if _takes_zeros(model, width) if width is not None else _is_about_data(error):
            raise RequestError(400, _complaint(rows)) from None
        raise


def _width(model: Any) -> int | None:
    """How many columns a model takes, as scikit-learn's convention or LightGBM's Booster says it; None where none does."""
    width = getattr(model, "n_features_in_", None)
    if width is None and callable(getattr(model, "num_feature", None)):
        width = model.num_feature()
    try:
        return None if width is None else int(width)
    except (TypeError, ValueError):
        return None


def _takes_zeros(model: Any, width: int) -> bool:
    """Whether the model works at all: then what it did not take is the client's."""
    import numpy as np  # noqa: PLC0415 - a server of own handlers may do without

    try:
        model.predict(np.zeros((1, width)))
    except Exception:  # noqa: BLE001 - whatever a model raises
        return False
    return True


def _is_about_data(error: Exception) -> bool:
    """Whether it is what models raise about their argument. Of one that is not fitted it is an AttributeError, too."""
    return isinstance(error, (ValueError, TypeError)) and not isinstance(error, AttributeError)


def _complaint(rows: Any) -> str:
    """What may be wrong with the data, without any of its values."""
    import numpy as np  # noqa: PLC0415 - as above

    values = getattr(rows, "data", rows) if hasattr(rows, "tocsr") else rows
    if rows.dtype.kind in "fc" and not np.isfinite(values).all():
        return "the body has a missing or infinite value, which the model does not take"
    return f"the model does not take {' x '.join(map(str, rows.shape))} values of type {rows.dtype.name}"
