"""`lyftlearn-runtime explain`: what the shim would do here, and why, without a secret and without writing anything.

References are fetched, for only that tells whether they can be; their values are forgotten.
"""

from __future__ import annotations

import json
import os
import sys
import time

from lyftlearn_runtime import contract, hyperparameters, metrics
from lyftlearn_runtime.context import signals
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.start import Start, given_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_USAGE = "usage: lyftlearn-runtime explain [--json] [ARGV...]"


def main(argv: list[str]) -> int:
    """Prints the explanation of a start with ARGV as text or JSON. The exit code is the one that the start would have."""
    if argv[:1] in (["--help"], ["-h"]):
        _print(_USAGE + "\n\nSays what the image's entrypoint would do with ARGV in this container, without doing it.")
        return 0
    if argv[:1] != ["explain"]:
        sys.stderr.write(_USAGE + "\n")
        return contract.EXIT_USAGE
    rest = argv[1:]
    as_json = rest[:1] == ["--json"]
    document = explain(rest[1:] if as_json else rest)
    _print(json.dumps(document, indent=2, sort_keys=True) if as_json else _text(document))
    problem = document["problem"]
    return int(problem["exit_code"]) if problem else 0


def explain(argv: Sequence[str]) -> dict[str, Any]:
    """What a start with `argv` would do. `problem` is None where it would reach the script."""
    begun = time.monotonic()
    given = given_environment()
    document: dict[str, Any] = {"problem": None, "program": None, "sources": {}}
    start = None
    try:
        start = Start(list(argv), dict(given), set())
        start.read()
        start.describe(dict(start.bundle.hyperparameters or hyperparameters.read()))
        document["program"] = {"argv": [_masked(one, start) for one in start.program.argv], "cwd": start.program.cwd}
    except ShimError as error:
        document["problem"] = {"message": error.message, "exit_code": error.exit_code}
    document["signals"] = [
        {"context": name, "signal": because, "found": found} for name, because, found in signals(given, argv)
    ]
    document["context"] = {"name": start.context.name, "because": start.context.because} if start else None
    if start:
        document.update(_of(start, given))
    document["seconds"] = round(time.monotonic() - begun, 3)
    return document


def _of(start: Start, given: dict[str, str]) -> dict[str, Any]:
    names = {*start.variables, *start.origins}.difference(contract.HIDDEN_VARIABLES)
    hidden = [name for name in contract.HIDDEN_VARIABLES if name in given]
    return {
        "user": {"uid": os.getuid(), "gid": os.getgid()},
        "variables": {name: start.origins.get(name, "given") for name in sorted(names)},
        "hidden": hidden,
        "files": {one.path: one.secret or "bundle" for one in start.bundle.files},
        "downloads": {one.path: one.uri for one in start.bundle.downloads},
        "uploads": {one.path: one.uri for one in start.bundle.uploads},
        "sources": {scheme: round(seconds, 3) for scheme, seconds in start.resolved.seconds.items()},
        "metrics": _metrics(start),
        "refresh": given.get(contract.REFRESH),
        "supervised": start.needs_supervision,
    }


def _metrics(start: Start) -> str:
    value = start.environ.get(contract.STATSD)
    if value:
        return value
    return "left to a sidecar" if start.context.name == "kubernetes" else metrics.DROP


def _masked(word: str, start: Start) -> str:
    from lyftlearn_runtime.redact import redact  # noqa: PLC0415 - with the words of a program only

    return redact(word, start.secrets)


def _text(document: dict[str, Any]) -> str:
    """The explanation for people: what, then why, then from where."""
    lines = []
    context = document["context"]
    if context:
        lines.append(f"context   {context['name']}, by {context['because']}")
    lines += [f"          {'+' if one['found'] else '-'} {one['signal']} → {one['context']}" for one in document["signals"]]
    program = document["program"]
    if program:
        lines.append(f"runs      {' '.join(program['argv'])}" + (f"  in {program['cwd']}" if program["cwd"] else ""))
        lines.append(f"          {'supervised' if document['supervised'] else 'in place of the shim'}")
    for title, key in (("file", "files"), ("download", "downloads"), ("upload", "uploads")):
        lines += [f"{title:9} {path}  from {origin}" for path, origin in sorted(document.get(key, {}).items())]
    lines += [f"source    {scheme}://  {seconds:.3f} s" for scheme, seconds in sorted(document["sources"].items())]
    if "metrics" in document:
        lines.append(f"metrics   {document['metrics']}")
    for name, origin in document.get("variables", {}).items():
        lines.append(f"variable  {name}  {origin}")
    if document["problem"]:
        lines.append(f"problem   {document['problem']['message']}  (exit code {document['problem']['exit_code']})")
    lines.append(f"took      {document['seconds']:.3f} s")
    return "\n".join(lines)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
