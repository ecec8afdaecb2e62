"""Runs all comparators under atheris: `python -m tests.parity.compare.fuzz [option of libFuzzer]... [directory]`.

It begins with the rows of hostile_files.py. libFuzzer ends the process itself: with 0 when the time was up, with another code
and a file of the input when an exception came, or an input took too long or too much memory.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["lyftlearn_image.parity.compare"]):
    from lyftlearn_image.parity import compare

    # What is imported later would not be instrumented.
    for module in pkgutil.iter_modules(compare.__path__, f"{compare.__name__}."):
        importlib.import_module(module.name)
    from lyftlearn_image.parity.compare.artifacts import compare_files
    from lyftlearn_image.parity.compare.rule import Rule
    from tests.parity.compare.hostile_files import RULES, SUFFIXES, hostile_pair

# What an input is compared by: its first byte says which.
WAYS = [(name, suffix, rule) for name, rules in RULES.items() for suffix in SUFFIXES[name] for rule in rules]
SEEDS = 300
_PLACE = tempfile.TemporaryDirectory(prefix="lyftlearn-fuzz-")


def input_of(seed: int) -> bytes:
    """A hostile pair as an input: a way, the length of the left file in two bytes, and both files."""
    name, suffix, rule, left, right = hostile_pair(seed)
    left = left[:0xFFFF]
    return bytes([WAYS.index((name, suffix, rule))]) + len(left).to_bytes(2, "big") + left + right


def check(data: bytes) -> None:
    """The law: comparing ends without an exception, whatever it says can be written, and the same bytes are the same."""
    name, suffix, rule = WAYS[(data[:1] or b"\0")[0] % len(WAYS)]
    length = int.from_bytes(data[1:3], "big")
    left, right = data[3 : 3 + length], data[3 + length :]
    files = Path(_PLACE.name, f"left{suffix}"), Path(_PLACE.name, f"right{suffix}")
    for path, content in zip(files, (left, right), strict=True):
        path.write_bytes(content)
    found = compare_files("any", files, Rule.model_validate({"compare": name, **rule}), None)  # type: ignore[arg-type]
    for difference in found.differences:
        for text in (difference.place, difference.left, difference.right, difference.detail):
            (text or "").encode("utf-8")
    assert left != right or not found.differences


def main(argv: list[str]) -> None:
    """Fuzzes until the time is up that the options say."""
    with tempfile.TemporaryDirectory() as corpus:
        for seed in range(SEEDS):
            Path(corpus, str(seed)).write_bytes(input_of(seed))
        atheris.Setup([*argv, corpus], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
