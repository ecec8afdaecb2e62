"""Reads the YAML files that people write, and says exactly where one of them is wrong."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from lyftlearn_image import clear_secrets, yaml_loader
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)
KeyPath = tuple[str | int, ...]
# Nobody reads more of them before mending the first.
MAX_PROBLEMS = 100


@dataclass(frozen=True)
class Problem:
    """One mistake of a file: what it is, where it stands, what to do."""

    what: str
    where: str
    hint: str
    line: int
    path: KeyPath

    @property
    def key(self) -> str:
        """The place in the file, with dots."""
        return ".".join(str(part) for part in self.path) or "(top level)"


@dataclass(frozen=True)
class Document(Generic[Model]):
    """A file as it was read: its data, the line of every key, and the model or the problems with it.

    `omitted` is how many more problems there are than are told.
    """

    name: str
    data: Mapping[str, Any]
    lines: Mapping[KeyPath, int]
    model: Model | None
    problems: tuple[Problem, ...]
    omitted: int = 0

    def line(self, key: Sequence[str | int]) -> int:
        """The line of a key, or of the nearest one around it that stands in the file."""
        return self.lines[_in_file(key, self.lines)]


def load(path: Path, model: type[Model]) -> Model:
    """The file at `path` as a `model`.

    Raises InvalidInputError that names the file, the line, the key and what was expected there.
    """
    return parse(yaml_loader.read_text(path), model, name=str(path))


def parse(text: str, model: type[Model], *, name: str) -> Model:
    """The YAML `text` as a `model`; `name` is the file's name in errors."""
    document = examine(text, model, name=name)
    if document.model is None:
        raise invalid(document)
    return document.model


def examine(text: str, model: type[Model], *, name: str) -> Document[Model]:
    """The YAML `text` with everything that is wrong with it as a `model`.

    Raises InvalidInputError for a text that is no mapping of YAML at all.
    """
    composed = yaml_loader.compose_mapping(text, name)
    lines: dict[KeyPath, int] = {}
    _index(composed.node, (), lines, name)
    data = composed.construct()
    try:
        return Document(name, data, lines, model.model_validate(data, context={"file": name}), ())
    except ValidationError as error:
        problems = _without_consequences(error.errors(), lines)
        told = tuple(_problem(one, model, lines, name, data) for one in problems[:MAX_PROBLEMS])
        return Document(name, data, lines, None, told, omitted=len(problems) - len(told))


def _index(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], name: str) -> None:
    """Notes the line of every key and item, and refuses a key that stands twice (YAML keeps the last, silently)."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, key.value)
            if below in lines:
                raise InvalidInputError(
                    f"the key `{key.value}` stands twice",
                    where=f"{name}, lines {lines[below]} and {key.start_mark.line + 1}",
                    hint="Keep one of the two.",
                )
            lines[below] = key.start_mark.line + 1
            _index(value, below, lines, name)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            _index(item, (*path, position), lines, name)


def invalid(document: Document[Any]) -> InvalidInputError:
    """The error that tells everything which is wrong with a file."""
    problems, name = document.problems, document.name
    if len(problems) == 1:
        return InvalidInputError(problems[0].what, where=problems[0].where, hint=problems[0].hint)
    # The file stands above them, and the key in most of them.
    listed = "\n".join(f"  line {one.line}: {one.what}. {one.hint}".rstrip() for one in problems)
    more = f"\n  and {document.omitted:,} more" if document.omitted else ""
    return InvalidInputError(f"{name} has {len(problems) + document.omitted:,} errors:\n{listed}{more}")


def _without_consequences(problems: list[Any], lines: Mapping[KeyPath, int]) -> list[Any]:
    """The errors without those that only follow from another.

    A list is too short because its items had errors; a key is missing because it stands there misspelt; a value was taken
    over from another place of the file, where it is told already.
    """
    # Each place, and all that stand around it.
    around = {one["loc"][:end] for one in problems for end in range(len(one["loc"]))}
    unknown = [one["loc"] for one in problems if one["type"] == "extra_forbidden"][:MAX_PROBLEMS]
    written = {_told(one) for one in problems if one["loc"] in lines}

    def follows(one: Any) -> bool:
        place = one["loc"]
        if one["type"] == "too_short":
            return place in around
        if place not in lines and _told(one) in written:
            return True
        if one["type"] != "missing":
            return False
        beside = [str(other[-1]) for other in unknown if other[:-1] == place[:-1]]
        return bool(difflib.get_close_matches(str(place[-1]), beside, n=1))

    return [one for one in problems if not follows(one)]


def _told(problem: Any) -> tuple[Any, ...]:
    """What makes two errors the same but for their place."""
    return problem["loc"][-1:], problem["msg"], repr(problem["input"])


def _problem(problem: Any, model: type[BaseModel], lines: Mapping[KeyPath, int], name: str, data: Any) -> Problem:
    """What, where and hint of one pydantic error."""
    line = lines[_in_file(problem["loc"], lines)]
    key = ".".join(str(part) for part in problem["loc"]) or "(top level)"
    where = f"{name}, line {line}, key `{key}`"
    if problem["type"] == "extra_forbidden":
        return Problem(f"unknown key `{problem['loc'][-1]}`", where, _advice(model, problem["loc"], data), line, problem["loc"])
    if problem["type"] == "missing":
        return Problem(f"the key `{problem['loc'][-1]}` is missing", where, "Add it.", line, problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    found = problem["input"]
    # The whole file is no help, and a secret is not repeated.
    hint = "" if not problem["loc"] or clear_secrets.is_private(problem["loc"], found) else f"Found {_shown(found)}."
    return Problem(f"`{key}`: {message}", where, hint, line, problem["loc"])


def _shown(found: Any) -> str:
    """A wrong value, short; what is in a list or a mapping is not repeated: nobody knows what it was meant for."""
    return "a mapping" if isinstance(found, dict) else "a list" if isinstance(found, list) else f"{found!r:.80}"


def _advice(model: type[BaseModel], location: Sequence[str | int], data: Any) -> str:
    """What to do with a key that nobody knows."""
    unknown = str(location[-1])
    known, elsewhere = _keys_at(model, location[:-1], data, unknown)
    near = difflib.get_close_matches(unknown, known, n=1)
    if near:
        return f"Did you mean `{near[0]}`?"
    if elsewhere:
        return f"It is a key of {elsewhere}."
    return f"Known keys here: {', '.join(known)}." if known else "Remove it."


def _in_file(location: Sequence[str | int], lines: Mapping[KeyPath, int]) -> KeyPath:
    """The longest beginning of a pydantic location that stands in the file (it also names union members)."""
    path = tuple(location)
    while path not in lines:
        path = path[:-1]
    return path


def _keys_at(model: type[BaseModel], location: Sequence[str | int], data: Any, unknown: str) -> tuple[list[str], str]:
    """The keys that the model knows at a location, and where else an unknown one belongs; empty where that cannot be told."""
    current: Any = model
    for part in location:
        current = _chosen(current, data)
        field = getattr(current, "model_fields", {}).get(part)
        current = field.annotation if field else _inside(current)
        data = _at(data, part)
    found = next((one for one in (current, *get_args(current)) if hasattr(one, "model_fields")), None)
    chosen = _chosen(found, data)
    keys = [field.alias or key for key, field in chosen.model_fields.items()] if chosen else []
    family = getattr(found, "members", {})
    homes = [f"`{chosen.discriminator}: {tag}`" for tag, member in family.items() if unknown in member.model_fields]
    return keys, ", ".join(homes)


def _at(data: Any, part: str | int) -> Any:
    """What stands under a key or at a position; None where there is nothing."""
    if isinstance(data, dict):
        return data.get(part)
    return data[part] if isinstance(data, list) and isinstance(part, int) and part < len(data) else None


def _chosen(model: Any, data: Any) -> Any:
    """The member of a family of models that this data chooses; any other model is itself."""
    return (model.concrete(data) or model) if hasattr(model, "concrete") else model


def _inside(container: Any) -> Any:
    """What a list, a tuple or a mapping holds: its last type argument that is one."""
    arguments = [one for one in get_args(container) if one is not Ellipsis]
    return arguments[-1] if arguments else None
