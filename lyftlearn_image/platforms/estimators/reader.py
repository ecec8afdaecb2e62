"""An estimator and its `fit`, read argument by argument into the fields of a workload: none is dropped without a word."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.estimators.calls import Call, Unknown, find_calls
from lyftlearn_image.platforms.kubernetes.importer.fields import Left
from lyftlearn_image.platforms.kubernetes.importer.workload_file import Imported, imported_workload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Without a word the data of `fit("s3://…")` are this channel (sagemaker/inputs.py and job.py of the SDK).
_CHANNEL = "training"
_DAY_S = 24 * 3600
# Of the SDK and of its machine, with no effect on the job.
_IGNORED = frozenset({
    "sagemaker_session", "framework_version", "py_version", "wait", "logs", "job_name", "script_mode", "container_log_level",
    "code_location", "dependencies", "disable_profiler", "debugger_hook_config", "2", "3",
})  # fmt: skip
_PLAIN = {
    "instance_count": "nodes", "instance_type": "instance_type", "volume_size": "volume_gb", "max_run": "max_runtime_s",
    "hyperparameters": "hyperparameters", "environment": "environment", "checkpoint_s3_uri": "checkpoints",
    "output_path": "output", "keep_alive_period_in_seconds": "warm_pool_s", "image_uri": "image", "training_image": "image",
}  # fmt: skip
_INSIDE = {
    "subnets": ("network", "subnets"), "security_group_ids": ("network", "security_groups"),
    "enable_network_isolation": ("network", "isolated"), "encrypt_inter_container_traffic": ("network", "encrypted"),
    "output_kms_key": ("encryption", "output_key"), "volume_kms_key": ("encryption", "volume_key"),
}  # fmt: skip
# Arguments of the SDK v3 that have those of v2 inside, some under another name.
_NESTED = ("source_code", "compute", "stopping_condition", "output_data_config", "checkpoint_config", "networking")
_RENAMED = {
    "volume_size_in_gb": "volume_size", "max_runtime_in_seconds": "max_run", "s3_output_path": "output_path",
    "s3_uri": "checkpoint_s3_uri", "max_wait_time_in_seconds": "max_wait",
    "enable_managed_spot_training": "use_spot_instances",
}  # fmt: skip
_COMPUTED = "its value is known only when the script runs"


@dataclass(frozen=True)
class Estimator:
    """A workload of an estimator, and the directory of its code, relative to the script; None where the code is elsewhere."""

    imported: Imported
    source_dir: str | None


def read(
    text: str, name: str, *, image: str, main_name: str | None = None, size_of: Callable[[str], tuple[float, int] | None]
) -> Estimator:
    """The workload of the one estimator of a script, or of that in the variable `main_name`.

    `image` is what runs where the script names a framework's image of AWS; `size_of` gives the CPUs and MiB of an instance
    type, which become the pod's limits. Raises InvalidInputError for a script with none, or with several.
    """
    calls = [call for call in find_calls(text, name) if main_name in {None, call.name}]
    if len(calls) != 1:
        names = ", ".join(f"{call.name or call.kind} (line {call.line})" for call in calls)
        what = f"{name} has {names}" if calls else f"{name} makes no estimator{f' {main_name}' if main_name else ''}"
        hint = "Say which one with --name." if calls else "Expected a call such as Estimator(…) or ModelTrainer(…)."
        raise InvalidInputError(what, where=name, hint=hint)
    return _Reader(calls[0], name).read(image, size_of)


class _Reader:
    def __init__(self, call: Call, file: str) -> None:
        self._call = call
        self._file = file
        self._left: list[Left] = []
        self._fields: dict[str, Any] = {"kind": "training"}

    def read(self, image: str, size_of: Callable[[str], tuple[float, int] | None]) -> Estimator:
        arguments = self._flat(self._call.arguments)
        source = arguments.pop("source_dir", None)
        self._program(arguments.pop("entry_point", arguments.pop("entry_script", None)), source)
        self._name(arguments.pop("base_job_name", None))
        self._role(arguments.pop("role", arguments.pop("0", None) if self._call.kind != "ModelTrainer" else None))
        self._metrics(arguments.pop("metric_definitions", None))
        self._tags(arguments.pop("tags", None))
        self._spot(arguments)
        for key, value in arguments.items():
            self._argument(key, value)
        self._data(self._call.started_with)
        if "image" not in self._fields:
            self._fields["image"] = image
            if self._call.kind not in {"Estimator", "ModelTrainer"}:
                why = f"a LyftLearn image stands in the place of AWS's own for {self._call.kind}"
                self._leave("framework_version", why, "Add the framework to requirements.txt, in the version that you use.")
        self._fields.setdefault("max_runtime_s", _DAY_S)
        if size := size_of(str(self._fields.get("instance_type", ""))):
            self._fields["cpus"], self._fields["memory_mib"] = size
        imported = imported_workload(self._fields, self._left, self._file)
        return Estimator(imported, None if source is None or not isinstance(source, str) or "://" in source else source)

    @staticmethod
    def _flat(arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments, with those of the SDK v3's `source_code`, `compute` and others beside them."""
        flat: dict[str, Any] = {}
        for key, value in arguments.items():
            if key in _NESTED and isinstance(value, dict):
                flat.update({_RENAMED.get(str(inner), str(inner)): one for inner, one in value.items()})
            else:
                flat[key] = value
        return flat

    def _leave(self, key: str, why: str, advice: str) -> None:
        self._left.append(Left(f"{self._call.kind}, line {self._call.line}, {key}", why, advice))

    def _argument(self, key: str, value: Any) -> None:
        if key in _IGNORED or value is None:
            return
        field = _PLAIN.get(key) or ".".join(_INSIDE.get(key, ()))
        known = self._known(key, value, field or key)
        if known is None:
            return
        if key in _PLAIN:
            self._fields[_PLAIN[key]] = known
        elif key in _INSIDE:
            table, inner = _INSIDE[key]
            self._fields.setdefault(table, {})[inner] = known
        else:
            self._leave(key, "a workload has no word for it", "Check whether the script needs it.")
        if key == "instance_type" and not str(known).startswith("ml."):
            del self._fields["instance_type"]
            self._leave(key, f"{known} is no instance type of the service", "Set `instance_type`.")

    def _known(self, key: str, value: Any, field: str) -> Any:
        """The value, without the parts that are computed, each of which is told; None where nothing is left."""
        if isinstance(value, Unknown):
            self._leave(key, _COMPUTED, f"Set `{field}`.")
            return None
        if isinstance(value, dict):
            parts = {inner: self._known(f"{key}.{inner}", part, field) for inner, part in value.items()}
            return {inner: part for inner, part in parts.items() if part is not None}
        if isinstance(value, list):
            return [one for part in value if (one := self._known(key, part, field)) is not None]
        return str(value) if field == "environment" else value

    def _program(self, entry: Any, source: Any) -> None:
        if isinstance(source, str) and "://" in source:
            self._leave("source_dir", "the code is in S3", "Copy it beside this file, and name its directory.")
        if isinstance(entry, str):
            self._fields["program"] = entry if isinstance(source, str) else PurePosixPath(entry).name
        else:
            self._fields["command"] = ["train"]
            why = _COMPUTED if isinstance(entry, Unknown) else "the image's own ENTRYPOINT runs"
            self._leave("entry_point", why, "Say what it runs under `command` or `program`.")

    def _name(self, name: Any) -> None:
        text = name if isinstance(name, str) else PurePosixPath(self._file).stem
        self._fields["name"] = re.sub(r"-+", "-", re.sub(r"[^a-z0-9]", "-", text.lower()))[:40].strip("-") or "training"

    def _role(self, role: Any) -> None:
        if isinstance(role, str) and role.startswith("arn:"):
            self._fields["role_arn"] = role
        elif role is not None:
            self._leave("role", _COMPUTED if isinstance(role, Unknown) else "a role is its ARN", "Set `role_arn`.")

    def _metrics(self, definitions: Any) -> None:
        for one in definitions if isinstance(definitions, list) else ():
            known = self._known("metric_definitions", one, "metrics")
            if isinstance(known, dict) and {"Name", "Regex"} <= known.keys():
                self._fields.setdefault("metrics", {})[known["Name"]] = known["Regex"]
        if isinstance(definitions, Unknown):
            self._leave("metric_definitions", _COMPUTED, "Set `metrics`.")

    def _tags(self, tags: Any) -> None:
        for one in tags if isinstance(tags, list) else ():
            known = self._known("tags", one, "tags")
            if isinstance(known, dict) and {"Key", "Value"} <= known.keys():
                self._fields.setdefault("tags", {})[known["Key"]] = str(known["Value"])
        if isinstance(tags, Unknown):
            self._leave("tags", _COMPUTED, "Set `tags`.")

    def _spot(self, arguments: dict[str, Any]) -> None:
        wait_s, is_spot = arguments.pop("max_wait", None), arguments.pop("use_spot_instances", False)
        if not is_spot:
            return
        if isinstance(wait_s, int) and isinstance(arguments.get("checkpoint_s3_uri"), str):
            self._fields["spot"] = {"max_wait_s": wait_s}
        else:
            self._leave("use_spot_instances", "spot needs `max_wait` and checkpoints that are known here", "Set `spot`.")

    def _data(self, started: Mapping[str, Any]) -> None:
        inputs = started.get("inputs", started.get("input_data_config", started.get("0")))
        if isinstance(inputs, list):  # the SDK v3's InputData
            inputs = {str(one.get("channel_name")): one.get("data_source") for one in inputs if isinstance(one, dict)}
        elif isinstance(inputs, str) or (isinstance(inputs, dict) and _source(inputs) is not None):
            inputs = {_CHANNEL: inputs}
        if isinstance(inputs, Unknown):
            self._leave("fit", "where the data is, is known only when the script runs", "Set `channels`.")
        for channel, value in inputs.items() if isinstance(inputs, dict) else ():
            source = _source(value)
            if isinstance(source, str):
                self._fields.setdefault("channels", {})[channel] = source.removeprefix("file://")
            else:
                self._leave(f"fit.{channel}", _COMPUTED, f"Set `channels.{channel}`.")


def _source(value: Any) -> Any:
    """Where a channel's data is: a text, or the first argument of TrainingInput(…)."""
    if not isinstance(value, dict):
        return value
    return value.get("s3_data", value.get("s3_uri", value.get("0")))
