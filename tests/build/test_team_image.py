"""A team's image: FROM, COPY, and nothing more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.build.builder import build_directory

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "team-image"


def test_the_example_of_a_team_image_builds_and_runs(
    on_this_image: Callable[[Path], Path], lyftlearn_image_tag: str, docker_cli: Callable[..., str]
) -> None:
    """Two instructions are enough, and the script is found under the name that `train` is given."""
    instructions = [line.split()[0] for line in (EXAMPLE / "Dockerfile").read_text().splitlines() if line]
    assert instructions == ["FROM", "COPY"]
    image = build_directory(on_this_image(EXAMPLE), f"{lyftlearn_image_tag}-team").image
    said = docker_cli("run", "--rm", "-e", "SM_CHANNEL_TRAIN=/x", image, "python", "/opt/ml/code/train.py", "--help")
    assert "--max-depth" in said
