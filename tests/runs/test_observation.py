"""The observation that the shim left: found among a run's artifacts, or told as spoilt."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.errors import RunError
from lyftlearn_image.runs.observation import read_observation

if TYPE_CHECKING:
    from pathlib import Path

OBSERVATION = {"observed_at": 1.5, "variables": {"A": "1"}}


@pytest.mark.parametrize(
    ("artifact", "name"),
    [
        ("output", ".lyftlearn/observation.json"),
        ("output", "observation.json"),
        ("lyftlearn", "observation.json"),
    ],
)
def test_it_is_found_where_the_shim_writes_it(tmp_path: Path, artifact: str, name: str) -> None:
    """A training job's output has it in a directory of its own, a processing job's is an output of its own."""
    path = tmp_path / artifact / name
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(OBSERVATION))
    assert read_observation({artifact: tmp_path / artifact, "model": tmp_path / "model"}) == OBSERVATION


def test_no_shim_leaves_none(tmp_path: Path) -> None:
    """Neither without artifacts nor in empty ones."""
    assert read_observation({}) is None
    assert read_observation({"output": tmp_path}) is None


SPOILT = [
    "", "{", "[]", "1", "{}", '{"observed_at": "now"}', '{"observed_at": null}', '{"observed_at": true}',
    '{"observed_at": NaN}', '{"observed_at": Infinity}', '{"observed_at": -Infinity}', '{"observed_at": 1e300}',
    '{"observed_at": %s}' % ("9" * 5000),
    "[" * 100_000, '{"a":' * 100_000, '{"observed_at": 1, "a": %s}' % ("[" * 100_000),
]  # fmt: skip


@pytest.mark.parametrize("text", SPOILT, ids=lambda text: text[:30])
def test_what_the_script_made_of_it_is_no_observation(tmp_path: Path, text: str) -> None:
    """It is an error with the file's path, and no comparison with nonsense."""
    path = tmp_path / "observation.json"
    path.write_text(text)
    with pytest.raises(RunError, match="the script changed it") as caught:
        read_observation({"output": tmp_path})
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    "text", ["[" + "[]," * 300_000 + "[]]", '{"a": "' + "x" * (17 << 20) + '"}', "[" + "0," * 250_000 + "0]"]
)
def test_what_would_take_much_memory_is_not_read(tmp_path: Path, text: str) -> None:
    """The text of a list of lists takes thirty times its size; the shim writes neither so much nor so many values."""
    (tmp_path / "observation.json").write_text(text)
    with pytest.raises(RunError, match="larger than any that the shim makes"):
        read_observation({"output": tmp_path})
