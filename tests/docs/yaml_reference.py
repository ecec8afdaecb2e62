"""docs/reference: every key of every file that people write, from the JSON schemas that `lyftlearn-image schema` prints.

The schemas are pydantic's, so that a key that a model gets is on its page by itself, with its type, its default
and its description.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.cli.schemas import SCHEMAS, schema_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Schema = dict[str, Any]

_TITLES = {
    "image": "The keys of an image class",
    "suite": "The keys of a suite",
    "workload": "The keys of a workload",
    "report": "The keys of report.json",
}
_INTRODUCTIONS = {
    "image": "An image class is a folder with an `image.yaml`, which `render`, `lock` and `build` read.",
    "suite": "A suite is the file that `parity run` reads: what to run, and what counts as the same result.",
    "workload": "A workload is one file for both platforms, which `lint`, `compile`, `permissions`, `submit` and `run` read."
    " Its `kind` says which of the keys below it has.",
    "report": "`report.json` is what `parity run` writes for programs.",
}
_LIMITS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} long",
    "maxLength": "at most {} long",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "pattern": "matching `{}`",
}
_WORDS = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`", "null": "`null`"}


@dataclass(frozen=True)
class _Page:
    """What a page links to: its own shapes, and those of the page about workloads."""

    shapes: Mapping[str, Schema]
    of_workloads: frozenset[str]

    def link(self, shape: str) -> str:
        """The shape's name as a link to its section, wherever that is."""
        if shape == "JsonValue":
            return "any value"
        return f"[{shape}]({'workload.md' if shape in self.of_workloads else ''}#{shape.lower()})"


def pages() -> Iterator[tuple[str, str]]:
    """Each page's file name in docs/reference, and its text."""
    of_workloads = frozenset(schema_of("workload")["$defs"])
    for name in SCHEMAS:
        schema = schema_of(name)
        shapes = schema.get("$defs", {})
        page = _Page(shapes, of_workloads if name != "workload" else frozenset())
        yield f"{name}.md", "\n".join(_page(name, schema, page))


def schema_of(name: str) -> Schema:
    """The JSON schema of a file, as the verb `schema` prints it."""
    found: Schema = json.loads(schema_text(name))
    return found


def _page(name: str, schema: Schema, page: _Page) -> Iterator[str]:
    yield f"# {_TITLES[name]}\n"
    yield f"{_INTRODUCTIONS[name]} For an editor: `lyftlearn-image schema {name}`.\n"
    yield "This page is generated from the models that read the file (`make reference`).\n"
    if "oneOf" in schema:
        yield from _kinds(schema["oneOf"], page)
    else:
        yield f"{_prose(schema.get('description', ''))}\n"
        yield _table(schema, schema["properties"], page)
    for shape, found in page.shapes.items():
        if shape not in page.of_workloads and shape != "JsonValue":
            yield f"## {shape}\n"
            yield from _shape(found, page)


def _kinds(members: list[Schema], page: _Page) -> Iterator[str]:
    """The keys that all kinds have, and then of each kind its own."""
    common = set.intersection(*({key for key in one["properties"] if key != "kind"} for one in members))
    first = members[0]
    yield "## Every kind\n"
    yield _table(first, {key: value for key, value in first["properties"].items() if key in common}, page)
    for one in members:
        yield f"## {one['properties']['kind']['const']}\n"
        yield f"{_prose(one['description'])}\n"
        yield _table(one, {key: value for key, value in one["properties"].items() if key not in common}, page)


def _shape(schema: Schema, page: _Page) -> Iterator[str]:
    if schema.get("description"):
        yield f"{_prose(schema['description'])}\n"
    if "properties" in schema:
        yield _table(schema, schema["properties"], page)
    else:
        yield f"{_type(schema, page)}\n"


def _table(schema: Schema, properties: Mapping[str, Schema], page: _Page) -> str:
    lines = ["| Key | Value | Default | Meaning |", "| --- | --- | --- | --- |"]
    for key, value in properties.items():
        needed = key in schema.get("required", ())
        cells = (f"`{key}`", _type(value, page), "**required**" if needed else _default(value), _prose(_meaning(value)))
        lines.append("|" + "".join(f" {bar(cell)} |" if cell else " |" for cell in cells))
    return "\n".join(lines) + "\n"


def bar(text: str) -> str:
    """Text in a table, where a bar would end the cell, also within backticks."""
    return text.replace("|", "\\|")


def _default(value: Schema) -> str:
    """The default as YAML has it; none for what is empty, and for a shape, whose own page says its defaults."""
    default = value.get("default")
    if default in (None, {}, [], "") or (isinstance(default, dict) and "$ref" in json.dumps(value)):
        return ""
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default, ensure_ascii=False)}`"


def _meaning(value: Schema) -> str:
    """The key's description, and that of each word that it may be."""
    told = [value["description"]] if "description" in value else []
    words = [one for one in _alternatives(value) if "const" in one and "description" in one]
    told += [f"`{one['const']}`: {one['description']}" for one in words]
    return (". " if told and not told[0].endswith(".") else " ").join(told[:1]) + "".join(f"; {one}" for one in told[1:])


def _alternatives(value: Schema) -> Iterator[Schema]:
    """What a value may be, at whatever depth of alternatives and lists."""
    inner = [*value.get("anyOf", ()), *value.get("oneOf", ())]
    if isinstance(value.get("items"), dict):
        inner.append(value["items"])
    for one in inner:
        yield one
        yield from _alternatives(one)


def _type(value: Schema, page: _Page) -> str:
    """What may stand there, in words."""
    if "$ref" in value:
        return page.link(value["$ref"].rpartition("/")[2])
    if value.get("title") == "Workload" or "kind" in value.get("properties", {}):
        return "a [workload](workload.md)"
    choices = [*value.get("anyOf", ()), *value.get("oneOf", ())] or [{"const": one} for one in value.get("enum", ())]
    if choices:
        return " or ".join(dict.fromkeys(_type(one, page) for one in choices if one.get("type") != "null"))
    if "const" in value:
        return f"`{json.dumps(value['const']).strip(chr(34))}`"
    return ", ".join([_container(value, page), *_limits(value)])


def _container(value: Schema, page: _Page) -> str:
    """A list or a mapping with what is in it, or a plain value."""
    kind = value.get("type", "any value")
    inner = {"array": value.get("items"), "object": value.get("additionalProperties")}.get(kind)
    of = f" of {_type(inner, page)}" if isinstance(inner, dict) else ""
    return {"array": "list", "object": "mapping"}.get(kind, _WORDS.get(kind, kind)) + of


def _limits(value: Schema) -> list[str]:
    return [text.format(value[name]) for name, text in _LIMITS.items() if name in value]


def _prose(text: str) -> str:
    """A docstring or description as Markdown: one paragraph a paragraph, nothing that would be taken for HTML or emphasis."""
    parts = re.split(r"(`+[^`]*`+)", re.sub(r"(?<!\n)\n(?!\n)", " ", text.strip()))
    return "".join(part if part.startswith("`") else re.sub(r"([<*])", r"\\\1", part) for part in parts)
