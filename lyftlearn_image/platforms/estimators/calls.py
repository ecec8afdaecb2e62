"""The calls of a Python script that make an estimator, and those that start it, read from its syntax tree."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# Classes of sagemaker.estimator and of its frameworks (SDK v2), and the SDK v3's ModelTrainer.
ESTIMATORS = frozenset({
    "Estimator", "Chainer", "HuggingFace", "MXNet", "PyTorch", "RLEstimator", "SKLearn", "TensorFlow", "XGBoost",
    "ModelTrainer",
})  # fmt: skip
_STARTS = ("fit", "train")


class Unknown:
    """A value that is known only when the script runs."""


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Call:
    """An estimator: its class, where it stands, its arguments and those of the call that starts it.

    Arguments are plain values, UNKNOWN where the script computes them; a call of another class is a dict of its arguments.
    """

    name: str
    kind: str
    line: int
    arguments: Mapping[str, Any]
    started_with: Mapping[str, Any] = field(default_factory=dict)


def find_calls(text: str, name: str) -> tuple[Call, ...]:
    """The estimators of a script, in their order. Raises InvalidInputError with the line for what is no Python."""
    try:
        tree = ast.parse(text)
        nodes = list(ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise InvalidInputError(f"{name} is no Python: {getattr(error, 'msg', error)}", where=f"{name}{line}") from None
    constants = _constants(tree)
    imported = {alias.asname or alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    started = _starts(nodes, constants)
    calls = []
    for node in nodes:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        value = node.value if isinstance(node, ast.Assign | ast.Expr) else None
        variable = target.id if isinstance(target, ast.Name) else ""
        for call in _estimators(value, imported):
            start = started.get(variable, {}) if call is value else _chained(value, constants)
            calls.append(Call(variable, _class_of(call), call.lineno, _arguments(call, constants), start))
    return tuple(sorted(calls, key=lambda call: call.line))


def _estimators(value: ast.AST | None, imported: set[str]) -> Iterator[ast.Call]:
    """The estimator that a statement makes: by itself, or with a call behind it that starts it."""
    while isinstance(value, ast.Call):
        if _class_of(value) in ESTIMATORS and (isinstance(value.func, ast.Attribute) or _class_of(value) in imported):
            yield value
            return
        value = value.func.value if isinstance(value.func, ast.Attribute) else None


def _class_of(call: ast.Call) -> str:
    function = call.func
    return function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""


def _starts(nodes: list[ast.AST], constants: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Variable → the arguments of its `.fit(…)` or `.train(…)`."""
    found: dict[str, dict[str, Any]] = {}
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr in _STARTS and isinstance(function.value, ast.Name):
            found.setdefault(function.value.id, _arguments(call, constants))
    return found


def _chained(value: ast.AST | None, constants: Mapping[str, Any]) -> dict[str, Any]:
    return _arguments(value, constants) if isinstance(value, ast.Call) and _class_of(value) in _STARTS else {}


def _arguments(call: ast.Call, constants: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by keyword; the positions have their number."""
    found: dict[str, Any] = {str(number): _value(one, constants) for number, one in enumerate(call.args)}
    for keyword in call.keywords:
        found[keyword.arg or "**"] = _value(keyword.value, constants)
    return found


def _constants(tree: ast.Module) -> dict[str, Any]:
    """The names to which the script gives one plain value, once."""
    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            found[name] = UNKNOWN if name in found else _value(node.value, found)
        elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For) and isinstance(node.target, ast.Name):
            found[node.target.id] = UNKNOWN
    return found


def _value(node: ast.AST, constants: Mapping[str, Any]) -> Any:
    """A plain value; UNKNOWN for what has to be computed."""
    read = _READERS.get(type(node))
    return read(node, constants) if read else UNKNOWN


def _constant(node: ast.Constant, _: Mapping[str, Any]) -> Any:
    return node.value if isinstance(node.value, str | int | float | bool) or node.value is None else UNKNOWN


def _name(node: ast.Name, constants: Mapping[str, Any]) -> Any:
    return constants.get(node.id, UNKNOWN)


def _list(node: ast.List | ast.Tuple, constants: Mapping[str, Any]) -> Any:
    return [_value(one, constants) for one in node.elts]


def _dict(node: ast.Dict, constants: Mapping[str, Any]) -> Any:
    keys = [UNKNOWN if key is None else _value(key, constants) for key in node.keys]
    if not all(isinstance(key, str) for key in keys):
        return UNKNOWN
    return dict(zip(keys, (_value(one, constants) for one in node.values), strict=True))


def _negative(node: ast.UnaryOp, constants: Mapping[str, Any]) -> Any:
    value = _value(node.operand, constants)
    return -value if isinstance(node.op, ast.USub) and isinstance(value, int | float) else UNKNOWN


def _product(node: ast.BinOp, constants: Mapping[str, Any]) -> Any:
    """A product of numbers, such as `2 * 3600`."""
    left, right = _value(node.left, constants), _value(node.right, constants)
    is_product = isinstance(node.op, ast.Mult) and isinstance(left, int | float) and isinstance(right, int | float)
    return left * right if is_product else UNKNOWN


def _formatted(node: ast.JoinedStr, constants: Mapping[str, Any]) -> Any:
    """An f-string of plain values, without formats."""
    parts = [part.value if isinstance(part, ast.FormattedValue) and not part.format_spec else part for part in node.values]
    values = [_value(part, constants) for part in parts]
    return UNKNOWN if any(isinstance(value, Unknown) for value in values) else "".join(map(str, values))


def _call(node: ast.Call, constants: Mapping[str, Any]) -> Any:
    """Of a class, such as TrainingInput, its arguments."""
    return _arguments(node, constants) if _class_of(node)[:1].isupper() else UNKNOWN


_READERS: Mapping[type[ast.AST], Callable[[Any, Mapping[str, Any]], Any]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.List: _list,
    ast.Tuple: _list,
    ast.Dict: _dict,
    ast.UnaryOp: _negative,
    ast.BinOp: _product,
    ast.JoinedStr: _formatted,
    ast.Call: _call,
}
