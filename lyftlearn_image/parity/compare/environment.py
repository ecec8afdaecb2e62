"""The realised environment: what the script could see on each side, fact by fact.

Every difference counts, but for those of EXPECTED_DIFFERENCES: facts of the platforms themselves, each with its reason.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.amounts import explain_amounts
from lyftlearn_image.parity.compare.options import Options
from lyftlearn_image.parity.compare.tolerance import is_same
from lyftlearn_image.parity.differences import Comparison, Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.parity.compare.amounts import Asked

# Place (with `*`) → why the platforms differ there. Nothing that the contract promises to be the same may stand here.
EXPECTED_DIFFERENCES: Mapping[str, str] = {
    "variables/KUBERNETES_*": "the service `kubernetes` has variables in every pod, and in no other container",
    "variables/TRAINING_JOB_ARN": "only the service has an ARN for the job",
    "variables/TRAINING_JOB_NAME": "the processing service gives no such variable",
    "variables/PROCESSING_JOB_NAME": "the processing service gives no such variable",
    "variables/HOSTNAME": "a pod is named after its job, a SageMaker host after its address",
    "variables/AWS_EXECUTION_ENV": "only SageMaker's agent sets it",
    "variables/USER": "SageMaker runs as root, a restricted pod may not",
    "variables/LOGNAME": "SageMaker runs as root, a restricted pod may not",
    "variables/AWS_ENDPOINT_URL": "an embedded target has an AWS endpoint of its own, a real service needs none",
    "variables/JOB_COMPLETION_INDEX": "a pod of a Job for several hosts has its number there; SM_CURRENT_HOST is for scripts",
    "variables/AWS_CONTAINER_*": "each platform has its own way to the role's credentials",
    "variables/AWS_ACCESS_KEY_ID": "each run is given keys of its own, as variables where no agent can be played",
    "variables/AWS_SECRET_ACCESS_KEY": "each run is given keys of its own, as variables where no agent can be played",
    "variables/AWS_SESSION_TOKEN": "each run is given keys of its own, as variables where no agent can be played",
    "variables/AWS_ROLE_ARN": "web identity is one of the ways of EKS",
    "variables/AWS_WEB_IDENTITY_TOKEN_FILE": "web identity is one of the ways of EKS",
    "variables/AWS_STS_REGIONAL_ENDPOINTS": "web identity is one of the ways of EKS",
    "hostname": "a pod is named after its job, a SageMaker host after its address",
    "context/*": "it is the platform's name",
    "observed_at": "it is the time",
    "ids/*": "SageMaker runs as root, a restricted pod may not",
    "user/name": "SageMaker runs as root, a restricted pod may not",
    "user/row*": "SageMaker runs as root, a restricted pod may not",
    "capabilities": "a restricted pod drops all capabilities",
    "no_new_privs": "a restricted pod may not gain privileges",
    "files//opt/ml/input/*/mode": "one side's files are made by the service as root, the other's by the shim",
    "files//opt/ml/processing/*/mode": "one side's files are made by the service as root, the other's by the shim",
    "files//opt/ml/input/config/*": "SageMaker writes its own; their values are compared as variables",
    "files//etc/*/mode": "a ConfigMap volume has its own modes",
}
_EXACT = Options()
_ABSENT = object()
_SEVERAL = 2
# Further ones are no platform's, and searching every variable for each would take long.
_MAX_HOSTS = 1000
# Names of the job itself begin those of its pods.
_PLACES = ("HOSTNAME", "TRAINING_JOB_NAME", "TRAINING_JOB_ARN")


def compare_environment(
    left: Mapping[str, Any] | None, right: Mapping[str, Any] | None, asked: tuple[Asked, Asked] | None = None
) -> Comparison:
    """All differences of two observations; a missing observation is one that counts.

    `asked` are the CPUs and the memory that the workload asks for on each side, None where that is not known.
    """
    if left is None or right is None:
        there = ("observed" if left is not None else None), ("observed" if right is not None else None)
        missing = Difference("", *there, "the shim wrote no observation; does the image start with it?")
        return Comparison("environment", "environment", (missing,))
    sides = _with_hosts_by_rank(left), _with_hosts_by_rank(right)
    differences = [_explained(one) for one in _compare(*sides)]
    if asked:
        differences = [one if one.accepted else explain_amounts(one, sides, asked) for one in differences]
    return Comparison("environment", "environment", tuple(differences))


def _with_hosts_by_rank(observation: Mapping[str, Any]) -> Mapping[str, Any]:
    """The observation with `host 0`, `host 1` … for the names of a job's hosts, which are the platform's own.

    A script must take them from SM_HOSTS (SageMaker developer guide, your-algorithms-training-algo-running-container).
    """
    variables = observation.get("variables")
    if not isinstance(variables, dict):
        return observation
    hosts = _read_hosts(variables.get("SM_HOSTS"))
    if not hosts:
        return observation
    ranks = {host: f"host {rank}" for rank, host in enumerate(hosts)}
    # The longest first: algo-1 begins algo-10.
    form = re.compile("|".join(re.escape(host) for host in sorted(ranks, key=len, reverse=True)))
    renamed = {
        name: form.sub(lambda match: ranks[match[0]], value) if isinstance(value, str) and name not in _PLACES else value
        for name, value in variables.items()
    }
    return {**observation, "variables": renamed}


def _read_hosts(variable: Any) -> list[str]:
    """The names of several hosts; none where the script has written the variable itself, which is compared as it is."""
    try:
        hosts = json.loads(variable)
    except (TypeError, ValueError, RecursionError):
        return []
    is_list_of_names = isinstance(hosts, list) and all(isinstance(host, str) and host for host in hosts)
    return hosts if is_list_of_names and _SEVERAL <= len(hosts) <= _MAX_HOSTS else []


def _explained(difference: Difference) -> Difference:
    for pattern, reason in EXPECTED_DIFFERENCES.items():
        if fnmatchcase(difference.place, pattern):
            return replace(difference, accepted=reason)
    return difference


def _compare(left: Any, right: Any) -> Iterator[Difference]:
    stack = [("", left, right)]
    while stack:
        place, one, other = stack.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            # The first key last, and so taken first.
            keys = sorted(one.keys() | other.keys(), reverse=True)
            above = f"{place}/" if place else ""
            stack += ((f"{above}{key}", one.get(key, _ABSENT), other.get(key, _ABSENT)) for key in keys)
        elif one is _ABSENT or other is _ABSENT or not is_same(one, other, _EXACT):
            yield Difference(place, _format(one), _format(other))


def _format(value: Any) -> str | None:
    return None if value is _ABSENT else format_value(value)
