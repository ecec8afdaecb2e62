"""Signatures, identity and requests, against real endpoints and real faults."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError
from hypothesis import given, strategies as st

from lyftlearn_runtime import references
from lyftlearn_runtime.aws import credentials, endpoints, identity, sigv4
from lyftlearn_runtime.aws.credentials import Credentials
from lyftlearn_runtime.errors import ShimError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lyftlearn_image.targets.aws_endpoint import AwsEndpoint

PLANTED = "planted-9c1f77-secret"
KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": PLANTED, "AWS_REGION": "eu-west-1"}
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
GOOD = json.dumps({"SecretString": "value"}).encode()


@given(
    st.sampled_from(["GET", "PUT", "POST"]),
    st.lists(TEXT.filter(lambda part: part not in ("", ".", "..") and "/" not in part), min_size=1, max_size=3),
    st.dictionaries(TEXT.filter(bool), TEXT, max_size=3),
    st.binary(max_size=30),
    st.none() | st.from_regex(r"[A-Za-z0-9+/=]{8,20}", fullmatch=True),
    st.sampled_from(["s3", "secretsmanager"]),
)
def test_our_signature_is_botocores(  # noqa: PLR0913, PLR0917 - the parts of a request
    method: str, parts: list[str], query: dict[str, str], body: bytes, token: str | None, service: str
) -> None:
    """The same request, time and key give the same Authorization header as botocore's own signer."""
    path = "/bucket/" + sigv4.quote("/".join(parts), b"/") if service == "s3" else "/"
    text = sigv4.canonical_query(list(query.items()))
    digest = hashlib.sha256(body).hexdigest()
    timestamp = "20261123T000000Z"
    own = Credentials("AKID", "SECRET", token, "", None)
    ours = sigv4.sign(method, path, text, {"Host": "example.test"}, digest, own, "eu-west-1", service, timestamp)
    request = AWSRequest(method, f"https://example.test{path}" + (f"?{text}" if text else ""), data=body)
    request.context["timestamp"] = timestamp
    request.headers["X-Amz-Date"] = timestamp
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(BotocoreCredentials("AKID", "SECRET", token), service, "eu-west-1")
    if service == "s3":
        request.headers["X-Amz-Content-SHA256"] = digest
    if token:
        request.headers["X-Amz-Security-Token"] = token
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    assert ours["Authorization"].rpartition("Signature=")[2] == signature


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "payload", "signature"),
    [
        (
            "GET", "/test.txt", "", {"Range": "bytes=0-9"}, b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT", "/test%24file.text", "",
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        ("GET", "/", "lifecycle=", {}, b"", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("GET", "/", "max-keys=2&prefix=J", {}, b"", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)  # fmt: skip
def test_the_published_vectors_of_the_signature_are_met(  # noqa: PLR0913, PLR0917 - a request and its signature
    method: str, path: str, query: str, headers: dict[str, str], payload: bytes, signature: str
) -> None:
    """Amazon S3 API reference, "Signature calculations for the Authorization header", its four examples."""
    own = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, "", None)
    given_headers = {"Host": "examplebucket.s3.amazonaws.com", **headers}
    digest = hashlib.sha256(payload).hexdigest()
    signed = sigv4.sign(method, path, query, given_headers, digest, own, "us-east-1", "s3", "20130524T000000Z")
    assert signed["Authorization"].endswith(signature)


@pytest.mark.parametrize(
    ("method", "query", "headers", "service", "host", "signature"),
    [
        ("GET", "", {}, "service", "example.amazonaws.com", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            "POST", "", {}, "service", "example.amazonaws.com",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "GET", "Param1=value1&Param2=value2", {}, "service", "example.amazonaws.com",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "GET", "Action=ListUsers&Version=2010-05-08",
            {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, "iam", "iam.amazonaws.com",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ],
)  # fmt: skip
def test_the_vectors_of_the_test_suite_are_met(  # noqa: PLR0913, PLR0917 - a request and its signature
    method: str, query: str, headers: dict[str, str], service: str, host: str, signature: str
) -> None:
    """AWS' Signature Version 4 test suite (get-vanilla, post-vanilla, query order) and the IAM user guide's example."""
    own = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, "", None)
    digest = hashlib.sha256().hexdigest()
    signed = sigv4.sign(method, "/", query, {"Host": host, **headers}, digest, own, "us-east-1", service, "20150830T123600Z")
    assert signed["Authorization"].endswith(signature)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"AWS_REGION": "eu-west-1"}, "https://secretsmanager.eu-west-1.amazonaws.com"),
        ({"AWS_DEFAULT_REGION": "cn-north-1"}, "https://secretsmanager.cn-north-1.amazonaws.com.cn"),
        ({"AWS_ENDPOINT_URL": "http://all:1/"}, "http://all:1"),
        ({"AWS_ENDPOINT_URL": "http://all:1", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://own:2"}, "http://own:2"),
        (
            {"AWS_ENDPOINT_URL": "http://all:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "https://secretsmanager.us-east-1.amazonaws.com",
        ),
    ],
)
def test_the_endpoint_is_the_one_of_the_sdks(environ: dict[str, str], expected: str) -> None:
    """AWS SDKs and Tools reference, service-specific endpoints: the service's own variable wins over the general one."""
    assert endpoints.url(endpoints.Service("secretsmanager", "SECRETS_MANAGER", ""), environ) == expected


def test_every_public_endpoint_is_botocores() -> None:
    """Every region of every partition, plain, FIPS and dual-stack, wherever botocore's own rules have an answer."""
    session = botocore.session.Session()
    resolvers = {service: botocore_rules(session, service.name) for service in SERVICES}
    regions = {
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("secretsmanager", partition)
    }
    assert len(regions) > 30
    compared = 0
    for region, (service, rules), fips, dual in itertools.product(regions, resolvers.items(), (True, False), (True, False)):
        parameters = {"Region": region, "UseFIPS": fips, "UseDualStack": dual}
        if service.name == "sts":
            parameters["UseGlobalEndpoint"] = False
        try:
            expected = rules.resolve_endpoint(**parameters).url
        except EndpointProviderError:
            continue  # botocore has none there
        environ = {"AWS_REGION": region, "AWS_USE_FIPS_ENDPOINT": str(fips), "AWS_USE_DUALSTACK_ENDPOINT": str(dual)}
        assert endpoints.url(service, environ) == expected
        compared += 1
    assert compared > 600


SERVICES = [endpoints.Service(name, "", "") for name in ("secretsmanager", "ssm", "s3", "kms", "sts")]


def botocore_rules(session: botocore.session.Session, service: str) -> Any:
    """The endpoint rules of botocore's own data."""
    loader = session.get_component("data_loader")
    return EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), loader.load_data("partitions"))


class Server:
    """An HTTP server that does what a test says: `answer` gets the handler of each request, and the number of it."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler, int], None], trust: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.requests.append((self.path, dict(self.headers), body))
                with contextlib.suppress(OSError):
                    answer(self, len(server.requests))

            do_GET = do_POST = do_PUT = handle_one  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        if trust:
            self._http.socket = trust.wrap_socket(self._http.socket, server_side=True)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers; they are gone at the end."""
    made = []

    def start(answer: Callable[[BaseHTTPRequestHandler, int], None], trust: ssl.SSLContext | None = None) -> Server:
        made.append(Server(answer, trust))
        return made[-1]

    yield start
    for one in made:
        one.close()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, length: int | None = None) -> None:
    """An answer, with another length than it has where a test wants it."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def environ_of(server: Server, **more: str) -> dict[str, str]:
    """An identity, and the server as every service's endpoint."""
    return {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}", "LYFTLEARN_FETCH_TIMEOUT": "5", **more}


def break_off(handler: BaseHTTPRequestHandler) -> None:
    """Half an answer, and the connection is gone."""
    send(handler, 200, GOOD[:5], len(GOOD))
    handler.close_connection = True


def silence(handler: BaseHTTPRequestHandler) -> None:
    """No answer as long as the other side waits."""
    handler.connection.settimeout(10)
    with contextlib.suppress(OSError):
        handler.connection.recv(1)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda handler: send(handler, 500, b""), id="500"),
        pytest.param(lambda handler: send(handler, 503, b"<html>busy</html>"), id="503"),
        pytest.param(lambda handler: send(handler, 400, b'{"__type":"ThrottlingException"}'), id="throttling"),
        pytest.param(lambda handler: send(handler, 429, b""), id="too many requests"),
        pytest.param(break_off, id="half a body"),
        pytest.param(silence, id="no answer"),
        pytest.param(lambda handler: handler.connection.shutdown(socket.SHUT_RDWR), id="connection closed"),
    ],
)
def test_what_a_moment_heals_is_tried_again(
    serve: Callable[..., Server], fault: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    """Twice bad, then good: the start goes on."""
    server = serve(lambda handler, number: fault(handler) if number < 3 else send(handler, 200, GOOD))
    assert references.resolve(["aws-sm://name"], environ_of(server)).values == {"aws-sm://name": "value"}
    assert len(server.requests) == 3


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, without end."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.05)


def flood(handler: BaseHTTPRequestHandler) -> None:
    """As many bytes as somebody takes."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 65536)


@pytest.mark.parametrize("fault", [drip, flood, silence])
def test_no_server_holds_a_start_beyond_its_deadline(
    serve: Callable[..., Server], fault: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    """A dripping, an endless and a missing answer end in one line, in time, with what LYFTLEARN_FETCH_TIMEOUT says."""
    server = serve(lambda handler, _: fault(handler))
    begun = time.monotonic()
    with pytest.raises(ShimError, match="aws-sm://name: ") as caught:
        references.resolve(["aws-sm://name"], environ_of(server, LYFTLEARN_FETCH_TIMEOUT="0.7"))
    assert caught.value.exit_code == 69
    assert time.monotonic() - begun < 2.5


@pytest.mark.parametrize(
    ("status", "body", "code", "told"),
    [
        (400, b'{"__type":"ResourceNotFoundException"}', 69, "ResourceNotFoundException; check the name and the region"),
        (400, b'{"__type":"com.amazonaws#AccessDeniedException"}', 77, "needs secretsmanager:GetSecretValue"),
        (400, b'{"__type":"ExpiredTokenException"}', 77, "ExpiredTokenException"),
        (403, b"{}", 77, "status 403"),
        (200, b"<html>proxy</html>", 69, "gave no answer that can be read (status 200)"),
        (200, b"[]", 69, "gave no answer that can be read"),
        (200, b"{}", 69, "Secrets Manager at http://127.0.0.1"),
        (404, b"", 69, "gave no answer that can be read (status 404)"),
    ],
)
def test_a_refusal_is_told_at_once(serve: Callable[..., Server], status: int, body: bytes, code: int, told: str) -> None:
    """Which reference, which source, why, what to do; and it is not tried again."""
    server = serve(lambda handler, _: send(handler, status, body))
    with pytest.raises(ShimError) as caught:
        references.resolve(["aws-sm://prod/db"], environ_of(server))
    assert caught.value.exit_code == code
    assert caught.value.message.startswith("aws-sm://prod/db: Secrets Manager at http://127.0.0.1")
    assert told in caught.value.message
    assert len(server.requests) == 1
    assert PLANTED not in caught.value.message


def test_nobody_listening_ends_at_the_deadline() -> None:
    """The line says how often it was tried."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        environ = {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{taken.getsockname()[1]}", "LYFTLEARN_FETCH_TIMEOUT": "0.5"}
        with pytest.raises(ShimError, match=r"Connection refused \([0-9]+ tries\)") as caught:
            references.resolve(["aws-sm://name"], environ)
    assert caught.value.exit_code == 69


def test_an_unknown_host_is_told(serve: Callable[..., Server]) -> None:
    """`.invalid` is nobody's (RFC 2606)."""
    environ = {**KEYS, "AWS_ENDPOINT_URL": "http://secrets.invalid", "LYFTLEARN_FETCH_TIMEOUT": "0.5"}
    with pytest.raises(ShimError, match="aws-sm://name: ") as caught:
        references.resolve(["aws-sm://name"], environ)
    assert caught.value.exit_code == 69


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, signed by itself, with its key in the same file."""
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,DNS:lyftlearn.test", "-keyout", "key.pem", "-out", "cert.pem",
        ],
        cwd=directory, check=True, capture_output=True,
    )  # fmt: skip
    both = directory / "both.pem"
    both.write_text((directory / "cert.pem").read_text() + (directory / "key.pem").read_text())
    return both


@pytest.mark.parametrize(
    ("host", "trusts", "told"),
    [
        pytest.param("localhost", True, None, id="right"),
        pytest.param("127.0.0.1", True, "IP address mismatch", id="another name"),
        pytest.param("localhost", False, "self-signed certificate", id="nobody vouches for it"),
    ],
)
def test_certificates_are_always_verified(
    serve: Callable[..., Server],
    certificate: Path,
    host: str,
    trusts: bool,  # noqa: FBT001 - a case
    told: str | None,
) -> None:
    """AWS_CA_BUNDLE is the way to trust another authority; there is none to trust everybody."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(certificate)
    server = serve(lambda handler, _: send(handler, 200, GOOD), trust)
    bundle = {"AWS_CA_BUNDLE": str(certificate)} if trusts else {}
    environ = {**environ_of(server), "AWS_ENDPOINT_URL": f"https://{host}:{server.port}", **bundle}
    if told is None:
        assert references.resolve(["aws-sm://name"], environ).values == {"aws-sm://name": "value"}
        return
    with pytest.raises(ShimError, match=told) as caught:
        references.resolve(["aws-sm://name"], environ)
    assert "set AWS_CA_BUNDLE" in caught.value.message


def test_a_missing_ca_bundle_is_told() -> None:
    """Falling back to the system's authorities would hide the mistake."""
    environ = {**KEYS, "AWS_ENDPOINT_URL": "https://127.0.0.1:9", "AWS_CA_BUNDLE": "/nowhere/ca.pem"}
    with pytest.raises(ShimError, match=r"there is no /nowhere/ca\.pem"):
        references.resolve(["aws-sm://name"], environ)


DOCUMENT = json.dumps(
    {"AccessKeyId": "AKID", "SecretAccessKey": "s", "Token": "t", "Expiration": "2030-01-01T00:00:00Z"}
).encode()


def find(environ: dict[str, str]) -> Credentials:
    """The credentials, with a few seconds of time."""
    return credentials.find(environ, time.monotonic() + 5)


def test_variables_come_first() -> None:
    """As in every AWS SDK."""
    found = find({**KEYS, "AWS_SESSION_TOKEN": "t", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9"})
    assert found[:5] == ("AKID", PLANTED, "t", "environment variables", None)


@pytest.mark.parametrize("by_file", [True, False])
def test_the_containers_endpoint_gives_credentials(
    serve: Callable[..., Server],
    tmp_path: Path,
    by_file: bool,  # noqa: FBT001 - a case
) -> None:
    """By its full URI, with the token of a variable (ECS) or of a file (EKS Pod Identity)."""
    server = serve(lambda handler, _: send(handler, 200, DOCUMENT))
    (tmp_path / "token").write_text("file-token\n")
    token = {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token")} if by_file else {}
    uri = f"http://127.0.0.1:{server.port}/v1/credentials"
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": uri, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "own-token", **token}
    assert find(environ)[:5] == ("AKID", "s", "t", "container credentials", 1893456000.0)
    path, headers, _ = server.requests[0]
    assert path == "/v1/credentials"
    assert headers["Authorization"] == ("file-token" if by_file else "own-token")


def test_the_token_goes_to_no_stranger_in_plain_text() -> None:
    """Over plain HTTP only to this machine and to the addresses of ECS and EKS, as the SDKs have it."""
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN": PLANTED}
    with pytest.raises(ShimError, match="plain HTTP is for") as caught:
        find(environ)
    assert PLANTED not in caught.value.message


def test_web_identity_gives_credentials(aws: AwsEndpoint, tmp_path: Path) -> None:
    """AssumeRoleWithWebIdentity at a real STS, as IRSA needs it."""
    (tmp_path / "token").write_text("a-token")
    environ = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/training",
        "AWS_ENDPOINT_URL": aws.url,
    }
    found = find(environ)
    assert found.source == "web identity"
    assert found.access_key
    assert found.secret_key
    assert found.token


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "there are no AWS credentials here"),
        (
            {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token", "AWS_ROLE_ARN": "arn"},
            "the token file /nowhere/token cannot be read",
        ),
    ],
)
def test_no_identity_is_access_denied(environ: dict[str, str], told: str) -> None:
    """With what to do about it."""
    with pytest.raises(ShimError, match=told) as caught:
        find(environ)
    assert caught.value.exit_code == 77


def test_a_refused_role_is_named(serve: Callable[..., Server], tmp_path: Path) -> None:
    """The trust policy is where to look."""
    (tmp_path / "token").write_text("a-token")
    body = b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
    server = serve(lambda handler, _: send(handler, 403, body))
    environ = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": "arn:role/x",
        "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{server.port}",
    }  # fmt: skip
    with pytest.raises(ShimError, match="no credentials for the role arn:role/x: AccessDenied; check its trust policy"):
        find(environ)


def test_the_instance_gives_credentials_by_its_second_protocol(serve: Callable[..., Server]) -> None:
    """A token first, with which the role's name and its credentials are asked for; nobody there is no identity."""

    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number > 1 and handler.headers.get("X-aws-ec2-metadata-token") != "imds-token":
            send(handler, 401, b"")
        else:
            send(handler, 200, (b"imds-token", b"my-role\n", DOCUMENT)[number - 1])

    server = serve(answer)
    environ = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{server.port}"}
    assert find(environ)[:4] == ("AKID", "s", "t", "instance metadata")
    assert [request[0] for request in server.requests] == [
        "/latest/api/token",
        "/latest/meta-data/iam/security-credentials/",
        "/latest/meta-data/iam/security-credentials/my-role",
    ]
    with pytest.raises(ShimError, match="no AWS credentials"):
        find({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"})


def credentials_until(seconds: float) -> bytes:
    """A document of a container's endpoint that is good for so long."""
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    return json.dumps({"AccessKeyId": "AKID", "SecretAccessKey": "s", "Token": "t", "Expiration": until}).encode()


@pytest.mark.parametrize(("seconds", "asked"), [(3600, 1), (60, 2)])
def test_an_identity_is_asked_for_once_and_renewed_before_it_expires(
    serve: Callable[..., Server], seconds: int, asked: int
) -> None:
    """Two requests as a fresh one ask once; one that is about to end is taken anew."""
    server = serve(lambda handler, _: send(handler, 200, credentials_until(seconds)))
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{server.port}/"}
    for _ in range(2):
        assert identity.credentials(environ, time.monotonic() + 5).access_key == "AKID"
    assert len(server.requests) == asked
    assert identity.described(environ) == "container credentials, access key AKID"


def test_an_identity_that_cannot_be_renewed_is_used_while_it_is_good(serve: Callable[..., Server]) -> None:
    """An endpoint that is away for a moment stops nothing that still works."""
    server = serve(lambda handler, number: send(handler, 200, credentials_until(60) if number == 1 else b"gone"))
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{server.port}/"}
    first = identity.credentials(environ, time.monotonic() + 5)
    assert identity.credentials(environ, time.monotonic() + 5) == first
    assert len(server.requests) == 2


def test_a_clock_that_is_wrong_is_made_right_by_the_services_own(serve: Callable[..., Server]) -> None:
    """The second signature has the time of the Date header of the refusal."""

    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number > 1:
            send(handler, 200, GOOD)
            return
        handler.send_response_only(400)
        handler.send_header("Date", "Wed, 01 Jan 2031 00:00:00 GMT")
        body = b'{"__type":"InvalidSignatureException","message":"Signature expired: is now earlier than"}'
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    server = serve(answer)
    assert references.resolve(["aws-sm://name"], environ_of(server)).values == {"aws-sm://name": "value"}
    assert server.requests[1][1]["X-Amz-Date"].startswith("20310101T0000")


def test_a_proxy_is_asked_for_everything_but_this_machines_own(serve: Callable[..., Server]) -> None:
    """A plain request names its whole URL and the proxy's account; NO_PROXY and loopback are reached directly."""
    proxy = serve(lambda handler, _: send(handler, 200, GOOD))
    environ = {**KEYS, "HTTP_PROXY": f"http://user:p%40ss@127.0.0.1:{proxy.port}", "LYFTLEARN_FETCH_TIMEOUT": "2"}
    given = {**environ, "AWS_ENDPOINT_URL": "http://secrets.example.test"}
    assert references.resolve(["aws-sm://name"], given).values == {"aws-sm://name": "value"}
    path, headers, _ = proxy.requests[0]
    assert path == "http://secrets.example.test/"
    assert headers["Proxy-Authorization"] == "Basic dXNlcjpwQHNz"
    with pytest.raises(ShimError, match=r"secrets\.example\.test"):
        references.resolve(["aws-sm://name"], {**given, "no_proxy": ".example.test"})
    direct = serve(lambda handler, _: send(handler, 200, GOOD))
    references.resolve(["aws-sm://name"], {**environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{direct.port}"})
    assert (len(direct.requests), len(proxy.requests)) == (1, 1)


def test_an_encrypted_request_goes_through_a_tunnel(certificate: Path, serve: Callable[..., Server]) -> None:
    """The proxy sees a host's name and a port, and the certificate of the other end is verified all the same."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(certificate)
    server = serve(lambda handler, _: send(handler, 200, GOOD), trust)
    asked: list[str] = []
    with tunnel(server.port, asked) as port:
        environ = {
            **KEYS,
            "AWS_ENDPOINT_URL": "https://lyftlearn.test",
            "HTTPS_PROXY": f"http://127.0.0.1:{port}",
            "LYFTLEARN_FETCH_TIMEOUT": "3",
        }
        trusting = {**environ, "AWS_CA_BUNDLE": str(certificate)}
        assert references.resolve(["aws-sm://name"], trusting).values == {"aws-sm://name": "value"}
        with pytest.raises(ShimError, match="not trusted"):
            references.resolve(["aws-sm://name"], environ)
    assert asked[0].startswith("CONNECT lyftlearn.test:443 ")


@contextlib.contextmanager
def tunnel(to: int, asked: list[str]) -> Iterator[int]:
    """A proxy that connects everybody to a port of this machine; `asked` gets the first line of each."""

    def carry(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def serve_one(near: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += near.recv(4096)
        asked.append(head.split(b"\r\n", maxsplit=1)[0].decode())
        far = socket.create_connection(("127.0.0.1", to))
        near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with near, far:
            back = threading.Thread(target=carry, args=(far, near))
            back.start()
            carry(near, far)
            back.join()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve_one, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_an_expired_token_is_replaced_once(serve: Callable[..., Server]) -> None:
    """The container's endpoint has a new one by then; a service that goes on refusing is told at once."""
    keys = serve(lambda handler, _: send(handler, 200, credentials_until(3600)))
    expired = json.dumps({"__type": "ExpiredTokenException"}).encode()
    server = serve(lambda handler, number: send(handler, 400, expired) if number != 2 else send(handler, 200, GOOD))
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{keys.port}/",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
        "LYFTLEARN_FETCH_TIMEOUT": "5",
    }
    assert references.resolve(["aws-sm://name"], environ).values == {"aws-sm://name": "value"}
    assert len(keys.requests) == 2
    with pytest.raises(ShimError, match="ExpiredTokenException; the job's role"):
        references.resolve(["aws-sm://name"], environ)
    assert len(server.requests) == 4


def test_three_hundred_containers_that_start_together_all_start(serve: Callable[..., Server]) -> None:
    """A service that takes 40 requests a second and throttles the others gives every one its secret in time."""
    taken: list[float] = []
    lock = threading.Lock()

    def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
        with lock:
            now = time.monotonic()
            taken[:] = [one for one in taken if now - one < 1]
            is_free = len(taken) < 40
            if is_free:
                taken.append(now)
        send(handler, 200, GOOD) if is_free else send(handler, 400, b'{"__type":"ThrottlingException"}')

    server = serve(answer)
    found: list[object] = []

    def start() -> None:
        try:
            environ = environ_of(server, LYFTLEARN_FETCH_TIMEOUT="30")
            found.append(references.resolve(["aws-sm://name"], environ).values["aws-sm://name"])
        except ShimError as error:
            found.append(error.message)

    threads = [threading.Thread(target=start) for _ in range(300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["value"] * 300
    assert len(server.requests) > 400, "nobody was throttled, so nothing was shown"
