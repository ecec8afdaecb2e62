"""Which job an id names, and in which namespace."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.services.kubernetes.job_id import KINDS, JobId, in_namespace, parse_job_id

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,60}[a-z0-9])?", fullmatch=True)
IDS = st.builds(JobId, st.sampled_from(KINDS), NAMES, NAMES)


@given(IDS, NAMES)
def test_an_id_names_its_own_namespace(job: JobId, other: str) -> None:
    """Whichever is the context's; one that names none is in that."""
    assert parse_job_id(str(job), other) == job
    assert parse_job_id(f"{job.kind}/{job.name}", other) == JobId(job.kind, other, job.name)


@given(IDS)
def test_a_namespace_beside_an_id_is_its_own(job: JobId) -> None:
    """It is added where the id has none, and must be the one that it has."""
    assert in_namespace(f"{job.kind}/{job.name}", job.namespace) == str(job)
    assert in_namespace(str(job), job.namespace) == str(job)
    assert in_namespace(str(job), None) == str(job)
    with pytest.raises(InvalidInputError, match="is not in the namespace"):
        in_namespace(str(job), f"{job.namespace}x")


def test_other_platforms_have_no_namespace() -> None:
    """An id of SageMaker's is left as it is."""
    assert in_namespace("training/iris", "ml") == "training/iris"


@pytest.mark.parametrize(
    "job", ["", "job", "job/", "job//x", "job/ns/", "job/a/b/c", "training/x", "job/A", "job/a b", "job/../x", "job/x\n"]
)
def test_what_is_no_id_is_refused(job: str) -> None:
    """Before anybody is asked, and with what was expected."""
    with pytest.raises(InvalidInputError, match="is no job") as told:
        parse_job_id(job, "default")
    assert "job/<namespace>/<name>" in told.value.hint
