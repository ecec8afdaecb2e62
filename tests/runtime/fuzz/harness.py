"""Runs one law under atheris, in a process of its own: `harness.py LAW [option of libFuzzer]...`.

libFuzzer ends the process itself: with 0 when the time was up, with another code and a file of the input when a law broke.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["lyftlearn_runtime", "planted"]):
    import answers
    import parsers
    import planted

LAWS = {**parsers.LAWS, **answers.LAWS, **planted.LAWS}


def main(argv: list[str]) -> None:
    """Fuzzes the law that is named first."""
    name, *options = argv[1:]
    atheris.Setup([argv[0], *options], LAWS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
