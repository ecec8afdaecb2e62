"""Which operation of which AWS service a request asks for, as botocore's service models describe requests."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.emulation.aws.signature import HttpRequest

# Of a signature, in a header or in the query of a presigned URL: Credential=<key>/<date>/<region>/<service>/aws4_request.
# No part has no bound: who has no keys could keep the search busy.
_CREDENTIAL_SCOPE = re.compile(r"(?:Credential=|^)[^/,\s]{1,128}/\d{8}/[^/]{1,64}/(?P<service>[\w-]{1,64})/aws4_request")
# The path of the protocol rpc-v2-cbor (smithy.io, "Smithy RPC v2 CBOR protocol").
_RPC_V2 = re.compile(r"/service/[^/]+/operation/(?P<operation>\w+)")
_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
_LABEL = re.compile(r"\\\{(?P<name>\w+)(?P<greedy>\\\+)?\\\}")
# Without a signature come the GET of a public object and, of the query protocol, STS's AssumeRoleWith….
_UNSIGNED_REST, _UNSIGNED_QUERY = "s3", "sts"
# Signing name → botocore's name of the model that has the REST operations, where the two differ.
_REST_MODELS = {"sagemaker": "sagemaker-runtime", "elasticfilesystem": "efs", "mobiletargeting": "pinpoint"}


class Operation(NamedTuple):
    """`service` is its signing name, such as `s3`; `name` is the API's, such as `PutObject`."""

    service: str
    name: str


class _Route(NamedTuple):
    """An operation of a REST protocol: the method, the path and the parameters that a request for it has."""

    name: str
    method: str
    path: re.Pattern[str]
    query: Mapping[str, str | None]
    headers: frozenset[str]
    parameters: frozenset[str]

    def matches(self, request: HttpRequest, query: Mapping[str, list[str]]) -> bool:
        """Whether a request has all of it."""
        return (
            self.method == request.method
            and self.path.fullmatch(unquote(request.path)) is not None
            and all(name in query and value in {None, *query[name]} for name, value in self.query.items())
            and self.headers <= request.headers.keys()
        )


def operation_of(request: HttpRequest, form: str = "") -> Operation:
    """The operation of a request, whoever has signed it. `form` is the body of the query protocol."""
    service = _service(request, form)
    return Operation(service, operation_name(service, request, form))


def operation_name(service: str, request: HttpRequest, form: str = "") -> str:
    """The operation of a request to a service; method and path stand for the name of one that no model describes."""
    rpc = _RPC_V2.fullmatch(request.path)
    for name in (
        request.headers.get("x-amz-target", "").rpartition(".")[2],
        rpc["operation"] if rpc else "",
        parse_qs(form).get("Action", [""])[0],
        parse_qs(request.query).get("Action", [""])[0],
    ):
        if _NAME.fullmatch(name):
            return name
    if (route := _find_route(service, request)) is not None:
        return route.name
    # Of a path that somebody made, no character may move the cursor of a terminal.
    return "".join(letter if letter.isprintable() else "?" for letter in f"{request.method} {unquote(request.path)}")


def foreign_parameters(service: str, request: HttpRequest) -> frozenset[str]:
    """The parameters in a REST request's query that its operation does not have."""
    route = _find_route(service, request)
    names = frozenset(parse_qs(request.query, keep_blank_values=True))
    return names - (route.parameters if route else frozenset())


def _find_route(service: str, request: HttpRequest) -> _Route | None:
    query = parse_qs(request.query, keep_blank_values=True)
    routes = [route for route in _routes(_REST_MODELS.get(service, service)) if route.matches(request, query)]
    # Of several the one with the most parameters: PutObject's request is UploadPart's without a part's number.
    return max(routes, key=lambda route: (len(route.query) + len(route.headers), len(route.path.pattern)), default=None)


def _service(request: HttpRequest, form: str) -> str:
    credential = request.headers.get("authorization") or parse_qs(request.query).get("X-Amz-Credential", [""])[0]
    scope = _CREDENTIAL_SCOPE.search(credential)
    if scope:
        return scope["service"]
    return _UNSIGNED_QUERY if form else _UNSIGNED_REST


@functools.cache
def _routes(service: str) -> tuple[_Route, ...]:
    """The REST operations of a service; none for a service that botocore does not know or that has another protocol."""
    from botocore.exceptions import UnknownServiceError  # noqa: PLC0415 - 200 ms, where requests are shown
    from botocore.loaders import Loader  # noqa: PLC0415

    try:
        model: Any = Loader().load_service_model(service, "service-2")
    except UnknownServiceError:
        return ()
    if not str(model["metadata"]["protocol"]).startswith("rest-"):
        return ()
    # What replaces a deprecated operation has the same request; it is the one that clients send.
    current = [one for one in model["operations"].values() if not one.get("deprecated")]
    return tuple(_route(one, model["shapes"]) for one in current)


def _route(operation: Mapping[str, Any], shapes: Mapping[str, Any]) -> _Route:
    path, _, literal = operation["http"]["requestUri"].partition("?")
    shape = shapes[operation["input"]["shape"]] if "input" in operation else {}
    every = shape.get("members", {})
    required: dict[str, list[str]] = {"querystring": [], "header": []}
    for name in shape.get("required", ()):
        if (location := every[name].get("location")) in required:
            required[location].append(every[name].get("locationName", name))
    pattern = _LABEL.sub(lambda label: ".+" if label["greedy"] else "[^/]+", re.escape(path.rstrip("/")))
    return _Route(
        name=operation["name"],
        method=operation["http"]["method"],
        path=re.compile(f"{pattern}/?", re.DOTALL),
        query={
            **dict.fromkeys(required["querystring"]),
            **{name: values[0] or None for name, values in parse_qs(literal, keep_blank_values=True).items()},
        },
        headers=frozenset(name.lower() for name in required["header"]),
        parameters=frozenset(
            {
                *parse_qs(literal, keep_blank_values=True),
                *(one.get("locationName", name) for name, one in every.items() if one.get("location") == "querystring"),
            }
        ),
    )
