"""Spark ML models: a directory with `metadata/part-00000` (JSON), and where it has any, `data/*.parquet` and `stages/`."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.model_files.graph import UnreadableModelError, from_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Where the first part of the metadata stands below a model's directory.
METADATA = "/metadata/part-00000"
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
    content: dict[str, Any] = {"metadata": _lasting(about)}
    _refuse_others(path / "metadata", "part-*")
    for directory in _directories(path):
        if directory.name == "metadata":
            continue
        if is_spark_ml(directory):
            content[directory.name] = _model(directory, depth + 1)
        elif any(is_spark_ml(below) for below in directory.iterdir()):
            content[directory.name] = [_model(stage, depth + 1) for stage in sorted(_directories(directory), key=_stage_number)]
        else:
            content[directory.name] = [_with_metadata(row) for row in _rows(directory)]
    return content


def _with_metadata(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `treesMetadata` with what stands in it as JSON, the metadata of a tree."""
    text = row.get("metadata")
    try:
        about = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return row
    if not isinstance(about, dict) or not {"class", "uid"} <= about.keys():
        return row
    return {**row, "metadata": _lasting(about)}


def _lasting(about: dict[str, Any]) -> dict[str, Any]:
    """The metadata less when it was written, and less defaults in whose place something is set.

    The default of a seed is the hash of a name, which changes from process to process (pyspark/ml/param/shared.py, HasSeed).
    """
    defaults, chosen = about.get("defaultParamMap"), about.get("paramMap")
    lasting = {key: value for key, value in about.items() if key not in _VOLATILE}
    if isinstance(defaults, dict) and isinstance(chosen, dict):
        lasting["defaultParamMap"] = {key: value for key, value in defaults.items() if key not in chosen}
    return lasting


def _directories(path: Path) -> list[Path]:
    """The directories in a directory of Spark, which holds no files but its notes."""
    found = sorted(each for each in path.iterdir() if each.is_dir())
    _refuse_others(path, *(each.name for each in found))
    return found


def _refuse_others(path: Path, *names: str) -> None:
    """Raises UnreadableModelError for what Spark did not write: nobody would compare it."""
    for each in path.iterdir():
        is_note = each.name == "_SUCCESS" or (each.name.startswith(".") and each.suffix == ".crc")
        if not is_note and not any(fnmatchcase(each.name, name) for name in names):
            raise UnreadableModelError(f"{path.name} has {each.name}, which Spark ML did not write")


def _stage_number(path: Path) -> tuple[int, str]:
    """Of `<number>_<uid>`; what has no number comes last."""
    number = path.name.partition("_")[0]
    return (int(number), "") if number.isdecimal() else (1 << 31, path.name)


def _rows(directory: Path) -> list[dict[str, Any]]:
    """The rows of all its Parquet files, in the order of their part numbers; the rest of their names is random."""
    import pyarrow as pa  # noqa: PLC0415 - 200 ms, for suites with such models
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    files = sorted(directory.glob("part-*.parquet"))
    _refuse_others(directory, "part-*.parquet")
    if not files:
        raise UnreadableModelError(f"{directory.name} is empty")
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
