"""Work on S3 by several threads, each with a connection of its own."""

from __future__ import annotations

import threading
from collections import deque

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws.s3 import S3
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_WORKERS = 8


class Pool:
    """Jobs, which are called with an S3 and their arguments, and may add others."""

    def __init__(self, environ: Mapping[str, str], *, stop_at_errors: bool) -> None:
        self._environ = environ
        self._stop_at_errors = stop_at_errors
        # In the order in which they were added: a server may want the parts of an object in theirs, and keep back the others.
        self._pending: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._at_work = 0
        self._changed = threading.Condition()
        # Of what takes long: what it is → how far it is, for who has to end before it is done.
        self.progress: dict[str, Callable[[], str]] = {}
        self._errors: list[ShimError] = []
        self._fault: Exception | None = None

    def add(self, job: Callable[..., None], *arguments: Any) -> None:
        """One more job, also from within another."""
        with self._changed:
            self._pending.append((job, arguments))
            self._changed.notify()

    def describe(self) -> str:
        """What is being done now, and how far it is."""
        found = [describe() for describe in list(self.progress.values())]
        return "; ".join(found) or "sending small files to S3"

    def run(self) -> None:
        """Does every job. All errors become one; with `stop_at_errors` the first one ends what is not begun."""
        # A single job may add others: a large file becomes many parts.
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(_WORKERS if self._pending else 0)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._fault:
            raise self._fault
        if self._errors:
            lines = dict.fromkeys(error.message for error in self._errors)
            raise ShimError("\n".join(lines), self._errors[0].exit_code)

    def _work(self) -> None:
        s3 = None
        while True:
            job, arguments = self._next()
            if job is None:
                break
            try:
                # Its identity is looked for in the thread that has a job.
                s3 = s3 or S3(self._environ)
                job(s3, *arguments)
            except ShimError as error:
                self._errors.append(error)
            except OSError as error:
                message = f"{error.filename or 'a file'}: {error.strerror or error}"
                self._errors.append(ShimError(message, contract.EXIT_UNAVAILABLE))
            except Exception as error:  # noqa: BLE001 - a fault of ours, which is raised where the work was asked for
                self._fault = error
            finally:
                with self._changed:
                    self._at_work -= 1
                    self._changed.notify_all()
        if s3:
            s3.close()

    def _next(self) -> tuple[Any, tuple[Any, ...]]:
        """The next job; None for it when there is none and none can come."""
        with self._changed:
            while not self._pending and self._at_work:
                self._changed.wait()
            if not self._pending or self._fault or (self._stop_at_errors and self._errors):
                return None, ()
            self._at_work += 1
            return self._pending.popleft()
