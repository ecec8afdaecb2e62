"""The container of a manifest: its image, variables, files and command, read into the fields of a workload."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.importer import bounds, compiled, files, variables
from lyftlearn_image.platforms.kubernetes.kinds.notebook import NOTEBOOK_PORT
from lyftlearn_image.platforms.kubernetes.kinds.serving import SERVING_PORT
from lyftlearn_image.platforms.kubernetes.probes import PERIOD_S
from lyftlearn_image.platforms.kubernetes.quantity import parse_quantity
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.kubernetes.importer.draft import Draft
    from lyftlearn_image.platforms.kubernetes.importer.fields import Fields

UNKNOWN_MODEL = "s3://fill-in/model/"


def read_container(draft: Draft, pod: Fields, container: Fields) -> None:
    """Reads the script's container into the draft."""
    container.take("name")
    draft.fields["image"] = str(container.take("image", ""))
    container.take_if("imagePullPolicy", "IfNotPresent")
    container.take_if("terminationMessagePath", "/dev/termination-log")
    container.take_if("terminationMessagePolicy", "File")
    env = variables.read(container, draft.documents, draft.fields.get("secrets", {}))
    disks = files.Disks()
    mounted = files.read(pod, container, draft.documents, disks, skip_own=draft.is_ours)
    security = container.inside("securityContext")
    draft.set_option("read_only_root", bool(security.take("readOnlyRootFilesystem")), default=True)
    draft.fields |= bounds.container_security(security)
    amounts, requests = bounds.resources(container.inside("resources"))
    draft.fields |= amounts
    draft.set_option("requests", requests, {})
    command = [env.expand(str(word), container, "command") for word in container.take("command", [])]
    arguments = [env.expand(str(word), container, "args") for word in container.take("args", [])]
    _environment(draft, env, mounted)
    if draft.fields.get("kind") == "transform":
        env.drop_batch()
        draft.fields["environment"] = env.environment
    elif draft.documents.main["kind"] != "Deployment":
        _program(draft, container, command, arguments)
    else:
        _service(draft, container, command, arguments)
    _storage(draft, disks, container)
    container.finish()


def _environment(draft: Draft, env: variables.Variables, mounted: dict[str, Any]) -> None:
    bundle = compiled.find_bundle(draft.documents, draft.name) if draft.is_ours else {}
    if bundle:
        mounted = {path: file for path, file in mounted.items() if not path.startswith("/etc/lyftlearn/")}
        for name, value in bundle.get("environment", {}).items():
            if "://" in value and value.partition("://")[0] in contract.CLEAR_SCHEMES:
                env.set_secret(name, value)
            else:
                env.set(name, value)
    draft.fields.pop("secrets", None)
    fields = {**compiled.fields_of_bundle(bundle, draft.name), **compiled.fields_of_variables(env.compiled)}
    fields["files"] = {**mounted, **fields.get("files", {})}
    # The other target's own word is exact; what is read here may be a rounded one.
    draft.fields = {
        **draft.fields,
        **{key: value for key, value in fields.items() if key not in draft.fields or key == "kind"},
    }
    draft.fields["environment"] = env.environment
    draft.fields["secrets"] = env.secrets
    draft.fields["secret_sets"] = [*draft.fields.get("secret_sets", []), *env.secret_sets]
    draft.set_option("secrets", env.kubernetes_secrets, {})


def _program(draft: Draft, container: Fields, command: list[str], arguments: list[str]) -> None:
    words = command + arguments
    if words == ["train"] and (draft.fields.get("program") or _brings_program(draft.fields)):
        return
    draft.fields.pop("program", None)
    if words and words != ["train"]:
        draft.fields["command"] = words
    else:
        draft.fields["command"] = ["train"]
        draft.leave(container, "command", "the image's own ENTRYPOINT runs", "Say what it runs under `command` or `program`.")
    if not draft.is_ours:
        why = "the shim is the image's ENTRYPOINT, and starts the command"
        draft.leave(container, "image", why, "Build the image FROM a LyftLearn image.")


def _brings_program(fields: Mapping[str, Any]) -> bool:
    """As `Trainable.brings_program`, of fields that are no workload yet."""
    return (
        bool(fields.get("hyperparameters", {}).get("sagemaker_program"))
        or "SAGEMAKER_PROGRAM" in fields.get("environment", {})
        or "sm_drivers" in fields.get("channels", {})
    )


def _service(draft: Draft, container: Fields, command: list[str], arguments: list[str]) -> None:
    ports = {port.get("containerPort") for port in container.take("ports", []) if isinstance(port, dict)}
    is_notebook = arguments[:1] == ["notebook"] or NOTEBOOK_PORT in ports
    draft.fields["kind"] = "notebook" if is_notebook else "serving"
    for port in sorted(str(other) for other in ports - {NOTEBOOK_PORT if is_notebook else SERVING_PORT, None}):
        draft.leave(container, "ports", f"SageMaker does not speak to port {port}", f"Listen on {SERVING_PORT}.")
    if is_notebook:
        draft.fields.pop("replicas")
        draft.fields["arguments"] = arguments[1:] if arguments[:1] == ["notebook"] else []
    elif "model" not in draft.fields:
        draft.fields["model"] = UNKNOWN_MODEL
        draft.leave(container, "model", "a manifest does not say where its model comes from", "Set `model`.")
    if not draft.is_ours and (command or arguments not in ([], ["serve"])):
        why = "SageMaker starts `serve` and nothing else"
        draft.leave(container, "command", why, "Name your server as `program`, or write handlers for the image's own.")
    if draft.is_ours:
        startup = container.take("startupProbe", {})
        if not is_notebook and "startup_s" not in draft.fields:
            draft.fields["startup_s"] = PERIOD_S * int(startup.get("failureThreshold", 96))
        for key in ("readinessProbe", "livenessProbe", "lifecycle"):
            container.take(key)
    elif not draft.is_ours:
        why = "the image has to answer GET /ping and POST /invocations, by the shim"
        draft.leave(container, "image", why, "Build the image FROM a LyftLearn image.")


def _storage(draft: Draft, disks: files.Disks, container: Fields) -> None:
    volumes = {}
    for path, mounted in disks.claims.items():
        name = mounted["claim"]
        claim = draft.documents.get("PersistentVolumeClaim", name)
        spec = (claim or {}).get("spec") or {}
        if draft.fields["kind"] == "notebook" and claim and path == contract.HOME:
            size = parse_quantity(((spec.get("resources") or {}).get("requests") or {}).get("storage", "1Gi"))
            draft.fields["storage_gb"] = math.ceil(size / (1 << 30))
            draft.fields["storage_class"] = spec.get("storageClassName")
            continue
        volumes[path] = mounted
        if not draft.is_ours:
            why = f"the claim {name} is mounted at {path} on Kubernetes alone, and has to be there already"
            draft.leave(container, "volumeMounts", why, "For SageMaker, put the data into S3, and its prefix under `channels`.")
    draft.set_option("volumes", volumes, {})
    if disks.shm_size is not None:
        # A directory in memory without a bound has that of the pod.
        limit = disks.shm_size or f"{draft.fields.get('memory_mib', 0)}Mi"
        draft.set_option("shm_size_mib", math.ceil(parse_quantity(limit) / (1 << 20)), 0)
