"""CatBoost's models, less the identifier and the time that every training gives them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.model_files.graph import Mapping

if TYPE_CHECKING:
    from collections.abc import Mapping as AnyMapping

# catboost/libs/model/model.h: what the binary format begins with, and the keys of `TFullModel::ModelInfo`.
CBM = b"CBM1"
VOLATILE = ("model_guid", "train_finish_time")
_INFO, _VERSION = "model_info", "catboost_version_info"
# Their values in the binary format, a FlatBuffer: strings with their lengths before them.
_VALUES = (
    re.compile(rb"(?<=\x23\0\0\0)[0-9a-f]{8}(?:-[0-9a-f]{8}){3}(?=\0)"),
    re.compile(rb"(?<=\x14\0\0\0)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(?=\0)"),
)


def read_cbm(data: bytes) -> Mapping:
    """What follows the format's mark. A value that is there more than once may be something else, and stays."""
    content = data[len(CBM) :]
    for value in _VALUES:
        if len(value.findall(content)) == 1:
            content = value.sub(lambda found: b"-" * len(found[0]), content)
    return Mapping([("model", content)])


def without_volatile(document: Any) -> Any:
    """A JSON document; of one that CatBoost wrote, the model."""
    if not isinstance(document, dict) or not isinstance(document.get(_INFO), dict) or _VERSION not in document[_INFO]:
        return document
    about: AnyMapping[str, Any] = document[_INFO]
    return {**document, _INFO: {key: value for key, value in about.items() if key not in VOLATILE}}
