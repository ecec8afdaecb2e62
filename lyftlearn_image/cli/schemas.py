"""The JSON schemas, by the names of what they describe, and the line by which an editor finds one."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

from lyftlearn_image.build.own_outputs import mark

if TYPE_CHECKING:
    from pathlib import Path

# What is described → where its JSON schema comes from.
SCHEMAS = {
    "image": ("lyftlearn_image.build.spec", "json_schema"),
    "suite": ("lyftlearn_image.parity.suite", "json_schema"),
    "workload": ("lyftlearn_image.workload.kinds", "json_schema"),
    "report": ("lyftlearn_image.report.document", "json_schema"),
}
# Beside a file that the toolkit writes: a path within the project is the same on every machine, and needs no network.
DIRECTORY = ".lyftlearn"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text(name: str) -> str:
    """The JSON schema (draft 2020-12) of what has this name in SCHEMAS, as text."""
    module, function = SCHEMAS[name]
    schema: dict[str, Any] = getattr(importlib.import_module(module), function)()
    return json.dumps({"$schema": _DIALECT, **schema}, indent=2)


def with_schema(name: str, text: str) -> str:
    """The text of a YAML file, begun with the line by which editors check and complete it.

    The line is that of yaml-language-server, which the extensions of VS Code, Neovim, Emacs and IntelliJ read
    (github.com/redhat-developer/yaml-language-server, "Using inlined schema").
    """
    return f"# yaml-language-server: $schema={DIRECTORY}/{_file_name(name)}\n{text}"


def write_with_schema(path: Path, name: str, text: str) -> None:
    """Writes a YAML file `with_schema`, and its schema beside it. A file that is there is replaced: look before."""
    schema = path.parent / DIRECTORY / _file_name(name)
    schema.parent.mkdir(exist_ok=True)
    # Another version of the toolkit has another schema, and makes no other image of it.
    mark(schema.parent)
    schema.write_text(f"{schema_text(name)}\n", encoding="utf-8")
    path.write_text(with_schema(name, text), encoding="utf-8")


def _file_name(name: str) -> str:
    return f"{name}.schema.json"
