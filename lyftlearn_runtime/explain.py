"""`lyftlearn-runtime explain`: what the shim would do here, and why, without a secret and without writing anything.

References are fetched, for only that tells whether they can be; their values are forgotten.
"""

from __future__ import annotations

import json
import os
import sys
import time

from lyftlearn_runtime import contract, execution, hyperparameters, metrics, start
from lyftlearn_runtime.context import signals
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.secret_forms import mask

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
    environ = start.process_environment()
    document: dict[str, Any] = {"problem": None, "program": None, "sources": {}, "context": None}
    document["signals"] = [
        {"context": name, "signal": because, "found": found} for name, because, found in signals(environ, argv)
    ]
    # As far as it gets.
    invocation = inputs = resolved = launch = None
    try:
        invocation = start.detect(argv, environ)
        inputs = start.read(invocation)
        resolved = start.resolve(inputs)
        values = inputs.bundle.hyperparameters or hyperparameters.read()
        launch = start.describe(start.without_files(resolved, values))
    except ShimError as error:
        document["problem"] = {"message": error.message, "exit_code": error.exit_code}
    if invocation:
        document["context"] = {"name": invocation.context.name, "because": invocation.context.because}
        document.update(_settings(invocation, inputs or start.without_bundle(invocation), resolved, launch))
    if launch:
        words = [mask(word, launch.secrets) for word in launch.command.argv]
        document["program"] = {"argv": words, "cwd": launch.command.cwd}
    document["seconds"] = round(time.monotonic() - begun, 3)
    return document


def _settings(
    invocation: start.Invocation, inputs: start.Inputs, resolved: start.Resolved | None, launch: start.Launch | None
) -> dict[str, Any]:
    reached = launch or resolved or inputs
    names = {*(launch.command.variables if launch else ()), *reached.origins}.difference(contract.HIDDEN_VARIABLES)
    seconds = resolved.references.seconds if resolved else {}
    return {
        "user": {"uid": os.getuid(), "gid": os.getgid()},
        "variables": {name: reached.origins.get(name, "given") for name in sorted(names)},
        "hidden": [name for name in contract.HIDDEN_VARIABLES if name in invocation.environ],
        "files": {file.path: file.secret or "bundle" for file in inputs.bundle.files},
        "downloads": {one.path: one.uri for one in inputs.bundle.downloads},
        "uploads": {one.path: one.uri for one in inputs.bundle.uploads},
        "sources": {scheme: round(duration, 3) for scheme, duration in seconds.items()},
        "metrics": reached.environ.get(contract.STATSD) or _usual_metrics(inputs.context.name),
        "refresh": invocation.environ.get(contract.REFRESH),
        "supervised": execution.needs_supervision(inputs, reached.environ),
    }


def _usual_metrics(context: str) -> str:
    return "left to a sidecar" if context == "kubernetes" else metrics.DROP


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
