"""Which operations the local endpoint serves: an explicit list, so that nothing of moto that is not on it can be reached.

moto plays AWS Batch, Lambda, CodeBuild and others by containers on the engine, and follows notifications, targets and
rotations into them; whoever reaches one of those is root on the host. An operation gets onto this list when scripts or the
toolkit need it and it can start nothing.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from lyftlearn_image.emulation.aws.operation_names import Operation, foreign_parameters, operation_name
from lyftlearn_image.emulation.aws.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.emulation.aws.signature import HttpRequest

S3 = "s3"
SAGEMAKER = "sagemaker"
MONITORING = "monitoring"
SERVED: Mapping[str, frozenset[str]] = {
    S3: frozenset({
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
    # CloudWatch by its signing name. No alarm: its actions run something.
    MONITORING: frozenset({"GetMetricData", "GetMetricStatistics", "ListMetrics", "PutMetricData"}),
}  # fmt: skip
# Of services that clients ask for by habit: what is there instead.
_INSTEAD = {"ecr": " Images are those of the engine on this machine: name one as it is there."}
# Those of S3 whose body is bytes of an object.
_STORING = frozenset({"PutObject", "UploadPart"})
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
    MONITORING: "GraniteServiceVersion20100801",
}
# As many as a megabyte of a log of URLs may have.
_MAX_FIELDS = 50_000
# By another path moto takes the operation from there. A queue's own is the one of the query protocol.
_PATH, _QUEUE_PATH = re.compile("/"), re.compile(r"/(?:[0-9]{12}/[A-Za-z0-9_.-]{1,80}/?)?")
# In any request to S3, whatever its operation (signatures in the query; `x-id` is how SDKs name the operation).
_S3_COMMON = re.compile(
    r"[Xx]-[Aa]mz-[A-Za-z0-9-]+|AWSAccessKeyId|Expires|Signature|content-(?:type|md5)|x-id|versionId|partNumber|response-[a-z-]+"
)


def check_served(service: str, request: HttpRequest, body: bytes) -> Operation:
    """The operation that a request asks for, which is one of SERVED. Raises RefusedError for every other one, by name.

    `body` is that of the JSON and query protocols. A request whose operation two readers may read differently is refused.
    """
    if service not in SERVED:
        asked = _printable(f"{service} {operation_name(service, request)}")
        raise RefusedError(
            HTTPStatus.FORBIDDEN, "AccessDenied", f"The local endpoint does not serve {asked}.{_INSTEAD.get(service, '')}"
        )
    name = _s3_operation(request) if service == S3 else _named_operation(service, request, body)
    if name not in SERVED[service]:
        raise RefusedError(
            HTTPStatus.FORBIDDEN, "AccessDenied", f"The local endpoint does not serve {service} {_printable(name)}."
        )
    if (service, name) == ("events", "PutTargets"):
        _check_targets(body)
    return Operation(service, name)


def stores_body(operation: Operation, request: HttpRequest) -> bool:
    """Whether a request's body is bytes of an object: that of a copy is not."""
    return operation.service == S3 and operation.name in _STORING and "x-amz-copy-source" not in request.headers


def unsigned_operation(request: HttpRequest, body: bytes) -> Operation | None:
    """The operation of a request that needs no signature, None where it needs one."""
    if "authorization" in request.headers or request.method != "POST":
        return None
    try:
        named = Operation("sts", _named_operation("sts", request, body))
    except RefusedError:
        return None
    return named if named in UNSIGNED else None


def form_parameters(request: HttpRequest, body: bytes) -> list[tuple[str, str]]:
    """The parameters of a request of the query protocol: those of its query and of its form."""
    form = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True) if request.is_form() else []
    return [*request.parameters(), *form]


def _named_operation(service: str, request: HttpRequest, body: bytes) -> str:
    """The name in `X-Amz-Target` (JSON) or in `Action` (query), whichever stands there alone."""
    if not (_QUEUE_PATH if service == "sqs" else _PATH).fullmatch(request.path):
        raise RefusedError(HTTPStatus.NOT_FOUND, "UnknownOperationException", f"{service} has no such path.")
    # moto looks for it in the query, in a body of any type, and in a header of that name; it unpacks a body first.
    if "content-encoding" in request.headers or request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "InvalidAction", "A request of this service has a plain body.")
    if body.count(b"&") > _MAX_FIELDS:  # moto, too, makes an object of each
        raise RefusedError(HTTPStatus.BAD_REQUEST, "InvalidAction", "A request of this service has fewer fields.")
    pairs = [
        *request.parameters(),
        *parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True),
        *request.headers.items(),
    ]
    actions = [value for name, value in pairs if name in ("Action", "action")]
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
        targets = json.loads(body.decode())["Targets"]
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
    """As S3's own model has it. What names an operation elsewhere, and what the operation does not take, is refused."""
    foreign = {name for name in foreign_parameters("s3", request) if not _S3_COMMON.fullmatch(name)}
    if foreign or "x-amz-target" in request.headers:
        asked = f"{request.method} with {', '.join(sorted(foreign)) or 'a target'}"
        raise RefusedError(HTTPStatus.FORBIDDEN, "AccessDenied", f"The local endpoint does not serve s3 {_printable(asked)}.")
    return operation_name("s3", request)


def _printable(text: Any) -> str:
    """A text of a client, short and without anything that a log or a terminal would take for its own."""
    return re.sub(r"[^A-Za-z0-9_.:/ ,-]", "?", str(text))[:120]
