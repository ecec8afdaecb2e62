"""Measures which share of mutants of logic the fast tests let live, from a sample of each module.

What is mutated, and by which tests it is judged, is [tool.mutmut] in pyproject.toml: each line of `only_mutate` is a row
here. A mutant that only changes a literal with a space in it changes a text for people, and does not count.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import fnmatch
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "mutants"
# Exit codes that mutmut notes for a mutant; all but these are those of tests that failed, or ran out of time.
SURVIVED, WITHOUT_TESTS, NOT_RUN = 0, 33, None
ALIVE = (SURVIVED, WITHOUT_TESTS)


@dataclass(frozen=True)
class Mutant:
    """One change of one function, by mutmut's name for it, with the line that changes before and after."""

    name: str
    path: str
    change: str
    is_text: bool


def main() -> int:
    """0 when at most --limit percent live in every row, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=12, help="mutants of each module (default: %(default)s; 0: all)")
    parser.add_argument("--seed", type=int, default=9, help="which ones (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=18, help="then none is begun any more (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=10, help="percent that may live (default: %(default)s)")
    parser.add_argument("paths", nargs="*", help="only modules that these patterns match")
    options = parser.parse_args()
    os.chdir(ROOT)
    rows = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]["only_mutate"]
    _generate()
    mutants = [
        each for each in _mutants() if not options.paths or any(fnmatch.fnmatch(each.path, one) for one in options.paths)
    ]
    logic = [each for each in mutants if not each.is_text]
    sample = sorted(_sample(logic, options.sample, options.seed), key=lambda each: each.name)
    print(f"{len(logic)} mutants of logic, {len(mutants) - len(logic)} of texts; {len(sample)} of logic are tried", flush=True)
    _run([each.name for each in sample], options.minutes * 60)
    return _report(rows, sample, options.limit)


def _generate() -> None:
    """Makes all mutants below mutants/, of the code as it is now."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    steps = f"copy_src_dir(); m.copy_also_copy_files(); m.setup_source_paths(); m.create_mutants({os.cpu_count() or 1})"
    program = f"from mutmut import __main__ as m; m.{steps}"
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


def _mutants() -> Iterator[Mutant]:
    for meta in sorted(WORK.rglob("*.py.meta")):
        path = meta.with_suffix("")
        functions = {
            node.name: node
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef)
        }
        for name in json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]:
            function = name.rpartition(".")[2]
            mutated, original = functions[function], functions[re.sub(r"_\d+$", "_orig", function)]
            yield Mutant(name, path.relative_to(WORK).as_posix(), _change(original, mutated), _is_text(original, mutated))


def _is_text(original: ast.FunctionDef, mutated: ast.FunctionDef) -> bool:
    """Whether the two differ in nothing but literals with a space."""
    pairs = list(itertools.zip_longest(ast.walk(original), ast.walk(mutated)))[1:]
    if any(type(one) is not type(other) for one, other in pairs):
        return False
    differing = [
        (one, other)
        for one, other in pairs
        if any(value != getattr(other, field) for field, value in ast.iter_fields(one) if isinstance(value, str | int | float))
    ]
    return bool(differing) and all(
        isinstance(one, ast.Constant) and isinstance(one.value, str) and " " in one.value for one, _ in differing
    )


def _change(original: ast.FunctionDef, mutated: ast.FunctionDef) -> str:
    lines = difflib.unified_diff(ast.unparse(original).split("\n")[1:], ast.unparse(mutated).split("\n")[1:], n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _sample(mutants: Sequence[Mutant], number: int, seed: int) -> Iterator[Mutant]:
    for path, group in itertools.groupby(mutants, key=lambda each: each.path):
        of_module = list(group)
        chosen = random.Random(f"{seed} {path}")  # noqa: S311 - the same ones each time
        yield from chosen.sample(of_module, min(number, len(of_module))) if number else of_module


def _run(names: Sequence[str], limit_s: float) -> None:
    """Tries the mutants; those that the time does not suffice for stay without a result."""
    command = [str(Path(sys.executable).with_name("mutmut")), "run", *names]
    with (WORK / "run.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        started = time.monotonic()
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        if process.wait():
            sys.exit(f"mutmut failed; its log is {WORK / 'run.log'}")
        print(f"mutmut ended after {time.monotonic() - started:.0f} s; its log is {WORK / 'run.log'}")


def _report(rows: Sequence[str], sample: Sequence[Mutant], limit: float) -> int:
    codes = {
        name: code
        for meta in WORK.rglob("*.py.meta")
        for name, code in json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"].items()
    }
    is_within = True
    print(f"{'':45} tried  killed  live  no test  not reached  live %")
    for row in rows:
        found = Counter(codes[each.name] for each in sample if fnmatch.fnmatch(each.path, row))
        tried, live = found.total() - found[NOT_RUN], sum(found[code] for code in ALIVE)
        share = 100 * live / tried if tried else 0
        is_within &= bool(tried) and share <= limit
        counts = f"{tried:5}  {tried - live:6}  {found[SURVIVED]:4}  {found[WITHOUT_TESTS]:7}  {found[NOT_RUN]:11}"
        print(f"{row:45} {counts}  {share:6.1f}")
    alive = [each for each in sample if codes[each.name] in ALIVE]
    survivors = WORK / "survivors.txt"
    survivors.write_text("\n\n".join(f"{each.name}\n{each.change}" for each in alive) + "\n", encoding="utf-8")
    print(f"what lives: {survivors}")
    return 0 if is_within else 1


if __name__ == "__main__":
    sys.exit(main())
