"""One manifest and what stands beside it, read level by level into the fields of a workload."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.kubernetes.all_kinds import workload_kind
from lyftlearn_image.platforms.kubernetes.importer import bounds, compiled, documents, files, variables
from lyftlearn_image.platforms.kubernetes.importer.fields import Fields, Left
from lyftlearn_image.platforms.kubernetes.job import SURVIVES_DISRUPTION
from lyftlearn_image.platforms.kubernetes.kinds.notebook import NOTEBOOK_PORT
from lyftlearn_image.platforms.kubernetes.kinds.serving import FORGET_S, SERVING_PORT
from lyftlearn_image.platforms.kubernetes.metadata import MANAGED_BY, NAME_LABEL, ROLE_ANNOTATION, SAGEMAKER_ANNOTATION
from lyftlearn_image.platforms.kubernetes.probes import PERIOD_S
from lyftlearn_image.platforms.kubernetes.quantity import parse_quantity
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from lyftlearn_image.platforms.kubernetes.importer.documents import Documents

_LONGEST_NAME = 40
# JobSpec, backoffLimit: "Defaults to 6" (kubernetes/api batch/v1).
_BACKOFF = 6
# StoppingCondition.MaxRuntimeInSeconds: "The default value is 1 day" (API reference).
_DAY_S = 24 * 3600
UNKNOWN_MODEL = "s3://fill-in/model/"


class Reader:
    """One manifest and what stands beside it. Each method reads one of its levels into the workload's fields."""

    def __init__(self, found: Documents, left: list[Left]) -> None:
        self._documents = found
        self._left = left
        self._fields: dict[str, Any] = {}
        self._kubernetes: dict[str, Any] = {}
        self._is_ours = False
        self._name = documents.name_of(found.main)

    def read(self, kind: str) -> dict[str, Any]:
        """The fields; `kind` is what a Job becomes that does not say it itself."""
        main = self._documents.main
        fields = Fields(main, str(main["kind"]), self._left)
        fields.take("apiVersion")
        fields.take("kind")
        self._metadata(fields.inside("metadata"))
        spec = fields.inside("spec")
        if main["kind"] == "CronJob":
            template = spec.inside("jobTemplate")
            self._template_metadata(template.inside("metadata"))
            template_spec = template.inside("spec")
            template.finish()
            spec.finish()
            spec = template_spec
        if main["kind"] == "Deployment":
            template = self._deployment(spec)
        else:
            self._fields["kind"] = kind
            template = self._job(spec)
        pod = template.inside("spec")
        self._template_metadata(template.inside("metadata"))
        template.finish()
        spec.finish()
        fields.finish()
        self._pod(pod)
        self._adjust()
        if self._kubernetes:
            self._fields["kubernetes"] = self._kubernetes
        return {key: value for key, value in self._fields.items() if value not in ({}, [], None)}

    def _metadata(self, fields: Fields) -> None:
        fields.take("name")
        fields.take("generateName")
        labels = {str(key): str(value) for key, value in fields.take("labels", {}).items()}
        annotations = {str(key): str(value) for key, value in fields.take("annotations", {}).items()}
        self._is_ours = all(labels.get(key) == value for key, value in MANAGED_BY.items())
        name = self._name
        if self._is_ours:
            name = labels.pop(NAME_LABEL, name)
            labels = {key: value for key, value in labels.items() if key not in MANAGED_BY}
            self._fields |= compiled.other_target(annotations)
            annotations.pop(SAGEMAKER_ANNOTATION, None)
        fitting = re.sub(r"-+", "-", re.sub(r"[^a-z0-9]", "-", name.lower()))[:_LONGEST_NAME].strip("-") or "imported"
        if fitting != name:
            why = f"a workload's name has at most {_LONGEST_NAME} of a-z 0-9 -; it is {fitting} now"
            fields.left.append(Left(f"{fields.place}.name", why, "Choose another one, if it is to be told apart."))
        self._fields["name"] = fitting
        annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
        self._kubernetes |= {key: value for key, value in (("labels", labels), ("annotations", annotations)) if value}
        if namespace := fields.take("namespace"):
            self._kubernetes["namespace"] = str(namespace)
        fields.finish()

    def _template_metadata(self, fields: Fields) -> None:
        """Labels and annotations of a template: a workload has one set of each, which its pods get too."""
        for name in ("labels", "annotations"):
            said = {str(key): str(value) for key, value in fields.take(name, {}).items()}
            if self._is_ours:
                # A compiled Deployment's selector needs labels of its own.
                said = {key: value for key, value in said.items() if not key.startswith("app.kubernetes.io/")}
            if said:
                self._kubernetes[name] = {**said, **self._kubernetes.get(name, {})}
        fields.take("name")
        fields.finish()

    def _job(self, spec: Fields) -> Fields:
        self._set("retries", int(spec.take("backoffLimit", _BACKOFF)), 0)
        if self._is_ours:
            # It comes from `spot`, which stands in the annotation.
            spec.take_if("podFailurePolicy", SURVIVES_DISRUPTION)
        limit = spec.take("activeDeadlineSeconds")
        if limit is None and not self._is_ours:
            self._tell(
                spec, "activeDeadlineSeconds", "the Job has no limit, and SageMaker's default is a day", "Set `max_runtime_s`."
            )
        if limit is not None or not self._is_ours:
            self._fields["max_runtime_s"] = int(limit or _DAY_S)
        if (ttl := spec.take("ttlSecondsAfterFinished")) is not None:
            self._set("ttl_s", int(ttl), None)
        else:
            why = "the Job is kept for ever; a compiled one is removed after a week"
            self._tell(spec, "ttlSecondsAfterFinished", why, "Set `kubernetes.ttl_s`.")
        completions, parallelism = int(spec.take("completions", 1)), int(spec.take("parallelism", 1))
        if completions == parallelism > 1 and spec.take("completionMode") == "Indexed":
            self._fields["nodes"] = completions
        elif completions > 1 or parallelism > 1:
            why = f"{completions} completions, {parallelism} at once, are no hosts of one job"
            self._tell(spec, "completions", why, "Submit a workload for each, or set `nodes` for a script that knows of hosts.")
            spec.take("completionMode")
        spec.take_if("completionMode", "NonIndexed")
        spec.take_flag("manualSelector", said=False)
        spec.take("selector")
        spec.take_flag("suspend", said=False)
        return spec.inside("template")

    def _deployment(self, spec: Fields) -> Fields:
        self._fields["replicas"] = int(spec.take("replicas", 1))
        spec.take("selector")
        if self._is_ours:
            spec.take("strategy")
        return spec.inside("template")

    def _pod(self, pod: Fields) -> None:
        restart = pod.take("restartPolicy", "Always")
        if restart == "OnFailure":
            self._tell(pod, "restartPolicy", "a compiled Job starts another pod instead of the same again", "Nothing to do.")
        for key in ("enableServiceLinks", "automountServiceAccountToken"):
            pod.take_flag(key, said=False)
        pod.take_if("dnsPolicy", "ClusterFirst")
        pod.take_if("schedulerName", "default-scheduler")
        self._set("grace_s", pod.take("terminationGracePeriodSeconds"), None)
        self._service_account(pod)
        self._set("node_selector", pod.take("nodeSelector"), {})
        self._set("image_pull_secrets", [one["name"] for one in pod.take("imagePullSecrets", [])], [])
        self._set("tolerations", bounds.tolerations(pod), [])
        self._fields |= bounds.security(pod.inside("securityContext"))
        containers = pod.items("containers")
        if not containers:
            raise InvalidInputError("the pod has no container", where=pod.place)
        for other in containers[1:]:
            self._left.append(
                Left(other.place, "SageMaker starts one container", "Do without it; StatsD is on localhost:8125.")
            )
        if self._is_ours:
            pod.take("subdomain")
            if self._documents.main["kind"] == "Deployment":
                pod.take("initContainers")
                self._fields |= compiled.model_of(self._documents, self._name)
        self._container(pod, self._of_transform(pod, containers[0]) if self._is_ours else containers[0])
        pod.finish()

    def _of_transform(self, pod: Fields, client: Fields) -> Fields:
        """The server beside a batch transform's client, after its options were read; any other Job has one container."""
        said = compiled.transform_of(self._documents, self._name, {"env": client.peek("env")})
        if not said:
            return client
        self._fields |= said
        (server,) = (one for one in pod.items("initContainers") if one.take("name") == "server")
        for key in ("ports", "startupProbe", "restartPolicy"):
            server.take(key)
        self._fields |= compiled.model_of(self._documents, self._name)
        return server

    def _service_account(self, pod: Fields) -> None:
        pod.take_if("serviceAccount", pod.take("serviceAccountName"))
        name = pod.take("serviceAccountName")
        if not name:
            return
        self._kubernetes["service_account"] = str(name)
        account = self._documents.get("ServiceAccount", str(name))
        if account is None:
            if not self._is_ours:
                why = f"the ServiceAccount {name} is not in the file, nor its role"
                self._tell(pod, "serviceAccountName", why, "Set `role_arn` for SageMaker, with the same permissions.")
            return
        if role := ((account.get("metadata") or {}).get("annotations") or {}).get(ROLE_ANNOTATION):
            self._kubernetes["role_arn"] = str(role)

    def _container(self, pod: Fields, container: Fields) -> None:
        container.take("name")
        self._fields["image"] = str(container.take("image", ""))
        container.take_if("imagePullPolicy", "IfNotPresent")
        container.take_if("terminationMessagePath", "/dev/termination-log")
        container.take_if("terminationMessagePolicy", "File")
        found = variables.read(container, self._documents, self._fields.get("secrets", {}))
        kept: dict[str, str] = {}
        mounted = files.read(pod, container, self._documents, kept, passed_over=self._is_ours)
        self._fields |= bounds.container_security(container.inside("securityContext"))
        self._fields |= bounds.resources(container.inside("resources"))
        command = [found.expand(str(one), container, "command") for one in container.take("command", [])]
        arguments = [found.expand(str(one), container, "args") for one in container.take("args", [])]
        self._environment(found, mounted)
        if self._fields.get("kind") == "transform":
            found.drop_batch()
            self._fields["environment"] = found.environment
        elif self._documents.main["kind"] != "Deployment":
            self._program(container, command, arguments)
        else:
            self._service(container, command, arguments)
        self._storage(kept, container)
        container.finish()

    def _environment(self, found: variables.Variables, mounted: dict[str, Any]) -> None:
        bundle = compiled.bundle_of(self._documents, self._name) if self._is_ours else {}
        if bundle:
            mounted = {path: file for path, file in mounted.items() if not path.startswith("/etc/lyftlearn/")}
            for name, value in bundle.get("environment", {}).items():
                if "://" in value and value.partition("://")[0] in contract.CLEAR_SCHEMES:
                    found.set_secret(name, value)
                else:
                    found.set(name, value)
        self._fields.pop("secrets", None)
        said = {**compiled.of_bundle(bundle, self._name), **compiled.of_variables(found.compiled)}
        said["files"] = {**mounted, **said.get("files", {})}
        # The other target's own word is exact; what is read here may be a rounded one.
        self._fields = {
            **self._fields,
            **{key: value for key, value in said.items() if key not in self._fields or key == "kind"},
        }
        self._fields["environment"] = found.environment
        self._fields["secrets"] = found.secrets
        self._fields["secret_sets"] = [*self._fields.get("secret_sets", []), *found.secret_sets]
        self._set("secrets", found.kubernetes_secrets, {})

    def _program(self, container: Fields, command: list[str], arguments: list[str]) -> None:
        words = command + arguments
        if words == ["train"] and self._fields.get("program"):
            return
        self._fields.pop("program", None)
        if words and words != ["train"]:
            self._fields["command"] = words
        else:
            self._fields["command"] = ["train"]
            self._tell(
                container, "command", "the image's own ENTRYPOINT runs", "Say what it runs under `command` or `program`."
            )
        if not self._is_ours:
            why = "the shim is the image's ENTRYPOINT, and starts the command"
            self._tell(container, "image", why, "Build the image FROM a LyftLearn image.")

    def _service(self, container: Fields, command: list[str], arguments: list[str]) -> None:
        ports = {one.get("containerPort") for one in container.take("ports", []) if isinstance(one, dict)}
        is_notebook = arguments[:1] == ["notebook"] or NOTEBOOK_PORT in ports
        self._fields["kind"] = "notebook" if is_notebook else "serving"
        for port in sorted(str(one) for one in ports - {NOTEBOOK_PORT if is_notebook else SERVING_PORT, None}):
            self._tell(container, "ports", f"SageMaker does not speak to port {port}", f"Listen on {SERVING_PORT}.")
        if is_notebook:
            self._fields.pop("replicas")
            self._fields["arguments"] = arguments[1:] if arguments[:1] == ["notebook"] else []
        elif "model" not in self._fields:
            self._fields["model"] = UNKNOWN_MODEL
            self._tell(container, "model", "a manifest does not say where its model comes from", "Set `model`.")
        if not self._is_ours and (command or arguments not in ([], ["serve"])):
            why = "SageMaker starts `serve` and nothing else"
            self._tell(container, "command", why, "Name your server as `program`, or write handlers for the image's own.")
        if self._is_ours:
            startup = container.take("startupProbe", {})
            if not is_notebook and "startup_s" not in self._fields:
                self._fields["startup_s"] = PERIOD_S * int(startup.get("failureThreshold", 96))
            for key in ("readinessProbe", "livenessProbe", "lifecycle"):
                container.take(key)
        elif not self._is_ours:
            why = "the image has to answer GET /ping and POST /invocations, by the shim"
            self._tell(container, "image", why, "Build the image FROM a LyftLearn image.")

    def _storage(self, kept: dict[str, str], container: Fields) -> None:
        for path, name in kept.items():
            claim = self._documents.get("PersistentVolumeClaim", name)
            if self._fields["kind"] == "notebook" and claim:
                spec = claim.get("spec") or {}
                size = parse_quantity(((spec.get("resources") or {}).get("requests") or {}).get("storage", "1Gi"))
                self._fields["storage_gb"] = math.ceil(size / (1 << 30))
                self._fields["storage_class"] = spec.get("storageClassName")
            else:
                why = f"SageMaker cannot mount the claim {name} at {path}"
                self._tell(container, "volumeMounts", why, "Put the data into S3, and its prefix under `channels`.")

    def _adjust(self) -> None:
        """What only both together tell: a trial's job is a template of a tuning, a server's grace has a little more."""
        if not self._is_ours:
            return
        if search := compiled.of_search(self._documents, self._name):
            self._fields |= search
            tried = {*search["search_space"], "_tuning_objective_metric"}
            values = self._fields.get("hyperparameters", {})
            self._fields["hyperparameters"] = {key: value for key, value in values.items() if key not in tried}
        if self._fields["kind"] == "serving" and "grace_s" in self._kubernetes:
            self._kubernetes["grace_s"] -= FORGET_S
        if self._kubernetes.get("grace_s") == workload_kind(self._fields["kind"]).pod.grace_s:
            del self._kubernetes["grace_s"]

    def _set(self, key: str, value: Any, default: Any) -> None:
        if value is not None and value != default:
            self._kubernetes[key] = value

    def _tell(self, fields: Fields, key: str, why: str, advice: str) -> None:
        self._left.append(Left(f"{fields.place}.{key}", why, advice))
