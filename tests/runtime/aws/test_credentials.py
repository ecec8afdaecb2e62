"""Who a container is for AWS: where it is found, and how long it is good."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import jwt
import pytest

from lyftlearn_runtime import resolver
from lyftlearn_runtime.aws import credential_cache, credentials
from lyftlearn_runtime.errors import ShimError
from tests.runtime.aws.server import GOOD, KEYS, PLANTED, Server, credentials_until, send

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_runtime.aws.keys import Credentials

DOCUMENT = json.dumps(
    {"AccessKeyId": "AKID", "SecretAccessKey": "s", "Token": "t", "Expiration": "2030-01-01T00:00:00Z"}
).encode()


def find(environ: dict[str, str]) -> Credentials:
    """The credentials, with a few seconds of time."""
    return credentials.find_credentials(environ, time.monotonic() + 5)


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
    signing_key = b"0" * 32
    claims = {"aud": ["sts.amazonaws.com"], "exp": time.time() + 600}
    (tmp_path / "token").write_text(jwt.encode(claims, signing_key, algorithm="HS256"))
    environ = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/training",
        "AWS_ENDPOINT_URL": aws.url,
    }
    with pytest.raises(ShimError, match="InvalidIdentityToken; check its trust policy"):
        find(environ)
    aws.trust_web_identities(signing_key)
    deadline, found = time.monotonic() + 120, None
    while found is None:  # the key goes to the endpoint by a pipe
        try:
            found = find(environ)
        except ShimError:
            assert time.monotonic() < deadline
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


@pytest.mark.parametrize(("seconds", "asked"), [(3600, 1), (60, 2)])
def test_an_identity_is_asked_for_once_and_renewed_before_it_expires(
    serve: Callable[..., Server], seconds: int, asked: int
) -> None:
    """Two requests as a fresh one ask once; one that is about to end is taken anew."""
    server = serve(lambda handler, _: send(handler, 200, credentials_until(seconds)))
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{server.port}/"}
    for _ in range(2):
        assert credential_cache.get_credentials(environ, time.monotonic() + 5).access_key == "AKID"
    assert len(server.requests) == asked
    assert credential_cache.describe_identity(environ) == "container credentials, access key AKID"


def test_an_identity_that_cannot_be_renewed_is_used_while_it_is_good(serve: Callable[..., Server]) -> None:
    """An endpoint that is away for a moment stops nothing that still works."""
    server = serve(lambda handler, number: send(handler, 200, credentials_until(60) if number == 1 else b"gone"))
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{server.port}/"}
    first = credential_cache.get_credentials(environ, time.monotonic() + 5)
    assert credential_cache.get_credentials(environ, time.monotonic() + 5) == first
    assert len(server.requests) == 2


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
    assert resolver.resolve(["aws-sm://name"], environ).values == {"aws-sm://name": "value"}
    assert len(keys.requests) == 2
    with pytest.raises(ShimError, match="ExpiredTokenException; the job's role"):
        resolver.resolve(["aws-sm://name"], environ)
    assert len(server.requests) == 4
