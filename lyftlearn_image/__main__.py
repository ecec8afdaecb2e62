"""The program `lyftlearn-image`, also as `python -m lyftlearn_image`: the command line, started without needless work."""

from __future__ import annotations

import gc
import sys


def run() -> None:
    """Runs the command line and ends the process with its exit code.

    What a start imports lives until the process ends. Looking through it for garbage, now and again while it is imported
    and twice at exit, would take a sixth of the time of `--help`.
    """
    gc.disable()
    from lyftlearn_image.cli.main import main  # noqa: PLC0415 - imported while nobody looks for garbage

    gc.freeze()
    gc.enable()
    sys.exit(main())


if __name__ == "__main__":
    run()
