"""Laws of compiling, over generated workloads of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from hypothesis import assume, given, strategies as st

from lyftlearn_image import clear_secrets
from lyftlearn_image.platforms import serialize
from lyftlearn_image.platforms.compile import compile_for, launch_for
from lyftlearn_image.platforms.kubernetes.importer import workload_file
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.platforms.sagemaker import api_model
from lyftlearn_image.workload import Notebook
from tests.examples import examples
from tests.platforms.generated import ANY_WORKLOAD
from tests.platforms.test_compile import model_of, unknown_fields

if TYPE_CHECKING:
    from lyftlearn_image.workload import Workload

LAUNCHES = st.builds(
    Launch,
    st.sampled_from(["demo", "demo-0f3a"]),
    st.just("s3://bucket/runs"),
    statsd=st.none() | st.just("10.0.0.1:9125"),
    observe_key=st.none() | st.just("00ff"),
)


@examples(30)
@given(ANY_WORKLOAD, LAUNCHES)
def test_every_member_of_a_request_is_one_that_the_api_takes(workload: Workload, launch: Launch) -> None:
    """Names, types, lengths, patterns and counts, by the service's own model."""
    for action, request in compile_for("sagemaker", workload, launch).requests():
        assert api_model.find_breaches(action, request) == []


@examples(30)
@given(ANY_WORKLOAD, LAUNCHES)
def test_every_field_of_a_manifest_is_one_that_kubernetes_has(workload: Workload, launch: Launch) -> None:
    """By Kubernetes' own models; what it does not know it would drop."""
    for document in compile_for("kubernetes", workload, launch).documents:
        model = model_of(document["kind"])
        msgspec.convert(document, model)
        assert list(unknown_fields(document, model, document["kind"])) == []


@examples(30)
@given(ANY_WORKLOAD, st.sampled_from([None, "demo-0f3a"]))
def test_what_was_compiled_can_be_read_back(workload: Workload, job_name: str | None) -> None:
    """Importing the manifests of a workload gives the workload, and tells nothing to be lost."""
    # What looks like a secret is taken out on purpose; what is sent has a bucket.
    assume(not list(clear_secrets.find_secrets(workload.model_dump(mode="json"))))
    workload = without_what_has_no_effect(workload.with_(output="s3://bucket-out/runs"))
    compiled = compile_for("kubernetes", workload, launch_for(workload, job_name=job_name))
    imported = workload_file.read(serialize.as_text(compiled), "m.yaml")
    assert imported.left == ()
    assert imported.workload == workload


def without_what_has_no_effect(workload: Workload) -> Workload:
    """The same manifests, said with fewer words: what a Deployment has no field for, and a grace that is the usual one."""
    options = workload.kubernetes.model_dump()
    if workload.kind in {"serving", "notebook"}:
        del options["retries"], options["ttl_s"]
    else:
        del options["ingress"], options["http_route"]
    if workload.kind != "serving":
        del options["disruption_budget"], options["autoscaling"]
    if workload.kind != "transform":
        del options["deadline_s"]
    if options["grace_s"] == (120 if workload.kind in {"training", "tuning"} else 30):
        del options["grace_s"]
    no_disk = {"storage_class": None} if isinstance(workload, Notebook) and not workload.storage_gb else {}
    counted = {"replicas": 1} if workload.kind == "serving" and workload.kubernetes.autoscaling else {}
    return workload.with_(kubernetes=options, **no_disk, **counted)
