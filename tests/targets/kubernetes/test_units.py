"""The Kubernetes target's pure parts: expansion, quantities, the compiled manifests, refused fields."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, strategies as st

from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.targets.kubernetes import fields
from lyftlearn_image.targets.kubernetes.compile import compile_job
from lyftlearn_image.targets.kubernetes.environment import expand
from lyftlearn_image.targets.kubernetes.quantity import divided, parse_quantity
from lyftlearn_image.targets.target import Launch
from lyftlearn_image.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable

LAUNCH = Launch("demo-job-1", "s3://bucket/runs", statsd="10.0.0.1:9125", observe_key="00ff")
WORKLOAD: dict[str, Any] = {
    "name": "demo", "image": "team:1", "program": "train.py", "channels": {"train": "s3://bucket/data/"},
    "hyperparameters": {"lr": 0.1}, "environment": {"PRICE": "$(COST) $$ 5"}, "secrets": {"PASSWORD": "aws-sm://prod/db#password"},
    "files": {"/etc/app/app.yaml": {"content": "a: 1\n"}, "/etc/keys/key": {"secret": "aws-sm://prod/key", "mode": "0400"}},
}  # fmt: skip


def test_the_manifests_are_the_golden_ones(golden: Callable[[str, str], None]) -> None:
    """ConfigMaps first, then the Job: restricted, with a read-only root, reviewed as prose."""
    compiled = compile_job(Workload.model_validate(WORKLOAD), LAUNCH)
    assert not compiled.objects
    golden("training.yaml", yaml.safe_dump_all(compiled.documents, sort_keys=False))


def test_a_processing_job_compiles_too(golden: Callable[[str, str], None]) -> None:
    """Its outputs are prefixes and its observation is an output of its own."""
    workload = Workload(
        name="prep", kind="processing", image="team:1", command=("python", "prep.py"), channels={"raw": "s3://b/raw/"}
    )
    compiled = compile_job(workload, LAUNCH)
    assert set(compiled.outputs) == {"output", "lyftlearn"}
    golden("processing.yaml", yaml.safe_dump_all(compiled.documents, sort_keys=False))


def test_what_a_config_map_cannot_hold_goes_to_s3() -> None:
    """Megabytes of hyperparameters: the bundle is an object, and the pod is told where, with its digest."""
    compiled = compile_job(Workload.model_validate({**WORKLOAD, "hyperparameters": {"big": "x" * (2 << 20)}}), LAUNCH)
    ((uri, data),) = compiled.objects.items()
    assert json.loads(data)["hyperparameters"]["big"]
    variables = {
        one["name"]: one["value"] for one in compiled.documents[-1]["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    assert variables["LYFTLEARN_BUNDLE"].startswith(f"{uri}#sha256=")


def test_a_dollar_of_the_workload_is_not_expanded() -> None:
    """What the user wrote arrives: every dollar is doubled, and the kubelet's rules give it back."""
    job = compile_job(Workload.model_validate(WORKLOAD), LAUNCH).documents[-1]
    variables = {one["name"]: one["value"] for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert expand(variables["PRICE"], {"COST": "no"}) == "$(COST) $$ 5"


@given(st.text(alphabet="$()AB x", max_size=30))
def test_doubling_dollars_is_the_inverse_of_expansion(text: str) -> None:
    """No text is changed by being quoted and expanded, whatever is known."""
    assert expand(text.replace("$", "$$"), {"A": "1", "B": "2", "": "3"}) == text


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("$(X)", "$(X)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A", "$A"),
        ("$$A", "$A"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("a$", "a$"),
    ],
)
def test_references_are_expanded_as_a_kubelet_does(text: str, expanded: str) -> None:
    """As recorded: unknown ones stay, every `$$` becomes `$`."""
    assert expand(text, {"A": "1"}) == expanded


@pytest.mark.parametrize(
    ("text", "divisor", "expected"),
    [
        ("500m", "1", "1"),
        ("1500m", "1", "2"),
        ("1500m", "1m", "1500"),
        ("300Mi", "1Gi", "1"),
        ("1Gi", "1", "1073741824"),
        ("1e3", "1", "1000"),
        ("2k", "1", "2000"),
    ],
)
def test_quantities_are_divided_and_rounded_up(text: str, divisor: str, expected: str) -> None:
    """As the downward API gives them (recorded case 04)."""
    assert divided(text, divisor) == expected


def test_what_is_no_quantity_is_told() -> None:
    """A typing mistake in a limit."""
    with pytest.raises(InvalidInputError, match="12 GB"):
        parse_quantity("12 GB")


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("spec", "suspend"), True, "spec.suspend = True"),
        (("spec", "successPolicy"), {}, "spec.successPolicy"),
        (("spec", "template", "spec", "hostNetwork"), True, "spec.template.spec.hostNetwork"),
        (("spec", "template", "spec", "volumes", 0, "hostPath"), {"path": "/"}, "spec.template.spec.volumes[0].hostPath"),
        (
            ("spec", "template", "spec", "containers", 0, "livenessProbe"),
            {"grpc": {"port": 1}},
            "spec.template.spec.containers[0].livenessProbe.grpc",
        ),
        (("spec", "template", "spec", "containers", 0, "securityContext", "privileged"), True, "securityContext.privileged"),
    ],
)
def test_a_field_that_is_not_implemented_is_named_with_its_path(path: tuple[Any, ...], value: object, named: str) -> None:
    """It is never ignored."""
    job = json.loads(json.dumps(compile_job(Workload.model_validate(WORKLOAD), LAUNCH).documents[-1]))
    fields.refuse_unknown(job)
    at = job
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    with pytest.raises(UnsupportedError) as refused:
        fields.refuse_unknown(job)
    assert named in str(refused.value)
