"""The Kubernetes target's pure parts: expansion, quantities, the compiled manifests, refused fields."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, strategies as st

from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.targets.kubernetes import fields, logs
from lyftlearn_image.targets.kubernetes.compile import compile_job
from lyftlearn_image.targets.kubernetes.dns import ClusterDns
from lyftlearn_image.targets.kubernetes.environment import expand
from lyftlearn_image.targets.kubernetes.handlers import Outcome
from lyftlearn_image.targets.kubernetes.probes import Timing, verdicts
from lyftlearn_image.targets.kubernetes.quantity import divided, parse_quantity
from lyftlearn_image.targets.kubernetes.sandbox import pause_program
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


def test_every_field_is_in_one_table_alone() -> None:
    """What is implemented, ignored and refused: each with a known shape, and with a reason where it is not implemented."""
    known = {f"{shape}.{field}" for shape, inside in fields.IMPLEMENTED.items() for field in inside}
    assert not known & set(fields.IGNORED)
    assert not known & set(fields.REFUSED)
    assert not set(fields.IGNORED) & set(fields.REFUSED)
    assert set(fields.PARTIAL) <= known
    assert all({**fields.IGNORED, **fields.REFUSED}.values())
    assert {name.partition(".")[0] for name in (*fields.IGNORED, *fields.REFUSED)} <= set(fields.IMPLEMENTED)
    named = {value for inside in fields.IMPLEMENTED.values() for value in inside.values() if isinstance(value, str) and value}
    assert named | {"Job", "Pod", "Service", "ServiceAccount"} == set(fields.IMPLEMENTED)


def test_a_refused_field_is_told_with_its_reason() -> None:
    """So that the reader knows whether to wait for it or to do without."""
    pod = {"kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [], "volumes": [{"name": "v", "hostPath": {}}]}}
    with pytest.raises(UnsupportedError, match="never sees this machine's own files"):
        fields.refuse_unknown(pod)


@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(max_size=40000)), max_size=6))
def test_a_log_gives_back_what_was_written(pieces: list[tuple[str, bytes]]) -> None:
    """Each stream whole, however it was cut; no row is longer than 16 KiB."""
    with tempfile.TemporaryDirectory() as directory:
        log = logs.Log(Path(directory) / "0.log")
        for stream, data in pieces:
            log.write(stream, data)
        log.close()
        found = logs.rows(Path(directory) / "0.log")
    for stream in ("stdout", "stderr"):
        text = b"".join(row.text + (b"\n" if row.tag == "F" else b"") for row in found if row.stream == stream)
        assert text == b"".join(data for name, data in pieces if name == stream)
    assert all(len(row.text) <= logs.LINE_BYTES for row in found)


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 4), st.integers(1, 4))
def test_a_probe_believes_what_it_hears_often_enough(heard: list[bool], successes: int, failures: int) -> None:
    """A verdict needs as many of the same outcomes in a row as its threshold says."""
    timing = Timing(success_threshold=successes, failure_threshold=failures)
    for position, (outcome, says) in enumerate(verdicts((Outcome(one) for one in heard), timing)):
        needed = successes if outcome.succeeded else failures
        is_enough = position + 1 >= needed and set(heard[position + 1 - needed : position + 1]) == {outcome.succeeded}
        assert says == (outcome.succeeded if is_enough else None)


def test_the_sandbox_program_is_a_small_executable() -> None:
    """For both machines that images are built for; another one is refused."""
    for machine in ("x86_64", "aarch64"):
        assert pause_program(machine).startswith(b"\x7fELF")
        assert len(pause_program(machine)) < 300
    with pytest.raises(UnsupportedError, match="riscv64"):
        pause_program("riscv64")


def test_the_dns_answers_for_the_cluster_alone() -> None:
    """An address for a published name, in any case of letters and to pods of the same run; no such name otherwise."""
    dns = ClusterDns("127.0.0.1", "cluster.local")
    dns.publish(1, ("a.svc.cluster.local",), "10.0.0.7")
    query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01A\x03svc\x07cluster\x05local\x00\x00%c\x00\x01"
    with dns.client("10.0.0.8", 1), dns.client("10.0.0.9", 2):
        found = dns.answer(query % 1, "10.0.0.8")
        assert found.startswith(b"\x12\x34\x85\x80\x00\x01\x00\x01")
        assert found.endswith(bytes([10, 0, 0, 7]))
        assert dns.answer(query % 28, "10.0.0.8")[3:8] == b"\x80\x00\x01\x00\x00"
        assert dns.answer(query % 1, "10.0.0.9")[3] == 0x83
        dns.withdraw(1, ("a.svc.cluster.local",), "10.0.0.7")
        assert dns.answer(query % 1, "10.0.0.8")[3] == 0x83


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("spec", "suspend"), True, "spec.suspend = True"),
        (("spec", "managedBy"), "other", "spec.managedBy"),
        (
            ("spec", "template", "spec", "containers", 0, "restartPolicy"),
            "Always",
            "spec.template.spec.containers[0].restartPolicy",
        ),
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
