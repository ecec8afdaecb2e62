"""Where a pod may run, in the API's own words, so that a manifest's lines can be pasted (kubernetes/api core/v1, meta/v1)."""

from __future__ import annotations

from pydantic import ConfigDict, Field
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
