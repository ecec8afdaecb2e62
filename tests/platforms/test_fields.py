"""Every field of every kind of workload, one by one: exactly where it goes on each platform, and what is said about it.

The golden files are the documentation of the compilers: below each field, every place that it changes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pydantic import BaseModel

from lyftlearn_image.errors import LyftlearnError
from lyftlearn_image.platforms.compile import compile_for, launch_for
from lyftlearn_image.platforms.launch import TARGETS, Launch
from lyftlearn_image.platforms.lint import lint
from lyftlearn_image.platforms.permissions import needed
from lyftlearn_image.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.platforms.launch import TargetName

COMMON: dict[str, Any] = {"name": "job", "image": "team:1", "output": "s3://runs/team"}
METRICS = {"loss": r"loss=(\S+)"}
BASES: dict[str, dict[str, Any]] = {
    "training": {"program": "train.py"},
    "processing": {"command": ["python", "prep.py"]},
    "tuning": {
        "program": "train.py", "metrics": METRICS, "objective": "loss",
        "search_space": {"lr": {"type": "float", "low": 0.1, "high": 0.3}},
    },
    "serving": {"model": "s3://models/a/"},
    "transform": {"model": "s3://models/a/model.tar.gz", "input": "s3://data/in/"},
    "notebook": {},
}  # fmt: skip
# Field → a value that is not its default. A field that needs another has the other in ALONGSIDE.
VALUES: dict[str, list[Any]] = {
    "name": ["other"],
    "image": ["111122223333.dkr.ecr.eu-west-1.amazonaws.com/ml/team:2"],
    "output": ["s3://elsewhere/x"],
    "role_arn": ["arn:aws-us-gov:iam::444455556666:role/ml"],
    "environment": [
        {"MODE": "full $(HOME) $5", "my.key": "dots", "LONG": "x" * 513}, {"no name": "in no manifest"}, {"B": "2", "A": "1"},
    ],
    "secrets": [
        {"PASSWORD": "aws-sm://prod/db#password"}, {"A": "aws-sm://a", "B": "aws-sm://b?last-known-good#k"},
        {"POD": "downward://metadata.name", "CPUS": "downward://limits.cpu", "MEMORY": "downward://requests.memory"},
        {"REGION": "aws-ssm:///ml/region", "OBJECT": "s3://secrets/object", "ENV": "env://OTHER"},
        {"ARN": "aws-sm://arn:aws:secretsmanager:eu-west-1:1:secret:n", "P": "aws-ssm://arn:aws:ssm:eu-west-1:1:parameter/p:3"},
        {"D": "aws-sm://a?default=last-known-good", "U": "confidant://service#user"}, {"no name": "aws-sm://odd"},
    ],
    "secret_sets": [["confidant://team", "aws-ssm-path:///ml/team/"]],
    "refresh": [{"every_s": 60}, {"every_s": 60, "signal": "HUP"}],
    "files": [
        {"/etc/app/b.yaml": {"content": "b: 1\n"}, "/etc/app/a.yaml": {"content": "a: 1\n", "mode": "0600"}},
        {"/etc/keys/key": {"secret": "aws-sm://prod/key", "mode": "0400"}, "/etc/keys/note": {"content": "beside"}},
        {"/srv/mine": {"content": "x", "owner": "1000:100"}}, {"/srv/bad name": {"content": "x"}},
        {"/a-b/x": {"content": "x"}, "/a/y": {"content": "y"}},
    ],
    "tags": [{"team": "ads", "cost": "7"}],
    "network": [{"subnets": ["subnet-1", "subnet-2"], "security_groups": ["sg-1"]}, {"isolated": True}, {"encrypted": True}],
    "encryption": [
        {"output_key": "alias/out"}, {"volume_key": "arn:aws:kms:eu-west-1:111122223333:key/1"}, {"output_key": "1234abcd"},
    ],
    "instance_type": ["ml.c5.xlarge"],
    "cpus": [0.5],
    "memory_mib": [512],
    "gpus": [2],
    "run_as_user": [77],
    "arguments": ["none", ["--debug"]],
    "hyperparameters": [{"depth": 0.1, "text": "5", "layers": [1, 2]}, {"text": "a\nb"}],
    "channels": [{"train": "s3://data/train/", "eval": "s3://data/eval"}],
    "nodes": [2],
    "volume_gb": [77],
    "max_runtime_s": [60],
    "metrics": [{**METRICS, "acc": "acc=(.)"}],
    "checkpoints": ["s3://kept/here"],
    "spot": [{"max_wait_s": 7200}],
    "program": ["other.py"],
    "command": [["python", "-m", "other", "$(X)"], ["sh", "-c", "two\nlines"]],
    "warm_pool_s": [600],
    "local_paths": [{"raw": "/opt/ml/processing/input"}],
    "outputs": [{"table": "/opt/ml/processing/table", "plots": "/opt/ml/processing/plots"}],
    "search_space": [
        {
            "n": {"type": "int", "low": 1, "high": 64, "log": True}, "m": {"type": "int", "low": 1, "high": 64},
            "a": {"type": "float", "low": 0.01, "high": 1.0, "log": True},
            "o": {"type": "choice", "values": ["sgd", "5", 5, True]},
        }
    ],
    "objective": ["acc"],
    "goal": ["minimize"],
    "strategy": ["random", "grid"],
    "max_trials": [7],
    "parallel_trials": [3],
    "early_stopping": [True],
    "seed": [9],
    "model": ["s3://models/b/model.tar.gz", "s3://models/b/"],
    "replicas": [3],
    "startup_s": [61],
    "data_capture": [True],
    "input": ["s3://data/other"],
    "content_type": ["text/csv"],
    "accept": ["application/json"],
    "split": ["Line", "RecordIO"],
    "assemble": ["Line"],
    "batch": ["SingleRecord", "MultiRecord"],
    "max_concurrent": [4],
    "max_payload_mb": [0, 5],
    "timeout_s": [99],
    "storage_gb": [20],
    "storage_class": ["gp3"],
    "kubernetes.namespace": ["ml"],
    "kubernetes.service_account": ["trainer"],
    "kubernetes.role_arn": ["arn:aws:iam::111122223333:role/pod"],
    "kubernetes.secrets": [{"TOKEN": "db#token"}],
    "kubernetes.image_pull_secrets": [["pull"]],
    "kubernetes.labels": [{"team": "ads"}],
    "kubernetes.annotations": [{"note": "x"}],
    "kubernetes.node_selector": [{"pool": "gpu"}],
    "kubernetes.tolerations": [
        [{"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}],
        [{"operator": "Exists"}],
        [{"key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}],
    ],
    "kubernetes.read_only_root": [False],
    "kubernetes.affinity": [
        {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["ml"]}]}]}},
          "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 7, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}}]}}
    ],
    "kubernetes.topology_spread": [
        [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"a": "b"}}}]
    ],
    "kubernetes.queue": ["team-a"],
    "kubernetes.priority_class": ["high"],
    "kubernetes.do_not_disrupt": [True],
    "kubernetes.requests": [{"cpus": 0.25}, {"memory_mib": 128}],
    "kubernetes.shm_size_mib": [1024],
    "kubernetes.volumes": [
        {"/mnt/data": {"claim": "data", "sub_path": "a/b"}, "/mnt/more": {"claim": "data", "read_only": True}},
        {"/tmp": {"claim": "data"}},
    ],
    "kubernetes.disruption_budget": [{"min_available": 1}, {"max_unavailable": "50%"}],
    "kubernetes.autoscaling": [
        {"max_replicas": 9, "cpu_percent": 70}, {"min_replicas": 2, "max_replicas": 3, "memory_percent": 80},
    ],
    "kubernetes.ingress": [
        {}, {"host": "a.example.com", "path": "/m", "class_name": "nginx", "certificate": "tls", "annotations": {"a/b": "c"}},
        {"host": "no host"},
    ],
    "kubernetes.http_route": [
        {"gateway": "public"}, {"gateway": "infra/public", "listener": "https", "hostnames": ["a.example.com"], "path": "/m"},
    ],
    "kubernetes.deadline_s": [600],
    "kubernetes.retries": [2],
    "kubernetes.pending_timeout_s": [900],
    "kubernetes.ttl_s": [60],
    "kubernetes.grace_s": [45, 0, 30],
}  # fmt: skip
ALONGSIDE: dict[str, dict[str, Any]] = {
    "data_capture": {"encryption": {"output_key": "alias/out"}},
    "spot": {"checkpoints": "s3://kept/here"},
    "local_paths": {"channels": {"raw": "s3://data/raw/"}},
    "objective": {"metrics": {**METRICS, "acc": "acc=(.)"}},
    "kubernetes.role_arn": {"kubernetes": {"service_account": "trainer"}},
    "kubernetes.secrets": {"secrets": {"TOKEN": "aws-sm://db#token"}},
    "storage_class": {"storage_gb": 1},
    "assemble": {"split": "Line"},
}
GRID = {"search_space": {"o": {"type": "choice", "values": [1, 2, 3]}, "p": {"type": "choice", "values": [1, 2]}}}
# What a launch adds to any workload.
LAUNCHES: dict[str, dict[str, Any]] = {
    "launch.job_name": {"job_name": "job-0f3a"}, "launch.s3_prefix": {"s3_prefix": "s3://elsewhere/x"},
    "launch.role_arn": {"role_arn": "arn:aws:iam::1:role/x"}, "launch.statsd": {"statsd": "10.0.0.1:9125"},
    "launch.observe_key": {"observe_key": "00ff"},
}  # fmt: skip
_DIGEST = re.compile(r"sha256=[0-9a-f]{64}")
# Members that tell the items of a list apart.
_ITEM_NAMES = (
    "name", "mountPath", "key", "Key", "Name", "ChannelName", "InputName", "OutputName", "Sid", "path", "kind", "resources",
)  # fmt: skip


def fields_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every field of a model, those of `kubernetes` by themselves."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if name == "kubernetes" and isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from fields_of(inner, "kubernetes.")
        elif name != "kind":
            yield f"{prefix}{name}"


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of a document with its path; JSON in a text is a document, too, and a list of texts is a leaf."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(inner, dict | list) for inner in value):
        for index, inner in enumerate(value):
            yield from flat(inner, f"{path}[{item_name(inner, index)}]")
    else:
        text = json.dumps(value, ensure_ascii=False)
        yield path, _DIGEST.sub("sha256=…", text)


def item_name(item: Any, index: int) -> str:
    """The name of an item of a list, else its place."""
    name = next((item[key] for key in _ITEM_NAMES if key in item), None) if isinstance(item, dict) else None
    return str(index) if name is None else str(name) if isinstance(name, str) else "+".join(name)


def facts(workload: Workload, written: dict[str, Any], launch: Launch) -> dict[str, str]:
    """Everything that the platforms make of a workload, as one flat document."""
    everything: dict[str, Any] = {}
    for target in TARGETS:
        everything[target] = compiled_facts(target, workload, launch)
        try:
            everything[f"{target} permissions"] = needed.permissions(workload, [target])[target]
        except LyftlearnError as error:
            everything[f"{target} permissions"] = {"refused": str(error)}
    findings = lint(yaml.safe_dump(written, sort_keys=False), "f")
    everything["lint"] = {
        f"{finding.level} [{finding.target}] {finding.field}": f"{finding.what} | {finding.hint}" for finding in findings
    }
    return {f"{title}: {path}": text for title, document in everything.items() for path, text in flat(document) if path}


def compiled_facts(target: TargetName, workload: Workload, launch: Launch) -> Any:
    """The documents by action or kind and name; the bundle and the outputs beside them."""
    try:
        compiled = compile_for(target, workload, launch)
    except LyftlearnError as error:
        return {"refused": str(error)}
    if target == "sagemaker":
        documents = dict(compiled.requests())
    else:
        documents = {f"{one['kind']}/{one['metadata']['name']}": one for one in compiled.documents}
    order = list(documents)
    objects = {uri: data.decode() for uri, data in compiled.objects.items()}
    return {
        **documents,
        "objects": objects,
        "outputs": dict(compiled.outputs),
        "order": order,
        "action": compiled.action,
        "target": compiled.target,
    }


def shown(text: str) -> str:
    """A text, shortened in the middle when it is long."""
    return text if len(text) < 161 else f"{text[:120]}…{text[-20:]} ({len(text)})"


def differences(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    """One line for each leaf that is another, new, or gone."""
    for path in sorted(before.keys() | after.keys()):
        if path not in after:
            yield f"  - {path}"
        elif path not in before or before[path] != after[path]:
            yield f"  {path} = {shown(after[path])}"


def without(fields: dict[str, Any], field: str) -> dict[str, Any]:
    """The fields without the one that this one replaces."""
    return {name: value for name, value in fields.items() if not (field == "command" and name == "program")}


def nested(field: str, value: Any) -> dict[str, Any]:
    """The field of a workload, or of its `kubernetes`."""
    name, dot, inner = field.partition(".")
    return {name: {inner: value}} if dot else {name: value}


def changed(kind: str, field: str, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The file of a workload without and with a field."""
    base = {**COMMON, "kind": kind, **BASES[kind]}
    beside = GRID if (field, value) == ("strategy", "grid") else ALONGSIDE.get(field, {})
    base |= {name: other for name, other in beside.items() if name != "metrics" or kind in {"training", "tuning"}}
    added = nested(field, value)
    if "kubernetes" in base and "kubernetes" in added:
        added = {"kubernetes": {**base["kubernetes"], **added["kubernetes"]}}
    return base, {**without(base, field), **added}


def values_of(kind: str, field: str) -> list[Any]:
    """The values of a field that this kind takes: `arguments` is a style of jobs, and a list of notebooks."""
    if field == "arguments":
        return [value for value in VALUES[field] if isinstance(value, list) == (kind == "notebook")]
    return VALUES[field]


@pytest.mark.parametrize("kind", sorted(BASES))
def test_a_field_changes_exactly_its_documented_places(kind: str, golden: Callable[[str, str], None]) -> None:
    """In requests, manifests, bundles, permissions and findings: nothing is dropped, and nothing else is touched."""
    base = {**COMMON, "kind": kind, **BASES[kind]}
    lines = [f"# What every field of a {kind} workload changes. Written by tests/platforms/test_fields.py."]
    plain = Workload.model_validate(base)
    lines += ["", "nothing but what it needs:", *differences({}, facts(plain, base, launch_for(plain)))]
    for field in fields_of(type(plain)):
        for value in values_of(kind, field):
            without_it, with_it = changed(kind, field, value)
            before, after = Workload.model_validate(without_it), Workload.model_validate(with_it)
            lines += ["", f"{field} = {shown(json.dumps(value))}:"]
            lines += differences(facts(before, without_it, launch_for(before)), facts(after, with_it, launch_for(after)))
    for name, change in LAUNCHES.items():
        launch = launch_for(plain)
        lines += ["", f"{name} = {next(iter(change.values()))}:"]
        lines += differences(facts(plain, base, launch), facts(plain, base, dataclasses.replace(launch, **change)))
    golden(f"fields.{kind}.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("kind", sorted(BASES))
def test_no_field_is_left_out(kind: str) -> None:
    """A field that is added to a workload has to be added here, and to the generated workloads."""
    from tests.platforms.generated import KUBERNETES, OF_KIND

    named = set(fields_of(Workload.members[kind]))
    assert named <= VALUES.keys()
    generated = {*OF_KIND[kind], *(f"kubernetes.{name}" for name in KUBERNETES)}
    assert named - {"name", "image"} == generated - {"kubernetes"}
