"""Servers that a test has started, and a certificate for them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.runtime.aws.server import Server

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path


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
