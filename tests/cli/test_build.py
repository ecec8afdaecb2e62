"""The verbs `build` and `engine`: what they print, and their exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lyftlearn_image.cli.main import main

IMAGES = Path(__file__).resolve().parents[2] / "images"


def test_build_prints_digest_size_and_time(
    lyftlearn_image_tag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The result is on stdout for people, and the same facts are in the JSON file."""
    path = tmp_path / "build.json"
    path.write_text('{"image": "of last time", "id": "", "build_key": ""}')
    assert main(["build", "lyftlearn", "--tag", lyftlearn_image_tag, "--images", str(IMAGES), "--json-file", str(path)]) == 0
    facts = json.loads(path.read_text())
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert rows["file"] == facts["file"] == str(IMAGES / "lyftlearn" / "image.yaml")
    assert rows["digest"] == facts["id"]
    assert rows["size"] == f"{facts['size_bytes'] / 1e6:.0f} MB"
    assert lyftlearn_image_tag in rows["image"]
    assert rows["time"].startswith("nothing has changed; looked up in ")
    assert facts["was_built"] is False
    assert facts["base"]["origin"] in {"local", "pulled", "bootstrapped"}


def test_build_prints_json_and_nothing_else(lyftlearn_image_tag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json and --quiet a program can read stdout, and stderr is empty."""
    assert main(["build", "lyftlearn", "--tag", lyftlearn_image_tag, "--images", str(IMAGES), "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["image"] == lyftlearn_image_tag
    assert err == ""


@pytest.mark.parametrize("arguments", [["--ca-bundle", "nowhere.pem"], ["--images", "nowhere"]])
def test_a_wrong_argument_of_build_is_told_in_lines(
    engine: None, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 78, what is wrong and what to do; no traceback."""
    assert main(["build", "lyftlearn", "--quiet", *arguments]) == 78
    assert capsys.readouterr().err.startswith("Error: there is no ")


@pytest.mark.parametrize("text", ["# somebody's notes\n", "{}", "[1]", '{"image": "x"}'])
def test_a_result_is_not_written_over_somebodys_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Its own result of the last time is; anything else stays, and nothing is built."""
    path = tmp_path / "build.json"
    path.write_text(text)
    assert main(["build", "lyftlearn", "--images", str(IMAGES), "--json-file", str(path), "--quiet"]) == 78
    assert f"{path} is there already, and is no result of this verb" in capsys.readouterr().err
    assert path.read_text() == text


def test_a_failed_build_has_exit_code_1(
    engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The step, its last words and the log are on stderr."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    images = tmp_path / "images"
    shutil.copytree(IMAGES, images)
    description = images / "lyftlearn" / "image.yaml"
    description.write_text(description.read_text().replace("run: [", "run: [no-such-package, "))
    assert main(["build", "lyftlearn", "--images", str(images), "--tag", "lyftlearn-test:broken", "--quiet"]) == 1
    told = capsys.readouterr().err
    assert "Unable to locate package no-such-package" in told
    assert "check `apt` in image.yaml" in told
    assert (tmp_path / "state" / "lyftlearn-image" / "build-lyftlearn-test_broken.log").is_file()


def test_engine_says_what_it_found(engine: None, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for people; address, version and origin as JSON."""
    assert main(["engine"]) == 0
    line = capsys.readouterr().out
    assert main(["engine", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert line == f"Docker engine {facts['version']} at {facts['host']}: it was running\n"
    assert facts["origin"] == "running"
