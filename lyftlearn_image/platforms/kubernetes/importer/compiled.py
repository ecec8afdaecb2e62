"""What a manifest of our own compiler holds besides Kubernetes' fields: the launch bundle, the other target's options."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.kinds.transform import OPTIONS
from lyftlearn_image.platforms.kubernetes.metadata import SAGEMAKER_ANNOTATION
from lyftlearn_image.platforms.kubernetes.pod_template import BUNDLE_KEY
from lyftlearn_image.platforms.processing_paths import input_paths
from lyftlearn_image.workload import Transform
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.kubernetes.importer.documents import Documents

_SEARCH = "search-space.json"


def find_bundle(documents: Documents, name: str) -> dict[str, Any]:
    """The launch bundle of a job of this name; empty where there is none beside it."""
    config_map = documents.get("ConfigMap", f"{name}-bundle")
    return _object((config_map or {}).get("data", {}).get("bundle.json", "{}"))


def sagemaker_fields(annotations: Mapping[str, str]) -> dict[str, Any]:
    """What the workload says to SageMaker alone."""
    return _object(annotations.get(SAGEMAKER_ANNOTATION, "{}"))


def fields_of_bundle(bundle: Mapping[str, Any], job_name: str) -> dict[str, Any]:
    """The workload's fields that are in the bundle."""
    fields: dict[str, Any] = {}
    job = bundle.get("job") or {}
    if job:
        fields["kind"] = job["kind"]
    fields |= {name: bundle[name] for name in ("hyperparameters", "channels") if bundle.get(name)}
    files = {one["path"]: {key: one[key] for key in one if key != "path"} for one in bundle.get("files", ())}
    if files:
        fields["files"] = files
    # Two outputs may be of one directory.
    uploads = [(one["path"], one["uri"]) for one in bundle.get("uploads", ())]
    if job.get("kind") == "processing":
        # Both are by the names of the channels.
        downloads = zip(sorted(bundle.get("channels", {})), bundle.get("downloads", ()), strict=True)
        paths = {name: one["path"] for name, one in downloads}
        usual = input_paths(paths, {})
        fields["local_paths"] = {name: path for name, path in paths.items() if path != usual[name]}
        fields["outputs"] = {uri.rstrip("/").rpartition("/")[2]: path for path, uri in uploads}
        if fields["outputs"] == {"output": f"{contract.PROCESSING_DIR}/output"}:
            del fields["outputs"]
    elif job:
        archive = dict(uploads).get("/opt/ml/model", "")
        fields["output"] = archive.removesuffix(f"/{job_name}/output/model.tar.gz")
    model = next((one["uri"] for one in bundle.get("downloads", ()) if one["path"] == "/opt/ml/model"), None)
    if model:
        fields["model"] = model
    return fields


def fields_of_model(documents: Documents, name: str) -> dict[str, Any]:
    """The model that an init container unpacks; empty where there is none."""
    config_map = documents.get("ConfigMap", f"{name}-model")
    fields = fields_of_bundle(_object((config_map or {}).get("data", {}).get(BUNDLE_KEY, "{}")), name)
    # The rest is in the script's own bundle, too.
    return {"model": fields["model"]} if "model" in fields else {}


def fields_of_transform(documents: Documents, name: str, client: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a batch transform, from its client's container and bundle; empty where there is no client."""
    config_map = documents.get("ConfigMap", f"{name}-client")
    if config_map is None:
        return {}
    bundle = _object(config_map.get("data", {}).get("bundle.json", "{}"))
    options = next((one["value"] for one in client.get("env", ()) if one["name"] == OPTIONS), "{}")
    defaults = {key: field.get_default() for key, field in Transform.model_fields.items()}
    options_set = {key: value for key, value in _object(options).items() if value != defaults.get(key)}
    (download,) = bundle["downloads"]
    return {**options_set, "kind": "transform", "input": download["uri"]}


def fields_of_variables(compiled: Mapping[str, str]) -> dict[str, Any]:
    """The workload's fields that are in the variables for the shim."""
    fields: dict[str, Any] = {}
    if program := compiled.get(contract.PROGRAM):
        fields["program"] = program
    if style := compiled.get(contract.ARGUMENTS):
        fields["arguments"] = style
    if sets := compiled.get(contract.ENV_FROM):
        fields["secret_sets"] = sets.split()
    if refresh := compiled.get(contract.REFRESH):
        every, _, signal = refresh.partition(":")
        fields["refresh"] = {"every_s": int(every), **({"signal": signal} if signal else {})}
    return fields


def fields_of_search(documents: Documents, name: str) -> dict[str, Any]:
    """The workload's fields that are in the search space beside a trial; empty where there is none."""
    config_map = documents.get("ConfigMap", f"{name}-search-space")
    space = _object((config_map or {}).get("data", {}).get(_SEARCH, "{}"))
    if not space:
        return {}
    objective = space["objective"]
    fields = {key: space[key] for key in ("strategy", "early_stopping", "seed", "max_trials", "parallel_trials")}
    return {
        "kind": "tuning",
        "search_space": space["ranges"],
        "objective": objective["metric"],
        "goal": objective["goal"],
        **fields,
    }


def _object(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
