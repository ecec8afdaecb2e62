"""Hyperparameters: one typed set, in every shape in which a script may look for them.

The rules of the command line and of SM_HP_* are those of aws/sagemaker-training-toolkit (src/sagemaker_training/mapping.py)
and of the SageMaker Python SDK v3's driver; where the two differ a script finds both.
"""

from __future__ import annotations

import json
import os

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PATH = "/opt/ml/input/config/hyperparameters.json"
# Names that the SDKs put among the hyperparameters and that no script asked for.
_INTERNAL = ("_tuning_objective_metric", "default_user_module_name")


def decode(strings: Mapping[str, Any]) -> dict[str, Any]:
    """Typed values of the strings that SageMaker carries: JSON where it is JSON, else the string."""
    return {key: _decode(value) for key, value in strings.items()}


def _decode(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def encode(values: Mapping[str, Any]) -> dict[str, str]:
    """The strings that SageMaker would carry for these values; `decode` gives the values back."""
    return {key: value if isinstance(value, str) and _decode(value) is value else dumps(value) for key, value in values.items()}


def dumps(value: Any) -> str:
    """Compact JSON with sorted keys: the same bytes for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def read(path: str = PATH) -> dict[str, Any]:
    """The typed values of a hyperparameters.json, {} when there is none."""
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read().decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ShimError("%s cannot be read: %s" % (path, error), contract.EXIT_CONFIG) from None
    if not isinstance(document, dict):
        raise ShimError("%s is not an object of names and values" % path, contract.EXIT_CONFIG)
    return decode(document)


def of_the_script(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without those that belong to SageMaker's own tools."""
    return {key: value for key, value in values.items() if not key.startswith("sagemaker_") and key not in _INTERNAL}


def variables(values: Mapping[str, Any]) -> dict[str, str]:
    """SM_HPS and SM_HP_*: with the hyphens that the v2 toolkit keeps, and with the underscores of the v3 driver."""
    found = {"SM_HPS": dumps(values)}
    for key, value in values.items():
        text = value if isinstance(value, str) else "" if value is None else dumps(value)
        name = "SM_HP_" + key.upper()
        found[name] = text
        found.setdefault(name.replace("-", "_"), text)
    return found


def arguments(values: Mapping[str, Any], style: str) -> list[str]:
    """The values as command-line arguments, in sorted order. Raises ShimError for a style that there is not."""
    if style not in contract.ARGUMENT_STYLES:
        known = ", ".join(repr(one) for one in contract.ARGUMENT_STYLES)
        raise ShimError("%s is %r; expected one of %s" % (contract.ARGUMENTS, style, known), contract.EXIT_CONFIG)
    if style == "none":
        return []
    if style == "key=value":
        return ["%s=%s" % (key, _argument(values[key])) for key in sorted(values)]
    found: list[str] = []
    for key in sorted(values):
        found += ["%s%s" % ("-" if len(key) == 1 else "--", key), _argument(values[key])]
    return found


def _argument(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):
        return ",".join("%s=%s" % (key, _argument(value[key])) for key in sorted(value))
    return dumps(value)


def write(values: Mapping[str, Any], typed_path: str, strings_path: str) -> None:
    """Writes both files, each in one step: a reader sees the old one or the new one."""
    replace(typed_path, dumps(values).encode("utf-8", "surrogatepass"))
    if strings_path:
        replace(strings_path, dumps(encode(values)).encode("utf-8", "surrogatepass"))


def replace(path: str, data: bytes, mode: int = 0o644) -> None:
    """Puts a file with this content in place of whatever is there, atomically, with its directories."""
    directory = os.path.dirname(path)
    temporary = "%s/.%s.%d" % (directory, os.path.basename(path), os.getpid())
    try:
        os.makedirs(directory, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(temporary, mode)
        os.rename(temporary, path)
    except OSError as error:
        raise ShimError(
            "%s cannot be written: %s; mount a writable directory there" % (path, error.strerror), contract.EXIT_CONFIG
        ) from None
