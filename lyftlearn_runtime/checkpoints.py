"""Checkpoints on Kubernetes: there before the script starts, and in S3 while it runs, as SageMaker keeps them.

What it had and a script removes is removed from S3 too; what others put there meanwhile is neither brought nor touched
(developer guide, model-checkpoints).
"""

from __future__ import annotations

import os
import threading
import time

from lyftlearn_runtime import transfer
from lyftlearn_runtime.archive import regular_files
from lyftlearn_runtime.bundle import Transfer
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.log import log_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_runtime.bundle import Checkpoints

# A file that was written this short a time ago may not be whole yet; the next turn takes it, or the end.
_SETTLED_S = 2.0


class CheckpointSync:
    """Brings a prefix's objects to a directory once, and then what is new, changed or removed there to the prefix."""

    def __init__(self, wanted: Checkpoints, environ: Mapping[str, str]) -> None:
        self._wanted = wanted
        self._environ = environ
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        # Path → size and time of change of what is in S3.
        self._sent: dict[str, tuple[int, int]] = {}

    def restore(self) -> None:
        """What an earlier run of the job has left; nothing is no error."""
        transfer.download([Transfer(self._wanted.path, self._wanted.uri)], self._environ, may_be_empty=True)
        self._sent = self._found()

    def start(self, _: int) -> None:
        """Begins to carry, while the script runs."""
        self._thread.start()

    def close(self) -> None:
        """Ends it; what is on its way arrives."""
        self._over.set()

    def sync(self, settled_s: float = 0.0) -> None:
        """Carries what is new or changed, and for at least so many seconds unchanged since."""
        with self._lock:
            before = time.time_ns() - int(settled_s * 1e9)
            found = self._found()
            news = {path: told for path, told in found.items() if self._sent.get(path) != told and told[1] <= before}
            transfer.upload_files({path: self._uri(path) for path in news}, self._environ)
            self._sent.update(news)
            self._remove([path for path in self._sent if path not in found])

    def _remove(self, gone: list[str]) -> None:
        # A directory that cannot be read looks like an empty one, and says nothing of its files.
        if gone and os.access(self._wanted.path, os.R_OK | os.X_OK):
            transfer.remove([self._uri(path) for path in gone], self._environ)
            for path in gone:
                del self._sent[path]

    def _uri(self, path: str) -> str:
        return f"{self._wanted.uri.rstrip('/')}/{os.path.relpath(path, self._wanted.path)}"

    def _run(self) -> None:
        while not self._over.wait(self._wanted.every_s):
            try:
                self.sync(_SETTLED_S)
            except ShimError as error:
                # The script goes on, and the next turn tries again.
                log_line(f"checkpoints are not in S3 yet: {error.message}")
            except Exception as error:  # noqa: BLE001 - a thread that dies would say so with a traceback
                log_line(f"checkpoints are not in S3 yet: {type(error).__name__}")

    def _found(self) -> dict[str, tuple[int, int]]:
        found = {}
        for path in regular_files(self._wanted.path):
            try:
                state = os.stat(path)
            except OSError:
                continue  # renamed or removed meanwhile
            found[path] = (state.st_size, state.st_mtime_ns)
        return found
