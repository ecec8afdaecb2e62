"""A search for secrets in whatever form, and the engine's client whose output is searched."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
import uuid
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from pathlib import Path

READY_WITHIN_S = 120.0
# To grep what is no text in any locale is text then.
BYTES = {**os.environ, "LC_ALL": "C"}


def forms_of(secret: str) -> set[bytes]:
    """One-line forms in which a secret can be found: raw line by line, as JSON, Python and URLs have it, in base64."""
    raw = secret.encode()
    texts = [*secret.splitlines(), repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
    texts += [quote(secret), quote(secret, safe=""), quote_plus(secret)]
    found = {text.strip().encode() for text in texts}
    for offset in range(3):
        # In a longer encoded text the first and last characters depend on the neighbours too.
        encoded = base64.b64encode(b"\0" * offset + raw)[4 if offset else 0 : -4]
        found |= {encoded, encoded.replace(b"+", b"-").replace(b"/", b"_")}
    return {form for form in found if len(form) >= 8 and b"\n" not in form}


def grep(patterns: Path) -> list[str]:
    """The command that prints every form that it meets."""
    return ["grep", "-a", "-o", "-F", "-f", str(patterns)]


class Docker:
    """The engine's client. What was started or made is gone at the end."""

    def __init__(self, patterns: Path) -> None:
        from lyftlearn_image.build.engine import build_client

        self._client = str(build_client())
        self._patterns = patterns
        self._containers: list[str] = []
        self.images: list[str] = []

    def __call__(self, *arguments: str) -> bytes:
        """What a command prints on both streams."""
        done = subprocess.run([self._client, *arguments], capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def run(self, *arguments: str, until: bytes = b"") -> str:
        """The name of a container that has said `until`, or has ended."""
        name = f"lyftlearn-test-{uuid.uuid4().hex[:12]}"
        self._containers.append(name)
        self("run", "-d", "--name", name, *arguments)
        if not until:
            self("wait", name)
        deadline = time.monotonic() + READY_WITHIN_S
        while until not in self("logs", name):
            assert time.monotonic() < deadline, self("logs", name)
            time.sleep(0.02)
        return name

    def commit(self, name: str, *options: str) -> str:
        """An image of a container as it is now."""
        self.images.append(f"lyftlearn-test-{uuid.uuid4().hex[:12]}:1")
        self("commit", *options, name, self.images[-1])
        return self.images[-1]

    def search(self, *arguments: str) -> list[bytes]:
        """The forms that are in what a command prints, which may be half a gigabyte: `save` and `export` give tar archives."""
        with (
            subprocess.Popen([self._client, *arguments], stdout=subprocess.PIPE) as writer,
            subprocess.Popen(grep(self._patterns), stdin=writer.stdout, stdout=subprocess.PIPE, env=BYTES) as reader,
        ):
            found, _ = reader.communicate(timeout=200)
        assert (writer.returncode, reader.returncode in {0, 1}) == (0, True)
        return found.splitlines()

    def clean(self) -> None:
        """Removes what was made."""
        for name in self._containers:
            subprocess.run([self._client, "rm", "-f", "-v", name], capture_output=True, check=False)
        for image in self.images:
            subprocess.run([self._client, "rmi", "-f", image], capture_output=True, check=False)
