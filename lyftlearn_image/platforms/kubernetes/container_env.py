"""The variables of a pod's container, as the API takes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.sagemaker.api_model import LONGEST_STRING_BYTES
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lyftlearn_image.workload import Workload

# The scheme of what the downward API tells; on SageMaker the shim answers.
DOWNWARD = "downward://"
# What the shim is to do with the script, and with nothing that runs beside it.
_FOR_THE_SCRIPT = (
    contract.ARGUMENTS, contract.BUNDLE, contract.GRACE, contract.OBSERVE, contract.PROGRAM, contract.REFRESH, contract.STATSD,
)  # fmt: skip
_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


def fits_variable(name: str, value: str) -> bool:
    """Whether the API takes the name (kubernetes/apimachinery, IsEnvVarName) and execve the whole."""
    return bool(_NAME.fullmatch(name)) and len(name.encode()) + len(value.encode()) + 2 <= LONGEST_STRING_BYTES


def container_env(workload: Workload, shim_variables: Mapping[str, str]) -> list[dict[str, Any]]:
    """EnvVars in the order of their names: the workload's that fit, the shim's own, and what the cluster answers."""
    variables = {**workload.environment, **workload.secrets}
    fitting = {name: value for name, value in variables.items() if fits_variable(name, value)}
    entries: dict[str, dict[str, Any]] = {
        name: {"name": name, "value": escape(value)} for name, value in {**fitting, **shim_variables}.items()
    }
    for name, reference in workload.secrets.items():
        if reference.startswith(DOWNWARD):
            entries[name] = {"name": name, "valueFrom": _downward(reference.removeprefix(DOWNWARD))}
    for name, reference in workload.kubernetes.secrets.items():
        secret, _, key = reference.partition("#")
        entries[name] = {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
    return [entries[name] for name in sorted(entries)]


def env_beside(env: Sequence[Mapping[str, Any]], **variables: str) -> list[dict[str, Any]]:
    """The variables of a container of ours beside the script's, whose `env` this is.

    It has the workload's variables, secrets, CA, proxies and endpoints: it too speaks to S3, or to what stands in for it.
    """
    own = [{"name": name, "value": value} for name, value in variables.items()]
    shared = [dict(entry) for entry in env if entry["name"] not in (*_FOR_THE_SCRIPT, *variables)]
    return sorted([*shared, *own], key=lambda entry: str(entry["name"]))


def escape(text: str) -> str:
    """A text of which the kubelet makes this one again.

    It expands `$(NAME)`, and makes `$` of `$$` (kubernetes.io/docs "Define Dependent Environment Variables"; recorded in pods,
    case 03). Nothing else is touched, for other programs that read manifests know less.
    """
    return re.sub(r"\$(?=[$(])", "$$", text)


def _downward(field: str) -> dict[str, Any]:
    """The cluster's own answer to what `downward://` asks (k8s.io/docs/concepts/workloads/pods/downward-api)."""
    if field.startswith(("limits.", "requests.")):
        # Without a name it is the container's own: the same variables are in those beside it.
        return {"resourceFieldRef": {"resource": field}}
    return {"fieldRef": {"fieldPath": field}}
