"""Every limit that is held here, at its edge: the last value that is taken, and the first that is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.compile import compile_for, launch_for
from lyftlearn_image.platforms.kubernetes.object_limits import CONFIG_MAP_BYTES, OBJECT_BYTES, check_size
from lyftlearn_image.platforms.lint import lint
from lyftlearn_image.platforms.sagemaker.api_model import LONGEST_STRING_BYTES
from lyftlearn_image.workload import Workload
from lyftlearn_runtime import contract

IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/team:1"
BASE: dict[str, Any] = {"name": "job", "image": IMAGE, "output": "s3://runs/x"}
TRAINING = {**BASE, "program": "train.py"}
SERVING = {**BASE, "kind": "serving", "model": "s3://models/a/"}
TRANSFORM = {**BASE, "kind": "transform", "model": "s3://bkt/m/", "input": "s3://bkt/x"}
TUNING = {
    **BASE, "kind": "tuning", "program": "train.py", "metrics": {"loss": "(.)"}, "objective": "loss",
    "search_space": {"a": {"type": "int", "low": 1, "high": 2}, "b": {"type": "int", "low": 1, "high": 2}},
}  # fmt: skip


def errors(fields: dict[str, Any]) -> set[tuple[str, str]]:
    """Target and field of every error of a file."""
    findings = lint(json.dumps(fields), "f")
    return {(finding.target, finding.field) for finding in findings if finding.level == "error"}


def compiled(target: Any, fields: dict[str, Any], **launch: Any) -> Any:
    """The workload of these fields, compiled."""
    workload = Workload.model_validate(fields)
    return compile_for(target, workload, launch_for(workload, **launch))


def nested(path: str, value: Any) -> dict[str, Any]:
    """A document with one value at a path."""
    for name in reversed(path.split("/")):
        value = {name: value}
    return value


@pytest.mark.parametrize(
    ("path", "taken", "refused", "target", "field"),
    [
        ("max_runtime_s", 2419200, 2419201, "sagemaker", "max_runtime_s"),
        ("warm_pool_s", 21600, 21601, "sagemaker", "warm_pool_s"),
        ("run_as_user", (1 << 31) - 1, 1 << 31, "kubernetes", "run_as_user"),
        ("kubernetes/namespace", "a" * 63, "a" * 64, "kubernetes", "kubernetes.namespace"),
        ("kubernetes/namespace", "a-b-1", "a-b-", "kubernetes", "kubernetes.namespace"),
        ("kubernetes/service_account", "a" * 253, "a" * 254, "kubernetes", "kubernetes.service_account"),
        ("kubernetes/service_account", "a.b-c", "a..b", "kubernetes", "kubernetes.service_account"),
        ("kubernetes/image_pull_secrets", ["a", "b.c"], ["a", "B"], "kubernetes", "kubernetes.image_pull_secrets.1"),
        ("kubernetes/labels", {"a.b/c": ""}, {"/c": ""}, "kubernetes", "kubernetes.labels./c"),
        ("kubernetes/labels", {"k" * 63: "x"}, {"k" * 64: "x"}, "kubernetes", f"kubernetes.labels.{'k' * 64}"),
        ("kubernetes/labels", {"k": "v" * 63}, {"k": "v" * 64}, "kubernetes", "kubernetes.labels.k"),
        ("kubernetes/labels", {"k": "a_b.C-1"}, {"k": "a b"}, "kubernetes", "kubernetes.labels.k"),
        ("kubernetes/node_selector", {"k": "v"}, {"k": "-v"}, "kubernetes", "kubernetes.node_selector.k"),
        ("kubernetes/annotations", {"k": "any thing"}, {"k k": "x"}, "kubernetes", "kubernetes.annotations.k k"),
        ("image", "team:1", "team: 1", "kubernetes", "image"),
        ("channels", {"c": "s3://bkt/x"}, {"c": "nowhere"}, "sagemaker", "channels.c"),
        ("hyperparameters", {}, None, "file", "hyperparameters"),
    ],
)  # fmt: skip
def test_a_limit_is_exactly_where_the_platform_has_it(path: str, taken: Any, refused: Any, target: str, field: str) -> None:
    """The last value that is taken has no finding at its field; the first that is not has one."""
    account = {"service_account": "mine"} if path == "kubernetes/role_arn" else {}
    assert (target, field) not in errors({**TRAINING, **account, **nested(path, taken)})
    assert (target, field) in errors({**TRAINING, **account, **nested(path, refused)})


@pytest.mark.parametrize(
    ("arn", "is_taken"),
    [
        ("arn:aws:iam::111122223333:role/pod", True), ("arn:aws-cn:iam::111122223333:role/a/b", True),
        ("arn:aws:iam::11112222333:role/pod", False), ("arn:aws:iam::111122223333:user/pod", False), ("pod", False),
    ],
)  # fmt: skip
def test_the_pods_role_is_a_roles_arn(arn: str, *, is_taken: bool) -> None:
    """Of any partition, with any path."""
    fields = {**TRAINING, "kubernetes": {"service_account": "mine", "role_arn": arn}}
    assert (("kubernetes", "kubernetes.role_arn") in errors(fields)) != is_taken


@pytest.mark.parametrize("more", [0, 1])
def test_an_argument_is_as_long_as_execve_takes_it(more: int) -> None:
    """With its NUL, on both platforms; characters of several bytes count as such."""
    word = "é" * (LONGEST_STRING_BYTES // 2 - 1) + "x" * (1 + more)
    fields = {**BASE, "command": ["python", word]}
    expected = {("kubernetes", "command.1"), ("sagemaker", "command.1")} if more else set()
    assert {error for error in errors(fields) if error[1].startswith("command")} == expected


@pytest.mark.parametrize("more", [0, 1])
def test_a_variable_is_as_long_as_execve_takes_it(more: int) -> None:
    """Name, `=`, value and NUL; what is longer is in the bundle."""
    fields = {**TRAINING, "environment": {"LONG": "x" * (LONGEST_STRING_BYTES - 6 + more)}}
    documents = compiled("kubernetes", fields).documents
    names = {variable["name"] for variable in documents[-1]["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert ("LONG" in names) != bool(more)


@pytest.mark.parametrize("more", [0, 1])
def test_arguments_and_variables_fit_a_quarter_of_the_stack(more: int) -> None:
    """2 MiB together, with the NUL of each and the `=` of each variable."""
    count = 17
    fields = {**TRAINING, "environment": {f"V{i:02}": "" for i in range(count)}}
    env = compiled("kubernetes", fields).documents[-1]["spec"]["template"]["spec"]["containers"][0]["env"]
    used = len("train") + 1 + sum(len(one["name"]) + len(one.get("value", "")) + 2 for one in env)
    each, rest = divmod((2 << 20) - used + more, count)
    values = {f"V{i:02}": "x" * (each + (rest if i == 0 else 0)) for i in range(count)}
    assert (("kubernetes", "environment") in errors({**fields, "environment": values})) == bool(more)


@pytest.mark.parametrize("more", [0, 1])
def test_annotations_have_256_kib_together(more: int) -> None:
    """Keys and values, with the one that has the options for SageMaker."""
    fields = {**TRAINING, "kubernetes": {"annotations": {"k": ""}}}
    annotations = compiled("kubernetes", fields).documents[-1]["metadata"]["annotations"]
    used = sum(len(key) + len(value) for key, value in annotations.items())
    fields["kubernetes"]["annotations"]["k"] = "x" * ((256 << 10) - used + more)
    assert (("kubernetes", "kubernetes.annotations") in errors(fields)) == bool(more)


@pytest.mark.parametrize("more", [0, 1])
def test_an_object_has_as_many_bytes_as_etcd_takes(more: int) -> None:
    """1.5 MiB as JSON."""
    manifest: dict[str, Any] = {"kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"k": ""}}
    manifest["data"]["k"] = "x" * (OBJECT_BYTES - len(json.dumps(manifest)) + more)
    if more:
        with pytest.raises(InvalidInputError, match="ConfigMap x has 1572865 bytes"):
            check_size(manifest)
    else:
        check_size(manifest)


@pytest.mark.parametrize("more", [0, 1])
def test_a_bundle_is_in_a_config_map_as_long_as_it_fits(more: int) -> None:
    """1 MiB; a larger one is an object in S3, and nothing of it is in the manifests."""
    fields = {**TRAINING, "hyperparameters": {"h": ""}}
    (config_map,) = [one for one in compiled("kubernetes", fields).documents if one["kind"] == "ConfigMap"]
    size = CONFIG_MAP_BYTES - len(config_map["data"]["bundle.json"]) + more
    found = compiled("kubernetes", {**fields, "hyperparameters": {"h": "x" * size}})
    assert bool(found.objects) == bool(more)
    assert bool([one for one in found.documents if one["kind"] == "ConfigMap"]) != bool(more)


@pytest.mark.parametrize("more", [0, 1])
def test_a_directory_is_mounted_as_long_as_a_config_map_holds_it(more: int) -> None:
    """All of its files together; else the shim writes it as a whole."""
    files = {"/etc/a/x": {"content": "x" * 1000}, "/etc/a/y": {"content": "y" * (CONFIG_MAP_BYTES - 1001 + more)}}
    pod = compiled("kubernetes", {**TRAINING, "files": files}).documents[-1]["spec"]["template"]["spec"]
    (mount,) = [one for one in pod["containers"][0]["volumeMounts"] if one["mountPath"] == "/etc/a"]
    assert mount.get("readOnly", False) != bool(more)


@pytest.mark.parametrize("reserved", [0, 3])
@pytest.mark.parametrize("more", [0, 1])
def test_a_request_has_100_hyperparameters(reserved: int, more: int) -> None:
    """Those that a tuner adds are among them: one a range, and the objective."""
    values = {f"h{i:03}": i for i in range(100 - reserved + more)}
    request = compiled("sagemaker", {**(TUNING if reserved else TRAINING), "hyperparameters": values})
    carried = request.documents[0].get("HyperParameters") or request.documents[0].get("TrainingJobDefinition", {}).get(
        "StaticHyperParameters", {}
    )
    assert len(carried) == (0 if more else 100 - reserved)
    assert bool(request.objects) == bool(more)


def test_variables_fill_a_request_and_the_rest_is_in_the_bundle() -> None:
    """In the order of their names: 100 of a training job, of which the shim and the bundle need two."""
    fields = {**TRAINING, "environment": {f"V{i:03}": "x" for i in range(150)}}
    found = compiled("sagemaker", fields)
    names = found.documents[0]["Environment"].keys() - {contract.BUNDLE, contract.PROGRAM}
    assert sorted(names) == [f"V{i:03}" for i in range(98)]
    assert sorted(json.loads(next(iter(found.objects.values())))["environment"]) == [f"V{i:03}" for i in range(98, 150)]


def test_a_models_variables_have_32_kib_together() -> None:
    """What is left beside the shim's own and the longest reference to a bundle is used, to the byte."""
    program = {"program": "s" * 10}
    own = len(contract.PROGRAM) + 10
    free = (32 << 10) - own - 1200
    values = {f"V{i:02}": "x" * 1021 for i in range(free // 1024)}
    rest = free - 1024 * len(values) - 3
    exact = compiled("sagemaker", {**SERVING, **program, "environment": {**values, "Z00": "x" * rest}})
    assert not exact.objects
    over = compiled("sagemaker", {**SERVING, **program, "environment": {**values, "Z00": "x" * (rest + 1)}})
    assert sorted(json.loads(next(iter(over.objects.values())))["environment"]) == ["Z00"]


def test_an_isolated_container_is_told_what_it_cannot_have() -> None:
    """References that somebody has to be asked for, and the bundle."""
    isolated = {**TRAINING, "network": {"isolated": True}}
    assert errors(isolated) == set()
    assert errors({**isolated, "secrets": {"A": "env://B"}}) == set()
    for reference in ("aws-sm://a", "aws-ssm:///a", "s3://bkt/c", "confidant://s#k"):
        assert ("sagemaker", "secrets") in errors({**isolated, "secrets": {"A": reference}})
        assert ("sagemaker", "secret_sets") in errors({**isolated, "secret_sets": [reference]})
        assert ("sagemaker", "files") in errors({**isolated, "files": {"/etc/a/x": {"secret": reference}}})
    assert ("sagemaker", "network.isolated") in errors({**isolated, "environment": {"a.b": "c"}})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({**TRAINING, "instance_type": "ml.none"}, "instance_type"),
        ({**TRAINING, "tags": {"b;": "x", "a": "y"}}, "tags.b;"),
        ({**TRAINING, "tags": {f"t{i}": "" for i in range(51)}}, "tags"),
        ({**TRAINING, "metrics": {"b": "x" * 501 + "(.)", "a": "(.)"}}, "metrics.b"),
        ({**TRAINING, "checkpoints": "s3://bkt/" + "x" * 1024}, "checkpoints"),
        ({**TRAINING, "network": {"subnets": ["s", "s s"], "security_groups": ["g"]}}, "network.subnets.1"),
        ({**TRAINING, "network": {"subnets": ["s"], "security_groups": ["g g"]}}, "network.security_groups.0"),
        ({**TRAINING, "output": "s3://bkt/" + "x" * 1024}, "output"),
        ({**BASE, "kind": "processing", "command": ["x"], "outputs": {"a": "/" + "x" * 256}}, "outputs.a"),
        ({**BASE, "kind": "processing", "command": ["x"], "channels": {"a": "s3://bkt/" + "x" * 1024}}, "channels.a"),
        ({**TUNING, "search_space": {"h" * 257: {"type": "int", "low": 1, "high": 2}}}, "search_space"),
        ({**TUNING, "checkpoints": "s3://bkt/" + "x" * 1024}, "checkpoints"),
        ({**TUNING, "objective": "o" * 256, "metrics": {"o" * 256: "(.)"}}, "objective"),
        ({**SERVING, "model": "s3://bkt/" + "x" * 1024 + ".tar.gz"}, "model"),
        ({**SERVING, "model": "s3://bkt/" + "x" * 1024 + "/"}, "model"),
        ({**BASE, "kind": "notebook", "arguments": ["--ok", "x" * 65]}, "arguments.1"),
        ({**BASE, "kind": "notebook", "arguments": ["x"] * 50}, "arguments"),
        ({**TRANSFORM, "content_type": "x" * 257}, "content_type"),
        ({**TRANSFORM, "accept": "x" * 257}, "accept"),
        ({**TRANSFORM, "input": "s3://bkt/" + "x" * 1024}, "input"),
        ({**TRAINING, "encryption": {"output_key": "a key"}}, "encryption.output_key"),
        ({**SERVING, "data_capture": True, "encryption": {"output_key": "a key"}}, "encryption.output_key"),
        ({**SERVING, "role_arn": "nobody"}, "role_arn"),
        ({**TRAINING, "role_arn": "nobody"}, "role_arn"),
        ({**SERVING, "encryption": {"volume_key": "a key"}}, "encryption.volume_key"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_the_api_refuses_is_told_at_the_workloads_field(fields: dict[str, Any], field: str) -> None:
    """Not at the member of a request, which nobody has written."""
    told = {name for target, name in errors(fields) if target == "sagemaker"}
    assert field in told
