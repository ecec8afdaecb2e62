"""Spark ML models: a directory with `metadata/part-00000` (JSON), and where it has any, `data/*.parquet` and `stages/`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.model_files.graph import UnreadableModelError, from_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_DEPTH = 50
# When it was written; `uid` and what is made of it are random.
_VOLATILE = ("timestamp",)


def is_spark_ml(path: Path) -> bool:
    """Whether a directory is one that Spark ML wrote."""
    return any((path / "metadata").glob("part-*")) and _about(path) is not None


def read_spark_ml(path: Path) -> Any:
    """The graph of a model and its stages, in which stages have numbers instead of random names.

    Raises UnreadableModelError for a directory that is none.
    """
    model = _model(path, 0)
    names = {uid: f"{uid.rpartition('_')[0]}_{number}" for number, uid in enumerate(_uids(model))}
    return from_json(_renamed(model, names))


def _about(path: Path) -> dict[str, Any] | None:
    try:
        text = "".join(part.read_text(encoding="utf-8") for part in sorted((path / "metadata").glob("part-*")))
        about = json.loads(text)
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) and {"class", "uid"} <= about.keys() else None


def _model(path: Path, depth: int) -> dict[str, Any]:
    about = _about(path)
    if about is None or depth > _MAX_DEPTH:
        raise UnreadableModelError(f"{path.name} is not a directory that Spark ML wrote")
    content: dict[str, Any] = {"metadata": {key: value for key, value in about.items() if key not in _VOLATILE}}
    for directory in sorted(each for each in path.iterdir() if each.is_dir() and each.name != "metadata"):
        if is_spark_ml(directory):
            content[directory.name] = _model(directory, depth + 1)
        elif any(is_spark_ml(below) for below in directory.iterdir() if below.is_dir()):
            stages = [below for below in sorted(directory.iterdir(), key=_stage_number) if below.is_dir()]
            content[directory.name] = [_model(stage, depth + 1) for stage in stages]
        else:
            content[directory.name] = _rows(directory)
    return content


def _stage_number(path: Path) -> tuple[int, str]:
    """Of `<number>_<uid>`; what has no number comes last."""
    number = path.name.partition("_")[0]
    return (int(number), "") if number.isdecimal() else (1 << 31, path.name)


def _rows(directory: Path) -> Any:
    """The rows of all its Parquet files, in the order of their part numbers; the rest of their names is random."""
    import pyarrow as pa  # noqa: PLC0415 - 200 ms, for suites with such models
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    files = sorted(directory.glob("part-*.parquet"))
    others = [each for each in directory.iterdir() if each not in files and not each.name.startswith(("_", "."))]
    if others or not files:
        raise UnreadableModelError(f"{directory.name} has files that are not Spark's Parquet files")
    try:
        return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
    except (pa.ArrowException, OSError) as error:
        raise UnreadableModelError(f"{directory.name} cannot be read: {error}") from None


def _uids(model: dict[str, Any]) -> Iterator[str]:
    """The `uid` of a model, then those of its stages."""
    yield str(model["metadata"]["uid"])
    for part in model.values():
        for below in part if isinstance(part, list) else [part]:
            if isinstance(below, dict) and isinstance(below.get("metadata"), dict) and "uid" in below["metadata"]:
                yield from _uids(below)


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """The value with each `uid` in it replaced, also within longer texts: a column is called `<uid>__probability`."""
    if isinstance(value, dict):
        return {key: _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if isinstance(value, str) and "_" in value:
        for uid, name in names.items():
            value = value.replace(uid, name)
    return value
