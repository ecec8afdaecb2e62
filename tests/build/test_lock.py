"""The lock: every package at one version with hashes, made by uv from the real index."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.build.lock import is_current, lock
from lyftlearn_image.build.spec import load_spec
from lyftlearn_image.cli.main import main
from lyftlearn_image.errors import BuildError

if TYPE_CHECKING:
    from tests.build.conftest import Index

# The package and the password of the private index in conftest.py.
PACKAGE, PASSWORD = "lyftlearn_test_package", "planted-index-password"
IMAGES = Path(__file__).resolve().parents[2] / "images"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A copy of the class with one small requirement and no lock."""
    shutil.copytree(IMAGES / "lyftlearn", tmp_path / "lyftlearn")
    (tmp_path / "lyftlearn" / "requirements.in").write_text("six\n")
    (tmp_path / "lyftlearn" / "requirements.lock").unlink()
    return tmp_path


def test_our_own_lock_pins_and_hashes_every_package() -> None:
    """No line without a version and a hash; no host name, no path of a machine."""
    text = (IMAGES / "lyftlearn" / "requirements.lock").read_text()
    blocks = [block for block in re.split(r"\n(?=\S)", text) if not block.startswith("#")]
    assert blocks
    assert all(re.match(r"[a-z0-9-]+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", block) for block in blocks)
    assert "://" not in text


def test_locking_is_a_round_trip(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a lock --check fails, `lock` writes it, then --check passes and locking again changes nothing."""
    assert main(["lock", "lyftlearn", "--images", str(images), "--check"]) == 1
    assert main(["lock", "lyftlearn", "--images", str(images)]) == 0
    first = (images / "lyftlearn" / "requirements.lock").read_text()
    assert main(["lock", "lyftlearn", "--images", str(images), "--check"]) == 0
    assert main(["lock", "lyftlearn", "--images", str(images)]) == 0
    assert (images / "lyftlearn" / "requirements.lock").read_text() == first
    assert "1 packages" in capsys.readouterr().out


def test_a_requirement_that_nobody_meets_is_told_in_uvs_words(images: Path) -> None:
    """The error names the file and the requirement."""
    (images / "lyftlearn" / "requirements.in").write_text("six==0.0.999\n")
    with pytest.raises(BuildError, match=r"six==0\.0\.999"):
        lock(load_spec("lyftlearn", images), images)


def test_a_changed_requirement_makes_the_lock_stale(images: Path) -> None:
    """The lock is compared with what its requirements give."""
    spec = load_spec("lyftlearn", images)
    (images / "lyftlearn" / "requirements.lock").write_text(lock(spec, images))
    assert is_current(spec, images)
    (images / "lyftlearn" / "requirements.in").write_text("six\nidna\n")
    assert not is_current(spec, images)


def test_a_private_index_with_a_password_and_a_company_ca_is_used_and_left_out_of_the_lock(
    images: Path, index: Index, builds_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pip is told of an index and its certificate, the lock is made with, and no word of it is in the lock."""
    (images / "lyftlearn" / "requirements.in").write_text(f"{PACKAGE}\n")
    monkeypatch.setenv("UV_CACHE_DIR", str(images / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    monkeypatch.setenv("PIP_CERT", str(index.ca_bundle))
    text = lock(load_spec("lyftlearn", images), images)
    assert text.splitlines()[1:] == [f"{PACKAGE.replace('_', '-')}==1.0 \\", f"    --hash=sha256:{index.wheel_sha256}"]
    assert 200 in index.answered


def test_the_password_of_an_index_is_in_no_error(
    images: Path, index: Index, builds_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that does not have the package, or cannot be trusted, is told without its credentials."""
    (images / "lyftlearn" / "requirements.in").write_text("nobody-has-this-package\n")
    monkeypatch.setenv("UV_CACHE_DIR", str(images / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    with pytest.raises(BuildError) as untrusted:
        lock(load_spec("lyftlearn", images), images)
    monkeypatch.setenv("PIP_CERT", str(index.ca_bundle))
    with pytest.raises(BuildError, match="nobody-has-this-package") as missing:
        lock(load_spec("lyftlearn", images), images)
    for caught in (untrusted, missing):
        assert PASSWORD not in str(caught.value)
