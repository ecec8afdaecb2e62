"""Which field of a workload a member of its requests was compiled from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.sagemaker.all_kinds import workload_kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.findings import FieldPath
    from lyftlearn_image.workload import Workload

# Last name of a request's path → the workload's field, for members that several kinds have.
_MEMBERS: Mapping[str, FieldPath] = {
    "TrainingImage": ("image",), "ImageUri": ("image",), "Image": ("image",), "BaseImage": ("image",),
    "InstanceType": ("instance_type",), "InstanceCount": ("nodes",), "VolumeSizeInGB": ("volume_gb",),
    "VolumeKmsKeyId": ("encryption", "volume_key"), "KmsKeyId": ("encryption", "output_key"),
    "MaxWaitTimeInSeconds": ("spot", "max_wait_s"), "MaxRuntimeInSeconds": ("max_runtime_s",), "RoleArn": ("role_arn",),
    "ExecutionRoleArn": ("role_arn",), "S3OutputPath": ("output",), "ModelDataUrl": ("model",),
}  # fmt: skip
# Beginning of a path → the workload's field; the number after it is a place in the sorted names of that field.
_LISTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:\w+\.)?InputDataConfig(?:\[(\d+)\])?"), "channels"),
    (re.compile(r"ProcessingInputs(?:\[(\d+)\])?"), "channels"),
    (re.compile(r"ProcessingOutputConfig\.Outputs(?:\[(\d+)\])?"), "outputs"),
    (re.compile(r"(?:\w+\.)?AlgorithmSpecification\.MetricDefinitions(?:\[(\d+)\])?"), "metrics"),
    (re.compile(r"Tags(?:\[(\d+)\])?"), "tags"),
    (re.compile(r"HyperParameterTuningJobConfig\.ParameterRanges"), "search_space"),
)
_MAPS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:HyperParameters|TrainingJobDefinition\.StaticHyperParameters)(?:\.(.*))?"), "hyperparameters"),
    (re.compile(r"(?:[\w.]+\.)?(?:Environment|ContainerEnvironmentVariables)(?:\.(.*))?"), "environment"),
)
_ITEMS: tuple[tuple[re.Pattern[str], FieldPath], ...] = (
    (re.compile(r"(?:\w+\.)*VpcConfig\.Subnets(?:\[(\d+)\])?"), ("network", "subnets")),
    (re.compile(r"(?:\w+\.)*VpcConfig\.SecurityGroupIds(?:\[(\d+)\])?"), ("network", "security_groups")),
)
_ARGUMENTS = re.compile(r"(?:\w+\.)*ContainerArguments(?:\[(\d+)\])?")
_PREFIXES: tuple[tuple[str, FieldPath], ...] = (
    ("CheckpointConfig", ("checkpoints",)),
    ("TrainingJobDefinition.CheckpointConfig", ("checkpoints",)),
    ("TransformInput", ("input",)),
    ("PrimaryContainer.ModelDataSource", ("model",)),
)


def field_of(path: str, request: Mapping[str, Any], workload: Workload) -> FieldPath:
    """The workload's field that a path of a request was compiled from; empty where none is known."""
    item = _item_of(path, workload)
    return _member_of(path, request, workload) if item is None else item


def _item_of(path: str, workload: Workload) -> FieldPath | None:
    """The field of a path into a list or a map; None for any other path."""
    for pattern, name in _LISTS:
        if match := pattern.match(path):
            return (name, *_nth(getattr(workload, name, {}), match[1] if pattern.groups else None))
    for pattern, name in _MAPS:
        if match := pattern.fullmatch(path):
            field = "secrets" if name == "environment" and match[1] in workload.secrets else name
            return (field, match[1]) if match[1] else (field,)
    for pattern, field_path in _ITEMS:
        if match := pattern.fullmatch(path):
            return (*field_path, int(match[1])) if match[1] else field_path
    return None


def _member_of(path: str, request: Mapping[str, Any], workload: Workload) -> FieldPath:
    kind = workload_kind(workload.kind)
    if match := _ARGUMENTS.fullmatch(path):
        name, before = kind.arguments
        return (name, int(match[1]) - before) if match[1] and int(match[1]) >= before else (name,)
    member = re.sub(r"\[\d+\]$", "", path).rpartition(".")[2]
    # One member may have two meanings: a kind says of a path as a whole what it is there.
    field_path = kind.fields.get(path) or _MEMBERS.get(member) or kind.fields.get(member)
    if field_path is None:
        field_path = next((field for prefix, field in _PREFIXES if path.startswith(prefix)), None)
    if field_path is None:
        return ("name",) if member.endswith("Name") and request.get(member) else ()
    return field_path if field_path[0] in type(workload).model_fields else ()


def _nth(values: Mapping[str, Any], number: str | None) -> tuple[str, ...]:
    names = sorted(values)
    return (names[int(number)],) if number and int(number) < len(names) else ()
