"""Where a pod may run, in the API's own words, so that a manifest's lines can be pasted (kubernetes/api core/v1, meta/v1)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from lyftlearn_image.workload.parts import Model


class ApiObject(Model):
    """An object of the Kubernetes API, spelt as there."""

    model_config = ConfigDict(alias_generator=to_camel, serialize_by_alias=True)


class Toleration(ApiObject):
    """A taint that the pod may meet (k8s.io/docs/concepts/scheduling-eviction/taint-and-toleration)."""

    key: str | None = Field(default=None, description="The taint's key; none for every taint.")
    operator: str | None = Field(default=None, pattern=r"^(Exists|Equal)$", description="Exists, or Equal with a value.")
    value: str | None = Field(default=None, description="The taint's value.")
    effect: str | None = Field(
        default=None,
        pattern=r"^(NoSchedule|PreferNoSchedule|NoExecute)$",
        description="The taint's effect; none for every effect.",
    )
    toleration_seconds: int | None = Field(default=None, description="How long a pod stays on a node with NoExecute.")


class NodeRequirement(ApiObject):
    """NodeSelectorRequirement: what a node's label, or field, has to be."""

    key: str = Field(min_length=1, description="The label's, or field's, name.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(description="How its value is looked at.")
    values: tuple[str, ...] = Field(default=(), description="The values that it is compared with.")

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        _check_values(self.operator, self.values)
        if self.operator in {"Gt", "Lt"} and not (len(self.values) == 1 and self.values[0].lstrip("-").isdecimal()):
            raise ValueError(f"`{self.operator}` needs one whole number in `values`")
        return self


class NodeTerm(ApiObject):
    """NodeSelectorTerm: requirements that hold together."""

    match_expressions: tuple[NodeRequirement, ...] = Field(default=(), description="Requirements of a node's labels.")
    match_fields: tuple[NodeRequirement, ...] = Field(
        default=(), description="Requirements of a node's fields, such as metadata.name."
    )


class NodeSelector(ApiObject):
    """Terms of which one must hold."""

    node_selector_terms: tuple[NodeTerm, ...] = Field(min_length=1, description="Terms of which one must hold.")


class PreferredNodes(ApiObject):
    """PreferredSchedulingTerm: nodes that are better than others."""

    weight: int = Field(ge=1, le=100, description="How much it counts, from 1 to 100.")
    preference: NodeTerm = Field(description="Which nodes are better.")


class NodeAffinity(ApiObject):
    """Nodes by their labels."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        default=None, description="Which nodes a pod may run on."
    )
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredNodes, ...] = Field(
        default=(), description="Which nodes it had better run on."
    )


class LabelRequirement(ApiObject):
    """LabelSelectorRequirement: what a label has to be."""

    key: str = Field(min_length=1, description="The label's name.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="How its value is looked at.")
    values: tuple[str, ...] = Field(default=(), description="The values that it is compared with.")

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        _check_values(self.operator, self.values)
        return self


class LabelSelector(ApiObject):
    """Objects by their labels."""

    match_labels: dict[str, str] = Field(default={}, description="Label → value that it must have.")
    match_expressions: tuple[LabelRequirement, ...] = Field(default=(), description="Requirements of labels.")


class PodTerm(ApiObject):
    """PodAffinityTerm: pods beside which, or away from which, a pod is placed."""

    topology_key: str = Field(min_length=1, description="Label of nodes that says what one place is, such as a zone.")
    label_selector: LabelSelector | None = Field(default=None, description="Which pods it is about.")
    namespace_selector: LabelSelector | None = Field(default=None, description="In which namespaces, by their labels.")
    namespaces: tuple[str, ...] = Field(default=(), description="In which namespaces, by name; else the pod's own.")
    match_label_keys: tuple[str, ...] = Field(default=(), description="Labels that those pods must have as the pod has them.")
    mismatch_label_keys: tuple[str, ...] = Field(
        default=(), description="Labels that those pods must not have as the pod has them."
    )


class WeightedPodTerm(ApiObject):
    """WeightedPodAffinityTerm: the same, as a wish."""

    weight: int = Field(ge=1, le=100, description="How much it counts, from 1 to 100.")
    pod_affinity_term: PodTerm = Field(description="Which pods to be near to, or far from.")


class PodAffinity(ApiObject):
    """Places by the pods that are there already."""

    required_during_scheduling_ignored_during_execution: tuple[PodTerm, ...] = Field(
        default=(), description="What must hold of the pods around."
    )
    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodTerm, ...] = Field(
        default=(), description="What had better hold of the pods around."
    )


class Affinity(ApiObject):
    """PodSpec.affinity."""

    node_affinity: NodeAffinity | None = Field(default=None, description="Nodes by their labels.")
    pod_affinity: PodAffinity | None = Field(default=None, description="Pods to be near to.")
    pod_anti_affinity: PodAffinity | None = Field(default=None, description="Pods to be far from.")


class TopologySpread(ApiObject):
    """TopologySpreadConstraint: how evenly pods are spread over zones or nodes."""

    max_skew: int = Field(ge=1, description="How many pods one place may have more than another.")
    topology_key: str = Field(min_length=1, description="Label of nodes that says what one place is, such as a zone.")
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="What becomes of a pod that would break it."
    )
    label_selector: LabelSelector | None = Field(default=None, description="Which pods are counted.")
    match_label_keys: tuple[str, ...] = Field(default=(), description="Labels by which the pods to count are told apart.")
    min_domains: Annotated[int, Field(ge=1)] | None = Field(default=None, description="How many places there must be at least.")
    node_affinity_policy: Literal["Honor", "Ignore"] | None = Field(
        default=None, description="Whether nodes that the pod may not run on count."
    )
    node_taints_policy: Literal["Honor", "Ignore"] | None = Field(default=None, description="Whether nodes with taints count.")


def _check_values(operator: str, values: tuple[str, ...]) -> None:
    if operator in {"In", "NotIn"} and not values:
        raise ValueError(f"`{operator}` needs `values`")
    if operator in {"Exists", "DoesNotExist"} and values:
        raise ValueError(f"`{operator}` takes no `values`")
