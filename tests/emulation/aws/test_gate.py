"""The gate before moto: who may ask, and for what. Real clients against the real server, and attacks on it."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import http.client
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import boto3
import jwt
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from hypothesis import given, strategies as st
from moto import backends

from lyftlearn_image.emulation.aws.endpoint import REGION, aws_endpoint
from lyftlearn_image.emulation.aws.operations import SERVED, check_served
from lyftlearn_image.emulation.aws.presigned_v2 import verify_v2
from lyftlearn_image.emulation.aws.refusal import RefusedError
from lyftlearn_image.emulation.aws.signature import HttpRequest, Key, Verified, verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint

ROLE = "arn:aws:iam::111122223333:role/churn"
KEY = Key("AKIALYFTLEARNTEST000", "a-secret-key")
NOW = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
# Whose operations can start a container on the engine, or code on this machine.
RUNS_THINGS = (
    "batch",
    "lambda",
    "ecs",
    "codebuild",
    "stepfunctions",
    "states",
    "emr",
    "sagemaker",
    "ec2",
    "iam",
    "cloudformation",
)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[AwsEndpoint]:
    """A running endpoint with a bucket."""
    with aws_endpoint("127.0.0.1") as started:
        client = started.s3()
        client.create_bucket(Bucket="bucket")
        client.put_object(Bucket="bucket", Key="a", Body=b"of this run")
        client.close()
        yield started


@pytest.fixture(scope="module")
def key_of_another_run() -> Key:
    """What another endpoint takes."""
    with aws_endpoint("127.0.0.1") as other:
        return other.key


def send(endpoint: AwsEndpoint, request: AWSRequest) -> tuple[int, bytes]:
    """Sends a signed request as it is; status and body of the answer."""
    place = urlsplit(endpoint.url)
    connection = http.client.HTTPConnection(str(place.hostname), int(place.port or 0), timeout=60)
    target = request.url.removeprefix(endpoint.url)
    connection.request(request.method, target, body=request.body, headers=dict(request.headers.items()))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def signed(  # noqa: PLR0913, PLR0917 - a request has so many parts
    endpoint: AwsEndpoint,
    service: str,
    method: str = "POST",
    path: str = "/",
    body: bytes = b"",
    key: Key | None = None,
    **headers: str,
) -> AWSRequest:
    """A request to a service, signed with the run's own keys unless others are given."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest(method=method, url=f"{endpoint.url}{path}", data=body, headers=named)
    pair = key or endpoint.key
    credentials = Credentials(pair.access_key_id, pair.secret_access_key, pair.token)
    (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials, service, REGION).add_auth(request)
    return request


def test_the_run_s_own_clients_are_served(endpoint: AwsEndpoint) -> None:
    """Header signatures, sessions of roles, presigned URLs, multipart uploads, keys with every character."""
    s3 = endpoint.s3()
    name = "a folder/ünï?&#=+%20;~.txt"
    s3.put_object(Bucket="bucket", Key=name, Body=b"x" * (3 << 20), Metadata={"k": "v  w"})
    assert s3.get_object(Bucket="bucket", Key=name)["Body"].read() == b"x" * (3 << 20)
    s3.copy_object(Bucket="bucket", Key="copy", CopySource={"Bucket": "bucket", "Key": "a"})
    upload = s3.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
    part = s3.upload_part(Bucket="bucket", Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
    s3.complete_multipart_upload(
        Bucket="bucket", Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    assert {one["Key"] for one in s3.list_objects_v2(Bucket="bucket")["Contents"]} == {"a", name, "copy", "parts"}
    s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": one} for one in (name, "copy", "parts")]})
    s3.close()


def fetch(url: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of what a URL gives, or of what it takes."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(str(place.hostname), int(place.port or 0), timeout=60)
    connection.request("GET" if body is None else "PUT", url.partition(place.netloc)[2], body=body)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("is_role", [False, True])
def test_presigned_urls_are_served_until_they_end(endpoint: AwsEndpoint, version: str, *, is_role: bool) -> None:
    """Of both signature versions, with the run's keys and a role's; changed, expired or of a stranger they are refused."""
    keys = endpoint.assume_role(ROLE, "session", 900)
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], REGION)
    config = Config(signature_version=version, s3={"addressing_style": "path"})
    client = (session if is_role else endpoint.session()).client("s3", endpoint_url=endpoint.url, config=config)
    params = {"Bucket": "bucket", "Key": "a", "ResponseContentType": "text/x-note"}
    url = client.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
    assert fetch(url) == (200, b"of this run")
    for changed in (
        url.replace("/bucket/a", "/bucket/b"),
        url.replace("x-note", "x-other"),
        url.replace("ignature=", "ignature=0"),
    ):
        assert changed != url
        assert fetch(changed)[0] == 403
    assert fetch(client.generate_presigned_url("get_object", Params=params, ExpiresIn=-60))[0] in {400, 403}
    assert fetch(client.generate_presigned_url("put_object", Params={"Bucket": "bucket", "Key": "put"}), b"new")[0] == 200
    stranger = boto3.Session(keys["AccessKeyId"], "guessed", keys["SessionToken"], REGION)
    guessed = stranger.client("s3", endpoint_url=endpoint.url, config=config)
    assert fetch(guessed.generate_presigned_url("get_object", Params=params))[0] == 403
    client.close()
    guessed.close()


def test_a_role_of_the_run_is_served_and_named(endpoint: AwsEndpoint) -> None:
    """Keys that the run's own STS has given out are keys of the run."""
    keys = endpoint.assume_role(ROLE, "session", 900)
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], REGION)
    sts, s3 = (session.client(name, endpoint_url=endpoint.url) for name in ("sts", "s3"))
    assert sts.get_caller_identity()["Arn"] == "arn:aws:sts::111122223333:assumed-role/churn/session"
    assert s3.get_object(Bucket="bucket", Key="a")["Body"].read() == b"of this run"
    stale = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], "another token", REGION).client(
        "s3", endpoint_url=endpoint.url
    )
    with pytest.raises(ClientError, match="InvalidToken"):
        stale.get_object(Bucket="bucket", Key="a")
    for client in (sts, s3, stale):
        client.close()


@pytest.mark.parametrize("service", ["s3", "secretsmanager", "ssm", "sts", "sqs", "events", "logs", "monitoring"])
def test_nobody_without_keys_of_the_run_is_served(endpoint: AwsEndpoint, key_of_another_run: Key, service: str) -> None:
    """Not unsigned, not with keys of another run, not with a key ID that was seen and a secret that was not."""
    plain = AWSRequest(method="GET", url=f"{endpoint.url}/bucket/a", headers={})
    assert send(endpoint, plain)[0] == 403
    status, body = send(endpoint, signed(endpoint, service, key=key_of_another_run))
    assert (status, b"not one of this run" in body) == (403, True)
    guessed = Key(endpoint.key.access_key_id, "guessed")
    status, body = send(endpoint, signed(endpoint, service, key=guessed))
    assert (status, b"SignatureDoesNotMatch" in body) == (403, True)


@pytest.mark.parametrize("service", sorted({*backends.list_of_moto_modules(), *RUNS_THINGS} - SERVED.keys()))
def test_no_other_backend_of_moto_can_be_reached(endpoint: AwsEndpoint, service: str) -> None:
    """Whatever moto has besides, also with keys of the run: Batch, Lambda, ECS and CodeBuild are root on the host."""
    for path, headers in (("/", {}), ("/v1/submitjob", {}), ("/2015-03-31/functions", {}), ("/moto-api/reset", {})):
        status, body = send(endpoint, signed(endpoint, service, path=path, body=b"{}", **headers))
        assert (status, b"does not serve" in body) == (403, True), (service, path, body)


@pytest.mark.parametrize("host", ["batch.us-east-1.amazonaws.com", "lambda.us-east-1.amazonaws.com", "moto_api"])
def test_a_host_name_chooses_no_backend(endpoint: AwsEndpoint, host: str) -> None:
    """Signed for S3, and addressed to another service: S3 answers, for what it is signed for."""
    status, body = send(endpoint, signed(endpoint, "s3", "POST", "/v1/submitjob", b"{}", Host=host))
    assert (status, b"does not serve" in body) == (403, True), body


@pytest.mark.parametrize(
    ("service", "target"),
    [
        ("secretsmanager", "secretsmanager.RotateSecret"),
        ("ssm", "AmazonSSM.SendCommand"),
        ("logs", "Logs_20140328.PutSubscriptionFilter"),
        ("events", "AWSEvents.CreateApiDestination"),
        ("sqs", "AmazonSQS.AddPermission"),
    ],
)
def test_an_operation_that_is_not_on_the_list_is_refused_by_name(endpoint: AwsEndpoint, service: str, target: str) -> None:
    """A rotation, a filter or a target leads into Lambda."""
    status, body = send(endpoint, signed(endpoint, service, body=b"{}", X_Amz_Target=target))
    assert (status, json.loads(body)["message"]) == (
        403,
        f"The local endpoint does not serve {service} {target.partition('.')[2]}.",
    )


@pytest.mark.parametrize("operation", ["GetAuthorizationToken", "DescribeRepositories", "BatchGetImage"])
def test_a_registry_is_refused_by_name(endpoint: AwsEndpoint, operation: str) -> None:
    """What clients ask of ECR by habit: the error says what stands for it here."""
    target = f"AmazonEC2ContainerRegistry_V20150921.{operation}"
    status, body = send(endpoint, signed(endpoint, "ecr", body=b"{}", X_Amz_Target=target))
    said = f"The local endpoint does not serve ecr {operation}. Images are those of the engine on this machine"
    assert (status, json.loads(body)["message"].startswith(said)) == (403, True)


@pytest.mark.parametrize(
    "query", ["notification", "replication", "policy", "notification&acl", "website", "acl&notification=", "logging"]
)
def test_a_bucket_can_be_told_to_call_nobody(endpoint: AwsEndpoint, query: str) -> None:
    """PutBucketNotificationConfiguration is how S3 starts a Lambda function; no mixture of parameters hides it."""
    for path in (f"/bucket?{query}", f"/bucket/?{query}", f"//bucket?{query}", f"/bucket/a?{query}"):
        status, body = send(endpoint, signed(endpoint, "s3", "PUT", path, b"<NotificationConfiguration/>"))
        # A path that begins twice is read as one by the server, and so has another signature.
        assert (status, b"does not serve" in body or path.startswith("//")) == (403, True), (path, body)


def test_events_go_to_queues_alone(endpoint: AwsEndpoint) -> None:
    """A rule's target that is a function, a job or a task is refused; a queue and a log group are taken."""
    events = endpoint.session().client("events", endpoint_url=endpoint.url)
    events.put_rule(Name="rule", EventPattern='{"source": ["x"]}')
    for arn in (
        "arn:aws:lambda:us-east-1:1:function:f",
        "arn:aws:batch:us-east-1:1:job-queue/q",
        "arn:aws:ecs:us-east-1:1:cluster/c",
    ):
        with pytest.raises(ClientError, match="queues and logs"):
            events.put_targets(
                Rule="rule", Targets=[{"Id": "ok", "Arn": "arn:aws:sqs:us-east-1:1:q"}, {"Id": "no", "Arn": arn}]
            )
    assert (
        events.put_targets(Rule="rule", Targets=[{"Id": "ok", "Arn": "arn:aws:sqs:us-east-1:123456789012:q"}])[
            "FailedEntryCount"
        ]
        == 0
    )
    events.close()


def test_an_operation_is_named_once(endpoint: AwsEndpoint) -> None:
    """Moto reads `Action` before `X-Amz-Target`: with both, a served name would hide one that is not."""
    request = signed(endpoint, "events", path="/?Action=PutTargets", body=b"{}", X_Amz_Target="AWSEvents.ListRules")
    assert send(endpoint, request)[0] == 400
    form = {"Content_Type": "application/x-www-form-urlencoded; charset=utf-8"}
    request = signed(endpoint, "sts", path="/?Action=GetCallerIdentity", body=b"Action=GetFederationToken&Name=x", **form)
    assert send(endpoint, request)[0] == 400


@pytest.mark.parametrize("service", ["sagemaker", "s3", "logs"])
def test_a_scope_is_given_once(endpoint: AwsEndpoint, service: str) -> None:
    """Two credentials in one header: whoever reads the first one would go to Batch with the signature of the second."""
    request = signed(endpoint, service, path="/v1/submitjob", body=b"{}")
    scope = f"{endpoint.key.access_key_id}/20260101/{REGION}/batch/aws4_request"
    text = str(request.headers["Authorization"]).replace("AWS4-HMAC-SHA256 ", f"AWS4-HMAC-SHA256 Credential={scope}, ", 1)
    del request.headers["Authorization"]
    request.headers["Authorization"] = text
    status, body = send(endpoint, request)
    assert (status, b"AuthorizationHeaderMalformed" in body) == (400, True), body


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"a": "&Action=PutSubscriptionFilter&"}', {}),
        (b"{}", {"Action": "PutSubscriptionFilter"}),
        (b"{}", {"Content_Encoding": "gzip"}),
        (b"{}", {"Content_Type": "multipart/form-data; boundary=x"}),
        (b'{"a": "' + b"x" * (9 << 20) + b'&Action=PutSubscriptionFilter&"}', {}),
    ],
    ids=["in a JSON body", "in a header", "packed", "multipart", "behind megabytes"],
)
def test_an_operation_hides_nowhere_that_moto_looks(endpoint: AwsEndpoint, body: bytes, headers: dict[str, str]) -> None:
    """Moto takes a name from a body of any type and from a header, before that of the target."""
    request = signed(endpoint, "logs", body=body, X_Amz_Target="Logs_20140328.DescribeLogGroups", **headers)
    assert send(endpoint, request)[0] == 400


def test_a_client_cannot_speak_to_moto_itself(endpoint: AwsEndpoint) -> None:
    """Neither its control API nor its header for another account."""
    for path in ("/moto-api/data.json", "/moto-api/reset", "/latest/meta-data/iam/security-credentials/"):
        assert fetch(endpoint.url + path)[0] == 403
    sts = signed(
        endpoint,
        "sts",
        body=b"Action=GetCallerIdentity",
        Content_Type="application/x-www-form-urlencoded",
        x_moto_account_id="9" * 12,
    )
    assert b"999999999999" not in send(endpoint, sts)[1]


def test_a_changed_body_is_refused(endpoint: AwsEndpoint) -> None:
    """The signed hash is that of the bytes that came."""
    request = signed(endpoint, "s3", "PUT", "/bucket/changed", b"what was signed")
    request.data = b"what was sent.."
    status, body = send(endpoint, request)
    assert (status, b"XAmzContentSHA256Mismatch" in body) == (400, True)
    request = signed(endpoint, "secretsmanager", body=b'{"SecretId": "a"}', X_Amz_Target="secretsmanager.GetSecretValue")
    request.data = b'{"SecretId": "b"}'
    assert b"SignatureDoesNotMatch" in send(endpoint, request)[1]


@pytest.mark.parametrize("service", ["s3", "secretsmanager"])
@given(
    header=st.sampled_from(
        [
            "x-amz-copy-source",
            "x-amz-target",
            "x-amz-acl",
            "x-amz-security-token",
            "x-amz-content-sha256",
            "x-amz-decoded-content-length",
        ]
    ),
    value=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=10),
)
def test_nobody_adds_a_header_to_the_request_of_another_one(service: str, header: str, value: str) -> None:
    """Neither to a signed one nor to a presigned URL: an upload would become a copy of whatever is there."""
    good = sign(service, "PUT", "/bucket/a", b"", {})
    assert believe(good).service == service
    if good.headers.get(header) != value:
        with pytest.raises(RefusedError):
            believe(replace(good, headers={**good.headers, header: value}))


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_presigned_upload_is_no_copy(endpoint: AwsEndpoint, version: str) -> None:
    """Whoever was given the URL of one object gets at no other one."""
    client = endpoint.session().client(
        "s3", endpoint_url=endpoint.url, config=Config(signature_version=version, s3={"addressing_style": "path"})
    )
    url = client.generate_presigned_url("put_object", Params={"Bucket": "bucket", "Key": "put"})
    client.close()
    request = AWSRequest(method="PUT", url=url, headers={"x-amz-copy-source": "bucket/a"})
    status, body = send(endpoint, request)
    assert (status, b"of this run" in body) == (403, False)


@pytest.mark.parametrize(
    ("path", "host"),
    [("/bucket/a#b", None), ("/bucket/a b", None), ("bucket/a", None), ("", None), ("/bucket/a", "h/bucket/a?x=#")],
)
def test_a_path_ends_where_the_signer_thinks(path: str, host: str | None) -> None:
    """What botocore would cut off of a URL is in no path and no host: it would not be signed."""
    good = sign("s3", "GET", "/bucket/a", b"", {})
    with pytest.raises(RefusedError):
        believe(replace(good, path=path, headers={**good.headers, **({"host": host} if host else {})}))


@pytest.mark.parametrize(
    "stated", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x"]
)
def test_the_body_of_a_command_is_signed(stated: str) -> None:
    """S3 alone has bodies that are not, or chunk by chunk: a command could be replaced on its way."""

    class Signer(SigV4Auth):
        """Of a body that it does not look at."""

        def payload(self, request: Any) -> str:  # noqa: ARG002 - botocore's signature
            return stated

    request = AWSRequest(method="POST", url="http://h/", headers={"x-amz-content-sha256": stated})
    request.context["timestamp"] = NOW.strftime("%Y%m%dT%H%M%SZ")
    signer = Signer(Credentials(KEY.access_key_id, KEY.secret_access_key), "secretsmanager", REGION)
    signer._modify_request_before_signing(request)
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    signer._inject_signature_to_request(request, signature)
    with pytest.raises(RefusedError, match="x-amz-content-sha256 is no hash"):
        believe(request_of("POST", request.url, dict(request.headers.items())))


@pytest.mark.parametrize("path", ["/service/x/operation/DeleteSecret", "/x", "//", "/123456789012/queue"])
@pytest.mark.parametrize("service", ["secretsmanager", "ssm", "logs", "events", "sts"])
def test_an_operation_is_in_no_path(endpoint: AwsEndpoint, service: str, path: str) -> None:
    """Moto knows operations by their paths, too."""
    status, body = send(endpoint, signed(endpoint, service, path=path, body=b"{}"))
    assert (status, b"no such path" in body or path == "//") in {(404, True), (403, True)}, body


@pytest.mark.parametrize("name", ["Action", "versionId", "uploadId", "x_amz_target", "X_Moto_Account_Id", "User-Agent"])
def test_a_header_is_no_parameter(endpoint: AwsEndpoint, name: str) -> None:
    """Moto takes a header for a parameter where there is none, and a region out of the user agent."""
    value = "aws/cn-north-1 region/cn-north-1 uploads"
    request = signed(endpoint, "s3", "GET", "/bucket/a")
    request.headers[name] = value
    assert send(endpoint, request) == (200, b"of this run")


@pytest.mark.parametrize(
    "host", ["bucket.s3.amazonaws.com", "x.s3-accesspoint.us-east-1.amazonaws.com", "s3.cn-north-1.amazonaws.com"]
)
def test_a_host_name_is_no_bucket(endpoint: AwsEndpoint, host: str) -> None:
    """The path alone says of what a request is: the gate and moto see the same operation."""
    request = signed(endpoint, "s3", "GET", "/bucket/a", Host=host)
    assert send(endpoint, request) == (200, b"of this run")


@given(name=st.sampled_from(["x-amz-meta-a", "response-content-type", "response-expires", "versionId"]), at=st.integers(0, 9))
def test_a_parameter_of_a_presigned_url_has_one_line(name: str, at: int) -> None:
    """The string of Signature Version 2 has its parts in lines."""
    value = "123456789"[:at] + "\n/bucket/secret"
    query = f"AWSAccessKeyId={KEY.access_key_id}&Expires=9999999999&Signature=x&{name}={quote(value, safe='')}"
    with pytest.raises(RefusedError, match="more than one line"):
        verify_v2(HttpRequest("GET", "/bucket/a", query, {"host": "h"}), lambda _: KEY, NOW.timestamp())


def test_a_web_identity_is_believed_of_a_trusted_cluster_alone(endpoint: AwsEndpoint) -> None:
    """AssumeRoleWithWebIdentity needs no signature, and so a token that a cluster of this run has signed for STS."""
    key = b"0" * 32
    anybody = boto3.Session("x", "x", region_name=REGION).client("sts", endpoint_url=endpoint.url)

    def assume(claims: dict[str, Any], signing_key: bytes) -> str:
        token = jwt.encode(claims, signing_key, algorithm="HS256")
        asked = {"RoleArn": ROLE, "RoleSessionName": "pod", "WebIdentityToken": token}
        return str(anybody.assume_role_with_web_identity(**asked)["AssumedRoleUser"]["Arn"])

    good = {"aud": ["sts.amazonaws.com"], "exp": time.time() + 600}
    with pytest.raises(ClientError, match="InvalidIdentityToken"):
        assume(good, key)
    endpoint.trust_web_identities(key)
    deadline = time.monotonic() + 60
    while True:  # the trust goes by a pipe
        try:
            assert assume(good, key).startswith("arn:aws:sts::111122223333:assumed-role/churn/")
            break
        except ClientError:
            assert time.monotonic() < deadline
    for claims, signing_key in ((good, b"1" * 32), ({**good, "aud": ["other"]}, key), ({"aud": good["aud"]}, key)):
        with pytest.raises(ClientError, match="InvalidIdentityToken"):
            assume(claims, signing_key)
    with pytest.raises(ClientError, match="ExpiredToken"):
        assume({**good, "exp": time.time() - 60}, key)
    anybody.close()


def request_of(method: str, url: str, headers: dict[str, str]) -> HttpRequest:
    """As the gate reads it."""
    parts = urlsplit(url)
    named = {name.lower(): value for name, value in headers.items()} | {"host": parts.netloc}
    return HttpRequest(method, parts.path, parts.query, named)


def believe(request: HttpRequest, key: Key = KEY, now: float = NOW.timestamp(), body: bytes = b"") -> Verified:
    """What is believed of a request with this body, at this time. Raises RefusedError."""
    return verify(request, lambda _: key, now, lambda _: hashlib.sha256(body).hexdigest())


def sign(service: str, method: str, path: str, body: bytes, headers: dict[str, str]) -> HttpRequest:
    """A request that botocore signed at NOW."""
    request = AWSRequest(method=method, url=f"http://127.0.0.1:4566{path}", data=body, headers=headers)
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(
        Credentials(KEY.access_key_id, KEY.secret_access_key), service, REGION
    )
    request.context["timestamp"] = NOW.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    signer._inject_signature_to_request(
        request, signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    )
    return request_of(method, request.url, dict(request.headers.items()))


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
PATHS = st.lists(NAMES, max_size=4).map(lambda parts: "/" + "/".join(quote(part, safe="-_.~") for part in parts))
QUERIES = st.lists(st.tuples(NAMES, NAMES), max_size=3, unique_by=lambda pair: pair[0]).map(
    lambda pairs: "&".join(f"{quote(a, safe='-_.~')}={quote(b, safe='-_.~')}" for a, b in pairs)
)


@given(
    service=st.sampled_from(sorted(SERVED)),
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    path=PATHS,
    query=QUERIES,
    body=st.binary(max_size=50),
    meta=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=10),
)
def test_what_botocore_signs_is_believed_and_any_change_is_not(  # noqa: PLR0913, PLR0917 - generated
    service: str, method: str, path: str, query: str, body: bytes, meta: str
) -> None:
    """Of every request: signed as it is, its service is given back; with one part changed, it is refused."""
    target = path + (f"?{query}" if query else "")
    good = sign(service, method, target, body, {"x-amz-meta-a": meta})
    verified = believe(good, body=body)
    assert (verified.service, verified.sha256) == (service, hashlib.sha256(body).hexdigest())
    changed = {
        "method": replace(good, method="PATCH"),
        "path": replace(good, path=good.path + "x"),
        "query": replace(good, query=good.query + "&more=1"),
        "header": replace(good, headers={**good.headers, "x-amz-meta-a": meta + "x"}),
        "host": replace(good, headers={**good.headers, "host": "other"}),
        "a header more": replace(good, headers={**good.headers, "x-amz-copy-source": "bucket/secret"}),
    }
    believed = []
    for what, request in changed.items():
        with contextlib.suppress(RefusedError):
            believe(request, body=body)
            believed.append(what)
    with contextlib.suppress(RefusedError):
        other = body + b"x"
        if believe(good, body=other).sha256 == hashlib.sha256(other).hexdigest():
            believed.append("body")
    assert not believed


@pytest.mark.parametrize(
    ("seconds", "code"), [(-901, "RequestTimeTooSkewed"), (901, "RequestTimeTooSkewed"), (899, None), (-899, None)]
)
def test_a_clock_may_be_off_by_a_quarter_of_an_hour(seconds: int, code: str | None) -> None:
    """S3's own bound; what was signed once cannot be sent again for ever."""
    request = sign("s3", "GET", "/bucket/a", b"", {})
    if code is None:
        assert believe(request, now=NOW.timestamp() + seconds).service == "s3"
        return
    with pytest.raises(RefusedError) as refused:
        believe(request, now=NOW.timestamp() + seconds)
    assert refused.value.code == code


@pytest.mark.parametrize("expires", ["0", "604801", "x", "-1", ""])
def test_a_presigned_url_has_a_bounded_life(expires: str) -> None:
    """Seven days at most, and one that is over is refused."""
    request = AWSRequest(method="GET", url="http://127.0.0.1:4566/bucket/a")
    SigV4QueryAuth(Credentials(KEY.access_key_id, KEY.secret_access_key), "sts", REGION, expires=60).add_auth(request)
    good = request_of("GET", request.url, {})
    assert believe(good, now=time.time()).service == "sts"
    with pytest.raises(RefusedError, match="expired"):
        believe(good, now=time.time() + 70)
    changed = replace(good, query=good.query.replace("Expires=60", f"Expires={expires}"))
    with pytest.raises(RefusedError):
        believe(changed, now=time.time())


def test_a_session_ends() -> None:
    """Keys of a role are good until their expiration."""
    key = Key(KEY.access_key_id, KEY.secret_access_key, None, NOW.timestamp() + 10)
    request = sign("s3", "GET", "/bucket/a", b"", {})
    assert believe(request, key, NOW.timestamp() + 9).service == "s3"
    with pytest.raises(RefusedError) as refused:
        believe(request, key, NOW.timestamp() + 10)
    assert refused.value.code == "ExpiredToken"


@given(header=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=200), query=QUERIES)
def test_no_authorization_header_is_a_crash(header: str, query: str) -> None:
    """Whatever stands there: a refusal."""
    for text in (
        header,
        f"AWS4-HMAC-SHA256 {header}",
        f"AWS4-HMAC-SHA256 Credential={header}, SignedHeaders=host, Signature=0",
    ):
        request = HttpRequest("GET", "/", query, {"host": "h", "authorization": text, "x-amz-date": header})
        with pytest.raises(RefusedError):
            believe(request)


@given(method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"]), path=PATHS, query=QUERIES)
def test_every_request_to_s3_is_a_served_operation_or_refused(method: str, path: str, query: str) -> None:
    """No third way, and never an exception of another kind."""
    request = HttpRequest(method, path, query, {})
    with contextlib.suppress(RefusedError):
        assert check_served("s3", request, b"").name in SERVED["s3"]
