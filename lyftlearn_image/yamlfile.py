"""Reads the YAML files that people write, and says exactly where one of them is wrong."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)
KeyPath = tuple[str | int, ...]


def load(path: Path, model: type[Model]) -> Model:
    """The file at `path` as a `model`.

    Raises InvalidInputError that names the file, the line, the key and what was expected there.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidInputError(f"there is no file {path}", hint="Check the path, or create the file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} cannot be read: {error}") from None
    return parse(text, model, name=str(path))


def parse(text: str, model: type[Model], *, name: str) -> Model:
    """The YAML `text` as a `model`; `name` is the file's name in errors."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _syntax_error(error, name) from None
    if not isinstance(data, dict) or node is None:
        raise InvalidInputError(f"{name} is not a mapping", where=f"{name}, line 1", hint="Write it as `key: value`.")
    lines: dict[KeyPath, int] = {}
    _index(node, (), lines, name)
    try:
        return model.model_validate(data, context={"file": name})
    except ValidationError as error:
        raise _invalid(error, model, lines, name) from None


def _syntax_error(error: yaml.YAMLError, name: str) -> InvalidInputError:
    mark = getattr(error, "problem_mark", None)
    where = f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name
    problem = getattr(error, "problem", None) or str(error)
    return InvalidInputError(f"{name} is not valid YAML: {problem}", where=where, hint="Check indentation and quotes.")


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


def _invalid(error: ValidationError, model: type[BaseModel], lines: Mapping[KeyPath, int], name: str) -> InvalidInputError:
    problems = _without_consequences(error.errors(), lines)
    told = [_problem(problem, model, lines, name) for problem in problems]
    what, where, hint = told[0]
    if len(told) > 1:
        # The file stands above them, and the key in most of them.
        listed = "\n".join(
            f"  {place.removeprefix(f'{name}, ').partition(', key')[0]}: {one}. {advice}" for one, place, advice in told
        )
        what, where, hint = f"{name} has {len(told)} errors:\n{listed}", "", ""
    return InvalidInputError(what, where=where, hint=hint)


def _without_consequences(problems: list[Any], lines: Mapping[KeyPath, int]) -> list[Any]:
    """The errors without those that only follow from another.

    A list is too short because its items had errors; a key is missing because it stands there misspelt; a value was taken
    over from another place of the file, where it is told already.
    """
    places = [one["loc"] for one in problems]
    unknown = [one["loc"] for one in problems if one["type"] == "extra_forbidden"]
    written = [_told(one) for one in problems if one["loc"] in lines]

    def follows(one: Any) -> bool:
        place = one["loc"]
        if one["type"] == "too_short":
            return any(other[: len(place)] == place != other for other in places)
        if place not in lines and _told(one) in written:
            return True
        beside = [str(other[-1]) for other in unknown if other[:-1] == place[:-1]]
        return one["type"] == "missing" and bool(difflib.get_close_matches(str(place[-1]), beside, n=1))

    return [one for one in problems if not follows(one)]


def _told(problem: Any) -> tuple[Any, ...]:
    """What makes two errors the same but for their place."""
    return problem["loc"][-1:], problem["msg"], repr(problem["input"])


def _problem(problem: Any, model: type[BaseModel], lines: Mapping[KeyPath, int], name: str) -> tuple[str, str, str]:
    """What, where and hint of one pydantic error."""
    location = _in_file(problem["loc"], lines)
    line = lines[location]
    key = ".".join(str(part) for part in problem["loc"]) or "(top level)"
    where = f"{name}, line {line}, key `{key}`"
    if problem["type"] == "extra_forbidden":
        unknown = str(problem["loc"][-1])
        known = _keys_at(model, problem["loc"][:-1])
        near = difflib.get_close_matches(unknown, known, n=1)
        hint = f"Did you mean `{near[0]}`?" if near else f"Known keys here: {', '.join(known)}." if known else "Remove it."
        return f"unknown key `{unknown}`", where, hint
    if problem["type"] == "missing":
        return f"the key `{problem['loc'][-1]}` is missing", where, "Add it."
    message = problem["msg"].removeprefix("Value error, ")
    return f"`{key}`: {message}", where, f"Found {problem['input']!r:.80}."


def _in_file(location: Sequence[str | int], lines: Mapping[KeyPath, int]) -> KeyPath:
    """The longest beginning of a pydantic location that stands in the file (it also names union members)."""
    path = tuple(location)
    while path not in lines:
        path = path[:-1]
    return path


def _keys_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys that the model knows at a location; empty where that cannot be told."""
    current: Any = model
    for part in location:
        field = getattr(current, "model_fields", {}).get(part)
        current = field.annotation if field else _inside(current)
    found = next((one for one in (current, *get_args(current)) if hasattr(one, "model_fields")), None)
    return [field.alias or key for key, field in found.model_fields.items()] if found else []


def _inside(container: Any) -> Any:
    """What a list, a tuple or a mapping holds: its last type argument that is one."""
    arguments = [one for one in get_args(container) if one is not Ellipsis]
    return arguments[-1] if arguments else None
