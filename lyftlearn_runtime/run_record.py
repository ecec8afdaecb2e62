"""What stays in S3 of a job whose pod may be gone when somebody asks: its exit code, and the end of its log without a secret.

`collect` of the toolkit reads it where the cluster has neither pod nor log any more (`lyftlearn_image/services/kubernetes`).
"""

from __future__ import annotations

import os
import time

from lyftlearn_runtime import contract

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lyftlearn_runtime.redact import Redactor

# Of a longer log the end is kept.
LOG_BYTES = 1 << 20
# A line longer than this is written down in pieces, each a line.
_LINE_BYTES = 1 << 16


class LogTail:
    """The last lines of stdout and stderr in the order in which they came, as a kubelet's log has them."""

    def __init__(self, secrets: Collection[str]) -> None:
        self.lines = 0
        self._secrets = set(secrets)
        self._redactors: dict[int, Redactor] = {}
        self._begun: dict[int, bytes] = {}
        self._ends: dict[int, bytes] = {}
        self._kept = bytearray()
        self._is_cut = False

    def feed(self, stream: int, data: bytes) -> None:
        """Takes what came from one of the streams, by the number of its descriptor."""
        if data:
            # As a kubelet counts: one that no newline ends is a line too.
            self._ends[stream] = data[-1:]
            self.lines += data.count(b"\n")
        if self._secrets:
            data = self._redactor(stream).feed(data)
        self._keep(stream, data)

    def add_secrets(self, secrets: Collection[str]) -> None:
        """Masks these from now on, too."""
        self._secrets.update(secrets)
        for redactor in self._redactors.values():
            redactor.add_secrets(secrets)

    def text(self) -> str:
        """The end of the log, once both streams have ended."""
        for stream, redactor in self._redactors.items():
            self._keep(stream, redactor.flush())
        for stream, rest in list(self._begun.items()):
            if rest:
                self._keep(stream, b"\n")
        self.lines += sum(end != b"\n" for end in self._ends.values())
        kept = bytes(self._kept)
        # What is left of a line whose beginning is gone is no line.
        whole = kept.find(b"\n") + 1 if self._is_cut else 0
        return kept[whole if whole < len(kept) else 0 :].decode("utf-8", "replace")

    def _redactor(self, stream: int) -> Redactor:
        if stream not in self._redactors:
            from lyftlearn_runtime.redact import Redactor  # noqa: PLC0415 - only where there are secrets

            self._redactors[stream] = Redactor(self._secrets)
        return self._redactors[stream]

    def _keep(self, stream: int, data: bytes) -> None:
        """Lines alone: what two streams write at once does not stand within each other's."""
        data = self._begun.get(stream, b"") + data
        if len(data) > _LINE_BYTES and b"\n" not in data:
            data += b"\n"
        end = data.rfind(b"\n") + 1
        self._begun[stream] = data[end:]
        self._kept += data[:end]
        self._is_cut = self._is_cut or len(self._kept) > LOG_BYTES
        del self._kept[:-LOG_BYTES]


def write_record(log: LogTail, exit_code: int, environ: Mapping[str, str]) -> dict[str, str]:
    """Writes the record to a temporary file: its path, and the URI where it goes."""
    import json  # noqa: PLC0415 - at the end of a job
    import tempfile  # noqa: PLC0415 - see above

    document = {"version": 1, "exit_code": exit_code, "ended_at": time.time(), "log": log.text(), "lines": log.lines}
    descriptor, path = tempfile.mkstemp(".json", "lyftlearn-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file)
    # The last attempt of a host is the one that counts.
    return {path: f"{environ[contract.RECORD]}{environ.get('JOB_COMPLETION_INDEX', '0')}.json"}
