"""What a build is given as secrets: the CA bundle and the package index of this machine."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

import pytest

from lyftlearn_image.build.secrets import build_secrets, find_ca_bundle, index_settings
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_runtime.secret_forms import MASK, forms_of

INDEX = "https://user:planted%2Fpassword@index.invalid/simple"


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment whose user has configured nothing: files of the machine itself are out of the way too."""
    return {"HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}


def test_without_a_private_index_there_is_no_configuration(bare: dict[str, str]) -> None:
    """The public index needs no secret."""
    assert index_settings(bare) == {}
    assert index_settings({**bare, "PIP_TRUSTED_HOST": "some.invalid"}) == {}


@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_the_index_comes_from_pips_or_uvs_variables(bare: dict[str, str], name: str) -> None:
    """Either tool's setting is enough."""
    assert index_settings({**bare, name: INDEX}) == {"index-url": (INDEX,)}


def test_pips_own_variables_win(bare: dict[str, str]) -> None:
    """The build installs with pip, so pip's setting counts where both are there; more indexes may be named."""
    both = {**bare, "PIP_INDEX_URL": INDEX, "UV_DEFAULT_INDEX": "https://uv.invalid/simple"}
    more = {"UV_INDEX": "internal=https://a.invalid/simple https://b.invalid/?x=https://c.invalid"}
    assert index_settings({**both, **more}) == {
        "index-url": (INDEX,),
        "extra-index-url": ("https://a.invalid/simple", "https://b.invalid/?x=https://c.invalid"),
    }


def test_the_index_comes_from_pips_files(tmp_path: Path) -> None:
    """A file of the user is read as pip reads it: a later file wins, [install] wins over [global]."""
    old, new, own = tmp_path / ".pip" / "pip.conf", tmp_path / ".config" / "pip" / "pip.conf", tmp_path / "own.conf"
    for path, text in {
        old: "[global]\nindex-url = https://old.invalid/simple\ntrusted_host = old.invalid\n",
        new: "[install]\nindex-url = https://new.invalid/simple\n[global]\nindex-url = https://less.invalid/simple\n",
        own: "[global]\nextra-index-url =\n    https://one.invalid/simple\n    file:///opt/wheels\n",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert index_settings({"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(own)}) == {
        "index-url": ("https://new.invalid/simple",),
        "extra-index-url": ("https://one.invalid/simple",),
        "trusted-host": ("old.invalid",),
    }


def test_a_folder_of_this_machine_is_no_index_of_a_build(bare: dict[str, str]) -> None:
    """A build sees nothing of the disk, so such an index would only make it fail."""
    assert index_settings({**bare, "PIP_EXTRA_INDEX_URL": "file:///opt/simple /opt/wheels"}) == {}


def test_a_broken_pip_configuration_is_told_by_its_path(tmp_path: Path) -> None:
    """The error names the file and shows nothing of it."""
    path = tmp_path / "pip.conf"
    path.write_text("index-url = https://user:planted@index.invalid\n")
    with pytest.raises(InvalidInputError) as caught:
        index_settings({"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(path)})
    assert caught.value.where == str(path)
    assert "planted" not in str(caught.value)


def test_the_ca_bundle_that_was_asked_for_wins(tmp_path: Path) -> None:
    """The option is stronger than pip's variable, and that is stronger than those of other tools."""
    paths = [tmp_path / name for name in ("asked", "pip", "ssl")]
    for path in paths:
        path.touch()
    environment = {"SSL_CERT_FILE": str(paths[2]), "PIP_CERT": str(paths[1])}
    assert find_ca_bundle(paths[0], environment) == paths[0]
    assert find_ca_bundle(None, environment) == paths[1]
    with pytest.raises(InvalidInputError):
        find_ca_bundle(tmp_path / "nowhere", environment)


def test_secrets_are_files_that_only_the_user_can_read_and_that_go_away(tmp_path: Path, bare: dict[str, str]) -> None:
    """Docker's client is given paths, never values; after the build the files are gone."""
    bundle = tmp_path / "a,b.pem"
    bundle.write_text("certificates")
    with build_secrets(bundle, {**bare, "PIP_INDEX_URL": INDEX}) as secrets:
        assert "planted" not in " ".join(secrets.arguments)
        files = dict(argument.removeprefix("--secret=id=").split(",src=") for argument in secrets.arguments)
        assert set(files) == {"ca-bundle", "pip-conf"}
        paths = [Path(path) for path in files.values()]
        assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
        assert Path(files["ca-bundle"]).read_text() == "certificates"
        parser = configparser.RawConfigParser()
        parser.read(files["pip-conf"])
        assert parser["global"]["index-url"] == INDEX
    assert not [path for path in paths if path.exists()]


@pytest.mark.parametrize("form", sorted(forms_of("planted/password")))
def test_every_form_of_a_password_is_redacted(form: bytes, bare: dict[str, str]) -> None:
    """By the one list of forms, under the one mask."""
    with build_secrets(None, {**bare, "PIP_INDEX_URL": INDEX}) as secrets:
        text = secrets.redact(f"[ {form.decode('utf-8', 'surrogateescape')} ]")
    assert text == f"[ {MASK} ]"


def test_a_short_password_is_redacted_where_an_address_has_it(bare: dict[str, str]) -> None:
    """A word of the log stays: a password of three letters is in many."""
    with build_secrets(None, {**bare, "PIP_INDEX_URL": "https://me:abc@index.invalid/simple"}) as secrets:
        text = secrets.redact("looking at https://me:abc@index.invalid/simple; abcd")
    assert text == f"looking at https://{MASK}@index.invalid/simple; abcd"


def test_every_spelling_of_a_password_is_redacted(bare: dict[str, str]) -> None:
    """A tool may print an address as it was given, or the password that it has decoded from it."""
    with build_secrets(None, {**bare, "PIP_INDEX_URL": INDEX}) as secrets:
        text = secrets.redact(f"looking at {INDEX}; user:planted/password; password planted/password")
    assert "planted" not in text
    assert "index.invalid" in text
