"""Every kind of workload, compiled for both platforms: reviewed as prose, and accepted by the platforms' own models."""

from __future__ import annotations

import functools
import importlib
import json
import subprocess
import sys
import tarfile
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml
from hypothesis import given, strategies as st

from lyftlearn_image import yamlfile
from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.platforms import serialize
from lyftlearn_image.platforms.compile import compile_for, compile_for_submission, launch_for
from lyftlearn_image.platforms.kubernetes.expansion import expand
from lyftlearn_image.platforms.sagemaker import api_model
from lyftlearn_image.platforms.sagemaker.api_model import LONGEST_STRING_BYTES
from lyftlearn_image.workload import KINDS, Serving, Training, Workload
from lyftlearn_runtime import contract
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.platforms.launch import Compiled

FILES = sorted((Path(__file__).parent / "workloads").glob("*.yaml"))
_KUBERNETES = {
    "ConfigMap": "core_v1", "Service": "core_v1", "ServiceAccount": "core_v1", "PersistentVolumeClaim": "core_v1",
    "Job": "batch_v1", "Deployment": "apps_v1", "PodDisruptionBudget": "policy_v1", "HorizontalPodAutoscaler": "autoscaling_v2",
    "Ingress": "networking_v1",
}  # fmt: skip


def model_of(kind: str) -> Any:
    """The published model of a kind."""
    module = f"lightkube.models.{_KUBERNETES[kind]}" if kind in _KUBERNETES else "tests.platforms.gateway_models"
    return getattr(importlib.import_module(module), kind)


def compiled(path: Path, target: str, **changes: Any) -> Compiled:
    """The file's workload, with changes, as the command line compiles it."""
    workload = yamlfile.load(path, Workload).with_(**changes)
    return compile_for_submission(target, workload, launch_for(workload))  # type: ignore[arg-type]


def pod_of(found: Compiled) -> dict[str, Any]:
    """The pod's spec of the last manifest."""
    return found.documents[-1]["spec"]["template"]["spec"]


@functools.cache
def _fields(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.encode_name: field.type for field in msgspec.structs.fields(struct)}


def unknown_fields(value: Any, model: Any, path: str) -> Iterator[str]:
    """Every field of a manifest that Kubernetes' own model does not have."""
    inside = [one for one in typing.get_args(model) if one is not type(None)]
    if isinstance(value, list):
        member = next(typing.get_args(one)[0] for one in [*inside, model] if typing.get_origin(one) is list)
        for position, one in enumerate(value):
            yield from unknown_fields(one, member, f"{path}[{position}]")
    struct = next((one for one in [*inside, model] if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)
    if struct and isinstance(value, dict):
        known = _fields(struct)
        for key, one in value.items():
            if key in known:
                yield from unknown_fields(one, known[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_requests_are_the_golden_ones_and_the_api_takes_them(path: Path, golden: Callable[[str, str], None]) -> None:
    """Each request in its order, and none that the service's own model refuses."""
    found = compiled(path, "sagemaker")
    for action, document in zip(found.actions or (found.action,), found.documents, strict=True):
        api_model.validate_request(action, document)
    golden(f"{path.stem}.sagemaker.json", serialize.as_text(found))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_manifests_are_the_golden_ones_and_have_no_unknown_field(path: Path, golden: Callable[[str, str], None]) -> None:
    """Kubectl reads them as they are, and a field that Kubernetes would drop is in none."""
    found = compiled(path, "kubernetes")
    text = serialize.as_text(found)
    assert list(yaml.safe_load_all(text)) == list(found.documents)
    for one in found.documents:
        model = model_of(one["kind"])
        msgspec.convert(one, model)
        assert list(unknown_fields(one, model, one["kind"])) == []
    golden(f"{path.stem}.kubernetes.yaml", text)


def test_an_unknown_field_would_be_found() -> None:
    """The check above is one: it looks below lists, too."""
    model = importlib.import_module("lightkube.models.batch_v1").Job
    job = {"spec": {"template": {"spec": {"containers": [{"name": "x", "imag": "y"}]}}, "backoff": 1}}
    assert sorted(unknown_fields(job, model, "Job")) == ["Job.spec.backoff", "Job.spec.template.spec.containers[0].imag"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_pod_is_restricted(path: Path) -> None:
    """Pod Security Standard "restricted", no service links, and an explicit grace."""
    pod = pod_of(compiled(path, "kubernetes"))
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {next(key for key in one if key != "name") for one in pod["volumes"]} <= {
        "configMap", "emptyDir", "persistentVolumeClaim",
    }  # fmt: skip
    assert pod["enableServiceLinks"] is False
    assert pod["terminationGracePeriodSeconds"] >= 30
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}


def test_a_split_that_the_client_does_not_do_is_refused_by_name() -> None:
    """It is not compiled into something that does something else."""
    with pytest.raises(UnsupportedError, match="does not split RecordIO") as refused:
        compiled(next(path for path in FILES if path.stem == "transform"), "kubernetes", split="RecordIO")
    assert "processing" in refused.value.hint


@pytest.mark.parametrize(
    ("name", "target", "change", "told"),
    [
        ("warm", "sagemaker", {"output": None}, "Add `output: s3://"),
        ("warm", "kubernetes", {"output": None}, "Add `output: s3://"),
        ("warm", "sagemaker", {"role_arn": None}, "Add `role_arn:"),
        ("warm", "sagemaker", {"environment": {"X": "AKIAABCDEFGHIJKLMNOP"}}, "an AWS access key ID"),
    ],
)
def test_what_is_not_said_is_asked_for(name: str, target: str, change: dict[str, Any], told: str) -> None:
    """A request with a guessed bucket or role is not printed, nor one with a secret in it."""
    with pytest.raises(InvalidInputError) as refused:
        compiled(next(path for path in FILES if path.stem == name), target, **change)
    assert told in str(refused.value)
    assert "AKIAABCD" not in str(refused.value)


def test_a_notebook_on_kubernetes_needs_neither_bucket_nor_role() -> None:
    """What no request mentions is not asked for."""
    path = next(path for path in FILES if path.stem == "notebook")
    assert compiled(path, "kubernetes", role_arn=None).documents


@pytest.mark.parametrize(
    ("name", "change", "part"),
    [
        ("tuning", {"environment": {f"V{i:02}": "x" for i in range(60)}}, "environment"),
        ("tuning", {"hyperparameters": {f"h{i:02}": i for i in range(96)}}, "hyperparameters"),
        ("serving", {"environment": {f"V{i:02}": "x" * 1000 for i in range(40)}}, "environment"),
        ("serving", {"environment": {"LONG": "x" * 1025}}, "environment"),
        ("notebook", {"environment": {f"V{i:02}": "x" for i in range(30)}, "output": "s3://bucket/x"}, "environment"),
        ("transform", {"files": {"/etc/a": {"content": "x"}}}, "files"),
    ],
)
def test_what_does_not_fit_a_request_is_in_its_bundle(name: str, change: dict[str, Any], part: str) -> None:
    """Each API has limits of its own; nothing is refused for them, and nothing is lost."""
    found = compiled(next(path for path in FILES if path.stem == name), "sagemaker", **change)
    for action, document in zip(found.actions or (found.action,), found.documents, strict=True):
        api_model.validate_request(action, document)
    ((uri, data),) = found.objects.items()
    assert f"{uri}#sha256=" in json.dumps(found.documents)
    carried = json.loads(data)[part]
    there = {one["path"] for one in carried} if part == "files" else set(carried)
    assert there
    for key in change[part]:
        assert (key in there) != (f'"{key}":' in json.dumps(found.documents))


@examples(60)
@given(
    st.sampled_from(FILES),
    st.dictionaries(
        st.from_regex(r"[A-Z_]{1,8}", fullmatch=True)
        | st.text(st.characters(blacklist_characters="=\0", codec="utf-8"), min_size=1, max_size=6),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
        | st.just("x" * 3000)
        | st.just("y" * 200_000),
        max_size=120,
    ),
)
def test_any_variables_of_any_kind_reach_both_platforms(path: Path, environment: dict[str, str]) -> None:
    """By the request, the manifest or the bundle: nothing is refused for its size or its name, and nothing is lost."""
    workload = yamlfile.load(path, Workload)
    environment = {name: value for name, value in environment.items() if name not in workload.secrets}
    workload = workload.with_(environment=environment, network={}, kubernetes={}, output="s3://bucket/runs")
    launch = launch_for(workload)
    found = compile_for("sagemaker", workload, launch)
    for action, document in zip(found.actions or (found.action,), found.documents, strict=True):
        api_model.validate_request(action, document)
    carried = json.loads(next(iter(found.objects.values()), b"{}")).get("environment", {})
    assert {**variables_of(found.documents), **carried}.items() >= environment.items()
    found = compile_for("kubernetes", workload, launch)
    pod = pod_of(found)
    script = next((one for one in pod.get("initContainers", ()) if one["name"] == "server"), pod["containers"][0])
    clear = {one["name"]: expand(one["value"], {}) for one in script["env"] if "value" in one}
    bundles = [one["data"]["bundle.json"] for one in found.documents if "bundle.json" in one.get("data", {})]
    for data in (*bundles, *found.objects.values()):
        clear |= json.loads(data).get("environment", {})
    assert clear.items() >= environment.items()


def variables_of(documents: Any) -> dict[str, str]:
    """Every map of variables in some requests, as one."""
    found: dict[str, str] = {}
    for one in documents:
        for name, value in one.items():
            if name in {"Environment", "ContainerEnvironmentVariables"}:
                found |= value
            elif isinstance(value, dict):
                found |= variables_of([value])
    return found


def test_a_long_variable_reaches_a_pod_by_the_bundle() -> None:
    """Execve takes no string of more than 131,072 bytes."""
    path = next(path for path in FILES if path.stem == "warm")
    found = compiled(path, "kubernetes", environment={"LONG": "x" * LONGEST_STRING_BYTES, "SHORT": "y"})
    names = {one["name"] for one in pod_of(found)["containers"][0]["env"]}
    assert "SHORT" in names
    assert "LONG" not in names
    assert json.loads(found.documents[0]["data"]["bundle.json"])["environment"]["LONG"]


LONG_COMMANDS = (
    ["sh", "-c", "set -e\npython prepare.py\npython train.py\n"],
    ["python", "-c", "x" * 257], ["word"] * 101, ["echo", "a\u2028b"],
)  # fmt: skip


@pytest.mark.parametrize("kind", ["training", "processing"])
@pytest.mark.parametrize("command", LONG_COMMANDS, ids=["lines", "long", "many", "separator"])
def test_a_command_that_sagemaker_has_no_room_for_is_in_the_bundle(kind: str, command: list[str]) -> None:
    """As every Kubernetes Job may have one; on Kubernetes it stays in the manifest."""
    workload = KINDS[kind](name="job", image="team:1", command=command, output="s3://bucket/p")
    (uri, data), *_ = (found := compile_for("sagemaker", workload, launch_for(workload))).objects.items()
    specification = "AlgorithmSpecification" if kind == "training" else "AppSpecification"
    assert found.documents[0][specification]["ContainerArguments"] == [contract.BUNDLED_COMMAND]
    assert json.loads(data)["command"] == command
    assert found.documents[0]["Environment"][contract.BUNDLE].startswith(uri)
    pod = pod_of(compile_for("kubernetes", workload, launch_for(workload)))
    assert pod["containers"][0]["args"] == command


def test_a_command_that_fits_stays_in_the_request() -> None:
    """256 characters, 100 words."""
    workload = Training(name="job", image="team:1", command=["x" * 256] * 100, output="s3://bucket/p")
    found = compile_for("sagemaker", workload, launch_for(workload))
    assert found.documents[0]["AlgorithmSpecification"]["ContainerArguments"] == ["x" * 256] * 100
    assert not found.objects


def test_the_clusters_own_answers_are_asked_of_the_cluster() -> None:
    """`downward://` is the downward API on Kubernetes, and a reference that the shim answers on SageMaker."""
    path = next(path for path in FILES if path.stem == "warm")
    secrets = {"POD": "downward://metadata.name", "CPUS": "downward://limits.cpu"}
    pod = pod_of(compiled(path, "kubernetes", secrets=secrets, network={}))
    sources = {one["name"]: one["valueFrom"] for one in pod["containers"][0]["env"] if "valueFrom" in one}
    assert sources == {
        "POD": {"fieldRef": {"fieldPath": "metadata.name"}},
        "CPUS": {"resourceFieldRef": {"resource": "limits.cpu"}},
    }
    environment = compiled(path, "sagemaker", secrets=secrets, network={}).documents[0]["Environment"]
    assert environment["POD"] == "downward://metadata.name"


def test_checkpoints_are_kept_in_s3() -> None:
    """On SageMaker by the service, on Kubernetes by the shim, which reads it in the bundle."""
    path = next(path for path in FILES if path.stem == "training")
    assert compiled(path, "sagemaker").documents[0]["CheckpointConfig"] == {"S3Uri": "s3://ml-runs/churn/checkpoints"}
    documents = compiled(path, "kubernetes").documents
    bundle = next(json.loads(one["data"]["bundle.json"]) for one in documents if "bundle.json" in one.get("data", {}))
    assert bundle["checkpoints"] == {"path": "/opt/ml/checkpoints", "uri": "s3://ml-runs/churn/checkpoints/"}


@pytest.mark.parametrize("has_filters", [True, False])
@pytest.mark.parametrize(("member", "is_safe"), [("code/weights.bin", True), ("../weights.bin", False)])
def test_a_packed_model_is_unpacked_before_the_server_starts(
    member: str, tmp_path: Path, *, is_safe: bool, has_filters: bool
) -> None:
    """As SageMaker does: what is in the archive lies in the directory, and nothing outside of it, on any Python."""
    path = next(path for path in FILES if path.stem == "packed")
    container = next(one for one in pod_of(compiled(path, "kubernetes"))["initContainers"] if one["name"] == "model")
    (tmp_path / "model").mkdir()
    (tmp_path / "weights").write_bytes(b"1")
    with tarfile.open(tmp_path / "model" / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "weights", member)
    python, option, program = container["args"]
    program = program.replace("/opt/ml/model", str(tmp_path / "model"))
    if not has_filters:  # as in Debian 12's Python 3.11.2
        program = f"import tarfile\ndel tarfile.data_filter\n{program}"
    done = subprocess.run([sys.executable, option, program], check=False, stderr=subprocess.PIPE)
    assert python == "python"
    assert (done.returncode == 0) == is_safe
    assert (tmp_path / "model" / member).is_file() == is_safe
    assert (tmp_path / "model" / "model.tar.gz").exists() != is_safe


def test_several_nodes_are_an_indexed_job_with_names() -> None:
    """Each host has a name that is known before it is ready, and the bundle lists them all in their order."""
    found = compiled(next(path for path in FILES if path.stem == "training"), "kubernetes")
    job, service = found.documents[-1], found.documents[-2]
    assert (job["spec"]["completions"], job["spec"]["parallelism"], job["spec"]["completionMode"]) == (2, 2, "Indexed")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["metadata"]["name"] == pod_of(found)["subdomain"] == "churn"
    bundle = next(json.loads(one["data"]["bundle.json"]) for one in found.documents if "bundle.json" in one.get("data", {}))
    assert bundle["job"]["hosts"] == ["churn-0.churn", "churn-1.churn"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_same_file_gives_the_same_text(path: Path) -> None:
    """So that a request can be kept and compared."""
    assert serialize.as_json(compiled(path, "sagemaker")) == serialize.as_json(compiled(path, "sagemaker"))


def test_several_models_are_below_one_prefix() -> None:
    """SageMaker fetches them as they are asked for; on Kubernetes all are there, and the server has the routes to load them."""
    workload = Serving(
        name="many",
        image="team:1",
        output="s3://runs/x",
        model="s3://models/all/",
        environment={"SAGEMAKER_MULTI_MODEL": "true"},
    )
    launch = launch_for(workload)
    container = compile_for("sagemaker", workload, launch).documents[0]["PrimaryContainer"]
    assert (container["Mode"], container["ModelDataUrl"]) == ("MultiModel", "s3://models/all/")
    assert "ModelDataSource" not in container
    documents = compile_for("kubernetes", workload, launch).documents
    (main,) = next(one for one in documents if one["kind"] == "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"name": "SAGEMAKER_MULTI_MODEL", "value": "true"} in main["env"]
    bundle = next(json.loads(one["data"]["bundle.json"]) for one in documents if "bundle.json" in one.get("data", {}))
    assert bundle["downloads"] == [{"path": "/opt/ml/model", "uri": "s3://models/all/"}]
    with pytest.raises(ValueError, match="`model` is no prefix"):
        Serving(**{**workload.model_dump(exclude_unset=True), "model": "s3://models/a.tar.gz"})
