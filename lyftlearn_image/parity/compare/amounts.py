"""CPUs and memory of the two sides: an instance type has its own sizes, a pod its limits, and a workload asks for both.

That the two are not the same is no finding: it was asked for. That a side does not have what was asked for it is one. So a
difference is explained only where *each* side has exactly its own amount: a limit that is not kept, or a number of threads
that follows from anything else, still counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.instances import instance_size
from lyftlearn_image.errors import UnsupportedError
from lyftlearn_image.platforms.sagemaker.instance_choice import find_instance_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.parity.differences import Difference
    from lyftlearn_image.platforms.launch import TargetName
    from lyftlearn_image.workload import Workload

_MIB = 1 << 20
# How many threads libraries start, and how many CPUs a script is told of: whole ones, rounded down, at least one.
_COUNTS = frozenset(
    f"variables/{name}"
    for name in (
        "SM_NUM_CPUS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    )
)  # fmt: skip
_JSON = "variables/SM_TRAINING_ENV"


@dataclass(frozen=True)
class Asked:
    """What a workload asks for on one target. `shm_bytes` is None where there is no word for the size of /dev/shm."""

    cpus: float
    memory_bytes: int
    shm_bytes: int | None
    words: str

    def within(self, cpus: int, memory_bytes: int | None = None) -> Asked:
        """As much of it as a machine of this size can give; without a size of the memory all of it."""
        return replace(self, cpus=min(self.cpus, cpus), memory_bytes=min(self.memory_bytes, memory_bytes or self.memory_bytes))


def asked_amounts(target: TargetName, workload: Workload) -> Asked | None:
    """What the workload asks for on a target, None of an instance type whose size nobody knows here."""
    if target == "kubernetes":
        shm_mib, memory_mib = workload.kubernetes.shm_size_mib, workload.memory_mib
        words = f"{workload.cpus:g} CPUs and {memory_mib:,} MiB as limits of the pod"
        return Asked(workload.cpus, memory_mib * _MIB, shm_mib * _MIB if shm_mib else None, words)
    name = find_instance_type(workload) or ""
    try:
        cpus, memory_bytes = instance_size(name)
    except UnsupportedError:
        return None
    return Asked(cpus, memory_bytes, None, f"{cpus} CPUs and {memory_bytes // _MIB:,} MiB of {name}")


def explain_amounts(
    difference: Difference, observations: tuple[Mapping[str, Any], Mapping[str, Any]], asked: tuple[Asked, Asked]
) -> Difference:
    """The difference, accepted where each side has at this place what was asked for it."""
    place = difference.place
    sides = tuple(zip(observations, asked, strict=True))
    if place == "shm_bytes":
        # Only the pod can be given another size than its platform's own.
        given = [observation.get(place) == amounts.shm_bytes for observation, amounts in sides if amounts.shm_bytes]
        is_asked = bool(given) and all(given)
    else:
        is_asked = all(_has_amount(place, *side) for side in sides)
        is_asked = is_asked and (place != _JSON or _differs_in_cpus_alone(*observations))
    if not is_asked:
        return difference
    return replace(difference, accepted=f"each side has what the workload asks for: {asked[0].words}, {asked[1].words}")


def _has_amount(place: str, observation: Mapping[str, Any], asked: Asked) -> bool:
    """Whether what one side saw at a place is what was asked for it."""
    found = _at(place, observation)
    if place == "cpu/quota":
        return _is_number(found) and found == asked.cpus
    if place == "memory/limit_bytes":
        return _is_number(found) and found == asked.memory_bytes
    whole = max(1, int(asked.cpus))
    if place == _JSON:
        return bool(_read_object(found).get("num_cpus") == whole)
    return place in _COUNTS and found == str(whole)


def _differs_in_cpus_alone(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    one, other = ({**_read_object(_at(_JSON, side)), "num_cpus": None} for side in (left, right))
    return one == other


def _at(place: str, observation: Mapping[str, Any]) -> Any:
    top, _, below = place.partition("/")
    found = observation.get(top)
    return found.get(below) if isinstance(found, dict) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read_object(text: Any) -> dict[str, Any]:
    """A JSON object; an empty one for what a script has made something else of."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
