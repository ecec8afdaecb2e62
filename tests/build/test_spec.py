"""An image class: read, or refused with the place of the mistake."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, strategies as st

from lyftlearn_image.build.spec import ImageSpec, find_images_dir, json_schema, list_specs, load_spec
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
        pytest.param("digest: sha256:78d2", "digest: sha256:xyz", "`base.digest`", "digest:", id="digest"),
        pytest.param('version: "3.11"', "version: 3.11", "`python.version`", "version: 3.11", id="version as a number"),
        pytest.param("libgomp1]", "libgomp1; rm -rf /]", "`apt.run.1`", "rm -rf", id="a package that is a command"),
        pytest.param("uid: 10001", "uid: 70000", "`users.0.uid`", "70000", id="a UID that Studio refuses"),
        pytest.param("TZ: UTC", "T Z: UTC", "environment", "T Z", id="a variable's name"),
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


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """`--images` with a wrong folder."""
    with pytest.raises(InvalidInputError, match="there is no directory"):
        find_images_dir(tmp_path / "none")


def test_the_schema_for_editors_accepts_our_own_file_and_refuses_a_misspelt_one() -> None:
    """The schema comes out of the same model, so an editor and the builder agree."""
    jsonschema.validate(yaml.safe_load(TEXT), json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(TEXT.replace("labels:", "lables:")), json_schema())


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), st.text(max_size=30), max_size=4))
def test_what_is_dumped_is_read_as_the_same(environment: dict[str, str]) -> None:
    """Parsing is the inverse of dumping for every description that is accepted."""
    data = {**yaml.safe_load(TEXT), "environment": environment}
    try:
        spec = ImageSpec.model_validate(data)
    except ValueError:
        return  # control characters in a value are refused
    assert parse(yaml.safe_dump(spec.model_dump(mode="json")), ImageSpec, name="again.yaml") == spec
