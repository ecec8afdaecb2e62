"""HTTPRoute, as far as it is compiled, for `msgspec`: lightkube-models has the kinds of Kubernetes itself alone.

Source: kubernetes-sigs/gateway-api, apis/v1/httproute_types.go and shared_types.go.
"""

from __future__ import annotations

import msgspec
from lightkube.models.meta_v1 import ObjectMeta  # noqa: TC002 - msgspec reads the annotations


class ParentReference(msgspec.Struct, rename="camel"):
    """The Gateway."""

    name: str
    group: str | None = None
    kind: str | None = None
    namespace: str | None = None
    section_name: str | None = None
    port: int | None = None


class HTTPPathMatch(msgspec.Struct, rename="camel"):
    """The path of a request."""

    type: str | None = None
    value: str | None = None


class HTTPRouteMatch(msgspec.Struct, rename="camel"):
    """A request."""

    path: HTTPPathMatch | None = None
    method: str | None = None


class HTTPBackendRef(msgspec.Struct, rename="camel"):
    """The Service."""

    name: str
    port: int | None = None
    group: str | None = None
    kind: str | None = None
    namespace: str | None = None
    weight: int | None = None


class HTTPRouteRule(msgspec.Struct, rename="camel"):
    """Requests and where they go."""

    name: str | None = None
    matches: list[HTTPRouteMatch] | None = None
    backend_refs: list[HTTPBackendRef] | None = None


class HTTPRouteSpec(msgspec.Struct, rename="camel"):
    """What is wanted."""

    parent_refs: list[ParentReference] | None = None
    hostnames: list[str] | None = None
    rules: list[HTTPRouteRule] | None = None


class HTTPRoute(msgspec.Struct, rename="camel"):
    """The object."""

    api_version: str
    kind: str
    metadata: ObjectMeta | None = None
    spec: HTTPRouteSpec | None = None
