"""Hyperparameters: one typed set, in every shape in which a script may look for them.

The rules of the command line and of SM_HP_* are those of aws/sagemaker-training-toolkit (src/sagemaker_training/mapping.py)
and of the SageMaker Python SDK v3's driver (container_drivers/scripts/environment.py). Where the names differ a script
finds both; where only the bytes of a list of strings differ it finds the driver's, which is JSON. A script that the v2 SDK has
sent finds the toolkit's.
"""

from __future__ import annotations

import os

from lyftlearn_runtime import contract, files, quick_json
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.quick_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PATH = "/opt/ml/input/config/hyperparameters.json"
TYPED = "/opt/ml/input/config/hyperparameters.typed.json"
# Where /opt/ml/input cannot be written to.
_ELSEWHERE = ("/tmp", "/dev/shm")  # noqa: S108 - writable on every platform, the latter also where nothing else is
# Names that the SDKs put among the hyperparameters and that no script asked for (params.py of the toolkit).
_INTERNAL = ("_tuning_objective_metric", "default_user_module_name")
_PREFIX = "sagemaker_"
# Those with the prefix that are no parameters of a framework.
_TOOLKIT_NAMES = (
    "sagemaker_program",
    "sagemaker_submit_directory",
    "sagemaker_enable_cloudwatch_metrics",
    "sagemaker_container_log_level",
    "sagemaker_job_name",
    "sagemaker_region",
    "sagemaker_s3_output",
)


def decode(strings: Mapping[str, Any]) -> dict[str, Any]:
    """Typed values of the strings that SageMaker carries: JSON where it is JSON, else the string."""
    return {key: _decode(value) for key, value in strings.items()}


def _decode(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return loads(value)
    except (ValueError, RecursionError):  # the latter for "[[[[…", which is then a string
        return value


def encode(values: Mapping[str, Any]) -> dict[str, str]:
    """The strings that SageMaker would carry for these values; `decode` gives the values back."""
    return {key: _encode(value) for key, value in values.items()}


def _encode(value: Any) -> str:
    if isinstance(value, str) and _decode(value) is value:
        return value
    return dumps(value, ensure_ascii=False)


def dumps(value: Any, *, ensure_ascii: bool = True) -> str:
    """Compact JSON with sorted keys: the same bytes for the same value, and, in ASCII, those of the v2 toolkit."""
    try:
        return quick_json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=ensure_ascii)
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> ShimError:
    """Near the interpreter's limit a value that could be read cannot be written: that takes a few more steps."""
    return ShimError("a hyperparameter is nested too deeply", contract.EXIT_CONFIG)


def read(path: str = PATH) -> dict[str, Any]:
    """The typed values of a hyperparameters.json, {} when there is none."""
    try:
        with open(path, "rb") as file:
            document = loads(file.read().decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ShimError(f"{path} cannot be read: {error}", contract.EXIT_CONFIG) from None
    if not isinstance(document, dict):
        raise ShimError(f"{path} is not an object of names and values", contract.EXIT_CONFIG)
    return decode(document)


def script_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without those that belong to SageMaker's own tools."""
    return {key: value for key, value in values.items() if not key.startswith(_PREFIX) and key not in _INTERNAL}


def framework_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a framework's container reads, such as `sagemaker_mpi_enabled`."""
    return {key: value for key, value in values.items() if key.startswith(_PREFIX) and key not in _TOOLKIT_NAMES}


def sm_variables(values: Mapping[str, Any]) -> dict[str, str]:
    """SM_HPS and SM_HP_*: with the hyphens that the v2 toolkit keeps, and with the underscores of the v3 driver.

    Of two names that become one by that, the one that is spelt so wins.
    """
    exact = {"SM_HP_" + key.upper(): to_text(value) for key, value in values.items()}
    found = {name.replace("-", "_"): text for name, text in exact.items()}
    found.update(exact)
    found["SM_HPS"] = dumps(values)
    return found


def to_text(value: Any) -> str:
    """A value as a variable: a string as it is, nothing for None, else JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else dumps(value)


def arguments(values: Mapping[str, Any], style: str, *, as_toolkit: bool = False) -> list[list[str]]:
    """The words of the command line for each value, in sorted order. Raises ShimError for a style that there is not.

    A list is JSON, as the v3 driver has it, or, `as_toolkit`, what Python prints of it.
    """
    if style not in contract.ARGUMENT_STYLES:
        known = ", ".join(repr(one) for one in contract.ARGUMENT_STYLES)
        raise ShimError(f"{contract.ARGUMENTS} is {style!r}; expected one of {known}", contract.EXIT_CONFIG)
    if style == "none":
        return []
    if style == "key=value":
        return [[f"{key}={_argument(values[key], as_toolkit=as_toolkit)}"] for key in sorted(values)]
    return [[("-" if len(key) == 1 else "--") + key, _argument(values[key], as_toolkit=as_toolkit)] for key in sorted(values)]


def _argument(value: Any, *, as_toolkit: bool) -> str:
    """As the toolkit has it: True stays the word True, None is empty, an object is k=v,k=v."""
    if value is None:
        return ""
    try:
        if isinstance(value, dict):
            return ",".join(f"{key}={value[key]}" for key in sorted(value))
        return quick_json.dumps(value) if isinstance(value, list) and not as_toolkit else str(value)
    except RecursionError:
        raise _too_deep() from None


def write(values: Mapping[str, Any], *, with_strings: bool) -> str:
    """Writes the typed file, and SageMaker's own where that did not bring the values; the typed file's path."""
    typed = TYPED
    if not files.is_writable(os.path.dirname(TYPED)):
        directory = next((one for one in _ELSEWHERE if files.is_writable(one)), _ELSEWHERE[0])
        typed = f"{directory}/lyftlearn/hyperparameters.json"
    files.replace(typed, dumps(values).encode())
    if with_strings:
        files.replace(PATH, dumps(encode(values)).encode())
    return typed
