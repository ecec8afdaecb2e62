"""S3 servers that others wrote, each a process of its own on this machine."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "bucket"
ACCESS_KEY, SECRET_KEY = "accesskey", "secretkey-of-a-test"
_PATIENCE_S = 120


@dataclass(frozen=True)
class S3Server:
    """A server with an empty bucket. `certificate` is a file with its own, None where it speaks plainly."""

    url: str
    certificate: Path | None = None

    @property
    def environ(self) -> dict[str, str]:
        """What a client of it has in its environment."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            **({"AWS_CA_BUNDLE": str(self.certificate)} if self.certificate else {}),
        }

    def boto3(self) -> Any:
        """The client that everybody else has."""
        import boto3
        from botocore.config import Config

        session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name="us-east-1")
        verify = str(self.certificate) if self.certificate else None
        return session.client("s3", endpoint_url=self.url, verify=verify, config=Config(s3={"addressing_style": "path"}))


@contextlib.contextmanager
def rclone(program: Path, directory: Path, certificate: Path | None = None) -> Iterator[S3Server]:
    """Runs `rclone serve s3` over a directory. `certificate` has key and certificate in one file."""
    command = [str(program), "serve", "s3", "--addr", "127.0.0.1:0", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"]
    if certificate:
        command += ["--cert", str(certificate), "--key", str(certificate)]
    (directory / BUCKET).mkdir()
    with _serving([*command, "--config", "/dev/null", str(directory)]) as url:
        yield S3Server(url.replace("127.0.0.1", "localhost") if certificate else url, certificate)


@contextlib.contextmanager
def moto() -> Iterator[S3Server]:
    """Runs moto's own server, as it comes: none of what this project makes of it."""
    with _serving([str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", "0"]) as url:
        server = S3Server(url)
        client = server.boto3()
        client.create_bucket(Bucket=BUCKET)
        client.close()
        yield server


@contextlib.contextmanager
def _serving(command: list[str]) -> Iterator[str]:
    """The address that a server says on its standard error."""
    with tempfile.TemporaryFile("w+") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline, found = time.monotonic() + _PATIENCE_S, None
            while not found and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
                log.seek(0)
                found = re.search(r"https?://127\.0\.0\.1:\d+", log.read())
            log.seek(0)
            assert found, f"{command[0]} does not serve:\n{log.read()}"
            yield found[0]
        finally:
            process.kill()
