"""Answers that are none, as fuzzing found them: each ends a start with one line, and with the reason in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lyftlearn_runtime import resolver
from lyftlearn_runtime.aws import credentials, s3
from lyftlearn_runtime.errors import ShimError
from tests.runtime.aws.server import KEYS, PLANTED, Server, environ_of, send

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = b"<ListBucketResult>%b</ListBucketResult>"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<Contents>", "S3 gave no answer that can be read"),
        (b'<?xml version="1.0" encoding="big5"?><a/>', "S3 gave no answer that can be read"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "S3 gave no answer that can be read"),
        (PAGE % b"<Contents><Key>a</Key></Contents>", "S3 names an object without a size"),
        (PAGE % b"<Contents><Key>a</Key><Size>-1</Size></Contents>", "S3 names an object without a size"),
        (PAGE % b"<NextContinuationToken>a</NextContinuationToken>", "S3 gives the same page again and again"),
    ],
)
def test_a_listing_that_is_none_is_told(serve: Callable[..., Server], body: bytes, told: str) -> None:
    """XML that is broken, in an encoding that there is not, without sizes, or without an end."""
    server = serve(lambda handler, _: send(handler, 200, body))
    with pytest.raises(ShimError, match=f"s3://bucket/prefix: {told}") as caught:
        list(s3.S3(environ_of(server)).list_objects("bucket", "prefix"))
    assert caught.value.exit_code == 69


@pytest.mark.parametrize(
    ("text", "answer", "told"),
    [
        ("aws-sm://one", {"SecretBinary": "é"}, "gave neither text nor bytes"),
        ("aws-ssm://one", {"Parameters": [1]}, "there is no such parameter"),
        ("aws-ssm://one", {"Parameters": 1}, "there is no such parameter"),
    ],
)
def test_an_answer_of_another_kind_is_told(serve: Callable[..., Server], text: str, answer: object, told: str) -> None:
    """What is not of the kind that the API reference says counts as not there."""
    server = serve(lambda handler, _: send(handler, 200, json.dumps(answer).encode()))
    with pytest.raises(ShimError, match=told):
        resolver.resolve([text], environ_of(server))


def test_versions_of_two_kinds_can_be_compared(serve: Callable[..., Server]) -> None:
    """A version that is no number is the oldest."""
    answer = {"Parameters": [{"Name": "one", "Version": "x", "Value": "a"}, {"Name": "one", "Version": 2, "Value": "b"}]}
    server = serve(lambda handler, _: send(handler, 200, json.dumps(answer).encode()))
    assert resolver.resolve(["aws-ssm://one"], environ_of(server)).values == {"aws-ssm://one": "b"}


def test_pages_without_an_end_end(serve: Callable[..., Server]) -> None:
    """A service that gives the same token twice would be asked for ever."""
    answer = {"Parameters": [{"Name": "/path/one", "Value": "a"}], "NextToken": "again"}
    server = serve(lambda handler, _: send(handler, 200, json.dumps(answer).encode()))
    with pytest.raises(ShimError, match="the same page of /path again and again"):
        resolver.resolve([], environ_of(server), ["aws-ssm-path://path"])


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"AccessKeyId": "AKID"}, "gives no credentials for the role"),
        ({"SecretAccessKey": PLANTED}, "gives no credentials for the role"),
        ({"AccessKeyId": "AKID", "SecretAccessKey": PLANTED, "Expiration": "soon"}, "have an end that is no time: 'soon'"),
        ({"AccessKeyId": "AKID", "SecretAccessKey": PLANTED + "\n"}, "have a character that no key has"),
    ],
)
def test_credentials_of_sts_that_are_none_are_told(
    serve: Callable[..., Server], tmp_path: Path, fields: dict[str, str], told: str
) -> None:
    """Half a pair of keys, an end that is no time, a line break in a key; and the key is not shown."""
    (tmp_path / "token").write_text("a-token")
    body = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    server = serve(lambda handler, _: send(handler, 200, f"<Response>{body}</Response>".encode()))
    environ = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": "arn:role/x",
        "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{server.port}",
    }  # fmt: skip
    with pytest.raises(ShimError, match=told) as caught:
        credentials.find_credentials(environ, float("inf"))
    assert caught.value.exit_code == 77
    assert PLANTED not in caught.value.message


@pytest.mark.parametrize("key", [PLANTED + "\n", PLANTED + "é"])
def test_a_key_that_is_none_is_told(key: str) -> None:
    """A line break behind a key is a mistake that is made often; nothing else would tell it from a wrong key."""
    with pytest.raises(ShimError, match="the AWS keys of the environment variables have a character") as caught:
        credentials.find_credentials({**KEYS, "AWS_SECRET_ACCESS_KEY": key}, float("inf"))
    assert PLANTED not in caught.value.message


@pytest.mark.parametrize("roles", [b"", b" ", b"\x1c", b"\xff"])
def test_an_instance_without_a_role_is_no_identity(serve: Callable[..., Server], roles: bytes) -> None:
    """Blanks are blanks to bytes and to texts, not the same ones; neither is a name."""
    server = serve(lambda handler, number: send(handler, 200, b"token" if number == 1 else roles))
    with pytest.raises(ShimError, match="there are no AWS credentials here"):
        credentials.find_credentials({"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{server.port}"}, float("inf"))


@pytest.mark.parametrize(
    "environ",
    [
        {"AWS_REGION": "eu west-1"},
        {"AWS_REGION": "." + "a" * 70},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:port"},
        {"AWS_ENDPOINT_URL": "http://.."},
    ],
)
def test_an_address_that_is_none_is_told_at_once(environ: dict[str, str]) -> None:
    """No repetition heals it, so the 30 seconds are not waited for."""
    with pytest.raises(ShimError, match="the request cannot be sent") as caught:
        resolver.resolve(["aws-sm://name"], {**KEYS, **environ})
    assert caught.value.exit_code == 78


def test_a_clock_in_any_words_is_no_fault(serve: Callable[..., Server]) -> None:
    """A Date that no calendar has leaves the clock as it is, and the refusal is told."""

    def answer(handler: object, _: int) -> None:
        body = b'{"__type":"RequestExpired"}'
        handler.send_response_only(400)
        handler.send_header("Date", "Mon, 23 Nov 2026 00:00:00 +99999999999999")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with pytest.raises(ShimError, match="says RequestExpired"):
        resolver.resolve(["aws-sm://name"], environ_of(serve(answer)))
