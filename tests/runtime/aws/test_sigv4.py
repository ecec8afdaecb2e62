"""Signatures: those of botocore, and those that AWS has published."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given, strategies as st

from lyftlearn_runtime.aws import sigv4
from lyftlearn_runtime.aws.keys import Credentials
from lyftlearn_runtime.aws.request import Request, split_url
from lyftlearn_runtime.aws.s3 import S3

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
STATIC = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET"}
BOTO = boto3.client(
    "s3", "us-east-1", endpoint_url="https://s3.example.test", aws_access_key_id="AKID", aws_secret_access_key="SECRET"
)
# A header's value: what is signed has neither blanks at its ends nor two of them together.
HEADERS = st.text("ab0 =;/é", min_size=1).filter(str.strip)


@given(
    st.sampled_from(["GET", "PUT", "POST"]),
    st.lists(TEXT.filter(lambda part: part not in (".", "..")), min_size=1, max_size=4),
    st.lists(st.tuples(st.sampled_from(["prefix", "a b", "é", "X-Amz"]) | TEXT.filter(bool), TEXT), max_size=5),
    st.binary(max_size=30),
    st.none() | st.from_regex(r"[A-Za-z0-9+/=]{8,20}", fullmatch=True),
    st.sampled_from(["s3", "secretsmanager"]),
    st.dictionaries(st.sampled_from(["Range", "X-Amz-Target", "Content-Type", "x-amz-meta-a"]), HEADERS, max_size=3),
)
def test_our_signature_is_botocores(  # noqa: PLR0913, PLR0917 - the parts of a request
    method: str,
    parts: list[str],
    query: list[tuple[str, str]],
    body: bytes,
    token: str | None,
    service: str,
    headers: dict[str, str],
) -> None:
    """The same request, time and key give the same Authorization header as botocore's own signer.

    Paths with slashes, blanks and any character, queries with names that come twice, headers with blanks.
    """
    path = "/bucket/" + sigv4.quote("/".join(parts), b"/") if service == "s3" else "/"
    text = sigv4.canonical_query(query)
    digest = hashlib.sha256(body).hexdigest()
    timestamp = "20261123T000000Z"
    own = Credentials("AKID", "SECRET", token, "", None)
    url = f"https://example.test{path}" + (f"?{text}" if text else "")
    ours = sigv4.sign(Request(method, url, headers, body), digest, own, sigv4.Scope(timestamp, "eu-west-1", service)).headers
    request = AWSRequest(method, url, data=body, headers=headers)
    request.context["timestamp"] = timestamp
    request.headers["X-Amz-Date"] = timestamp
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(BotocoreCredentials("AKID", "SECRET", token), service, "eu-west-1")
    if service == "s3":
        request.headers["X-Amz-Content-SHA256"] = digest
    if token:
        request.headers["X-Amz-Security-Token"] = token
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    assert ours["Authorization"] == (
        f"AWS4-HMAC-SHA256 Credential=AKID/20261123/eu-west-1/{service}/aws4_request,"
        f" SignedHeaders={signer.signed_headers(signer.headers_to_sign(request))}, Signature={signature}"
    )
    sent = {name.lower(): value for name, value in request.headers.items()}
    assert {name.lower(): value for name, value in ours.items() if name not in ("Host", "Authorization")} == sent


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
    url = f"https://examplebucket.s3.amazonaws.com{path}" + (f"?{query}" if query else "")
    digest = hashlib.sha256(payload).hexdigest()
    scope = sigv4.Scope("20130524T000000Z", "us-east-1", "s3")
    signed = sigv4.sign(Request(method, url, headers, payload), digest, own, scope)
    assert signed.headers["Authorization"].endswith(signature)


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
    url = f"https://{host}/" + (f"?{query}" if query else "")
    signed = sigv4.sign(Request(method, url, headers, b""), digest, own, sigv4.Scope("20150830T123600Z", "us-east-1", service))
    assert signed.headers["Authorization"].endswith(signature)


@given(TEXT, TEXT)
def test_a_text_is_quoted_as_urllib_quotes_it(text: str, key: str) -> None:
    """Everything but the unreserved characters; the slash too, unless it is asked to stay."""
    assert sigv4.quote(text) == quote(text, safe="-._~")
    assert sigv4.quote(text, b"/") == quote(text, safe="/-._~")
    assert sigv4.canonical_query([(key, text)]) == f"{quote(key, safe='-._~')}={quote(text, safe='-._~')}"


def test_any_byte_of_a_variable_can_be_quoted() -> None:
    """One that is no UTF-8 comes as half of a pair of surrogates."""
    assert sigv4.quote("a\udcff") == "a%FF"


def test_a_query_is_sorted_by_name_and_then_by_value() -> None:
    """As it is signed, so it is sent: a name may come twice."""
    assert sigv4.canonical_query([("b", "2"), ("a", "2"), ("a", "1"), ("a-", "")]) == "a=1&a=2&a-=&b=2"


@pytest.mark.parametrize("url", ["https://host", "https://host/", "https://host?a=b", "https://host/?a=b"])
def test_a_url_without_a_path_has_the_root(url: str) -> None:
    """The path that is signed and sent begins with a slash."""
    assert split_url(url) == ("https", "host", "/?a=b" if "?" in url else "/")
    assert split_url("https://host/a?b=c://d/") == ("https", "host", "/a?b=c://d/")


@given(st.lists(TEXT, min_size=1, max_size=4).map("/".join).filter(bool))
def test_the_slashes_of_a_key_stay_in_the_path_that_is_signed(key: str) -> None:
    """As botocore sends it: `a/b` is `/bucket/a/b`, and everything else of the key is quoted."""
    sent = S3({**STATIC, "AWS_ENDPOINT_URL": "https://s3.example.test"})._url("bucket", key)
    request = BOTO.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": key})
    assert sent == request.partition("?")[0]
