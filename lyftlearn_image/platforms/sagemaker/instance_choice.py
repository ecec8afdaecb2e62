"""Which instance type a workload runs on: the one that it names, else the smallest that has what it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.findings import Finding
from lyftlearn_image.platforms.sagemaker import actions, api_model
from lyftlearn_image.platforms.sagemaker.instances import InstanceSize, describe, find_instance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.workload import Workload

# Kind of workload → the action and its member whose enumeration has the types that there are.
_MEMBERS: Mapping[str, tuple[str, str]] = {
    "training": (actions.TRAINING, "ResourceConfig.InstanceType"),
    "processing": (actions.PROCESSING, "ProcessingResources.ClusterConfig.InstanceType"),
    "tuning": (actions.TUNING, "TrainingJobDefinition.ResourceConfig.InstanceType"),
    "transform": (actions.TRANSFORM, "TransformResources.InstanceType"),
    "serving": (actions.ENDPOINT_CONFIG, "ProductionVariants.InstanceType"),
    # Nothing that is compiled names it: whoever opens Studio does.
    "notebook": ("CreateApp", "ResourceSpec.InstanceType"),
}
# Of a kind that is not here: a job of some kind.
_ANY = _MEMBERS["training"]
# The families that are looked through together, one group after the other: those of any account first, then larger ones.
_FAMILIES = (("m5", "r5"), ("m7i", "r7i"))
_GPU_FAMILIES = (("g5",), ("p4d",), ("p5",))
_AMOUNTS = ("cpus", "memory_mib", "gpus")


def find_instance_type(workload: Workload) -> str | None:
    """The workload's own type, else the smallest with its CPUs, memory and GPUs; None where none has them."""
    if workload.instance_type is not None:
        return workload.instance_type
    fitting = _smallest(workload)
    return fitting.name if fitting else None


def require_instance_type(workload: Workload) -> str:
    """As `find_instance_type`. Raises InvalidInputError that names the largest types where none is large enough."""
    if found := find_instance_type(workload):
        return found
    action, _ = _MEMBERS.get(workload.kind, _ANY)
    largest = [max(types, key=lambda one: (one.cpus, one.memory_mib)) for types in _groups(workload) if types]
    raise InvalidInputError(
        f"no instance type of {action} has {describe(workload.cpus, workload.memory_mib, workload.gpus)}",
        where=f"`cpus`, `memory_mib` and `gpus` of the workload {workload.name}",
        hint=f"Ask for less, or name an `instance_type`. The largest: {', '.join(map(str, largest))}.",
    )


def lint_instance_type(workload: Workload) -> Iterator[Finding]:
    """Notes: which type follows from what is asked for, and that one which somebody named has less than that."""
    asked = [name for name in _AMOUNTS if name in workload.model_fields_set]
    if not asked:
        return
    fitting, is_notebook = _smallest(workload), workload.kind == "notebook"
    if workload.instance_type is None:
        # Without one that fits, compiling says so.
        if fitting and is_notebook:
            yield Finding((asked[0],), f"is chosen in Studio: {fitting} is the smallest instance with it", level="note")
        elif fitting:
            yield Finding((asked[0],), f"runs on {fitting} on SageMaker, the smallest with it", level="note")
        return
    named = find_instance(workload.instance_type)
    if named is None:
        return
    short = [name for name in asked if getattr(named, name) < getattr(workload, name)]
    if short:
        wanted = ", ".join(f"`{name}: {getattr(workload, name):g}`" for name in short)
        hint = f"{fitting} is the smallest with all that is asked for; without `instance_type` it is taken." if fitting else ""
        yield Finding(("instance_type",), f"{named} has less than {wanted}", hint, level="note")


def _smallest(workload: Workload) -> InstanceSize | None:
    amounts = (workload.cpus, workload.memory_mib, workload.gpus)
    for types in _groups(workload):
        if fitting := [one for one in types if one.has(*amounts)]:
            # Of two that are alike the one whose family comes first.
            return min(fitting, key=lambda one: (one.gpus, one.cpus, one.memory_mib))
    return None


def _groups(workload: Workload) -> list[list[InstanceSize]]:
    """The types of each group of families that the workload's action takes and whose size is known."""
    names = api_model.choices(*_MEMBERS.get(workload.kind, _ANY))
    groups = _GPU_FAMILIES if workload.gpus else _FAMILIES
    known = [[find_instance(name) for one in group for name in names if name.startswith(f"ml.{one}.")] for group in groups]
    return [[one for one in types if one is not None] for types in known]
