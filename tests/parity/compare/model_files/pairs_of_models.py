"""Writes two values as model files, and compares the files."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
import joblib

from lyftlearn_image.parity.compare.model_files.process import compare_here
from lyftlearn_image.parity.compare.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.parity.differences import Difference


def pickler(protocol: int) -> Callable[[Any, Path], object]:
    """Writes a pickle of this protocol."""
    return lambda value, path: path.write_bytes(pickle.dumps(value, protocol))


# Every form that a value may have in a file.
PLAIN_WRITERS: dict[str, Callable[[Any, Path], object]] = {
    **{f"pickle, protocol {protocol}": pickler(protocol) for protocol in range(6)},
    "joblib": joblib.dump,
    "cloudpickle": lambda value, path: path.write_bytes(cloudpickle.dumps(value)),
}
# And what packs such a file: slower, and without knowing what is in it.
WRITERS = PLAIN_WRITERS | {
    f"joblib, {kind}": (lambda value, path, kind=kind: joblib.dump(value, path, compress=(kind, 3)))
    for kind in ("zlib", "gzip", "bz2", "lzma", "xz")
}


def differences(
    left: Any, right: Any, write: Callable[[Any, Path], object] = joblib.dump, *, suffix: str = ".model", **options: Any
) -> tuple[Difference, ...]:
    """What is found in the files of two values."""
    with tempfile.TemporaryDirectory() as directory:
        paths = Path(directory, f"left{suffix}"), Path(directory, f"right{suffix}")
        write(left, paths[0])
        write(right, paths[1])
        return compare_here(*paths, Options(**options))


def places(found: tuple[Difference, ...]) -> list[str]:
    """Where they differ."""
    return [each.place for each in found]
