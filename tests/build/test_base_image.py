"""The base image: found by its digest, pulled, or made from Debian's packages."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import socket
import tarfile
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.build import debian
from lyftlearn_image.build.base_image import BaseImage, ensure_base
from lyftlearn_image.build.engine import Engine
from lyftlearn_image.build.secrets import without_credentials
from lyftlearn_image.build.spec import Base, load_spec
from lyftlearn_image.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.build.engine import Engine

IMAGES = Path(__file__).resolve().parents[2] / "images"
SUITE = "bookworm"
NO_DIGEST = f"sha256:{'0' * 64}"


@pytest.fixture
def image_name(remove_tags: Callable[[str], None]) -> Iterator[str]:
    """A name that no other image has; what it came to name is removed at the end."""
    name = f"lyftlearn-test-{uuid.uuid4().hex[:8]}"
    yield f"{name}:1"
    remove_tags(name)


class Registry:
    """A registry with one image, as an engine pulls it. Source: the OCI distribution specification, "Pull"."""

    def __init__(self) -> None:
        layer = tarball({"hello": b"hello"})
        config = {
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]}, "history": [{"created_by": "test"}],
        }  # fmt: skip
        kind = "application/vnd.docker.{}"
        raw_config, packed = json.dumps(config).encode(), gzip.compress(layer, mtime=0)
        manifest = {
            "schemaVersion": 2,
            "mediaType": kind.format("distribution.manifest.v2+json"),
            "config": described(kind.format("container.image.v1+json"), raw_config),
            "layers": [described(kind.format("image.rootfs.diff.tar.gzip"), packed)],
        }
        raw_manifest = json.dumps(manifest).encode()
        self.digest = digest_of(raw_manifest)
        self.blobs = {digest_of(data): data for data in (raw_config, packed, raw_manifest)}
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Host and port; an engine allows plain HTTP for loopback addresses."""
        return f"127.0.0.1:{self.server.server_port}"

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """Answers `/v2/`, manifests and blobs."""
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                data = b"{}" if self.path == "/v2/" else registry.blobs.get(self.path.rpartition("/")[2])
                self.send_response(200 if data is not None else 404)
                is_manifest = "/manifests/" in self.path
                kind = "application/vnd.docker.distribution.manifest.v2+json" if is_manifest else "application/octet-stream"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data or b"")))
                self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(data or b"")

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        return Handler


def tarball(files: dict[str, bytes]) -> bytes:
    """A tar archive of some files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def digest_of(data: bytes) -> str:
    """A digest as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def described(media_type: str, data: bytes) -> dict[str, object]:
    """A descriptor of some content."""
    return {"mediaType": media_type, "size": len(data), "digest": digest_of(data)}


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry on this machine."""
    made = Registry()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root file system of Debian, made once from its packages."""
    path = tmp_path_factory.mktemp("layer") / "layer.tar"
    debian.bootstrap(SUITE, path)
    return path


def test_an_image_with_the_digest_is_pulled_once_and_then_found(running: Engine, registry: Registry) -> None:
    """A base that a registry has is pulled by its digest; the second call asks no registry."""
    base = Base(image=f"{registry.address}/lyftlearn-test:1", digest=registry.digest, bootstrap=SUITE)
    told: list[str] = []
    try:
        first = ensure_base(base, running, told.append)
        asked = len(registry.asked)
        second = ensure_base(base, running, told.append)
    finally:
        with running.connect() as client:
            client.images.remove(f"{registry.address}/lyftlearn-test@{registry.digest}")
    assert (first.origin, second.origin) == ("pulled", "local")
    assert first.id == second.id
    assert asked > 0
    assert len(registry.asked) == asked
    assert told == [f"pulled {base.image}"]


def test_a_registry_that_has_another_image_is_no_source(running: Engine, registry: Registry) -> None:
    """An image under the same name with another digest is not taken; without a suite that is the end."""
    base = Base(image=f"{registry.address}/lyftlearn-test:1", digest=NO_DIGEST)
    with pytest.raises(UnavailableError) as caught:
        ensure_base(base, running, print)
    assert base.image in caught.value.what
    assert NO_DIGEST in caught.value.hint


def test_no_registry_at_all_is_told_with_the_engines_reason(running: Engine) -> None:
    """Where nothing listens, the pull is given up, and a base that names no suite is an error with a way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnavailableError) as caught:
        ensure_base(Base(image=f"127.0.0.1:{port}/lyftlearn-test:1", digest=NO_DIGEST), running, print)
    assert "connection refused" in caught.value.where
    assert "docker load" in caught.value.hint


def test_without_a_registry_debian_is_made_from_packages_once(running: Engine, layer: Path, image_name: str) -> None:
    """One line says so; the plain name is given to it; the second call makes nothing; the same packages, the same id."""
    base = Base(image=image_name, digest=NO_DIGEST, bootstrap=SUITE)
    told: list[str] = []
    first = ensure_base(base, running, told.append)
    second = ensure_base(base, running, told.append)
    assert first == second == BaseImage(f"lyftlearn-base/{image_name}", first.id, "bootstrapped")
    assert len(told) == 1
    assert "bootstrapping it from Debian's packages" in told[0]
    with running.connect() as client:
        assert client.images.get(image_name).id == first.id
        assert client.images.get(first.id).attrs["RootFS"]["Layers"] == [digest_of(layer.read_bytes())]


def test_the_plain_name_is_not_taken_from_another_image(
    running: Engine, layer: Path, image_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image of the user's that already has the base's name keeps it."""
    monkeypatch.setattr(debian, "bootstrap", lambda _suite, path: path.write_bytes(layer.read_bytes()))
    with running.connect() as client:
        raw = client.api.import_image_from_data(tarball({"mine": b""}), repository=image_name.partition(":")[0], tag="1")
        mine = json.loads(raw)["status"]
        made = ensure_base(Base(image=image_name, digest=NO_DIGEST, bootstrap=SUITE), running, print)
        assert client.images.get(image_name).id == mine
        assert client.images.get(made.reference).id == made.id != mine


@pytest.mark.slow
def test_the_made_image_is_as_slim_as_debians_and_has_nothing_of_this_machine(layer: Path) -> None:
    """No documentation, package lists or caches; no host name, resolver or password; at most 80 MB."""
    with tarfile.open(layer) as tar:
        files = {member.name.removeprefix("."): member for member in tar if not member.isdir()}
        apt = tar.extractfile(files["/etc/apt/sources.list"]) if "/etc/apt/sources.list" in files else None
        sources = apt.read().decode() if apt else ""
    docs = [name for name in files if name.startswith(("/usr/share/man/", "/usr/share/locale/", "/usr/share/info/"))]
    # Debian's slim images have these two as well.
    assert set(docs) <= {"/usr/share/locale/locale.alias", "/usr/share/info/dir"}
    kept = [name for name in files if name.startswith("/usr/share/doc/") and files[name].isfile()]
    assert {Path(name).name for name in kept} == {"copyright"}
    assert not [name for name in files if name.startswith(("/var/lib/apt/lists/", "/var/cache/apt/", "/var/log/apt"))]
    assert not {"/etc/hostname", "/etc/resolv.conf"} & files.keys()
    assert socket.gethostname() not in sources
    assert "@" not in sources
    assert layer.stat().st_size < 80e6


def test_apt_works_in_the_made_image(running: Engine, layer: Path, image_name: str, docker_cli: Callable[..., str]) -> None:
    """The sources in the image are enough to install a package, and the install leaves no documentation."""
    archive = layer.with_name("image.tar")
    debian.pack(layer, archive, tag=image_name, labels={})
    with running.connect() as client, archive.open("rb") as stream:
        client.images.load(stream)
    script = "apt-get update -q && apt-get install -yq --no-install-recommends bc && echo 6*7 | bc && ls /usr/share/man"
    lines = docker_cli("run", "--rm", image_name, "sh", "-ec", script).splitlines()
    assert lines[-1] == "42"


def test_a_class_finds_its_base(running: Engine) -> None:
    """The base of the `lyftlearn` class can be had on this machine, and the second time without a word."""
    base = load_spec("lyftlearn", IMAGES).base
    first = ensure_base(base, running, print)
    told: list[str] = []
    second = ensure_base(base, running, told.append)
    assert second.id == first.id
    assert told == []


APT_GET = """#!/bin/sh
cat <<'end'
https://user:planted-password@mirror.invalid/debian/ bookworm main Debian
https://mirror.invalid/debian/ bookworm-updates main Debian
https://mirror.invalid/debian/ bookworm-updates main Debian
https://other.invalid/apt/ bookworm main Somebody Else
https://mirror.invalid/debian/ bookworm contrib Debian
https://mirror.invalid/debian/ trixie main Debian
end
"""


def test_only_debians_own_sources_of_the_suite_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other projects' repositories use Debian's suite names; their packages must not get into a base image."""
    program = tmp_path / "apt-get"
    program.write_text(APT_GET)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    mirrors = debian.host_mirrors(SUITE)
    assert mirrors == [
        "deb https://user:planted-password@mirror.invalid/debian bookworm main",
        "deb https://mirror.invalid/debian bookworm-updates main",
    ]
    assert without_credentials(mirrors[0]) == "deb https://mirror.invalid/debian bookworm main"


def test_a_mirrors_password_stays_out_of_the_image_and_out_of_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mirror that packages come from may need a password; what is written into the image has none."""
    mirror = "deb https://user:planted-password@mirror.invalid/debian bookworm main"
    hooks = debian._hooks([mirror], tmp_path)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert "deb https://mirror.invalid/debian bookworm main\n" in written.values()
    assert not [text for text in (*hooks, *written.values()) if "planted-password" in text]


@pytest.mark.slow
def test_a_bootstrap_without_a_mirror_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mmdebstrap's own last lines are in the error, without the mirror's password."""
    mirrors = ["deb http://user:planted-password@127.0.0.1:1/debian bookworm main"]
    monkeypatch.setattr(debian, "host_mirrors", lambda _suite: mirrors)
    with pytest.raises(debian.BuildError) as caught:
        debian.bootstrap(SUITE, tmp_path / "layer.tar")
    assert "127.0.0.1:1" in caught.value.where
    assert "planted-password" not in str(caught.value)
