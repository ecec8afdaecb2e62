"""The generated pages: they say what the models and the commands say, whatever is added to them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.cli.main import VERBS
from lyftlearn_image.cli.schemas import SCHEMAS
from tests.docs import verbs, yaml_reference

if TYPE_CHECKING:
    from collections.abc import Iterable

DOCS = Path(__file__).parents[2] / "docs"


def as_committed(request: pytest.FixtureRequest, directory: Path, pages: Iterable[tuple[str, str]]) -> None:
    """Compares pages with those in a folder; writes them there with --update-golden."""
    for name, text in pages:
        path = directory / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"there is no {path}: run `make reference`"
        assert text == path.read_text(encoding="utf-8"), f"{path} is not current: run `make reference`"


def test_the_pages_of_keys_are_what_the_models_say(request: pytest.FixtureRequest) -> None:
    """A key that a model gets is on its page, or this fails."""
    as_committed(request, DOCS / "reference", yaml_reference.pages())


def test_the_page_of_verbs_is_what_the_commands_say(request: pytest.FixtureRequest) -> None:
    """A verb or an option that comes or goes does so on the page too."""
    as_committed(request, DOCS / "reference", [("verbs.md", verbs.page())])


def test_the_manual_is_what_the_commands_say(request: pytest.FixtureRequest) -> None:
    """A page for every verb, and none for what is no verb any more."""
    pages = dict(verbs.man_pages())
    if request.config.getoption("--update-golden"):
        shutil.rmtree(DOCS / "man", ignore_errors=True)
    as_committed(request, DOCS / "man", pages.items())
    assert {path.name for path in (DOCS / "man").iterdir()} == pages.keys()
    assert {f"lyftlearn-image-{verb}.1" for verb in VERBS} <= pages.keys()


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_of_a_schema_is_on_its_page(name: str) -> None:
    """Also those of the shapes within, each of which is linked to where it is described."""
    text = dict(yaml_reference.pages())[f"{name}.md"]
    schema = yaml_reference.schema_of(name)
    tables = [schema, *schema.get("oneOf", ()), *schema["$defs"].values()]
    if name == "suite":
        text += dict(yaml_reference.pages())["workload.md"]
    assert all(f"\n| `{key}` |" in text for table in tables for key in table.get("properties", ()))


def test_a_bound_a_default_and_a_word_are_told() -> None:
    """What pydantic says of a key beside its description."""
    pages = dict(yaml_reference.pages())
    assert "| `nodes` | whole number, ≥ 1 | `1` |" in pages["workload.md"]
    assert "| `cases` | list of [Case](#case), at least 1 | **required** |" in pages["suite.md"]
    assert "| `kubernetes` | [Kubernetes](#kubernetes) | |" in pages["workload.md"]
    assert "`durations`: how long something took" in pages["suite.md"]


def test_the_manual_is_read_without_a_complaint(tmp_path: Path) -> None:
    """By groff where there is one; what it is given, its own escapes apart, is what it shows."""
    command = shutil.which("groff")
    for name, text in verbs.man_pages():
        assert all(
            line.startswith((".TH", ".SH", ".B ", ".PP", ".TP", ".nf", ".fi")) for line in text.splitlines() if line[:1] == "."
        ), name
        if command:
            done = subprocess.run([command, "-man", "-ww", "-z"], input=text, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")
