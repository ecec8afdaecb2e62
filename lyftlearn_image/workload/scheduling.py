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

    key: str | None = None
    operator: str | None = Field(default=None, pattern=r"^(Exists|Equal)$")
    value: str | None = None
    effect: str | None = Field(default=None, pattern=r"^(NoSchedule|PreferNoSchedule|NoExecute)$")
    toleration_seconds: int | None = Field(default=None, description="How long a pod stays on a node with NoExecute.")


class NodeRequirement(ApiObject):
    """NodeSelectorRequirement: what a node's label, or field, has to be."""

    key: str = Field(min_length=1)
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        _check_values(self.operator, self.values)
        if self.operator in {"Gt", "Lt"} and not (len(self.values) == 1 and self.values[0].lstrip("-").isdecimal()):
            raise ValueError(f"`{self.operator}` needs one whole number in `values`")
        return self


class NodeTerm(ApiObject):
    """NodeSelectorTerm: requirements that hold together."""

    match_expressions: tuple[NodeRequirement, ...] = ()
    match_fields: tuple[NodeRequirement, ...] = ()


class NodeSelector(ApiObject):
    """Terms of which one must hold."""

    node_selector_terms: tuple[NodeTerm, ...] = Field(min_length=1)


class PreferredNodes(ApiObject):
    """PreferredSchedulingTerm: nodes that are better than others."""

    weight: int = Field(ge=1, le=100)
    preference: NodeTerm


class NodeAffinity(ApiObject):
    """Nodes by their labels."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredNodes, ...] = ()


class LabelRequirement(ApiObject):
    """LabelSelectorRequirement: what a label has to be."""

    key: str = Field(min_length=1)
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        _check_values(self.operator, self.values)
        return self


class LabelSelector(ApiObject):
    """Objects by their labels."""

    match_labels: dict[str, str] = Field(default={})
    match_expressions: tuple[LabelRequirement, ...] = ()


class PodTerm(ApiObject):
    """PodAffinityTerm: pods beside which, or away from which, a pod is placed."""

    topology_key: str = Field(min_length=1)
    label_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


class WeightedPodTerm(ApiObject):
    """WeightedPodAffinityTerm: the same, as a wish."""

    weight: int = Field(ge=1, le=100)
    pod_affinity_term: PodTerm


class PodAffinity(ApiObject):
    """Places by the pods that are there already."""

    required_during_scheduling_ignored_during_execution: tuple[PodTerm, ...] = ()
    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodTerm, ...] = ()


class Affinity(ApiObject):
    """PodSpec.affinity."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class TopologySpread(ApiObject):
    """TopologySpreadConstraint: how evenly pods are spread over zones or nodes."""

    max_skew: int = Field(ge=1)
    topology_key: str = Field(min_length=1)
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    label_selector: LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    min_domains: Annotated[int, Field(ge=1)] | None = None
    node_affinity_policy: Literal["Honor", "Ignore"] | None = None
    node_taints_policy: Literal["Honor", "Ignore"] | None = None


def _check_values(operator: str, values: tuple[str, ...]) -> None:
    if operator in {"In", "NotIn"} and not values:
        raise ValueError(f"`{operator}` needs `values`")
    if operator in {"Exists", "DoesNotExist"} and values:
        raise ValueError(f"`{operator}` takes no `values`")
