"""Several inputs through predict_fn at once, each with its own outcome.

Only arrays go together that can be laid on each other: of one type, and of one shape but for the rows. Whatever else there is
goes singly, and so does every one of them where the whole fails or does not give a row for each row. So one body never
spoils another's answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_runtime.serving import prediction

if TYPE_CHECKING:
    from collections.abc import Sequence


def predict_together(handler: Any, model: Any, inputs: Sequence[Any]) -> list[Any]:
    """What predict_fn gives for each of several inputs: its outcome, or the exception that it raised for it."""
    outcomes: list[Any] = [None] * len(inputs)
    for places in _groups(handler, inputs):
        together = _together(handler, model, [_rows(handler, inputs[place]) for place in places]) if len(places) > 1 else None
        for number, place in enumerate(places):
            outcomes[place] = _alone(handler, model, inputs[place]) if together is None else together[number]
    return outcomes


def _groups(handler: Any, inputs: Sequence[Any]) -> list[list[int]]:
    """The places of inputs that can be laid on each other; of all others one each."""
    groups: dict[Any, list[int]] = {}
    for place, one in enumerate(inputs):
        rows = _rows(handler, one)
        groups.setdefault(place if rows is None else (rows.dtype, rows.shape[1:]), []).append(place)
    return list(groups.values())


def _rows(handler: Any, data: Any) -> Any:
    """An array of rows, None for what is none. A flat list is a row to our own predict_fn, and to no other."""
    import numpy as np  # noqa: PLC0415 - only where batches are asked for

    if type(data) is not np.ndarray or data.dtype.hasobject:
        return None
    if data.ndim == 1 and handler.function in {prediction.predict, prediction.predict_body}:
        return data.reshape(1, -1)
    return data if data.ndim > 1 else None


def _together(handler: Any, model: Any, arrays: list[Any]) -> list[Any] | None:
    """The outcome of each of several arrays of rows, from one call; None where that gives no row for each row."""
    import numpy as np  # noqa: PLC0415 - as above

    rows = sum(map(len, arrays))
    try:
        whole = handler.call((np.concatenate(arrays), model))
        is_rows = isinstance(whole, (np.ndarray, list)) and len(whole) == rows
    except (Exception, SystemExit):  # noqa: BLE001 - of the team's code; each of them is asked alone then
        return None
    if not is_rows:
        return None
    ends = np.cumsum([len(one) for one in arrays]).tolist()
    return [whole[end - len(one) : end] for one, end in zip(arrays, ends)]  # noqa: B905 - as above


def _alone(handler: Any, model: Any, data: Any) -> Any:
    try:
        return handler.call((data, model))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - of the team's code; its request is answered with it
        return error
