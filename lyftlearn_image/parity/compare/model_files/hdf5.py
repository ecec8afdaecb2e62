"""HDF5, as Keras writes weights and older models: every group, attribute and dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lyftlearn_image.parity.compare.model_files.boosters import expand
from lyftlearn_image.parity.compare.model_files.graph import Mapping, Record, UnreadableModelError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_MAX_DEPTH = 100


def read_hdf5(file: Path | BinaryIO) -> Any:
    """The graph of an HDF5 file. Raises UnreadableModelError for a damaged one, and where h5py is not installed."""
    try:
        import h5py  # noqa: PLC0415 - 200 ms, for suites with such models
    except ImportError:
        raise UnreadableModelError("HDF5 is read by h5py: pip install 'lyftlearn-image[hdf5]'") from None
    try:
        with h5py.File(file, "r") as opened:
            return _group(opened, h5py, 0)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise UnreadableModelError(f"not an HDF5 file that can be read: {error}") from None


def _group(group: Any, h5py: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise UnreadableModelError("its groups are too deep")
    members = []
    for name in sorted(group):
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            # Another file is not part of this one, and a link within it is found where it points to.
            members.append(
                (name, Record("link", {"to": str(getattr(link, "path", "")), "file": str(getattr(link, "filename", ""))}))
            )
            continue
        item = group[name]
        members.append((name, _group(item, h5py, depth + 1) if isinstance(item, h5py.Group) else _dataset(item)))
    return Record("group", {"attributes": _attributes(group), "members": Mapping(members)})


def _dataset(dataset: Any) -> Any:
    return Record("dataset", {"attributes": _attributes(dataset), "values": _values(dataset[()])})


def _attributes(item: Any) -> Mapping:
    return Mapping([(name, _values(item.attrs[name])) for name in sorted(item.attrs)])


def _values(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        return [_values(each) for each in value.ravel().tolist()]
    if isinstance(value, str | bytes):
        known = expand(value)
        return value if known is None else known
    return value if isinstance(value, np.ndarray | np.generic | int | float) else repr(value)
