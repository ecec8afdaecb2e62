"""Which operations the local endpoint serves: an explicit list, so that nothing of moto that is not on it can be reached.

moto plays AWS Batch, Lambda, CodeBuild and others by containers on the engine, and follows notifications, targets and
rotations into them; whoever reaches one of those is root on the host. An operation gets onto this list when scripts or the
toolkit need it and it can start nothing.
"""

from __future__ import annotations

import json
import re
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

from lyftlearn_image.emulation.aws.signature import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import OperationModel

    from lyftlearn_image.emulation.aws.signature import HttpRequest

SERVED: Mapping[str, frozenset[str]] = {
    "s3": frozenset({
        "AbortMultipartUpload", "CompleteMultipartUpload", "CopyObject", "CreateBucket", "CreateMultipartUpload",
        "DeleteBucket", "DeleteObject", "DeleteObjectTagging", "DeleteObjects", "GetBucketAcl", "GetBucketLocation",
        "GetBucketTagging", "GetBucketVersioning", "GetObject", "GetObjectAcl", "GetObjectAttributes",
        "GetObjectTagging", "HeadBucket", "HeadObject", "ListBuckets", "ListMultipartUploads", "ListObjectVersions",
        "ListObjects", "ListObjectsV2", "ListParts", "PutBucketTagging", "PutBucketVersioning", "PutObject",
        "PutObjectTagging", "UploadPart", "UploadPartCopy",
    }),
    "secretsmanager": frozenset({
        "BatchGetSecretValue", "CreateSecret", "DeleteSecret", "DescribeSecret", "GetSecretValue", "ListSecretVersionIds",
        "ListSecrets", "PutSecretValue", "RestoreSecret", "TagResource", "UntagResource", "UpdateSecret",
        "UpdateSecretVersionStage",
    }),
    "ssm": frozenset({
        "AddTagsToResource", "DeleteParameter", "DeleteParameters", "DescribeParameters", "GetParameter", "GetParameterHistory",
        "GetParameters", "GetParametersByPath", "LabelParameterVersion", "ListTagsForResource", "PutParameter",
        "RemoveTagsFromResource",
    }),
    "sts": frozenset({"AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"}),
    "sqs": frozenset({
        "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "CreateQueue", "DeleteMessage", "DeleteMessageBatch",
        "DeleteQueue", "GetQueueAttributes", "GetQueueUrl", "ListQueueTags", "ListQueues", "PurgeQueue", "ReceiveMessage",
        "SendMessage", "SendMessageBatch", "SetQueueAttributes", "TagQueue", "UntagQueue",
    }),
    "events": frozenset({
        "DeleteRule", "DescribeRule", "DisableRule", "EnableRule", "ListRuleNamesByTarget", "ListRules", "ListTargetsByRule",
        "PutEvents", "PutRule", "PutTargets", "RemoveTargets",
    }),
    "logs": frozenset({
        "CreateLogGroup", "CreateLogStream", "DeleteLogGroup", "DeleteLogStream", "DescribeLogGroups", "DescribeLogStreams",
        "FilterLogEvents", "GetLogEvents", "PutLogEvents", "PutRetentionPolicy",
    }),
}  # fmt: skip
# Of the operations above, those that need no signature: they bring a token instead (AWS STS API reference).
UNSIGNED = frozenset({("sts", "AssumeRoleWithWebIdentity")})
# What a rule's events may be sent to. Any other target runs something.
_TARGETS = re.compile(r"arn:aws[a-z-]*:(?:sqs|logs):[^:]*:[^:]*:.+")
_TARGET_PREFIXES: Mapping[str, str] = {
    "secretsmanager": "secretsmanager",
    "ssm": "AmazonSSM",
    "sqs": "AmazonSQS",
    "events": "AWSEvents",
    "logs": "Logs_20140328",
}
_FORM = "application/x-www-form-urlencoded"
# In any request to S3, whatever its operation (signatures in the query; `x-id` is how SDKs name the operation).
_S3_COMMON = re.compile(
    r"[Xx]-[Aa]mz-[A-Za-z0-9-]+|AWSAccessKeyId|Expires|Signature|content-(?:type|md5)|x-id|versionId|partNumber|response-[a-z-]+"
)


class _Route(NamedTuple):
    """One operation of a REST API. `fixed` are the parameters that choose it, `known` all those that it takes."""

    name: str
    method: str
    depth: int
    fixed: frozenset[tuple[str, str | None]]
    known: frozenset[str]
    headers: frozenset[str]


def operation_of(service: str, request: HttpRequest, body: bytes) -> str:
    """The operation that a request asks for, which is one of SERVED. Raises RefusedError for every other one, by name.

    `body` is that of the JSON and query protocols; it is not looked at for S3. A request whose name stands in more than
    one place is refused, for two readers may take different ones.
    """
    if service not in SERVED:
        raise RefusedError(HTTPStatus.FORBIDDEN, "AccessDenied", f"The local endpoint does not serve {_printable(service)}.")
    name = _s3_operation(request) if service == "s3" else _named_operation(service, request, body)
    if name not in SERVED[service]:
        raise RefusedError(
            HTTPStatus.FORBIDDEN, "AccessDenied", f"The local endpoint does not serve {service} {_printable(name)}."
        )
    if (service, name) == ("events", "PutTargets"):
        _check_targets(body)
    return name


def unsigned_operation(request: HttpRequest, body: bytes) -> tuple[str, str] | None:
    """Service and operation of a request that needs no signature, None where it needs one."""
    if "authorization" in request.headers or request.method != "POST":
        return None
    try:
        named = "sts", _named_operation("sts", request, body)
    except RefusedError:
        return None
    return named if named in UNSIGNED else None


def form_parameters(request: HttpRequest, body: bytes) -> list[tuple[str, str]]:
    """The parameters of a request of the query protocol: those of its query and of its form."""
    is_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
    form = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True) if is_form else []
    return [*request.parameters(), *form]


def _named_operation(service: str, request: HttpRequest, body: bytes) -> str:
    """The name in `X-Amz-Target` (JSON) or in `Action` (query), whichever stands there alone."""
    actions = [value for name, value in form_parameters(request, body) if name == "Action"]
    target = request.headers.get("x-amz-target")
    if len(actions) + (target is not None) != 1:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "InvalidAction", "A request names its operation once.")
    if target is None:
        return actions[0]
    prefix, _, name = target.partition(".")
    if prefix != _TARGET_PREFIXES.get(service):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "UnknownOperationException", f"{service} has no {_printable(target)}.")
    return name


def _check_targets(body: bytes) -> None:
    try:
        targets = json.loads(body)["Targets"]
        arns = [str(target["Arn"]) for target in targets]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "ValidationException", "PutTargets takes a list of Targets.") from None
    for arn in arns:
        if not _TARGETS.fullmatch(arn):
            raise RefusedError(
                HTTPStatus.FORBIDDEN,
                "AccessDenied",
                f"The local endpoint sends events to queues and logs, not to {_printable(arn)}.",
            )


def _s3_operation(request: HttpRequest) -> str:
    """By method, depth of the path and parameters, as S3's own model has it; of several that fit the most special one."""
    bucket, _, key = request.path.lstrip("/").partition("/")
    depth = 2 if key else 1 if bucket else 0
    parameters = request.parameters()
    names = {name for name, _ in parameters if not _S3_COMMON.fullmatch(name)}
    given = {*parameters, *((name, None) for name, _ in parameters)}
    fitting = [
        route
        for route in _s3_routes()
        if route.method == request.method
        and route.depth == depth
        and all(pair in given for pair in route.fixed)
        and names <= route.known
        and all(header in request.headers for header in route.headers)
    ]
    if not fitting:
        asked = f"{request.method} with {', '.join(sorted(names)) or 'no parameters'}"
        raise RefusedError(HTTPStatus.FORBIDDEN, "AccessDenied", f"The local endpoint does not serve s3 {_printable(asked)}.")
    return max(fitting, key=lambda route: (len(route.headers), len(route.fixed), route.name in SERVED["s3"])).name


@cache
def _s3_routes() -> tuple[_Route, ...]:
    """The operations of S3's model in botocore."""
    import botocore.session  # noqa: PLC0415 - reads the model; only where S3 is asked

    model = botocore.session.get_session().get_service_model("s3")
    return tuple(_s3_route(model.operation_model(name)) for name in model.operation_names)


def _s3_route(operation: OperationModel) -> _Route:
    path, _, query = operation.http["requestUri"].partition("?")
    shape = operation.input_shape
    members = shape.members if shape else {}
    in_query = {
        name: one.serialization["name"] for name, one in members.items() if one.serialization.get("location") == "querystring"
    }
    required = {(in_query[name], None) for name in (shape.required_members if shape else ()) if name in in_query}
    fixed = frozenset({_fixed(pair) for pair in query.split("&") if pair} | required)
    known = frozenset({*in_query.values(), *(name for name, _ in fixed)})
    headers = frozenset({"x-amz-copy-source"} & {one.serialization.get("name", "") for one in members.values()})
    depth = 2 if "{Key+}" in path else 1 if "{Bucket}" in path else 0
    return _Route(operation.name, operation.http["method"], depth, fixed, known, headers)


def _fixed(pair: str) -> tuple[str, str | None]:
    name, mark, value = pair.partition("=")
    return name, value if mark else None


def _printable(text: Any) -> str:
    """A text of a client, short and without anything that a log or a terminal would take for its own."""
    return re.sub(r"[^A-Za-z0-9_.:/ ,-]", "?", str(text))[:120]
