"""The workload: what it accepts, and what it says about the rest."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image import yamlfile
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.workload import Workload

MINIMAL = "name: job\nimage: team:1\nprogram: train.py\n"


def test_a_minimal_workload_is_a_training_job() -> None:
    """Name, image and program are enough."""
    workload = yamlfile.parse(MINIMAL, Workload, name="job.yaml")
    assert (workload.kind, workload.arguments) == ("training", "--key value")


@pytest.mark.parametrize(
    ("text", "line", "key", "expected"),
    [
        pytest.param(MINIMAL + "programm: x\n", 4, "programm", "Did you mean `program`?", id="misspelt key"),
        pytest.param(MINIMAL + "cpus: -1\n", 4, "cpus", "greater than 0", id="number out of range"),
        pytest.param(MINIMAL + "files:\n  etc/app: {content: x}\n", 5, "files.etc/app", "absolute path", id="relative file"),
        pytest.param(
            MINIMAL + "files:\n  /etc/app: {mode: '0644'}\n", 5, "files./etc/app", "`content` or `secret`", id="no content"
        ),
        pytest.param(MINIMAL + "channels: {a/b: s3://x/}\n", 1, "top level", "channel `a/b`", id="channel name"),
        pytest.param("name: job\nimage: x\n", 1, "top level", "either `program` or `command`", id="nothing to run"),
        pytest.param(MINIMAL + "environment: {A: b}\nsecrets: {A: 'aws-sm://a'}\n", 1, "top level", "keep one", id="twice"),
        pytest.param(MINIMAL + "program: y\n", 4, "program", "stands twice", id="key twice"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, line: int, key: str, expected: str) -> None:
    """The error names the file, the line, the key and what was expected there."""
    with pytest.raises(InvalidInputError) as caught:
        yamlfile.parse(text, Workload, name="job.yaml")
    told = str(caught.value)
    assert "job.yaml" in told
    assert f"line {line}" in told or f"and {line}" in told
    assert key in told
    assert expected in told


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: object) -> None:
    """A missing file is an error of input, not a traceback."""
    from pathlib import Path

    with pytest.raises(InvalidInputError, match="there is no file"):
        yamlfile.load(Path(str(tmp_path)) / "none.yaml", Workload)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No input makes the reader fail with anything but its own error."""
    try:
        yamlfile.parse(text, Workload, name="x.yaml")
    except InvalidInputError as error:
        assert error.what  # noqa: PT017 - either outcome is right; an error must say something


def test_a_change_is_validated_too() -> None:
    """A copy with other fields goes through the same checks."""
    workload = yamlfile.parse(MINIMAL, Workload, name="job.yaml")
    assert workload.with_(cpus=1).cpus == 1
    with pytest.raises(ValueError, match="greater than 0"):
        workload.with_(cpus=0)
