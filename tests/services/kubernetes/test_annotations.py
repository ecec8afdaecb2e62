"""What is written on objects of a cluster, by `submit` or by anybody else who may edit them."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.batch_v1 import Job

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.run import State, Status
from lyftlearn_image.services.kubernetes.annotations import (
    END,
    OBJECTS,
    OUTPUTS,
    read_end,
    read_objects,
    read_outputs,
    read_seconds,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT = "lyftlearn.dev/pending-timeout-seconds"
READERS: dict[str, Callable[[Any], Any]] = {
    OUTPUTS: read_outputs, OBJECTS: read_objects, END: read_end, TIMEOUT: lambda job: read_seconds(job, TIMEOUT),
}  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["Failed", "s3://b/k"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
)


def job_with(annotations: dict[str, str] | None) -> Job:
    """A Job of the name churn-1 with these annotations."""
    return Job(metadata=ObjectMeta(name="churn-1", namespace="ml", annotations=annotations))


@pytest.mark.parametrize("annotations", [None, {}])
def test_a_job_without_any_has_none(annotations: dict[str, str] | None) -> None:
    """As one that other tools have made."""
    job = job_with(annotations)
    assert [read(job) for read in READERS.values()] == [{}, [], None, None]


def test_what_submit_writes_is_read_as_it_was() -> None:
    """Outputs, objects, an end, a length of time."""
    outputs = {"model": "s3://b/p/churn-1/output/model.tar.gz", "data_x": "s3://b/p/churn-1/x/"}
    end = {"status": "Failed", "phase": "Failed", "reason": "why", "exit_code": 3, "is_waiting": False}
    objects = ["s3://b/p/churn-1/bundle.json"]
    written = {OUTPUTS: json.dumps(outputs), OBJECTS: json.dumps(objects), END: json.dumps(end), TIMEOUT: "1800"}
    job = job_with(written)
    assert [read(job) for read in READERS.values()] == [outputs, objects, State(Status.FAILED, "Failed", "why", 3), 1800.0]


@given(annotation=st.sampled_from(list(READERS)), value=ANYTHING.map(json.dumps) | st.text(min_size=1))
def test_anything_else_is_one_error_or_harmless(annotation: str, value: str) -> None:
    """No other exception; what is taken leads nowhere outside."""
    found = None
    with contextlib.suppress(InvalidInputError):
        found = READERS[annotation](job_with({annotation: value}))
    if annotation == OUTPUTS:
        assert all("/" not in name and not name.startswith(".") for name in found or ())


@pytest.mark.parametrize("name", ["..", "../../root/.ssh", "/etc", "a/b", "", ".hidden"])
def test_no_output_is_put_outside_of_its_directory(name: str) -> None:
    """Its name is that of a directory on the machine of whoever collects."""
    with pytest.raises(InvalidInputError, match="not what `submit` writes"):
        read_outputs(job_with({OUTPUTS: json.dumps({name: "s3://b/k/"})}))


@pytest.mark.parametrize("uri", ["s3://prod/models/churn.tar.gz", "s3://prod/churn-1", "s3://prod/churn-10/bundle.json"])
def test_nothing_is_deleted_that_is_not_of_the_job(uri: str) -> None:
    """Whoever deletes a job may have rights that whoever edits it has not."""
    own = "s3://b/p/churn-1/bundle.json"
    assert read_objects(job_with({OBJECTS: json.dumps([uri, own])})) == [own]
