"""One manifest and what stands beside it, read level by level into the fields of a workload."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.kubernetes.all_kinds import workload_kind
from lyftlearn_image.platforms.kubernetes.importer import bounds, compiled, documents
from lyftlearn_image.platforms.kubernetes.importer.container import read_container
from lyftlearn_image.platforms.kubernetes.importer.draft import Draft
from lyftlearn_image.platforms.kubernetes.importer.fields import Fields, Left
from lyftlearn_image.platforms.kubernetes.importer.server_objects import read_server_objects
from lyftlearn_image.platforms.kubernetes.job import SURVIVES_DISRUPTION
from lyftlearn_image.platforms.kubernetes.kinds.serving import FORGET_S
from lyftlearn_image.platforms.kubernetes.kinds.transform import DEADLINE_S
from lyftlearn_image.platforms.kubernetes.metadata import (
    DO_NOT_DISRUPT,
    INSTANCE_LABEL,
    MANAGED_BY,
    NAME_LABEL,
    PENDING_TIMEOUT_ANNOTATION,
    QUEUE_LABEL,
    ROLE_ANNOTATION,
    SAGEMAKER_ANNOTATION,
)
from lyftlearn_image.platforms.kubernetes.pod_template import DEFAULT_GRACE_S

if TYPE_CHECKING:
    from lyftlearn_image.platforms.kubernetes.importer.documents import Documents

_LONGEST_NAME = 40
# JobSpec, backoffLimit: "Defaults to 6" (kubernetes/api batch/v1).
_BACKOFF = 6
# StoppingCondition.MaxRuntimeInSeconds: "The default value is 1 day" (API reference).
_DAY_S = 24 * 3600


class Reader:
    """One manifest and what stands beside it. Each method reads one of its levels into the workload's fields."""

    def __init__(self, found: Documents, left: list[Left]) -> None:
        self._draft = Draft(found, documents.name_of(found.main), left)

    def read(self, kind: str) -> dict[str, Any]:
        """The fields; `kind` is what a Job becomes that does not say it itself."""
        main = self._draft.documents.main
        fields = Fields(main, str(main["kind"]), self._draft.left)
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
        pod = spec if main["kind"] == "Pod" else self._template(spec, kind)
        if main["kind"] == "Pod":
            self._draft.fields["kind"] = kind
            self._limit(spec)
        fields.finish()
        self._pod(pod)
        if main["kind"] == "Deployment":
            read_server_objects(self._draft)
        self._adjust()
        if self._draft.options:
            self._draft.fields["kubernetes"] = self._draft.options
        return {key: value for key, value in self._draft.fields.items() if value not in ({}, [], None)}

    def _template(self, spec: Fields, kind: str) -> Fields:
        """The spec of the pods, after that of what makes them."""
        if self._draft.documents.main["kind"] == "Deployment":
            template = self._deployment(spec)
        else:
            self._draft.fields["kind"] = kind
            template = self._job(spec)
        pod = template.inside("spec")
        self._template_metadata(template.inside("metadata"))
        template.finish()
        spec.finish()
        return pod

    def _metadata(self, fields: Fields) -> None:
        fields.take("name")
        fields.take("generateName")
        labels = {str(key): str(value) for key, value in fields.take("labels", {}).items()}
        annotations = {str(key): str(value) for key, value in fields.take("annotations", {}).items()}
        self._draft.is_ours = all(labels.get(key) == value for key, value in MANAGED_BY.items())
        name = self._draft.name
        if self._draft.is_ours:
            name = labels.get(NAME_LABEL, name)
            self._draft.fields |= compiled.sagemaker_fields(annotations)
            annotations.pop(SAGEMAKER_ANNOTATION, None)
            if timeout_s := annotations.pop(PENDING_TIMEOUT_ANNOTATION, None):
                self._draft.options["pending_timeout_s"] = int(timeout_s)
        fitting = re.sub(r"-+", "-", re.sub(r"[^a-z0-9]", "-", name.lower()))[:_LONGEST_NAME].strip("-") or "imported"
        if fitting != name:
            why = f"a workload's name has at most {_LONGEST_NAME} of a-z 0-9 -; it is {fitting} now"
            fields.left.append(Left(f"{fields.place}.name", why, "Choose another one, if it is to be told apart."))
        self._draft.fields["name"] = fitting
        self._draft.set_option("queue", labels.pop(QUEUE_LABEL, None), None)
        self._set_metadata(labels, annotations)
        if namespace := fields.take("namespace"):
            self._draft.options["namespace"] = str(namespace)
        fields.finish()

    def _template_metadata(self, fields: Fields) -> None:
        """Labels and annotations of a template: a workload has one set of each, which its pods get too."""
        labels = {str(key): str(value) for key, value in fields.take("labels", {}).items()}
        annotations = {str(key): str(value) for key, value in fields.take("annotations", {}).items()}
        self._set_metadata(labels, annotations)
        for name in ("name", "generateName"):
            fields.take(name)
        fields.finish()

    def _set_metadata(self, labels: dict[str, str], annotations: dict[str, str]) -> None:
        """Adds to the workload's labels and annotations, in which a compiled manifest's own have no place."""
        if any(annotations.get(name) == value for name, value in DO_NOT_DISRUPT.items()):
            self._draft.options["do_not_disrupt"] = True
            annotations = {name: value for name, value in annotations.items() if name not in DO_NOT_DISRUPT}
        labels = {name: value for name, value in labels.items() if name not in (NAME_LABEL, INSTANCE_LABEL, *MANAGED_BY)}
        for name, values in (("labels", labels), ("annotations", annotations)):
            if values:
                self._draft.options[name] = {**values, **self._draft.options.get(name, {})}

    def _job(self, spec: Fields) -> Fields:
        self._draft.set_option("retries", int(spec.take("backoffLimit", _BACKOFF)), 0)
        if self._draft.is_ours:
            # It comes from `spot`, which stands in the annotation.
            spec.take_if("podFailurePolicy", SURVIVES_DISRUPTION)
        self._limit(spec)
        if (ttl := spec.take("ttlSecondsAfterFinished")) is not None:
            self._draft.set_option("ttl_s", int(ttl), None)
        else:
            why = "the Job is kept for ever; a compiled one is removed after a week"
            self._draft.leave(spec, "ttlSecondsAfterFinished", why, "Set `kubernetes.ttl_s`.")
        completions, parallelism = int(spec.take("completions", 1)), int(spec.take("parallelism", 1))
        if completions == parallelism > 1 and spec.take("completionMode") == "Indexed":
            self._draft.fields["nodes"] = completions
        elif completions > 1 or parallelism > 1:
            why = f"{completions} completions, {parallelism} at once, are no hosts of one job"
            advice = "Submit a workload for each, or set `nodes` for a script that knows of hosts."
            self._draft.leave(spec, "completions", why, advice)
            spec.take("completionMode")
        spec.take_if("completionMode", "NonIndexed")
        spec.take_flag("manualSelector", value=False)
        spec.take("selector")
        spec.take_flag("suspend", value=False)
        return spec.inside("template")

    def _limit(self, spec: Fields) -> None:
        limit = spec.take("activeDeadlineSeconds")
        if limit is None and not self._draft.is_ours:
            why = f"the {self._draft.documents.main['kind']} has no limit, and SageMaker's default is a day"
            self._draft.leave(spec, "activeDeadlineSeconds", why, "Set `max_runtime_s`.")
        if limit is not None or not self._draft.is_ours:
            self._draft.fields["max_runtime_s"] = int(limit or _DAY_S)

    def _deployment(self, spec: Fields) -> Fields:
        self._draft.fields["replicas"] = int(spec.take("replicas", 1))
        spec.take("selector")
        if self._draft.is_ours:
            spec.take("strategy")
            spec.take("progressDeadlineSeconds")
        return spec.inside("template")

    def _pod(self, pod: Fields) -> None:
        restart = pod.take("restartPolicy", "Always")
        if restart == "OnFailure":
            self._draft.leave(
                pod, "restartPolicy", "a compiled Job starts another pod instead of the same again", "Nothing to do."
            )
        for key in ("enableServiceLinks", "automountServiceAccountToken"):
            pod.take_flag(key, value=False)
        pod.take_if("dnsPolicy", "ClusterFirst")
        pod.take_if("schedulerName", "default-scheduler")
        # The usual grace is not the platform's word for this pod alone; a compiled manifest always says one.
        usual_s = None if self._draft.is_ours else DEFAULT_GRACE_S
        self._draft.set_option("grace_s", pod.take("terminationGracePeriodSeconds"), usual_s)
        self._service_account(pod)
        self._draft.options |= bounds.placement(pod)
        self._draft.set_option("image_pull_secrets", [one["name"] for one in pod.take("imagePullSecrets", [])], [])
        self._draft.fields |= bounds.security(pod.inside("securityContext"))
        containers = pod.items("containers")
        if not containers:
            raise InvalidInputError("the pod has no container", where=pod.place)
        for other in containers[1:]:
            self._draft.left.append(
                Left(other.place, "SageMaker starts one container", "Do without it; StatsD is on localhost:8125.")
            )
        if self._draft.is_ours:
            pod.take("subdomain")
            if self._draft.documents.main["kind"] == "Deployment":
                pod.take("initContainers")
                self._draft.fields |= compiled.fields_of_model(self._draft.documents, self._draft.name)
        read_container(self._draft, pod, self._of_transform(pod, containers[0]) if self._draft.is_ours else containers[0])
        pod.finish()

    def _of_transform(self, pod: Fields, client: Fields) -> Fields:
        """The server beside a batch transform's client, after its options were read; any other Job has one container."""
        values = compiled.fields_of_transform(self._draft.documents, self._draft.name, {"env": client.peek("env")})
        if not values:
            pod.take("initContainers")
            return client
        self._draft.fields |= values
        deadline_s = self._draft.fields.pop("max_runtime_s", None)
        self._draft.set_option("deadline_s", deadline_s, DEADLINE_S)
        (server,) = (one for one in pod.items("initContainers") if one.take("name") == "server")
        for key in ("ports", "startupProbe", "restartPolicy"):
            server.take(key)
        self._draft.fields |= compiled.fields_of_model(self._draft.documents, self._draft.name)
        return server

    def _service_account(self, pod: Fields) -> None:
        pod.take_if("serviceAccount", pod.take("serviceAccountName"))
        name = pod.take("serviceAccountName")
        if not name:
            return
        self._draft.options["service_account"] = str(name)
        account = self._draft.documents.get("ServiceAccount", str(name))
        if account is None:
            if not self._draft.is_ours:
                why = f"the ServiceAccount {name} is not in the file, nor its role"
                self._draft.leave(pod, "serviceAccountName", why, "Set `role_arn` for SageMaker, with the same permissions.")
            return
        if role := ((account.get("metadata") or {}).get("annotations") or {}).get(ROLE_ANNOTATION):
            self._draft.options["role_arn"] = str(role)

    def _adjust(self) -> None:
        """What only both together tell: a trial's job is a template of a tuning, a server's grace has a little more."""
        if not self._draft.is_ours:
            return
        if search := compiled.fields_of_search(self._draft.documents, self._draft.name):
            self._draft.fields |= search
            tried = {*search["search_space"], "_tuning_objective_metric"}
            values = self._draft.fields.get("hyperparameters", {})
            self._draft.fields["hyperparameters"] = {key: value for key, value in values.items() if key not in tried}
        if self._draft.fields["kind"] == "serving" and "grace_s" in self._draft.options:
            self._draft.options["grace_s"] -= FORGET_S
        if self._draft.options.get("grace_s") == workload_kind(self._draft.fields["kind"]).pod.grace_s:
            del self._draft.options["grace_s"]
