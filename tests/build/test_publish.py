"""Pushes to a real registry on loopback, also one that is away or refuses; ECR's part against a local endpoint."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.build import publish
from lyftlearn_image.build.engine import apt_install, ensure_engine
from lyftlearn_image.errors import InvalidInputError, UnavailableError
from lyftlearn_image.retry import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

READY_WITHIN_S = 120.0
CONFIG = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}"}}
{auth}
"""


class Registry:
    """Debian's docker-registry, which can be started late and stopped."""

    def __init__(self, directory: Path, auth: str = "") -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self._config = directory / "config.yml"
        self._config.write_text(CONFIG.format(root=directory / "data", port=self.port, auth=auth))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serves, when it returns."""
        self._process = subprocess.Popen(
            ["/usr/bin/docker-registry", "serve", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                assert time.monotonic() < deadline, "the registry does not start"
                time.sleep(0.05)
            else:
                return

    def manifest(self, path: str) -> str:
        """The digest that the registry itself has for a tag."""
        request = urllib.request.Request(f"http://{self.host}/v2/{path}", method="HEAD")
        request.add_header("Accept", "application/vnd.docker.distribution.manifest.v2+json")
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - http, as it stands above
            return str(answer.headers["Docker-Content-Digest"])

    def stop(self) -> None:
        """Ends it."""
        if self._process:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="module")
def client(engine: None) -> Iterator[docker.DockerClient]:
    """The engine; and the registry's package."""
    if not shutil.which("/usr/bin/docker-registry"):
        apt_install(("docker-registry",), wanted_for="the tests of pushing")
    with ensure_engine(print).connect() as made:
        yield made


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry that does not run yet."""
    made = Registry(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def pushed(client: docker.DockerClient, registry: Registry) -> Iterator[str]:
    """A repository of the registry; its tags are gone from the engine at the end."""
    yield f"{registry.host}/team/image"
    for image in client.images.list(f"{registry.host}/team/image"):
        for tag in image.tags:
            if tag.startswith(f"{registry.host}/"):  # it has other names, which are not ours
                client.images.remove(tag)


def test_a_push_is_pinned_by_digest(client: docker.DockerClient, registry: Registry, pushed: str, probe_image: str) -> None:
    """The printed reference is what the registry has; a second push sends nothing again."""
    registry.start()
    lines: list[str] = []
    done = publish.push(client, probe_image, f"{pushed}:1", on_line=lines.append)
    assert done.pinned == f"{pushed}@{done.digest}"
    assert done.digest == registry.manifest("team/image/manifests/1")
    assert any(line.startswith("pushed ") for line in lines)
    lines.clear()
    assert publish.push(client, probe_image, pushed, on_line=lines.append).digest == done.digest
    assert lines == []
    assert registry.manifest("team/image/manifests/latest") == done.digest


def test_a_registry_that_comes_late_is_waited_for(
    client: docker.DockerClient, registry: Registry, pushed: str, probe_image: str
) -> None:
    """A broken connection costs a try, which is told."""
    lines: list[str] = []
    done = publish.push(client, probe_image, pushed, on_line=lines.append, clock=Clock(sleep=lambda _: registry.start()))
    assert done.digest.startswith("sha256:")
    assert any("trying again (2 of 5)" in line for line in lines)


def test_a_registry_that_stays_away_is_told(client: docker.DockerClient, pushed: str, probe_image: str) -> None:
    """After the last try, with what the engine said."""
    with pytest.raises(UnavailableError, match="could not be pushed to in 5 tries") as told:
        publish.push(client, probe_image, pushed, clock=Clock(sleep=lambda _: None))
    assert "refused" in told.value.where


def test_a_refusal_is_told_at_once(client: docker.DockerClient, tmp_path: Path, probe_image: str) -> None:
    """No login, no second try; the hint says what to do."""
    users = tmp_path / "users"
    users.write_text("")
    guarded = Registry(tmp_path, f"auth: {{htpasswd: {{realm: here, path: {users}}}}}")
    guarded.start()
    slept: list[float] = []
    try:
        with pytest.raises(InvalidInputError, match="refuses the image") as told:
            publish.push(client, probe_image, f"{guarded.host}/team/image", clock=Clock(sleep=slept.append))
    finally:
        guarded.stop()
        client.images.remove(f"{guarded.host}/team/image:latest")
    assert "docker login" in told.value.hint
    assert slept == []


@pytest.mark.parametrize("reference", ["image", "image:1", "host/image@sha256:0"])
def test_a_reference_without_a_registry_is_told(client: docker.DockerClient, probe_image: str, reference: str) -> None:
    """Nothing is pushed to a registry that nobody named."""
    with pytest.raises(InvalidInputError, match="names no registry"):
        publish.push(client, probe_image, reference)


def test_a_missing_image_is_told(client: docker.DockerClient) -> None:
    """With how to make it."""
    with pytest.raises(InvalidInputError, match="there is no image no-such-image:1"):
        publish.push(client, "no-such-image:1", "127.0.0.1:5000/x")


def test_ecr_is_logged_in_to_and_has_its_repository(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository is made once; user and password come from the token, and are not shown."""
    import boto3

    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**keys, "AWS_ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(name, value)
    lines: list[str] = []
    repository = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/image"
    for _ in range(2):
        login = publish._ecr_login(repository, lines.append)
        assert login is not None
        assert login.user == "AWS"
        assert login.password
        assert login.password not in repr(login)
    found = boto3.client("ecr").describe_repositories()["repositories"]
    assert [(one["repositoryName"], one["imageScanningConfiguration"]) for one in found] == [
        ("team/image", {"scanOnPush": True})
    ]
    assert lines == ["made the repository team/image"]


def test_another_registry_needs_no_aws() -> None:
    """Not even boto3."""
    assert publish._ecr_login("127.0.0.1:5000/team/image", print) is None


def test_the_verb_prints_the_pinned_reference(
    registry: Registry, pushed: str, probe_image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing else on stdout; as JSON with digest, size and time."""
    from lyftlearn_image.cli.main import main

    registry.start()
    assert main(["push", probe_image, pushed]) == 0
    printed = capsys.readouterr().out
    assert main(["push", "--json", "--quiet", probe_image, pushed]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert printed == f"{document['pinned']}\n"
    assert set(document) == {"reference", "digest", "pinned", "size_bytes", "duration_s"}
    assert document["size_bytes"] > 0
