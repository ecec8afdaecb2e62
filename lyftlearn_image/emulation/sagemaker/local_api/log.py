"""A job's log, written to CloudWatch Logs of the local endpoint."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from lyftlearn_image.runs.log_lines import read_lines

if TYPE_CHECKING:
    from pathlib import Path

_FLUSH_S = 0.2


class Log:
    """One stream, filled in batches: a request for each line would be slower than the script."""

    def __init__(self, logs: Any, group: str, stream: str) -> None:
        self._logs, self._group, self._stream = logs, group, stream
        self._lines: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._flushed_at = 0.0
        self._is_created = False

    def add(self, line: str) -> None:
        """One line; an empty one is no event (CloudWatch Logs API reference, InputLogEvent)."""
        if not line:
            return
        with self._lock:
            self._lines.append({"timestamp": int(time.time() * 1000), "message": line})
        if time.monotonic() - self._flushed_at > _FLUSH_S:
            self.flush()

    def add_file(self, path: Path) -> None:
        """Every line of a file."""
        for line in read_lines((path,)):
            self.add(line)

    def flush(self) -> None:
        """Sends the lines that wait."""
        with self._lock:
            lines, self._lines = self._lines, []
            self._flushed_at = time.monotonic()
            if not lines:
                return
            if not self._is_created:
                self._create()
            self._logs.put_log_events(logGroupName=self._group, logStreamName=self._stream, logEvents=lines)

    def _create(self) -> None:
        with contextlib.suppress(self._logs.exceptions.ResourceAlreadyExistsException):
            self._logs.create_log_group(logGroupName=self._group)
        self._logs.create_log_stream(logGroupName=self._group, logStreamName=self._stream)
        self._is_created = True
