"""Which fields of a manifest the emulator implements, which it ignores and why, and which it refuses and why.

The tables are the single source, for the check below and for the page about fidelity. The names of shapes are the API's own
(kubernetes.io/docs/reference/kubernetes-api).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import UnsupportedError
from lyftlearn_image.platforms.kubernetes.quantity import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What a node here has. Everything else is a device's (GPUs), or set aside by the node (huge pages).
_RESOURCES = ("cpu", "memory", "ephemeral-storage")
# Of each shape, its implemented fields: "" takes any value, a name is a shape (of a list's items too), a tuple the values.
IMPLEMENTED: Mapping[str, Mapping[str, str | tuple[object, ...]]] = {
    "Job": {"apiVersion": "", "kind": "", "metadata": "ObjectMeta", "spec": "JobSpec"},
    "Pod": {"apiVersion": "", "kind": "", "metadata": "ObjectMeta", "spec": "PodSpec"},
    "Service": {"apiVersion": "", "kind": "", "metadata": "ObjectMeta", "spec": "ServiceSpec"},
    "ServiceAccount": {"apiVersion": "", "kind": "", "metadata": "ObjectMeta", "automountServiceAccountToken": ""},
    "ObjectMeta": {"name": "", "namespace": "", "labels": "", "annotations": ""},
    "JobSpec": {
        "template": "PodTemplateSpec", "completions": "", "parallelism": "", "completionMode": ("NonIndexed", "Indexed"),
        "backoffLimit": "", "backoffLimitPerIndex": "", "maxFailedIndexes": "", "activeDeadlineSeconds": "",
        "podFailurePolicy": "PodFailurePolicy", "successPolicy": "SuccessPolicy",
        "podReplacementPolicy": ("TerminatingOrFailed", "Failed"), "suspend": (False,),
    },
    "PodTemplateSpec": {"metadata": "ObjectMeta", "spec": "PodSpec"},
    "PodFailurePolicy": {"rules": "PodFailurePolicyRule"},
    "SuccessPolicy": {"rules": "SuccessPolicyRule"},
    "SuccessPolicyRule": {"succeededIndexes": "", "succeededCount": ""},
    "PodFailurePolicyRule": {
        "action": ("FailJob", "FailIndex", "Ignore", "Count"), "onExitCodes": "OnExitCodes",
        "onPodConditions": "OnPodConditions",
    },
    "OnExitCodes": {"containerName": "", "operator": ("In", "NotIn"), "values": ""},
    "OnPodConditions": {"type": "", "status": ""},
    "ServiceSpec": {
        "ports": "ServicePort", "clusterIP": "", "clusterIPs": "", "selector": "", "publishNotReadyAddresses": "",
        "type": ("ClusterIP", "ExternalName", "NodePort", "LoadBalancer"), "externalName": "",
    },
    "ServicePort": {"name": "", "port": "", "protocol": "", "targetPort": "", "nodePort": "", "appProtocol": ""},
    "PodSpec": {
        "restartPolicy": ("Never", "OnFailure", "Always"), "automountServiceAccountToken": "", "enableServiceLinks": "",
        "initContainers": "Container", "containers": "Container", "terminationGracePeriodSeconds": "",
        "securityContext": "PodSecurityContext", "volumes": "Volume", "hostname": "", "subdomain": "",
        "setHostnameAsFQDN": "", "hostAliases": "HostAlias", "dnsConfig": "PodDNSConfig",
        "dnsPolicy": ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"), "serviceAccountName": "",
        "serviceAccount": "", "activeDeadlineSeconds": "", "shareProcessNamespace": "",
        "hostNetwork": (False,), "hostPID": (False,), "hostIPC": (False,), "os": "PodOS",
    },
    "PodOS": {"name": ("linux",)},
    "HostAlias": {"ip": "", "hostnames": ""},
    "PodDNSConfig": {"nameservers": "", "searches": "", "options": "PodDNSConfigOption"},
    "PodDNSConfigOption": {"name": "", "value": ""},
    "PodSecurityContext": {
        "runAsUser": "", "runAsGroup": "", "runAsNonRoot": "", "fsGroup": "", "supplementalGroups": "",
        "seccompProfile": "SeccompProfile", "sysctls": "Sysctl",
    },
    "Sysctl": {"name": "", "value": ""},
    "SecurityContext": {
        "runAsUser": "", "runAsGroup": "", "runAsNonRoot": "", "seccompProfile": "SeccompProfile",
        "readOnlyRootFilesystem": "", "allowPrivilegeEscalation": "", "capabilities": "Capabilities", "privileged": (False,),
    },
    "SeccompProfile": {"type": ("RuntimeDefault", "Unconfined")},
    "Capabilities": {"add": "", "drop": ""},
    "Container": {
        "name": "", "image": "", "command": "", "args": "", "workingDir": "", "env": "EnvVar", "envFrom": "EnvFromSource",
        "resources": "ResourceRequirements", "securityContext": "SecurityContext", "volumeMounts": "VolumeMount",
        "tty": "", "stdin": "", "stdinOnce": "", "terminationMessagePath": "",
        "terminationMessagePolicy": ("File", "FallbackToLogsOnError"), "lifecycle": "Lifecycle",
        "startupProbe": "Probe", "livenessProbe": "Probe", "readinessProbe": "Probe", "ports": "ContainerPort",
        # Of an init container alone: a native sidecar.
        "restartPolicy": ("Always",),
    },
    "ContainerPort": {"name": "", "containerPort": "", "protocol": ""},
    "Lifecycle": {"postStart": "LifecycleHandler", "preStop": "LifecycleHandler", "stopSignal": ""},
    "LifecycleHandler": {
        "exec": "ExecAction", "httpGet": "HTTPGetAction", "sleep": "SleepAction", "tcpSocket": "TCPSocketAction",
    },
    "Probe": {
        "exec": "ExecAction", "httpGet": "HTTPGetAction", "tcpSocket": "TCPSocketAction", "initialDelaySeconds": "",
        "periodSeconds": "", "timeoutSeconds": "", "successThreshold": "", "failureThreshold": "",
        "terminationGracePeriodSeconds": "",
    },
    "ExecAction": {"command": ""},
    "SleepAction": {"seconds": ""},
    "HTTPGetAction": {"path": "", "port": "", "host": "", "scheme": ("HTTP", "HTTPS"), "httpHeaders": "HTTPHeader"},
    "HTTPHeader": {"name": "", "value": ""},
    "TCPSocketAction": {"port": "", "host": ""},
    "ResourceRequirements": {"limits": "", "requests": ""},
    "EnvVar": {"name": "", "value": "", "valueFrom": "EnvVarSource"},
    "EnvVarSource": {
        "configMapKeyRef": "KeySelector", "secretKeyRef": "KeySelector", "fieldRef": "ObjectFieldSelector",
        "resourceFieldRef": "ResourceFieldSelector",
    },
    "KeySelector": {"name": "", "key": "", "optional": ""},
    "ObjectFieldSelector": {"fieldPath": "", "apiVersion": ""},
    "ResourceFieldSelector": {"resource": "", "divisor": "", "containerName": ""},
    "EnvFromSource": {"prefix": "", "configMapRef": "EnvSource", "secretRef": "EnvSource"},
    "EnvSource": {"name": "", "optional": ""},
    "VolumeMount": {
        "name": "", "mountPath": "", "readOnly": "", "subPath": "", "subPathExpr": "", "mountPropagation": ("None",),
        "recursiveReadOnly": ("Disabled",),
    },
    "Volume": {
        "name": "", "configMap": "ConfigMapVolumeSource", "secret": "SecretVolumeSource", "emptyDir": "EmptyDirVolumeSource",
        "projected": "ProjectedVolumeSource", "downwardAPI": "DownwardAPIVolumeSource",
    },
    "ConfigMapVolumeSource": {"name": "", "items": "KeyToPath", "defaultMode": "", "optional": ""},
    "SecretVolumeSource": {"secretName": "", "items": "KeyToPath", "defaultMode": "", "optional": ""},
    "EmptyDirVolumeSource": {"medium": ("", "Memory"), "sizeLimit": ""},
    "DownwardAPIVolumeSource": {"items": "DownwardAPIVolumeFile", "defaultMode": ""},
    "DownwardAPIVolumeFile": {
        "path": "", "mode": "", "fieldRef": "ObjectFieldSelector", "resourceFieldRef": "ResourceFieldSelector",
    },
    "ProjectedVolumeSource": {"sources": "VolumeProjection", "defaultMode": ""},
    "VolumeProjection": {
        "configMap": "Projection", "secret": "Projection", "downwardAPI": "DownwardAPIProjection",
        "serviceAccountToken": "ServiceAccountTokenProjection",
    },
    "Projection": {"name": "", "items": "KeyToPath", "optional": ""},
    "DownwardAPIProjection": {"items": "DownwardAPIVolumeFile"},
    "ServiceAccountTokenProjection": {"audience": "", "expirationSeconds": "", "path": ""},
    "KeyToPath": {"key": "", "path": "", "mode": ""},
}  # fmt: skip

# Implemented fields that do less here than on a cluster, and what.
PARTIAL: Mapping[str, str] = {
    "ServiceSpec.clusterIP": "containers have its variables and find its name; nobody answers at the address",
    "ServiceSpec.type": "no port of the node and no balancer is taken, whatever the type",
    "ServiceSpec.publishNotReadyAddresses": "names are served where the emulator may listen on port 53, refused elsewhere",
    "ServiceAccountTokenProjection.audience": "the claims are those of a real token; the signature is by a key of the run",
    "ServiceAccountTokenProjection.expirationSeconds": "a token is not replaced before it expires",
    "PodSpec.serviceAccountName": "its name is in the token, and its role is the pod's AWS identity; it has no other rights",
    "ConfigMapVolumeSource.name": "a change is shown at once; a kubelet takes up to two minutes",
    "SecretVolumeSource.secretName": "a change is shown at once; a kubelet takes up to two minutes",
    "EmptyDirVolumeSource.sizeLimit": "on disk it is looked at every second; a kubelet was seen to take 95 s",
    "PodSpec.dnsPolicy": "with Default the resolver is the engine's, which finds the Services of the namespace too",
    "VolumeMount.subPath": "of an emptyDir in memory it is refused where the engine's volumes cannot be reached from here",
    "Container.ports": "they name ports for probes; every port can be reached",
    "Container.stdin": "it stays open, and nobody writes to it",
    "Probe.timeoutSeconds": "a command that takes too long is killed where the engine is on this machine",
    "ResourceRequirements.requests": "nothing is scheduled by them; oom_score_adj is 0 for Guaranteed, as recorded, not -997",
    "ResourceRequirements.limits": "cpu, memory and ephemeral-storage; of more CPUs than are here a pod gets all;"
    " a pod that asks for another resource is refused",
    "JobSpec.podReplacementPolicy": "a pod is replaced when it has ended, with either",
}

# Fields with no effect on what a container sees here, and why.
IGNORED: Mapping[str, str] = {
    "Job.status": "it is the cluster's to write",
    "Pod.status": "it is the cluster's to write",
    "Service.status": "it is the cluster's to write",
    "ServiceAccount.imagePullSecrets": "images are on this engine",
    "ServiceAccount.secrets": "the API's own tokens are not objects here",
    "ObjectMeta.finalizers": "nothing is kept after a run here",
    "ObjectMeta.generateName": "the emulator needs a name, and makes up no random one",
    "ObjectMeta.ownerReferences": "nothing is collected as garbage here: everything is removed at the end",
    "JobSpec.ttlSecondsAfterFinished": "nothing is kept after a run here",
    "JobSpec.selector": "a Job here selects the pods that it made",
    "JobSpec.manualSelector": "a Job here selects the pods that it made",
    "PodSpec.nodeSelector": "there is one node",
    "PodSpec.tolerations": "there is one node",
    "PodSpec.affinity": "there is one node",
    "PodSpec.topologySpreadConstraints": "there is one node",
    "PodSpec.schedulerName": "there is one node",
    "PodSpec.priorityClassName": "nothing competes for the node",
    "PodSpec.priority": "nothing competes for the node",
    "PodSpec.preemptionPolicy": "nothing competes for the node",
    "PodSpec.imagePullSecrets": "images are on this engine",
    "PodSecurityContext.fsGroupChangePolicy": "volumes are new in every pod here, and so are their owners",
    "Container.imagePullPolicy": "images are on this engine",
    "ContainerPort.hostIP": "no port of the node is given to a pod",
    "ServiceSpec.sessionAffinity": "nobody answers at a cluster IP",
    "ServiceSpec.ipFamilies": "pods have IPv4 addresses here",
    "ServiceSpec.ipFamilyPolicy": "pods have IPv4 addresses here",
    "ServiceSpec.internalTrafficPolicy": "nobody answers at a cluster IP",
}

# Fields that the emulator knows and refuses, and why. What is in no table is refused too.
REFUSED: Mapping[str, str] = {
    "JobSpec.managedBy": "the emulator's own controller runs the Job",
    "PodSpec.runtimeClassName": "the engine's runtime is the only one",
    "PodSpec.ephemeralContainers": "nobody debugs a pod here",
    "PodSpec.readinessGates": "nobody sets the condition",
    "PodSpec.resourceClaims": "there is no driver of devices",
    "PodSpec.resources": "limits of a whole pod are not implemented yet",
    "PodSpec.hostUsers": "user namespaces belong to the engine as a whole",
    "PodSpec.hostnameOverride": "not implemented yet",
    "PodSpec.overhead": "the engine's runtime has none",
    "PodSecurityContext.supplementalGroupsPolicy": "the engine merges the image's groups by rules of its own",
    "PodSecurityContext.seLinuxOptions": "the engine's host decides about SELinux",
    "PodSecurityContext.appArmorProfile": "the engine's host decides about AppArmor",
    "SecurityContext.procMount": "the engine masks /proc by itself",
    "SecurityContext.seLinuxOptions": "the engine's host decides about SELinux",
    "SecurityContext.appArmorProfile": "the engine's host decides about AppArmor",
    "Container.volumeDevices": "there are no block volumes",
    "Container.restartPolicyRules": "not implemented yet",
    "Container.resizePolicy": "limits stay as they are for a pod's life",
    "ContainerPort.hostPort": "a port of this machine is not the emulator's to take",
    "Probe.grpc": "not implemented yet",
    "EnvVarSource.fileKeyRef": "not implemented yet",
    "VolumeProjection.clusterTrustBundle": "there is no cluster to trust",
    "VolumeProjection.podCertificate": "nobody signs certificates here",
    "ResourceRequirements.claims": "there is no driver of devices",
    "Volume.hostPath": "a pod here never sees this machine's own files",
    "Volume.persistentVolumeClaim": "nothing is kept after a run here",
    "Volume.ephemeral": "there is no storage driver",
    "Volume.csi": "there is no storage driver",
    "Volume.nfs": "there is no storage driver",
    "Volume.image": "not implemented yet",
}


def refuse_unsupported(manifest: Mapping[str, Any]) -> None:
    """Raises UnsupportedError with the path of every field that the emulator does not implement."""
    kind = manifest["kind"]
    if kind not in ("Job", "Pod", "Service", "ServiceAccount"):
        raise UnsupportedError(f"the embedded target does not implement the kind {kind}")
    refused = [*_unsupported(manifest, kind, ""), *_missing_resources(manifest)]
    if refused:
        raise UnsupportedError(
            f"the embedded target does not implement {', '.join(path for path, _ in refused)}",
            where="; ".join(f"{path}: {reason}" for path, reason in refused if reason),
            hint="Leave it out, or run the manifest on a cluster.",
        )


def pod_spec(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spec of a Pod, or of the pods of a Job; empty for what has none."""
    spec: Mapping[str, Any] = manifest.get("spec") or {}
    return spec["template"]["spec"] if manifest["kind"] == "Job" else spec


def _missing_resources(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and reason of every resource that a pod asks for and this machine has not: on a cluster it would wait for a node."""
    base = "spec.template.spec" if manifest["kind"] == "Job" else "spec"
    spec = pod_spec(manifest)
    for kind in ("initContainers", "containers"):
        for position, container in enumerate(spec.get(kind) or ()):
            for field, amounts in (container.get("resources") or {}).items():
                for name, amount in (amounts or {}).items() if field in ("limits", "requests") else ():
                    if name not in _RESOURCES and parse_quantity(amount):
                        yield (
                            f"{base}.{kind}[{position}].resources.{field}.{name} = {amount}",
                            "this machine has no such resource",
                        )


def _unsupported(value: Any, shape: str, path: str) -> Iterator[tuple[str, str]]:
    """Path and reason of every field in a value that is neither implemented nor ignored."""
    if isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _unsupported(item, shape, f"{path}[{position}]")
    elif isinstance(value, dict):
        for key, inner in value.items():
            if f"{shape}.{key}" not in IGNORED:
                yield from _unsupported_field(shape, key, inner, f"{path}.{key}" if path else key)


def _unsupported_field(shape: str, key: str, value: Any, path: str) -> Iterator[tuple[str, str]]:
    """The same for one field and what is in it."""
    implemented = IMPLEMENTED[shape].get(key)
    if implemented is None:
        yield path, REFUSED.get(f"{shape}.{key}", "")
    elif (shape, key) == ("Container", "restartPolicy") and ".initContainers[" not in path:
        yield path, "of a container that is no init container, not implemented yet"
    elif isinstance(implemented, tuple):
        if value is not None and value not in implemented:
            yield f"{path} = {value}", f"of {key}, only {', '.join(map(str, implemented))}"
    elif implemented:
        yield from _unsupported(value, implemented, path)
