"""A job's log, written to CloudWatch Logs of the local endpoint."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from lyftlearn_image.limits import format_bytes
from lyftlearn_image.runs.log_lines import read_lines

if TYPE_CHECKING:
    from pathlib import Path

_FLUSH_S = 0.2
# Of a batch, with 26 bytes for each event, and of an event (CloudWatch Logs API reference, PutLogEvents; the user guide's
# quotas). A character has up to four bytes.
_BATCH_BYTES, _EVENTS, _EVENT_BYTES = 1 << 20, 10_000, 26
_LINE_CHARACTERS = 48 << 10


class Log:
    """One stream, filled in batches: a request for each line would be slower than the script.

    The local endpoint has it in memory: of more than `limit_bytes` the rest is left out, and a last line says so.
    """

    def __init__(self, logs: Any, group: str, stream: str, limit_bytes: int = 32 << 20) -> None:
        self._logs, self._group, self._stream = logs, group, stream
        self._lines: list[dict[str, Any]] = []
        self._waiting_bytes = 0
        self._limit_bytes = self._left_bytes = limit_bytes
        self._lock = threading.Lock()
        self._flushed_at = 0.0
        self._is_created = False

    def add(self, line: str) -> None:
        """One line; an empty one is no event (CloudWatch Logs API reference, InputLogEvent)."""
        for start in range(0, len(line), _LINE_CHARACTERS):
            self._add(line[start : start + _LINE_CHARACTERS])

    def _add(self, line: str) -> None:
        size = len(line.encode("utf-8", "replace")) + _EVENT_BYTES
        with self._lock:
            if self._left_bytes <= 0:
                return
            self._left_bytes -= size
            if self._left_bytes <= 0:
                line = f"[cut here, after {format_bytes(self._limit_bytes)}]"
            is_full = self._waiting_bytes + size > _BATCH_BYTES or len(self._lines) >= _EVENTS
        if is_full:
            self.flush()
        with self._lock:
            self._lines.append({"timestamp": int(time.time() * 1000), "message": line})
            self._waiting_bytes += size
        if time.monotonic() - self._flushed_at > _FLUSH_S:
            self.flush()

    def add_file(self, path: Path) -> None:
        """Every line of a file."""
        for line in read_lines((path,)):
            self.add(line)

    def flush(self) -> None:
        """Sends the lines that wait."""
        with self._lock:
            lines, self._lines, self._waiting_bytes = self._lines, [], 0
            self._flushed_at = time.monotonic()
            if not lines:
                return
            if not self._is_created:
                self._create()
            self._logs.put_log_events(logGroupName=self._group, logStreamName=self._stream, logEvents=lines)

    def _create(self) -> None:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - 100 ms, for who writes a log

        try:
            self._logs.create_log_group(logGroupName=self._group)
        except ClientError as error:
            # Not by its class: where two threads ask a client for its classes at once, each has classes of its own.
            if error.response.get("Error", {}).get("Code") != "ResourceAlreadyExistsException":
                raise
        self._logs.create_log_stream(logGroupName=self._group, logStreamName=self._stream)
        self._is_created = True
