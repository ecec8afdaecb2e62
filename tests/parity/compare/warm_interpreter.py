"""An interpreter with the libraries of models, which runs programs in forks of itself: importing takes a second each time."""

from __future__ import annotations

import importlib
import json
import os
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class WarmInterpreter:
    """Runs programs one after another, each in a process of its own, isolated as by `python -I`."""

    def __init__(self, *modules: str) -> None:
        command = [sys.executable, "-I", __file__, *modules]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def run(self, program: str, arguments: list[str], output: Path) -> int:
        """The exit code of the program; what it writes to standard output is in the file `output`."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([str(output), program, *arguments]) + "\n")
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        """Itself; it imports while nobody waits."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """It ends when there is nothing to read."""
        with self._process:
            assert self._process.stdin
            self._process.stdin.close()


def _serve() -> None:
    for module in sys.argv[1:]:
        importlib.import_module(module)
    for line in sys.stdin:
        output, *sys.argv = json.loads(line)
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
            runpy.run_path(sys.argv[0], run_name="__main__")
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    _serve()
