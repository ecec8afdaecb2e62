"""The pure parts of the Kubernetes emulator: refused fields, logs, probes, DNS."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.docker.pause_image import pause_program
from lyftlearn_image.emulation.kubernetes import container_log, fields
from lyftlearn_image.emulation.kubernetes.dns import ClusterDns
from lyftlearn_image.emulation.kubernetes.handlers import Outcome
from lyftlearn_image.emulation.kubernetes.probes import Timing, verdicts
from lyftlearn_image.errors import UnsupportedError
from lyftlearn_image.platforms.kubernetes.compile import compile_manifests
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.workload import Workload

LAUNCH = Launch("demo-job-1", "s3://bucket/runs", statsd="10.0.0.1:9125", observe_key="00ff")
WORKLOAD: dict[str, Any] = {
    "name": "demo", "image": "team:1", "program": "train.py", "channels": {"train": "s3://bucket/data/"},
    "hyperparameters": {"lr": 0.1}, "environment": {"PRICE": "$(COST) $$ 5"}, "secrets": {"PASSWORD": "aws-sm://prod/db#password"},
    "files": {"/etc/app/app.yaml": {"content": "a: 1\n"}, "/etc/keys/key": {"secret": "aws-sm://prod/key", "mode": "0400"}},
}  # fmt: skip


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
        log = container_log.Log(Path(directory) / "0.log")
        for stream, data in pieces:
            log.write(stream, data)
        log.close()
        found = container_log.rows(Path(directory) / "0.log")
    for stream in ("stdout", "stderr"):
        text = b"".join(row.text + (b"\n" if row.tag == "F" else b"") for row in found if row.stream == stream)
        assert text == b"".join(data for name, data in pieces if name == stream)
    assert all(len(row.text) <= container_log.LINE_BYTES for row in found)


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
    job = json.loads(json.dumps(compile_manifests(Workload.model_validate(WORKLOAD), LAUNCH).documents[-1]))
    fields.refuse_unknown(job)
    at = job
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    with pytest.raises(UnsupportedError) as refused:
        fields.refuse_unknown(job)
    assert named in str(refused.value)
