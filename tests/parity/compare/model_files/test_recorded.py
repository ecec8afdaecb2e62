"""Models that real torch, Keras, CatBoost and Spark have written, each by three processes (`recorded/record.py`)."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from lyftlearn_image.parity.compare.model_files.process import compare_here
from lyftlearn_image.parity.compare.options import Options

ARCHIVE = Path(__file__).parent / "recorded" / "models.tar.xz"
with tarfile.open(ARCHIVE) as _archive:
    NAMES = sorted(path.name for path in map(Path, _archive.getnames()) if path.parts[:-1] == ("first",))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directories `first`, `same` and `other`."""
    place = tmp_path_factory.mktemp("recorded")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(place, filter="data")
    return place


def test_every_kind_is_there() -> None:
    """One that is left out of the archive would be compared by nobody."""
    assert len(NAMES) == 23


@pytest.mark.parametrize("name", NAMES)
def test_models_of_two_runs_of_one_script_are_the_same(recorded: Path, name: str) -> None:
    """When and in which process they were written is in most of the files: times, identifiers, addresses, orders of hashes."""
    assert (recorded / "first" / name).is_dir() or (recorded / "first" / name).stat().st_size > 0
    assert compare_here(recorded / "first" / name, recorded / "same" / name, Options()) == ()


@pytest.mark.parametrize("name", NAMES)
def test_another_model_is_found_by_its_values(recorded: Path, name: str) -> None:
    """The difference is told where it is, not as a file that cannot be looked into."""
    found = compare_here(recorded / "first" / name, recorded / "other" / name, Options())
    assert found
    assert not [each for each in found if "not comparable" in each.detail]


@pytest.mark.parametrize("name", [name for name in NAMES if Path(name).suffix in {".pt", ".keras", ".h5", ".safetensors"}])
def test_the_tolerance_reaches_every_weight(recorded: Path, name: str) -> None:
    """One weight is 0.5 larger; what torch keeps as bytes of no type of numpy has none."""
    found = compare_here(recorded / "first" / name, recorded / "other" / name, Options(atol=0.51))
    assert bool(found) is name.startswith("quantized")
