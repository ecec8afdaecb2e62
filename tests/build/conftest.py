"""A class of its own that is small, and a package index that asks for a password and shows a company's certificate."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
import ipaddress
import os
import shutil
import ssl
import threading
import uuid
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.build.engine import Engine

IMAGES = Path(__file__).resolve().parents[2] / "images"
PASSWORD = "planted-index-password"
PACKAGE = "lyftlearn_test_package"


@dataclass
class Index:
    """A package index over HTTPS with one package, as a company has it. It counts who came with the password."""

    url: str
    ca_bundle: Path
    wheel_sha256: str
    server: ThreadingHTTPServer
    answered: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class TinyClass:
    """An image class `name` in `images_dir`, whose one package is at `index`."""

    name: str
    images_dir: Path
    index: Index


@pytest.fixture(scope="session")
def running(engine: None) -> Engine:
    """The engine that answers."""
    from lyftlearn_image.build.engine import ensure_engine

    return ensure_engine(print)


@pytest.fixture(scope="session")
def remove_tags(running: Engine) -> Callable[[str], None]:
    """Removes the tags in which a text stands; an image goes with its last one, and may have others of other tests.

    The engine's own list is read: the SDK's looks at every image again, and another test's may be gone by then.
    """

    def remove(text: str) -> None:
        with running.connect() as client:
            tags = [tag for image in client.api.images() for tag in image["RepoTags"] or () if text in tag]
            for tag in tags:
                client.images.remove(tag)

    return remove


@pytest.fixture(scope="session")
def bridge_address(running: Engine) -> str:
    """This machine's address as containers of the default network see it."""
    with running.connect() as client:
        subnet = client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Subnet"]
    return str(ipaddress.IPv4Network(subnet)[1])


@pytest.fixture(scope="session")
def index(bridge_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """The private index, running."""
    folder = tmp_path_factory.mktemp("index")
    name, wheel = make_wheel()
    server = ThreadingHTTPServer((bridge_address, 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(make_certificates(folder, bridge_address))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made = Index(
        url=f"https://user:{PASSWORD}@{bridge_address}:{server.server_port}/simple",
        ca_bundle=folder / "ca.pem",
        wheel_sha256=hashlib.sha256(wheel).hexdigest(),
        server=server,
    )
    server.RequestHandlerClass = index_handler(name, wheel, made.answered)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def tiny_class(index: Index, tmp_path_factory: pytest.TempPathFactory) -> TinyClass:
    """The class: the project's own template, Debian packages as `lyftlearn` has them, and one Python package."""
    images = tmp_path_factory.mktemp("images")
    for path in IMAGES.iterdir():
        if path.is_file():
            shutil.copy(path, images)
    name = f"lyftlearn-test-{uuid.uuid4().hex[:8]}"
    text = (IMAGES / "lyftlearn" / "image.yaml").read_text().replace("name: lyftlearn\n", f"name: {name}\n", 1)
    (images / name).mkdir()
    (images / name / "image.yaml").write_text(text)
    lock = f"{PACKAGE}==1.0 --hash=sha256:{index.wheel_sha256}\n"
    (images / name / "requirements.lock").write_text(lock)
    return TinyClass(name, images, index)


def make_wheel() -> tuple[str, bytes]:
    """A wheel's file name and content."""
    about = f"{PACKAGE}-1.0.dist-info"
    files = {
        f"{PACKAGE}.py": "ANSWER = 42\n",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{about}/RECORD"])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in {**files, f"{about}/RECORD": record}.items():
            archive.writestr(name, text)
    return f"{PACKAGE}-1.0-py3-none-any.whl", out.getvalue()


def index_handler(name: str, wheel: bytes, answered: list[int]) -> type[BaseHTTPRequestHandler]:
    """The simple repository API, for who brings the password. Source: packaging.python.org, "Simple repository API"."""
    wanted = f"Basic {base64.b64encode(f'user:{PASSWORD}'.encode()).decode()}"
    page = f'<!DOCTYPE html><a href="/files/{name}">{name}</a>'.encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("Authorization") == wanted
            body = (wheel if self.path.endswith(".whl") else page) if known else b""
            answered.append(200 if known else 401)
            self.send_response(answered[-1])
            if not known:
                self.send_header("WWW-Authenticate", 'Basic realm="packages"')
            self.send_header("Content-Type", "application/zip" if self.path.endswith(".whl") else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler


def make_certificates(folder: Path, address: str) -> Path:
    """A company's own CA in `ca.pem`, and the path of a server's key and certificate that it signed."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = dt.datetime.now(dt.UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name, name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("planted-company-ca", "package index")
    )

    def sign(subject: x509.Name, public: ec.EllipticCurvePublicKey, *extensions: x509.ExtensionType) -> bytes:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(ca_name).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
        builder = builder.not_valid_after(now + dt.timedelta(days=1))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    certificate = sign(ca_name, ca_key.public_key(), x509.BasicConstraints(ca=True, path_length=None))
    (folder / "ca.pem").write_bytes(b"# planted-company-ca\n" + certificate)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    path = folder / "server.pem"
    path.write_bytes(pem + sign(name, key.public_key(), names))
    return path


@pytest.fixture
def builds_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder in which build logs are kept during a test; this machine's own index and CA settings are out of the way."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) or name in {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "lyftlearn-image"
