"""file://PATH: the text of a file that the platform mounts, such as one of a CSI driver's or of a volume."""

from __future__ import annotations

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lyftlearn_runtime.references import Item

OPTIONS = ()


def fetch(items: Sequence[Item], environ: Mapping[str, str], deadline: float) -> dict[Item, str | ShimError]:  # noqa: ARG001 - one signature for all
    """The texts of files, with their last line's end as it is."""
    return {item: _read(item.name) for item in items}


def _read(path: str) -> str | ShimError:
    if not path.startswith("/"):
        return ShimError("expected an absolute path: file:///path", contract.EXIT_CONFIG)
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")
    except OSError as error:
        code = contract.EXIT_ACCESS_DENIED if isinstance(error, PermissionError) else contract.EXIT_UNAVAILABLE
        return ShimError(f"{path} cannot be read: {error.strerror}", code)
