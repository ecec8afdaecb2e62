"""What SageMaker would refuse of a workload's requests, told in the workload's own words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.findings import Key, Remark
from lyftlearn_image.platforms.sagemaker import api_model
from lyftlearn_image.workload import Job, Notebook, Serving, Trainable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.platforms.launch import Compiled
    from lyftlearn_image.workload import Workload

# CreateTrainingJob, StoppingCondition: "The maximum ... is 28 days" (API reference); the model has no number for it.
_LONGEST_TRAINING_S = 28 * 24 * 3600
# Schemes that are resolved by asking somebody.
_FROM_AFAR = ("aws-", "s3://", "confidant://")
# Last name of a request's path → the workload's key.
_LEAVES: Mapping[str, Key] = {
    "TrainingImage": ("image",), "ImageUri": ("image",), "Image": ("image",), "BaseImage": ("image",),
    "InstanceType": ("instance_type",), "InstanceCount": ("nodes",), "InitialInstanceCount": ("replicas",),
    "VolumeSizeInGB": ("volume_gb",), "VolumeKmsKeyId": ("encryption", "volume_key"), "KmsKeyId": ("encryption", "output_key"),
    "KeepAlivePeriodInSeconds": ("warm_pool_s",), "MaxWaitTimeInSeconds": ("spot", "max_wait_s"),
    "MaxRuntimeInSeconds": ("max_runtime_s",), "RoleArn": ("role_arn",), "ExecutionRoleArn": ("role_arn",),
    "S3OutputPath": ("output",), "DestinationS3Uri": ("output",), "ModelDataUrl": ("model",), "MetricName": ("objective",),
    "MaxNumberOfTrainingJobs": ("max_trials",), "MaxParallelTrainingJobs": ("parallel_trials",), "RandomSeed": ("seed",),
    "ContentType": ("content_type",), "Accept": ("accept",), "MaxConcurrentTransforms": ("max_concurrent",),
    "MaxPayloadInMB": ("max_payload_mb",), "InvocationsTimeoutInSeconds": ("timeout_s",),
    "ContainerStartupHealthCheckTimeoutInSeconds": ("startup_s",),
}  # fmt: skip
# Beginning of a path → the workload's key; the number after it is a place in the sorted names of that key.
_LISTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:\w+\.)?InputDataConfig(?:\[(\d+)\])?"), "channels"),
    (re.compile(r"ProcessingInputs(?:\[(\d+)\])?"), "channels"),
    (re.compile(r"ProcessingOutputConfig\.Outputs(?:\[(\d+)\])?"), "outputs"),
    (re.compile(r"(?:\w+\.)?AlgorithmSpecification\.MetricDefinitions(?:\[(\d+)\])?"), "metrics"),
    (re.compile(r"Tags(?:\[(\d+)\])?"), "tags"),
)
_MAPS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:HyperParameters|TrainingJobDefinition\.StaticHyperParameters)(?:\.(.*))?"), "hyperparameters"),
    (re.compile(r"(?:[\w.]+\.)?(?:Environment|ContainerEnvironmentVariables)(?:\.(.*))?"), "environment"),
)
_ITEMS: tuple[tuple[re.Pattern[str], Key], ...] = (
    (re.compile(r"(?:\w+\.)*VpcConfig\.Subnets(?:\[(\d+)\])?"), ("network", "subnets")),
    (re.compile(r"(?:\w+\.)*VpcConfig\.SecurityGroupIds(?:\[(\d+)\])?"), ("network", "security_groups")),
    (re.compile(r"(?:\w+\.)*ContainerArguments(?:\[(\d+)\])?"), ("command",)),
)
_PREFIXES: tuple[tuple[str, Key], ...] = (
    ("CheckpointConfig", ("checkpoints",)),
    ("TrainingJobDefinition.CheckpointConfig", ("checkpoints",)),
    ("TransformInput", ("input",)),
    ("PrimaryContainer.ModelDataSource", ("model",)),
    ("HyperParameterTuningJobConfig.ParameterRanges", ("search_space",)),
)


def remarks(workload: Workload, compiled: Compiled) -> Iterator[Remark]:
    """What the API refuses, and what a variable would lack."""
    for action, document in zip(compiled.actions or (compiled.action,), compiled.documents, strict=True):
        for breach in api_model.find_breaches(action, document):
            why = breach.why if breach.path not in breach.why else breach.why.replace(f" {breach.path}", "", 1)
            yield Remark(_key(breach.path, workload, document), f"{action} refuses {breach.path or 'it'}: {why}")
    if isinstance(workload, Trainable) and workload.max_runtime_s > _LONGEST_TRAINING_S:
        yield Remark(("max_runtime_s",), f"{workload.max_runtime_s} seconds; a training job has at most 28 days")
    yield from _isolated(workload, compiled)
    for place, word in enumerate(getattr(workload, "command", None) or ()):
        # The API's own limit is none: what is longer than that goes by the bundle.
        if (size := len(word.encode()) + 1) > api_model.LONGEST_STRING_BYTES:
            why = f"{size} bytes, at most {api_model.LONGEST_STRING_BYTES} for one argument"
            yield Remark(("command", place), why, "Put it into a file.")
    for name in sorted(workload.kubernetes.secrets.keys() - workload.secrets.keys()):
        yield Remark(
            ("kubernetes", "secrets", name),
            f"SageMaker has no Kubernetes Secrets: {name} would be missing there",
            f"Add it to `secrets` too: {name}: aws-sm://name#key.",
        )
    for name in _nowhere_on_sagemaker(workload):
        yield Remark((name,), "has no effect on SageMaker", level="note")


def _isolated(workload: Workload, compiled: Compiled) -> Iterator[Remark]:
    """An isolated container reaches nothing and has no credentials (developer guide, mkt-algo-model-internet-free)."""
    if not workload.network.isolated:
        return
    for name, texts in (
        ("secrets", list(workload.secrets.values())),
        ("secret_sets", list(workload.secret_sets)),
        ("files", [file.secret or "" for file in workload.files.values()]),
    ):
        if any(text.startswith(_FROM_AFAR) for text in texts):
            yield Remark((name,), "an isolated container cannot resolve references", "Set `network.isolated: false`.")
    if compiled.objects:
        yield Remark(
            ("network", "isolated"),
            "an isolated container cannot fetch the launch bundle that `files`, long texts and many hyperparameters need",
            "Bring them with the image or by a channel, or set `network.isolated: false`.",
        )


def _nowhere_on_sagemaker(workload: Workload) -> Iterator[str]:
    said = workload.model_fields_set
    names = ("gpus", "cpus", "memory_mib", "run_as_user")
    yield from (name for name in names if name in said)
    if isinstance(workload, Notebook):
        yield from (name for name in ("storage_gb", "storage_class", "network", "encryption") if name in said)


def _key(path: str, workload: Workload, document: Mapping[str, Any]) -> Key:
    """The workload's key that a path of a request was compiled from; empty where none is known."""
    for form, name in _LISTS:
        if match := form.match(path):
            return (name, *_nth(getattr(workload, name, {}), match[1]))
    for form, name in _MAPS:
        if match := form.fullmatch(path):
            home = "secrets" if name == "environment" and match[1] in workload.secrets else name
            return (home, match[1]) if match[1] else (home,)
    for form, key in _ITEMS:
        if match := form.fullmatch(path):
            return _item(key, match[1], workload)
    leaf = re.sub(r"\[\d+\]$", "", path).rpartition(".")[2]
    if leaf in _LEAVES and not path.startswith("HyperParameterTuningJobConfig.ParameterRanges"):
        return _existing(_LEAVES[leaf], workload)
    for prefix, key in _PREFIXES:
        if path.startswith(prefix):
            return key
    return ("name",) if leaf.endswith("Name") and document.get(leaf) else ()


def _nth(values: Mapping[str, Any], number: str | None) -> tuple[str, ...]:
    names = sorted(values)
    return (names[int(number)],) if number and int(number) < len(names) else ()


def _item(key: Key, number: str | None, workload: Workload) -> Key:
    if key == ("command",) and isinstance(workload, Notebook):
        # Its first argument is `notebook`, compiled.
        return ("arguments", int(number) - 1) if number and number != "0" else ("arguments",)
    return (*key, int(number)) if number else key


def _existing(key: Key, workload: Workload) -> Key:
    """`nodes` and `replicas` are one thing in two kinds."""
    if key == ("nodes",) and isinstance(workload, Serving):
        return ("replicas",)
    return key if isinstance(workload, Job | Serving) or key[0] in type(workload).model_fields else ()
