"""Every source of references, against real endpoints."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from lyftlearn_runtime import contract, references, resolver, sources
from lyftlearn_runtime.errors import ShimError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint

PLANTED = "planted-9c1f77-secret"


def client(aws: AwsEndpoint, service: str, url: str | None = None) -> Any:
    """A client of boto3's at the endpoint, or at another one with its keys."""
    keys = aws.environment()
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=url or aws.url,
        region_name=keys["AWS_REGION"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture(scope="module")
def environ(aws: AwsEndpoint) -> dict[str, str]:
    """Secrets, parameters and objects, and an identity that may read them."""
    aws.put_secrets({f"batch/{number}": f"value-{number}" for number in range(45)} | {"db": '{"user": "u", "pass-word": "p"}'})
    ssm = client(aws, "ssm")
    for number in range(23):
        ssm.put_parameter(Name=f"/app/prod/p-{number}", Value=f"text {number}", Type="SecureString")
    ssm.put_parameter(Name="/app/prod/nested/deep", Value=PLANTED, Type="SecureString")
    ssm.put_parameter(Name="plain", Value="old", Type="String")
    ssm.put_parameter(Name="plain", Value="new", Type="String", Overwrite=True)
    aws.s3().put_object(Bucket="bucket", Key="conf/a b+c.pem", Body=b"line\n\xff end")
    return aws.environment()


def resolve(environ: dict[str, str], *texts: str) -> list[str | None]:
    """The values of references, in their order."""
    found = resolver.resolve(texts, environ).values
    return [found[text] for text in texts]


def error_of(environ: dict[str, str], *texts: str) -> ShimError:
    """What a start would end with."""
    with pytest.raises(ShimError) as caught:
        resolver.resolve(texts, environ)
    return caught.value


def test_secrets_come_in_batches(environ: dict[str, str]) -> None:
    """More than two batches hold, each with its own value; a missing one among them is named alone."""
    texts = [f"aws-sm://batch/{number}" for number in range(45)]
    assert resolve(environ, *texts) == [f"value-{number}" for number in range(45)]
    error = error_of(environ, *texts[:3], "aws-sm://missing")
    assert error.message.startswith("aws-sm://missing: ")
    assert "batch/" not in error.message


def test_a_version_or_a_stage_of_a_secret(environ: dict[str, str], aws: AwsEndpoint) -> None:
    """The one before the current one is there for those who ask."""
    aws.put_secrets({"rotated": "first"})
    aws.put_secrets({"rotated": "second"})
    version = client(aws, "secretsmanager").describe_secret(SecretId="rotated")["VersionIdsToStages"]
    old = next(one for one, stages in version.items() if "AWSPREVIOUS" in stages)
    texts = ("aws-sm://rotated", "aws-sm://rotated?stage=AWSPREVIOUS", f"aws-sm://rotated?version={old}")
    assert resolve(environ, *texts) == ["second", "first", "first"]


def test_parameters_by_name_path_and_version(environ: dict[str, str]) -> None:
    """More than GetParameters takes at once, a version of one, and one that is missing."""
    texts = [f"aws-ssm:///app/prod/p-{number}" for number in range(23)]
    assert resolve(environ, *texts) == [f"text {number}" for number in range(23)]
    assert resolve(environ, "aws-ssm://plain", "aws-ssm://plain:1") == ["new", "old"]
    error = error_of(environ, "aws-ssm://plain", "aws-ssm:///app/none")
    assert (error.exit_code, error.message) == (
        69,
        "aws-ssm:///app/none: there is no such parameter; check the name and the region",
    )


def test_a_whole_path_is_a_set(environ: dict[str, str]) -> None:
    """Every page of it, by what follows the path; as a single value it needs a key."""
    text = "aws-ssm-path://app/prod/"
    found = resolver.resolve([], environ, [text, "aws-sm://db"]).sets
    assert found[text] == {**{f"p-{number}": f"text {number}" for number in range(23)}, "nested/deep": PLANTED}
    assert found["aws-sm://db"] == {"user": "u", "pass-word": "p"}
    assert resolve(environ, text + "#nested/deep") == [PLANTED]
    assert "name one of its keys as #key" in error_of(environ, text).message
    assert "no parameter below /none" in error_of(environ, "aws-ssm-path://none#a").message


def test_an_object_is_held_to_its_digest(environ: dict[str, str]) -> None:
    """Bytes that are no text survive; another object than the one that was meant stops the start."""
    data = b"line\n\xff end"
    digest = hashlib.sha256(data).hexdigest()
    text = f"s3://bucket/conf/a b+c.pem?sha256={digest}"
    assert str(resolve(environ, text)[0]).encode("utf-8", "surrogateescape") == data
    error = error_of(environ, "s3://bucket/conf/a b+c.pem?sha256=00")
    assert (error.exit_code, digest in error.message) == (78, True)
    assert error_of(environ, "s3://bucket/none").exit_code == 69


def test_a_file_and_another_variable(tmp_path: Path, environ: dict[str, str]) -> None:
    """What the platform has mounted or set itself; a variable may point to one that is a reference."""
    (tmp_path / "token").write_text("text\n")
    given = {**environ, "PLAIN": "v", "INDIRECT": "aws-sm://batch/1", "RING": "env://RING"}
    texts = (f"file://{tmp_path}/token", "env://PLAIN", "env://INDIRECT")
    assert resolve(given, *texts) == ["text\n", "v", "value-1"]
    assert "there is no variable NONE" in error_of(given, "env://NONE").message
    assert "No such file" in error_of(given, f"file://{tmp_path}/none").message
    assert "expected an absolute path" in error_of(given, "file://relative").message


def test_an_option_of_another_source_is_told(environ: dict[str, str]) -> None:
    """With those that this source has."""
    error = error_of(environ, "aws-sm://db?sha256=00")
    assert (error.exit_code, "no option 'sha256'; expected stage, version" in error.message) == (78, True)


def test_only_unmistakable_schemes_are_references_by_themselves() -> None:
    """A script's own s3:// path stays what it is unless the workload says otherwise."""
    given = {"DATA": "s3://bucket/x", "KEY": "s3://bucket/key", "DB": "aws-sm://db", "PLAIN": "text", "URL": "https://x"}
    assert references.reference_variables(given) == ["DB"]
    assert references.reference_variables({**given, contract.REFERENCES: "KEY, PLAIN"}) == ["KEY", "DB"]


class Confidant(ThreadingHTTPServer):
    """Confidant's side of the conversation: it opens the token with the KMS key, as kmsauth does."""

    def __init__(self, kms: Any) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(server.status_of(self.path, self.headers["Authorization"]))
                self.end_headers()
                pairs = [{"credential_pairs": {"db_user": "u", "token": PLANTED}}, {"credential_pairs": {"extra": "1"}}]
                self.wfile.write(json.dumps({"id": "svc", "credentials": pairs, "blind_credentials": []}).encode())

            def log_message(self, *_: object) -> None:
                """Nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        self._kms = kms
        self.periods: list[dict[str, str]] = []

    def status_of(self, path: str, authorization: str) -> int:
        """200 for a token that only the service in its user name can have made."""
        user, _, token = base64.b64decode(authorization.removeprefix("Basic ")).decode().rpartition(":")
        version, kind, who = user.split("/")
        context = {"from": who, "to": "confidant-production", "user_type": kind}
        try:
            opened = self._kms.decrypt(CiphertextBlob=base64.b64decode(token), EncryptionContext=context)
        except self._kms.exceptions.ClientError:
            return 401
        self.periods.append(json.loads(opened["Plaintext"]))
        return 200 if (version, path) == ("2", "/v1/services/svc") else 404


@pytest.fixture
def confidant(aws: AwsEndpoint, moto_url: str) -> Iterator[Confidant]:
    """A server that knows one service."""
    with Confidant(client(aws, "kms", moto_url)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_confidant_believes_a_token_of_the_key(
    confidant: Confidant, environ: dict[str, str], aws: AwsEndpoint, moto_url: str
) -> None:
    """A set of the service's credentials, by a token for a few minutes; a wrong account is access denied."""
    key = client(aws, "kms", moto_url).create_key()["KeyMetadata"]["KeyId"]
    port = confidant.server_address[1]
    given = {
        **environ,
        "AWS_ENDPOINT_URL_KMS": moto_url,
        "CONFIDANT_URL": f"http://127.0.0.1:{port}",
        "CONFIDANT_AUTH_KEY": key,
    }
    assert resolver.resolve(["confidant://svc#token"], given, ["confidant://svc"]).sets == {
        "confidant://svc": {"db_user": "u", "token": PLANTED, "extra": "1"}
    }
    assert set(confidant.periods[0]) == {"not_before", "not_after"}
    assert confidant.periods[0]["not_before"] < confidant.periods[0]["not_after"]
    assert "has no service other" in error_of(given, "confidant://other#x").message
    denied = error_of({**given, "CONFIDANT_TO": "somebody-else"}, "confidant://svc#x")
    assert (denied.exit_code, "refuses svc (status 401)" in denied.message) == (77, True)
    assert "CONFIDANT_AUTH_KEY is not set" in error_of({**given, "CONFIDANT_AUTH_KEY": ""}, "confidant://svc#x").message


def test_a_source_of_a_package_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One module with one function; a package whose module fails is named, and an unknown scheme lists those that are there."""
    place = tmp_path / "lib" / "python3.11" / "site-packages"
    info = place / "team_vault-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: team-vault\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[lyftlearn.sources]\nteam-vault = team_vault\nbroken = no_such_module\n")
    (place / "team_vault.py").write_text(
        "OPTIONS = ('tier',)\n\ndef fetch(items, environ, deadline):\n"
        "    return {one: one.name + '/' + dict(one.options).get('tier', '') for one in items}\n"
    )
    monkeypatch.setattr(contract, "VENV_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert resolve({}, "team-vault://a?tier=gold") == ["a/gold"]
    assert "of the package team-vault cannot be loaded: ModuleNotFoundError" in error_of({}, "broken://x").message
    assert "there is no source other://; there are aws-sm, aws-ssm" in error_of({}, "other://x").message
    assert sources.MODULES.keys().isdisjoint({"team-vault"})


def test_the_last_known_value_stands_in_only_for_a_source_that_is_away(
    environ: dict[str, str], capfd: pytest.CaptureFixture[str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """It is kept in memory alone, for those references that ask for it, and never instead of a refusal."""
    text = "aws-sm://batch/7?last-known-good"
    memory = tempfile.mkdtemp(dir="/dev/shm")
    request.addfinalizer(lambda: shutil.rmtree(memory))
    given = {**environ, contract.MEMORY_DIR: memory, contract.FETCH_TIMEOUT: "0.3"}
    away = {**given, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    assert error_of(away, text).exit_code == 69
    assert resolve(given, text, "aws-sm://batch/8") == ["value-7", "value-8"]
    assert resolve(away, text) == ["value-7"]
    assert "the last known value is used" in capfd.readouterr().err
    assert error_of(away, "aws-sm://batch/8").exit_code == 69
    assert error_of({**given, "AWS_ACCESS_KEY_ID": "", "AWS_EC2_METADATA_DISABLED": "true"}, text).exit_code == 77
    on_disk = {**given, contract.MEMORY_DIR: str(tmp_path)}
    assert resolve(on_disk, text) == ["value-7"]
    assert "is not in memory" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
