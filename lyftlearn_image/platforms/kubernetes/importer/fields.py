"""Reading a manifest's fields one by one, so that none is dropped without a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLUSTER = ("the cluster writes it itself", "Nothing to do.")
_PLACE = (
    "only `kubernetes.node_selector`, `tolerations`, `affinity` and `topology_spread` say where a pod runs",
    "Use those, or a node pool of its own.",
)
_BOUNDARY = ("a compiled pod keeps to Pod Security Standard `restricted`", "Do without it; SageMaker has no equal either.")
_STORAGE = (
    "neither SageMaker nor a `restricted` pod mounts such a volume",
    "Put the data into S3, and its prefix under `channels`; or have it as a PersistentVolumeClaim (EBS, EFS, FSx).",
)
_SCHEDULE = ("it belongs to the schedule", "Keep it with the schedule.")
_PROBES = ("a compiled server has probes of its own on /ping", "Answer GET /ping on 8080; set `startup_s`.")
_NO_DOWNWARD = (
    "SageMaker has no downward API",
    "Read TRAINING_JOB_NAME, SM_NUM_CPUS and SM_NUM_GPUS, which both platforms have.",
)
_HOSTS = ("hosts have the names of the platform", "Read SM_CURRENT_HOST and SM_HOSTS.")
# Last names of a field's path → why it is not carried, and what to do.
_REASONS: Mapping[str, tuple[str, str]] = {
    name: reason
    for names, reason in (
        ("uid resourceVersion creationTimestamp generation managedFields selfLink status", _CLUSTER),
        ("ownerReferences finalizers", _CLUSTER),
        ("nodeName schedulerName runtimeClassName priority", _PLACE),
        ("preemptionPolicy overhead resourceClaims", _PLACE),
        ("hostNetwork hostPID hostIPC hostUsers shareProcessNamespace privileged add procMount sysctls", _BOUNDARY),
        ("seLinuxOptions supplementalGroups fsGroup runAsGroup capabilities", _BOUNDARY),
        ("hostPath nfs csi ephemeral iscsi image", _STORAGE),
        ("timeZone concurrencyPolicy startingDeadlineSeconds successfulJobsHistoryLimit failedJobsHistoryLimit", _SCHEDULE),
        ("livenessProbe readinessProbe startupProbe", _PROBES),
        ("downwardAPI divisor", _NO_DOWNWARD),
        ("hostname subdomain", _HOSTS),
        ("initContainers", ("SageMaker starts one container", "Do its work at the script's start, or in a job before.")),
        (
            "schedule",
            ("a workload is one run", "Keep it outside: EventBridge Scheduler, or a CronJob around the compiled Job."),
        ),
        ("suspend", ("a workload begins when it is submitted", "Submit it when it is wanted.")),
        (
            "podFailurePolicy",
            ("failed pods are only counted", "Set `kubernetes.retries`; `spot` for pods that lose their node."),
        ),
        ("workingDir", ("the script begins in the image's directory", "Use absolute paths, or `cd` in a script.")),
        ("imagePullPolicy", ("Kubernetes' default for the tag applies", "Name the image by its digest.")),
        ("lifecycle", ("SageMaker has no hooks", "Handle SIGTERM in the script.")),
        ("projected", ("only plain ConfigMaps and Secrets become files", "Name each file under `files`.")),
        ("automountServiceAccountToken", ("a compiled pod has no token of the API", "Give the role what it needs by IAM.")),
        ("strategy", ("a compiled Deployment has a strategy of its own", "Nothing to do.")),
        ("progressDeadlineSeconds", ("a compiled Deployment has the time that its start has", "Set `startup_s`.")),
        ("unhealthyPodEvictionPolicy behavior", ("the cluster's own default applies", "Set it on the compiled object.")),
    )
    for name in names.split()
}
_OTHER = ("a workload has no word for it", "Check whether the script needs it.")


@dataclass(frozen=True)
class Left:
    """Something of the manifests that the workload does not have as it was: its place, why, and what to do."""

    place: str
    why: str
    advice: str

    def __str__(self) -> str:
        return f"{self.place}: {self.why}. {self.advice}"


class Fields:
    """A mapping of a manifest, of which every field is either taken or left."""

    def __init__(self, data: Any, place: str, left: list[Left]) -> None:
        if not isinstance(data, dict):
            raise InvalidInputError(f"{place} is not a mapping", hint="Is it a manifest that the API takes?")
        self.place = place
        self.left = left
        self._data: Mapping[str, Any] = data
        self._open = [key for key, value in data.items() if value not in (None, {}, [])]

    def take(self, key: str, default: Any = None) -> Any:
        """The value of a field that the workload carries."""
        if key in self._open:
            self._open.remove(key)
        found = self._data.get(key)
        return default if found is None else found

    def peek(self, key: str) -> Any:
        """The value of a field, which stays where it is."""
        return self._data.get(key)

    def take_if(self, key: str, *values: Any) -> None:
        """Takes a field where a compiled manifest says the same anyway."""
        if self._data.get(key) in values:
            self.take(key)

    def take_flag(self, key: str, *, value: bool) -> None:
        """Takes a flag where a compiled manifest says the same anyway."""
        self.take_if(key, value)

    def inside(self, key: str) -> Fields:
        """The fields of a mapping below."""
        return Fields(self.take(key, {}), f"{self.place}.{key}", self.left)

    def below(self, data: Any, key: str) -> Fields:
        """The fields of a mapping that was taken from under a key."""
        return Fields(data, f"{self.place}.{key}", self.left)

    def items(self, key: str) -> list[Fields]:
        """The fields of each mapping of a list below."""
        found = self.take(key, [])
        if not isinstance(found, list):
            raise InvalidInputError(f"{self.place}.{key} is not a list", hint="Is it a manifest that the API takes?")
        return [Fields(one, f"{self.place}.{key}[{number}]", self.left) for number, one in enumerate(found)]

    def leave(self, key: str, why: str = "", advice: str = "") -> None:
        """Leaves a field, with its own reason or the usual one."""
        self.take(key)
        usual = _REASONS.get(key, _OTHER)
        place = f"{self.place}.{key}" if key else self.place
        self.left.append(Left(place, why or usual[0], advice or usual[1]))

    def finish(self) -> None:
        """Leaves every field that nobody took."""
        for key in list(self._open):
            self.leave(key)
