"""What references point to, fetched from a real Secrets Manager endpoint."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from lyftlearn_runtime import references, resolver
from lyftlearn_runtime.deadline import fetch_timeout
from lyftlearn_runtime.errors import ShimError
from tests.runtime.aws.server import GOOD, Server, environ_of, send

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint

PLANTED = "planted-9c1f77-secret"


@pytest.fixture(scope="module")
def environ(aws: AwsEndpoint) -> dict[str, str]:
    """An identity at an endpoint with secrets."""
    aws.put_secrets({"prod/db": json.dumps({"password": PLANTED, "port": 5432, "a.b": "c"}), "plain": "text\nand more"})
    return aws.environment()


def test_references_are_resolved_together(environ: dict[str, str]) -> None:
    """A whole secret, a key of one, a number as its JSON, a key that is no path."""
    wanted = ["aws-sm://plain", "aws-sm://prod/db#password", "aws-sm://prod/db#port", "aws-sm://prod/db#a.b"]
    assert resolver.resolve(wanted, environ).values == dict(zip(wanted, ["text\nand more", PLANTED, "5432", "c"], strict=True))


def test_nothing_to_resolve_asks_nobody() -> None:
    """No network module, no identity is needed."""
    assert resolver.resolve([], {}) == references.NOTHING


@pytest.mark.parametrize(
    ("reference", "code", "told"),
    [
        ("aws-sm://nothing", 69, "ResourceNotFound"),
        ("aws-sm://prod/db#no-such-key", 78, "no such key"),
        ("aws-sm://plain#key", 78, "not a JSON object"),
        ("aws-sm://", 78, "has no name"),
        ("aws-sm://#key", 78, "has no name"),
        ("aws-sm://plain?sometimes", 78, "expected ?optional"),
    ],
)
def test_a_reference_that_fails_names_itself_and_shows_no_value(
    environ: dict[str, str], reference: str, code: int, told: str
) -> None:
    """Which reference, why, and never what the secret holds."""
    with pytest.raises(ShimError) as caught:
        resolver.resolve([reference], environ)
    assert caught.value.exit_code == code
    assert reference in caught.value.message
    assert told in caught.value.message
    assert PLANTED not in caught.value.message


def test_every_failure_has_a_line(environ: dict[str, str]) -> None:
    """Who mends a job wants to hear of all of them at once."""
    with pytest.raises(ShimError) as caught:
        resolver.resolve(["aws-sm://b", "aws-sm://plain", "aws-sm://a"], environ)
    assert [line.split(": ")[0] for line in caught.value.message.splitlines()] == ["aws-sm://a", "aws-sm://b"]


def test_an_optional_reference_may_be_missing(environ: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    """It is left out, or its default is used; one line says so. One that can be had is had."""
    wanted = [
        "aws-sm://none?optional",
        "aws-sm://none?default=a=b#key",
        "aws-sm://prod/db?optional#password",
        "aws-sm://none?default=",
    ]
    assert resolver.resolve(wanted, environ).values == dict(zip(wanted, [None, "a=b", PLANTED, ""], strict=True))
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 3
    assert said[0].startswith("lyftlearn: aws-sm://none?optional: left out: ")
    assert "its default is used" in said[1]


@pytest.mark.parametrize("value", ["soon", "0", "-1", "inf", "nan"])
def test_a_wrong_timeout_is_told(value: str) -> None:
    """People write it."""
    with pytest.raises(ShimError, match="expected seconds"):
        fetch_timeout({"LYFTLEARN_FETCH_TIMEOUT": value})


def test_many_references_are_fetched_at_the_same_time() -> None:
    """A batch that brings none of them is followed by one request each; nobody is answered before ten have asked."""
    together = threading.Barrier(10)

    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number > 1:
            together.wait()
        send(handler, 200, GOOD)

    server = Server(answer)
    try:
        wanted = [f"aws-sm://many/{number}" for number in range(20)]
        found = resolver.resolve(wanted, environ_of(server, LYFTLEARN_FETCH_TIMEOUT="60")).values
    finally:
        together.abort()
        server.close()
    assert found == dict.fromkeys(wanted, "value")
