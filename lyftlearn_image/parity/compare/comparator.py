"""What a comparator may use besides the two files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lyftlearn_image.parity.compare.model_reader import ModelReader


@dataclass(frozen=True)
class Tools:
    """The artifacts of both sides, by name, and what opens models."""

    models: ModelReader
    left: Mapping[str, Path]
    right: Mapping[str, Path]
