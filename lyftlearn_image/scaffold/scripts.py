"""What a Python file is, read from its syntax tree: something to run, a call of SageMaker's SDK, or a module for others."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lyftlearn_image import yaml_loader
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.estimators.calls import find_calls

if TYPE_CHECKING:
    from pathlib import Path

_CHANNEL = re.compile(r"SM_CHANNEL_([A-Z0-9_]+)|/opt/ml/input/data/([A-Za-z0-9._-]+)")
# What a module may have at its top level without doing anything.
_QUIET = (
    ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.Pass,
)  # fmt: skip


@dataclass(frozen=True)
class Script:
    """A Python file. `estimators` are the names of those that it makes; `channels` those whose data it reads."""

    path: Path
    runs: bool
    estimators: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


def read_script(path: Path) -> Script | None:
    """What the file is; None for one that cannot be read, or is no Python."""
    try:
        text = yaml_loader.read_text(path)
        tree = ast.parse(text)
        calls = find_calls(text, path.name)
    except (InvalidInputError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return Script(path, _runs(tree), tuple(call.name for call in calls), _channels(tree))


def _runs(tree: ast.Module) -> bool:
    """Whether running the file does something: a call or a block at its top level, such as `if __name__ == "__main__"`."""
    return any(not isinstance(node, _QUIET) and not _is_text(node) for node in tree.body)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _channels(tree: ast.Module) -> tuple[str, ...]:
    """The channels that texts of the script name, in their order."""
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    found = [match[1].lower() if match[1] else match[2] for text in texts for match in _CHANNEL.finditer(text)]
    return tuple(dict.fromkeys(found))
