"""The lock: every package at one version with hashes, made by uv from the real index."""

from __future__ import annotations

import re
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.build.lock import find_changed_inputs, lock, write_lock
from lyftlearn_image.build.spec import load_spec
from lyftlearn_image.cli.main import main
from lyftlearn_image.errors import BuildError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

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


def test_a_proxy_at_which_nobody_listens_is_told_before_uv_tries(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line with the variable that names it, and without its password; an index that needs no proxy is asked."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:planted-word@{closed}")
    monkeypatch.setenv("PIP_INDEX_URL", "https://nowhere.invalid/simple")
    with pytest.raises(UnavailableError, match=f"^the proxy {closed} does not answer: Connection refused") as caught:
        lock(load_spec("lyftlearn", images), images)
    assert "HTTPS_PROXY" in caught.value.where
    assert "planted-word" not in str(caught.value)
    monkeypatch.setenv("NO_PROXY", "nowhere.invalid")
    with pytest.raises(BuildError):
        lock(load_spec("lyftlearn", images), images)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# What somebody does after the lock was made → how the error names it.
CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a requirement": (lambda folder: _edit(folder / "requirements.in", "six", "six\nidna"), "requirements.in has changed"),
    "a marker": (
        lambda folder: _edit(folder / "requirements.in", "six", "six; python_version > '3'"),
        "requirements.in has changed",
    ),
    "a file that it reads": (lambda folder: (folder / "more.txt").write_text("idna\n"), "requirements.in has changed"),
    "a constraint": (lambda folder: (folder / "bounds.txt").write_text("six<2\n"), "requirements.in has changed"),
    # Of a base whose Python is not known beforehand.
    "the Python": (
        lambda folder: (
            _edit(folder / "image.yaml", "bootstrap:", "# bootstrap:"),
            _edit(folder / "image.yaml", '"3.11"', '"3.12"'),
        ),
        "python was 3.11 and is 3.12",
    ),
    "the base": (
        lambda folder: _edit(folder / "image.yaml", "debian:bookworm-slim", "debian:trixie-slim"),
        "base was debian:bookworm-slim and is debian:trixie-slim",
    ),
    "the requirements' place": (lambda folder: (folder / "requirements.in").unlink(), "requirements.in is not there any more"),
    "whose lock it is": (
        lambda folder: (folder / "requirements.lock").write_text("six==1.17.0 --hash=sha256:00\n"),
        "requirements.lock does not say what it was made from",
    ),
}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class with a lock that uv has made, of requirements that read two other files."""
    images = tmp_path_factory.mktemp("locked")
    folder = images / "lyftlearn"
    shutil.copytree(IMAGES / "lyftlearn", folder)
    (folder / "requirements.in").write_text("# what we need\nsix\n-r more.txt\n--constraint bounds.txt\n")
    (folder / "more.txt").write_text("")
    (folder / "bounds.txt").write_text("six<3\n")
    write_lock(load_spec("lyftlearn", images), images)
    return images


@pytest.mark.parametrize("what", CHANGES)
def test_a_stale_lock_stops_a_build_with_the_command_that_mends_it(
    locked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    """Whatever of a lock's inputs has changed: exit code 78 before an engine is looked for, and no index is asked."""
    images = tmp_path / "two words"
    shutil.copytree(locked, images)
    assert not find_changed_inputs(load_spec("lyftlearn", images), images)
    change, told = CHANGES[what]
    change(images / "lyftlearn")
    assert find_changed_inputs(load_spec("lyftlearn", images), images) == (told,)
    assert main(["build", "lyftlearn", "--images", str(images), "--quiet"]) == 78
    error = capsys.readouterr().err
    assert f"the lock of lyftlearn is stale: {told}" in error
    assert f"`lyftlearn-image lock lyftlearn --images '{images}'`" in error
    assert f"`lyftlearn-image build lyftlearn --images '{images}' --relock`" in error
    assert main(["lock", "lyftlearn", "--images", str(images), "--check"]) in {1, 78}


def test_words_about_the_requirements_change_no_lock(locked: Path, tmp_path: Path) -> None:
    """Comments, spaces and empty lines are no input of a lock."""
    shutil.copytree(locked, tmp_path, dirs_exist_ok=True)
    (tmp_path / "lyftlearn" / "requirements.in").write_text(
        "\n  six   # pinned by nobody\n\n-r  more.txt # nothing yet\n--constraint bounds.txt\n"
    )
    assert find_changed_inputs(load_spec("lyftlearn", tmp_path), tmp_path) == ()


def test_our_own_lock_is_of_our_requirements() -> None:
    """The class of the toolkit can be built as it is."""
    assert find_changed_inputs(load_spec("lyftlearn", IMAGES), IMAGES) == ()


def test_a_private_index_with_a_password_and_a_company_ca_is_used_and_left_out_of_the_lock(
    images: Path, index: Index, builds_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pip is told of an index and its certificate, the lock is made with, and no word of it is in the lock."""
    (images / "lyftlearn" / "requirements.in").write_text(f"{PACKAGE}\n")
    monkeypatch.setenv("UV_CACHE_DIR", str(images / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    monkeypatch.setenv("PIP_CERT", str(index.ca_bundle))
    text = lock(load_spec("lyftlearn", images), images)
    assert text.splitlines()[2:] == [f"{PACKAGE.replace('_', '-')}==1.0 \\", f"    --hash=sha256:{index.wheel_sha256}"]
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
