"""Laws of the shim's pure parts, and its AWS client against a real endpoint."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given, strategies as st

from lyftlearn_image.targets import bundle as toolkit_bundle
from lyftlearn_image.targets.aws_endpoint import aws_endpoint
from lyftlearn_runtime import bundle, context, contract, environment, hyperparameters, references, transfer
from lyftlearn_runtime.aws import sigv4
from lyftlearn_runtime.aws.credentials import Credentials
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
PLANTED = "planted-9c1f77-secret"


@given(st.dictionaries(st.text(max_size=12), VALUES, max_size=4))
def test_toolkit_and_shim_agree_on_hyperparameters(values: dict[str, object]) -> None:
    """What the toolkit encodes the shim decodes to the same values, and encodes to the same strings again."""
    strings = toolkit_bundle.encode_hyperparameters(values)  # type: ignore[arg-type]
    assert hyperparameters.decode(strings) == values
    assert hyperparameters.encode(hyperparameters.decode(strings)) == strings


@given(st.dictionaries(st.from_regex(r"[a-z][a-z-]{0,8}", fullmatch=True), VALUES, max_size=4))
def test_arguments_are_sorted_pairs(values: dict[str, object]) -> None:
    """Every value has its flag before it, in sorted order; `none` passes nothing."""
    found = hyperparameters.arguments(values, "--key value")
    assert [flag.lstrip("-") for flag in found[::2]] == [key.lstrip("-") for key in sorted(values)]
    assert hyperparameters.arguments(values, "none") == []
    assert len(hyperparameters.arguments(values, "key=value")) == len(values)


@given(
    st.sampled_from(["GET", "PUT", "POST"]),
    st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=20),
    st.lists(st.tuples(st.text(min_size=1, max_size=6), st.text(max_size=6)), max_size=3, unique_by=lambda pair: pair[0]),
    st.binary(max_size=30),
    st.none() | st.from_regex(r"[A-Za-z0-9+/=]{8,20}", fullmatch=True),
    st.sampled_from(["s3", "secretsmanager"]),
)
def test_our_signature_is_botocores(  # noqa: PLR0913, PLR0917 - the parts of a request
    method: str, key: str, query: list[tuple[str, str]], body: bytes, token: str | None, service: str
) -> None:
    """The same request, time and key give the same Authorization header as botocore's own signer."""
    key, query = key.strip("/").replace("//", "/") or "k", [(a.encode("utf-8", "ignore").decode() or "a", b) for a, b in query]
    path = "/" if service != "s3" else "/bucket/" + sigv4.quote(key.replace(".", "x"), b"/")
    query = sorted({a.encode("utf-8", "ignore").decode(): b.encode("utf-8", "ignore").decode() for a, b in query}.items())
    text = sigv4.canonical_query(query)
    digest = hashlib.sha256(body).hexdigest()
    ours = sigv4.sign(
        method,
        path,
        text,
        {"Host": "example.test"},
        digest,
        Credentials("AKID", "SECRET", token, ""),
        "eu-west-1",
        service,
        "20261123T000000Z",
    )
    request = AWSRequest(method, f"https://example.test{path}" + (f"?{text}" if text else ""), data=body)
    request.context["timestamp"] = "20261123T000000Z"
    request.headers["X-Amz-Date"] = "20261123T000000Z"
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(BotocoreCredentials("AKID", "SECRET", token), service, "eu-west-1")
    if service == "s3":
        request.headers["X-Amz-Content-SHA256"] = digest
    if token:
        request.headers["X-Amz-Security-Token"] = token
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    assert ours["Authorization"].rpartition("Signature=")[2] == signature


def test_a_published_vector_of_the_signature_is_met() -> None:
    """AWS' own example of a GET of an S3 object (Amazon S3 API reference, "Signature calculations", GET Object)."""
    headers = {"Host": "examplebucket.s3.amazonaws.com", "Range": "bytes=0-9"}
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, "")
    empty = hashlib.sha256(b"").hexdigest()
    signed = sigv4.sign("GET", "/test.txt", "", headers, empty, credentials, "us-east-1", "s3", "20130524T000000Z")
    assert signed["Authorization"].endswith("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")


@given(
    st.text(alphabet=st.characters(blacklist_categories=("Cs",)), min_size=6, max_size=30),
    st.text(max_size=10),
    st.text(max_size=10),
)
def test_no_form_of_a_secret_survives(secret: str, before: str, after: str) -> None:
    """Plain, JSON- and URL-encoded."""
    for form in (secret, json.dumps(secret)[1:-1], quote(secret, safe="")):
        masked = redact(f"{before}|{form}|{after}", [secret])
        assert f"|{form}|" not in masked


def test_a_secret_in_base64_is_masked() -> None:
    """Wherever it stands in the encoded text."""
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + PLANTED.encode() + b"tail").decode()
        assert "[secret]" in redact(encoded, [PLANTED])


@pytest.mark.parametrize(
    ("environ", "argv", "paths", "expected"),
    [
        pytest.param({}, [], [], "docker", id="nothing"),
        pytest.param({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, ["train"], [], "kubernetes", id="a pod with the argument train"),
        pytest.param({"TRAINING_JOB_ARN": "arn"}, ["train"], [], "sagemaker-training", id="training"),
        pytest.param({"TRAINING_JOB_NAME": "x"}, ["train"], [], "sagemaker-training", id="local mode"),
        pytest.param({}, [], ["/opt/ml/config/processingjobconfig.json"], "sagemaker-processing", id="processing"),
        pytest.param({"SAGEMAKER_BATCH": "True"}, ["serve"], [], "sagemaker-transform", id="batch transform in local mode"),
        pytest.param({}, ["serve"], [], "sagemaker-hosting", id="hosting"),
        pytest.param({"SAGEMAKER_APP_TYPE": "JupyterLab"}, [], [], "sagemaker-studio", id="Studio"),
        pytest.param({"LYFTLEARN_CONTEXT": "docker", "TRAINING_JOB_ARN": "arn"}, [], [], "docker", id="override"),
    ],
)
def test_the_context_follows_documented_signals(
    environ: dict[str, str], argv: list[str], paths: list[str], expected: str
) -> None:
    """Which service started us, and never from what only some images have."""
    assert context.detect(environ, argv, paths.__contains__).name == expected


@pytest.mark.parametrize(("quota", "expected"), [(None, len(os.sched_getaffinity(0))), (0.5, 1), (1.0, 1), (1.9, 1)])
def test_cpus_are_whole_and_at_least_one(quota: float | None, expected: int) -> None:
    """Half a CPU still runs one thread; one and a half do not run two."""
    assert environment.cpu_count(quota) == expected


@pytest.mark.parametrize(
    ("files", "expected"), [({"cpu.max": "150000 100000"}, 1.5), ({"cpu.max": "max 100000"}, None), ({}, None)]
)
def test_the_quota_of_cgroup_v2_is_read(tmp_path: Path, files: dict[str, str], expected: float | None) -> None:
    """cpu.max is quota and period, or max."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert environment.cpu_quota(str(tmp_path)) == expected


def test_a_variable_that_execve_refuses_is_left_out_by_name() -> None:
    """One string may have 131,072 bytes with its NUL: one byte more and the process would not start."""
    longest = "x" * (environment.LONGEST_STRING - len("A=") - 1)
    assert environment.fitting({"A": longest}) == ({"A": longest}, [])
    assert environment.fitting({"A": longest + "x", "B": "b\0", "C": "c"}) == ({"C": "c"}, ["A", "B"])


@pytest.mark.parametrize(
    ("value", "code", "told"),
    [
        ("/nowhere/bundle.json#sha256=00", contract.EXIT_UNAVAILABLE, "/nowhere/bundle.json"),
        ("no-digest", contract.EXIT_CONFIG, "no-digest"),
        ("s3://b/k#sha256=00", contract.EXIT_ACCESS_DENIED, "credentials"),
    ],
)
def test_a_wrong_bundle_names_its_place(value: str, code: int, told: str) -> None:
    """Which bundle, and why it cannot be used."""
    with pytest.raises(ShimError) as caught:
        bundle.read({contract.BUNDLE: value})
    assert caught.value.exit_code == code
    assert told in caught.value.message


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, str]]:
    """The variables of a real endpoint with a bucket and a secret."""
    with aws_endpoint("127.0.0.1") as endpoint:
        endpoint.s3().create_bucket(Bucket="bucket")
        endpoint.put_secrets({"prod/db": json.dumps({"password": PLANTED, "port": 5432}), "plain": "text"})
        yield endpoint.environment()


def test_references_are_resolved_together(aws: dict[str, str]) -> None:
    """A whole secret, a key of one, a number as its JSON."""
    wanted = ["aws-sm://plain", "aws-sm://prod/db#password", "aws-sm://prod/db#port"]
    assert references.resolve(wanted, aws) == dict(zip(wanted, ["text", PLANTED, "5432"], strict=True))


@pytest.mark.parametrize(
    ("reference", "code", "told"),
    [
        ("aws-sm://nothing", contract.EXIT_UNAVAILABLE, "ResourceNotFound"),
        ("aws-sm://prod/db#no-such-key", contract.EXIT_CONFIG, "no such key"),
        ("aws-sm://plain#key", contract.EXIT_CONFIG, "not a JSON object"),
        ("aws-sm://", contract.EXIT_CONFIG, "has no name"),
    ],
)
def test_a_reference_that_fails_names_itself_and_shows_no_value(
    aws: dict[str, str], reference: str, code: int, told: str
) -> None:
    """Which reference, why, and never what the secret holds."""
    with pytest.raises(ShimError) as caught:
        references.resolve([reference], aws)
    assert caught.value.exit_code == code
    assert told in caught.value.message
    assert PLANTED not in caught.value.message


def test_a_source_that_is_down_ends_at_the_deadline(aws: dict[str, str]) -> None:
    """Tries stop when their time is up, and the error says how many there were."""
    environ = {**aws, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "LYFTLEARN_FETCH_TIMEOUT": "0.5"}
    with pytest.raises(ShimError, match="tries") as caught:
        references.resolve(["aws-sm://plain"], environ)
    assert caught.value.exit_code == contract.EXIT_UNAVAILABLE


@given(data=st.binary(max_size=200))
def test_data_goes_up_and_comes_down_unchanged(
    aws: dict[str, str], tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """A directory under a prefix comes back byte for byte, with names that need quoting."""
    up, down = tmp_path_factory.mktemp("up"), tmp_path_factory.mktemp("down")
    (up / "a b+c").mkdir()
    (up / "a b+c" / "é=1.bin").write_bytes(data)
    prefix = f"s3://bucket/{down.name}/"
    transfer.upload([{"path": str(up), "uri": prefix}], aws)
    transfer.download([{"path": str(down), "uri": prefix}], aws)
    assert (down / "a b+c" / "é=1.bin").read_bytes() == data


def test_an_archive_is_the_same_for_the_same_content(tmp_path: Path) -> None:
    """Times, owners and the order of creation do not reach it."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for file in ("a", "b") if name == "one" else ("b", "a"):
            (tmp_path / name / file).write_text(file)
    os.utime(tmp_path / "two" / "a", (0, 0))
    assert transfer.archive(str(tmp_path / "one")) == transfer.archive(str(tmp_path / "two"))
