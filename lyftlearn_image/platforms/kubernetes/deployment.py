"""Servers and notebooks: a Deployment with its Service, and a disk where one is wanted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms import bundle
from lyftlearn_image.platforms.kubernetes import pod_template
from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.workload import Notebook, Serving, Transform
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.launch import Launch

SERVING_PORT = 8080
NOTEBOOK_PORT = 8888
MODEL_DIR = "/opt/ml/model"
MODEL_KEY = "bundle.json"
# Only what stays below the directory; Debian 12's Python has no filters yet (PEP 706). Then the archive has done its work.
_UNPACK = """\
import os, sys, tarfile
with tarfile.open({path!r}) as archive:
    if hasattr(tarfile, "data_filter"):
        archive.extraction_filter = tarfile.data_filter
    else:
        for one in archive:
            if one.name.startswith("/") or ".." in one.name.split("/") or not (one.isfile() or one.isdir()):
                sys.exit("the model has a member that cannot be unpacked safely: " + one.name)
    archive.extractall({into!r})
os.unlink({path!r})
"""
# A probe of SageMaker waits 2 seconds for /ping (developer guide, your-algorithms-inference-code).
_PING_S = 2
PERIOD_S = 5
_READY_S = 15
# Endpoints forget a pod while it stops already: so long it goes on answering before SIGTERM.
FORGET_S = 5


def compile_deployment(workload: Serving | Notebook, launch: Launch, annotations: Mapping[str, str]) -> Compiled:
    """The Deployment after the ConfigMaps, the disk and the Service that it needs."""
    is_serving = isinstance(workload, Serving)
    is_packed = isinstance(workload, Serving) and workload.model.endswith(".tar.gz")
    downloads = ((MODEL_DIR, workload.model),) if isinstance(workload, Serving) and not is_packed else ()
    parts = pod_template.parts_of(workload, launch, pod_template.Transfers(downloads=downloads))
    name = launch.job_name
    disk = _claim(workload, name) if isinstance(workload, Notebook) and workload.storage_gb else None
    if disk:
        home = next(one for one in parts.volumes if one["name"] == contract.HOME.strip("/").replace("/", "-"))
        del home["emptyDir"]
        home["persistentVolumeClaim"] = {"claimName": name}
    port = SERVING_PORT if is_serving else NOTEBOOK_PORT
    container = _server(workload) if isinstance(workload, Serving) else _notebook()
    arguments = ("serve",) if isinstance(workload, Serving) else ("notebook", *workload.arguments)
    pod = pod_template.pod_spec(
        workload, parts, arguments, ports=[{"name": "http", "containerPort": port, "protocol": "TCP"}], **container
    )
    if isinstance(workload, Serving) and is_packed:
        parts.config_maps.append(unpack(workload, launch, pod))
    if is_serving:
        pod["terminationGracePeriodSeconds"] += FORGET_S
    if disk:
        # The disk is root's otherwise; with it, it is the pod's group's.
        pod["securityContext"] |= {"fsGroup": 0, "fsGroupChangePolicy": "OnRootMismatch"}
    selector = {pod_template.NAME_LABEL: workload.name, "app.kubernetes.io/instance": name}
    labels = {**workload.kubernetes.labels, **selector, **pod_template.MANAGED_BY}
    inner: dict[str, Any] = {"labels": labels}
    if workload.kubernetes.annotations:
        inner["annotations"] = dict(workload.kubernetes.annotations)
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": pod_template.metadata(workload, name, **annotations),
        "spec": {
            "replicas": workload.replicas if isinstance(workload, Serving) else 1,
            # Two notebooks cannot have one disk; of servers, the new ones are ready before the old ones go.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
            if is_serving
            else {"type": "Recreate"},
            "selector": {"matchLabels": selector},
            "template": {"metadata": inner, "spec": pod},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": pod_template.metadata(workload, name),
        "spec": {"selector": selector, "ports": [{"name": "http", "port": port, "targetPort": "http", "protocol": "TCP"}]},
    }
    before = [*pod_template.service_account(workload), *parts.config_maps, *([disk] if disk else []), service]
    return Compiled("kubernetes", "Deployment", (*before, deployment), parts.objects)


def ping(within_s: int) -> dict[str, Any]:
    """A probe of /ping that gives up after so many seconds."""
    get = {"httpGet": {"path": "/ping", "port": "http"}, "timeoutSeconds": _PING_S, "periodSeconds": PERIOD_S}
    return {**get, "failureThreshold": math.ceil(within_s / PERIOD_S)}


def _server(workload: Serving) -> dict[str, Any]:
    """Probes as SageMaker's, and one more: a server whose port is closed is started again."""
    return {
        "startupProbe": ping(workload.startup_s),
        "readinessProbe": ping(_READY_S),
        # Not /ping: a server whose workers are all busy is slow, and killing it would not help.
        "livenessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 10, "failureThreshold": 6},
        "lifecycle": {"preStop": {"sleep": {"seconds": FORGET_S}}},
    }


def unpack(workload: Serving | Transform, launch: Launch, pod: dict[str, Any]) -> dict[str, Any]:
    """Gives the pod an init container that unpacks the model as SageMaker does; returns the bundle that tells it which one."""
    name = f"{launch.job_name}-model"
    data = bundle.to_bytes(bundle.of(workload, launch.job_name, downloads=((MODEL_DIR, workload.model),)))
    main = pod["containers"][0]
    scratch = [one for one in main["volumeMounts"] if one["mountPath"] in (MODEL_DIR, "/tmp", contract.HOME)]  # noqa: S108
    where = bundle.reference(f"{contract.BUNDLE_MOUNT}/{MODEL_KEY}", data)
    pod["volumes"].append({"name": "model", "configMap": {"name": name}})
    pod["initContainers"] = [
        {
            "name": "model",
            "image": workload.image,
            "args": ["python", "-c", _UNPACK.format(path=f"{MODEL_DIR}/{workload.model.rpartition('/')[2]}", into=MODEL_DIR)],
            "env": [{"name": contract.BUNDLE, "value": where}],
            "resources": main["resources"],
            "securityContext": main["securityContext"],
            "volumeMounts": [*scratch, {"name": "model", "mountPath": contract.BUNDLE_MOUNT, "readOnly": True}],
        }
    ]
    named = pod_template.metadata(workload, name)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": {MODEL_KEY: data.decode()}}


def _notebook() -> dict[str, Any]:
    """JupyterLab answers /api to everybody (jupyter_server, APIVersionHandler)."""
    alive = {"httpGet": {"path": "/api", "port": "http"}, "periodSeconds": 10, "timeoutSeconds": _PING_S}
    return {"startupProbe": {**alive, "failureThreshold": 30}, "readinessProbe": {**alive, "failureThreshold": 3}}


def _claim(workload: Notebook, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{workload.storage_gb}Gi"}},
    }
    if workload.storage_class:
        spec["storageClassName"] = workload.storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": pod_template.metadata(workload, name),
        "spec": spec,
    }
