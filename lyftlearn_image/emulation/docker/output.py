"""The output of containers on its way to files: its secrets are masked, and it is cut where it is too long."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets as random
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from lyftlearn_image.distinct_masks import distinct_mask
from lyftlearn_image.emulation.docker.errors import engine_errors
from lyftlearn_image.errors import RunError
from lyftlearn_image.limits import Limits, format_bytes
from lyftlearn_image.runs.log_lines import LineSplitter
from lyftlearn_runtime.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

_KEY_BYTES = 32


class OutputPolicy:
    """What the output of one run's containers may be, by the directory that it is written to.

    Cases that run at the same time share it, from several threads.
    """

    def __init__(self, limits: Limits) -> None:
        self._limit_bytes = limits.log_bytes
        self._key = random.token_bytes(_KEY_BYTES)
        self._lock = threading.Lock()
        self._secrets: dict[Path, Collection[str]] = {}
        self._cut: set[Path] = set()

    def mask_below(self, directory: Path, secrets: Collection[str]) -> None:
        """From now on these secrets are masked in what is written below the directory, before it is on the disk."""
        with self._lock:
            self._secrets[directory] = secrets

    def forget(self, directory: Path) -> None:
        """Nothing is written below this directory any more."""
        with self._lock:
            self._secrets.pop(directory, None)
            self._cut = {path for path in self._cut if not path.is_relative_to(directory)}

    def cut_below(self, directory: Path) -> tuple[str, ...]:
        """What was cut of the files below a directory, each in a few words."""
        with self._lock:
            where = sorted(path.relative_to(directory).as_posix() for path in self._cut if path.is_relative_to(directory))
        return tuple(f"{path} after {format_bytes(self._limit_bytes)}" for path in where)

    def open(self, path: Path) -> OutputFile:
        """A file to append output to: an earlier container of the same job may have written there."""
        with self._lock:
            values = [
                value for directory, secrets in self._secrets.items() if path.is_relative_to(directory) for value in secrets
            ]
        redactor = Redactor(values, partial(distinct_mask, self._key)) if values else None
        return OutputFile(path, redactor, self._limit_bytes, lambda: self._note_cut(path))

    def _note_cut(self, path: Path) -> None:
        with self._lock:
            self._cut.add(path)


class OutputFile:
    """Masks what is written, and keeps up to so many bytes of it; a last line says where it is cut."""

    def __init__(self, path: Path, redactor: Redactor | None, limit_bytes: int, on_cut: Callable[[], None]) -> None:
        self._file = path.open("ab")
        self._redactor = redactor
        self._limit_bytes = limit_bytes
        self._left = max(0, limit_bytes - self._file.tell())
        self._on_cut = on_cut
        self._is_cut = False

    def write(self, data: bytes) -> bytes:
        """Takes a piece; gives what of the stream is certain by now, masked."""
        certain = self._redactor.feed(data) if self._redactor else data
        self._append(certain)
        return certain

    def close(self) -> bytes:
        """Writes what was held back, and gives it."""
        try:
            rest = self._redactor.flush() if self._redactor else b""
            self._append(rest)
        finally:
            self._file.close()
        return rest

    def _append(self, data: bytes) -> None:
        if not data or self._is_cut:
            return
        self._file.write(data[: self._left])
        if len(data) > self._left:
            self._is_cut = True
            self._on_cut()
            self._file.write(f"\n[cut here, after {format_bytes(self._limit_bytes)}]\n".encode())
        self._left -= min(self._left, len(data))
        self._file.flush()


class OutputReader(threading.Thread):
    """Copies the output of an attached container to its files as it comes.

    `finished` is set at the end of the output, or at an error. The rest is read even then: an engine that cannot deliver the
    output of a container can neither inspect nor remove it.
    """

    def __init__(
        self,
        stream: Any,
        files: tuple[Path, Path],
        policy: OutputPolicy,
        on_line: Callable[[str], None] | None,
        on_chunk: Callable[[str, bytes], None] | None,
    ) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._stdout, self._stderr = files
        self._policy = policy
        self._on_line = on_line
        self._on_chunk = on_chunk
        self.finished = threading.Event()
        self._error: Exception | None = None

    def run(self) -> None:
        """Copies until the stream ends."""
        try:
            self._copy()
        except Exception as error:  # noqa: BLE001 - raised again in `raise_error`
            self._error = error
        self.finished.set()
        with contextlib.suppress(Exception):
            for _ in self._stream:
                pass

    def raise_error(self) -> None:
        """Raises what stopped the reader, if anything did."""
        if isinstance(self._error, OSError) and self._error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
            raise RunError(
                f"the output of a container cannot be written: {os.strerror(self._error.errno)}",
                where=str(self._stdout),
                hint="Free some space there, or give another directory.",
            )
        if self._error is not None:
            with engine_errors("reading the output of a container"):
                raise self._error

    def _copy(self) -> None:
        lines = LineSplitter()
        with contextlib.ExitStack() as open_files:
            # Each is closed, also where the other's last bytes have no room.
            files: dict[str, OutputFile] = {}
            for name, path in (("stdout", self._stdout), ("stderr", self._stderr)):
                files[name] = self._policy.open(path)
                open_files.callback(self._close, name, files[name])
            for item in self._stream:
                to_out, to_err = item if isinstance(item, tuple) else (item, None)
                for name, data in (("stderr", to_err), ("stdout", to_out)):
                    if data:
                        self._pass_on(name, files[name].write(data))
                if to_out and self._on_line:
                    for line in lines.feed(to_out):
                        self._on_line(line)
        if self._on_line:
            for line in lines.flush():
                self._on_line(line)

    def _close(self, name: str, file: OutputFile) -> None:
        self._pass_on(name, file.close())

    def _pass_on(self, name: str, data: bytes) -> None:
        if data and self._on_chunk:
            self._on_chunk(name, data)
