"""A disk that is full under a run: one clear error, and nothing is left behind."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from lyftlearn_image.cli.main import main
from lyftlearn_image.emulation.docker.container_spec import ContainerSpec
from lyftlearn_image.emulation.docker.ownership import OWNER_LABEL, owner
from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.docker.containers import Containers

WITHIN_S = 60


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory with room for one MiB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_ends_the_run_that_fills_it(containers: Containers, probe_image: str, small_disk: Path) -> None:
    """Output that cannot be kept is no run: the error says where there is no room, and the container is gone."""
    spec = ContainerSpec(image=probe_image, name=f"{containers.run_id}-loud", entrypoint=("sh", "-c"), command=("yes",))
    with (
        pytest.raises(RunError, match="No space left on device") as raised,
        containers.start(spec, stdout=small_disk / "stdout", stderr=small_disk / "stderr") as running,
    ):
        running.wait(WITHIN_S)
    assert raised.value.where == str(small_disk / "stdout")
    assert not containers.client.containers.list(all=True, filters={"name": spec.name})


def test_a_suite_on_a_full_disk_says_so_and_leaves_nothing(
    containers: Containers, lyftlearn_image_tag: str, small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback; the case that does not fit is the harness's error."""
    cases = [{"name": "loud", "workload": {"command": ["sh", "-c", "yes | head -c 4000000"]}}]
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump({"name": "full", "image": lyftlearn_image_tag, "cases": cases}))
    assert main(["parity", "run", str(path), "--report", str(small_disk / "report"), "--quiet"]) == 2
    output = "".join(capsys.readouterr())
    assert "No space left on device" in output
    assert "Traceback" not in output
    owned = {"label": f"{OWNER_LABEL}={owner()}"}
    assert not [one for one in containers.client.containers.list(all=True, filters=owned) if "full" in str(one.name)]
