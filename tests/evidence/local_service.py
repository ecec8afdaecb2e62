"""SageMaker's API as `lyftlearn-image local` serves it, for clients that others wrote: a process, as a user starts it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
_END_S = 120
_INTERNAL = " 500"


@dataclass(frozen=True)
class LocalService:
    """`environment` points any client at it; `requests` has a line for each request that came."""

    environment: Mapping[str, str]
    requests: Path


@contextlib.contextmanager
def local_service(directory: Path) -> Iterator[LocalService]:
    """A running `local`. At its end: every answer was as botocore's model has it, and none was an internal error."""
    breaches, requests = directory / "breaches", directory / "requests"
    command = [sys.executable, "-m", "tests.evidence.checked_local", str(breaches), "--export", "json"]
    with requests.open("wb") as log, subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, requests.read_text()
            exported = json.loads(line)
            yield LocalService({name: value for name, value in exported.items() if name.startswith("AWS_")}, requests)
        finally:
            process.terminate()
            code = process.wait(_END_S)
    assert code == 0, requests.read_text()
    assert not breaches.exists(), breaches.read_text()
    failed = [line for line in requests.read_text().splitlines() if line.rstrip().endswith(_INTERNAL)]
    assert not failed, failed
