"""An image class: read, or refused with the place of the mistake."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, strategies as st

from lyftlearn_image.build.spec import ImageSpec, find_images_dir, json_schema, list_all_specs, list_specs, load_spec
from lyftlearn_image.cli.main import main
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.yamlfile import parse

IMAGES = Path(__file__).resolve().parents[2] / "images"
TEXT = (IMAGES / "lyftlearn" / "image.yaml").read_text()


def test_the_classes_are_the_folders_with_an_image_yaml() -> None:
    """Every class that is listed can be loaded, and is named as its folder."""
    assert "lyftlearn" in list_specs(IMAGES)
    assert [load_spec(name, IMAGES).name for name in list_specs(IMAGES)] == list_specs(IMAGES)


@pytest.mark.parametrize(
    ("old", "new", "expected", "at"),
    [
        pytest.param("digest: sha256:78d2", "digest: sha256:xyz", "expected sha256: and 64", "digest:", id="digest"),
        pytest.param('version: "3.11"', "version: 3.11", "`python.version`", "version: 3.11", id="version as a number"),
        pytest.param('version: "3.11"', 'version: "2.7"', "expected a version in quotes", '"2.7"', id="another Python"),
        pytest.param("version: 0.1.0", "version: latest", "expected a version such as 1.2.3", "latest", id="no version"),
        pytest.param(
            "libgomp1]", "libgomp1; rm -rf /]", "expected a Debian package", "rm -rf", id="a package that is a command"
        ),
        pytest.param("libgomp1]", "libgomp1-]", "expected a Debian package", "libgomp1-", id="a package that apt would remove"),
        pytest.param("libgomp1]", "--reinstall]", "expected a Debian package", "--reinstall", id="a package that is an option"),
        pytest.param("uid: 10001", "uid: 70000", "`users.0.uid`", "70000", id="a UID that Studio refuses"),
        pytest.param("uid: 1000,", "uid: 10001,", "users of different uids", "users", id="a UID twice"),
        pytest.param("name: sagemaker-user", "name: lyftlearn", "users of different names", "users", id="a user twice"),
        pytest.param("home: /home/lyftlearn", "home: ~", "`users.0.home`", "home: ~", id="no home"),
        pytest.param(
            "home: /home/lyftlearn", "home: /home/../etc", "expected an absolute path", "/etc", id="a home that climbs"
        ),
        pytest.param("TZ: UTC", "T Z: UTC", "expected a variable's name", "T Z", id="a variable's name"),
        pytest.param("TZ: UTC", "PATH: /x", "expected no PATH", "environment", id="a variable of the contract"),
        pytest.param("TZ: UTC", 'TZ: "a\\nb"', "expected text on one line", "TZ", id="a value of two lines"),
        pytest.param("lock: requirements.lock", "lock: ../x", "expected the name of a file", "../x", id="a file elsewhere"),
        pytest.param("lock: requirements.lock", "lock: requirements.in", "different files", "", id="lock and requirements"),
        pytest.param("  digest: sha256", "  digets: sha256", "Did you mean `digest`?", "digets", id="misspelt below"),
        pytest.param(
            "gid: 100,", "gid: 100, shell: zsh,", "Known keys here: name, uid, gid, home", "zsh", id="unknown in a list"
        ),
        pytest.param("labels:", "lables:", "Did you mean `labels`?", "lables", id="misspelt key"),
        pytest.param("name: lyftlearn\n", "", "`name` is missing", "description", id="missing key"),
    ],
)
def test_a_mistake_is_told_with_file_line_key_and_what_was_expected(old: str, new: str, expected: str, at: str) -> None:
    """People write this file: an error points at the line."""
    assert old in TEXT
    changed = TEXT.replace(old, new, 1)
    with pytest.raises(InvalidInputError) as caught:
        parse(changed, ImageSpec, name="image.yaml")
    told = str(caught.value)
    assert "image.yaml, line " in told
    assert expected in told
    line = int(told.split("image.yaml, line ", 1)[1].split(",", 1)[0])
    assert at in changed.splitlines()[line - 1]


def test_a_class_that_is_not_there_names_those_that_are() -> None:
    """The hint is what the user probably wanted."""
    with pytest.raises(InvalidInputError, match=r"Classes here: .*lyftlearn"):
        load_spec("lyftlern", IMAGES)


def test_a_class_by_nearly_its_name_is_asked_for() -> None:
    """The hint is one word to type."""
    with pytest.raises(InvalidInputError, match=r"Did you mean lyftlearn\?"):
        load_spec("lyftlern", IMAGES)


# What lies in a directory → what is named as no class, and what was expected.
MISNAMED = {
    "another ending": ("images/mine/image.yml", "images/mine/image.yml", "images/mine/image.yaml"),
    "a capital": ("images/mine/Image.yaml", "images/mine/Image.yaml", "images/mine/image.yaml"),
    "a letter too many": ("images/mine/images.yaml", "images/mine/images.yaml", "images/mine/image.yaml"),
    "its own name": ("images/mine/mine.yaml", "images/mine/mine.yaml", "images/mine/image.yaml"),
    "no file": ("images/mine/requirements.in", "images/mine has requirements.in and no image.yaml", "images/mine/image.yaml"),
    "a backup": ("images/mine/image.yaml.bak", "images/mine has image.yaml.bak", "images/mine/image.yaml"),
    "no folder": ("images/image.yaml", "images/image.yaml", "images/<class>/image.yaml"),
    "no folder, its name": ("images/mine.yaml", "images/mine.yaml", "images/<class>/image.yaml"),
    "a folder too many": ("images/team/mine/image.yaml", "images/team/mine/image.yaml", "images/team/image.yaml"),
    "one folder": ("image/mine/image.yaml", "image/mine/image.yaml", "images/<class>/image.yaml"),
    "a folder with a capital": ("Images/mine/image.yml", "Images/mine/image.yml", "images/<class>/image.yaml"),
    "in the class": ("image.yaml", "image.yaml", "images/<class>/image.yaml"),
}


@pytest.mark.parametrize("what", MISNAMED)
@pytest.mark.parametrize("verb", [["build", "lyftlearn"], ["render", "lyftlearn"], ["lock", "lyftlearn"], ["list"]])
def test_what_looks_like_a_class_and_is_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str, verb: list[str]
) -> None:
    """The toolkit's own class is never taken in its place, by any verb."""
    name, named, expected = MISNAMED[what]
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    assert main(verb) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"Error: {named}")
    assert expected in err


@pytest.mark.parametrize("second", ["image.yml", "Image.yaml", "gpu.yaml"])
def test_a_second_class_in_a_folder_is_named(tmp_path: Path, second: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody can say which of the two was meant."""
    (tmp_path / "lyftlearn").mkdir()
    for name in ("image.yaml", second):
        (tmp_path / "lyftlearn" / name).write_text(TEXT)
    for verb in (["build", "lyftlearn"], ["list"]):
        assert main([*verb, "--images", str(tmp_path)]) == 78
        told = capsys.readouterr().err
        assert f"{tmp_path / 'lyftlearn' / second} looks like an image class and is none" in told
        assert "a folder of its own" in told


@pytest.mark.parametrize(
    "files", [["images/logo.png", "images/icons/a.svg"], ["image.yaml"], ["images/mine/values.yaml"], ["imagery/x/image.yaml"]]
)
def test_what_is_somebody_elses_is_no_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str]) -> None:
    """Pictures, charts and whatever else: the toolkit's own classes are those that there are."""
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("apiVersion: v1\n")
    monkeypatch.chdir(tmp_path)
    assert find_images_dir() == IMAGES
    assert [one.name for one in list_all_specs(find_images_dir())] == list_specs(IMAGES)


def test_a_file_beside_a_class_that_is_none_does_not_matter(tmp_path: Path) -> None:
    """Values for the class, and what an editor leaves."""
    (tmp_path / "lyftlearn").mkdir()
    (tmp_path / "lyftlearn" / "image.yaml").write_text(TEXT)
    for name in ("image.yaml.orig", "image.yaml~", "conda.yaml", "requirements.in"):
        (tmp_path / "lyftlearn" / name).write_text("channels: []\n")
    assert load_spec("lyftlearn", tmp_path).name == "lyftlearn"


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """`--images` with a wrong folder."""
    with pytest.raises(InvalidInputError, match="there is no directory"):
        find_images_dir(tmp_path / "none")


def test_the_schema_for_editors_accepts_our_own_file_and_refuses_a_misspelt_one() -> None:
    """The schema comes out of the same model, so an editor and the builder agree."""
    jsonschema.validate(yaml.safe_load(TEXT), json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(TEXT.replace("labels:", "lables:")), json_schema())


def test_several_mistakes_are_told_together() -> None:
    """Who fixes a file wants to know all of it at once."""
    changed = TEXT.replace("labels:", "lables:").replace("uid: 10001", "uid: many")
    with pytest.raises(InvalidInputError, match=r"(?s)has 2 errors:.*lables.*users.0.uid|has 2 errors:.*users.0.uid.*lables"):
        parse(changed, ImageSpec, name="image.yaml")


def test_a_folder_with_another_name_is_refused(tmp_path: Path) -> None:
    """A copied class whose `name` was forgotten would overwrite the other's image."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "image.yaml").write_text(TEXT)
    with pytest.raises(InvalidInputError, match="`name` is lyftlearn, the folder mine"):
        load_spec("mine", tmp_path)


def test_every_field_of_the_schema_that_has_a_form_says_it() -> None:
    """An editor shows what is expected, and checks the same pattern as the builder."""
    fields = [*json_schema()["properties"].values(), *json_schema()["$defs"]["Base"]["properties"].values()]
    patterns = [field for field in fields if "pattern" in field]
    assert len(patterns) >= 4
    assert all(field["description"] for field in patterns)


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), st.text(max_size=30), max_size=4))
def test_what_is_dumped_is_read_as_the_same(environment: dict[str, str]) -> None:
    """Parsing is the inverse of dumping for every description that is accepted."""
    data = {**yaml.safe_load(TEXT), "environment": environment}
    try:
        spec = ImageSpec.model_validate(data)
    except ValueError:
        return  # control characters in a value are refused
    assert parse(yaml.safe_dump(spec.model_dump(mode="json")), ImageSpec, name="again.yaml") == spec
