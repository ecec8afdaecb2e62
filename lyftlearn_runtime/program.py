"""What to run: the argv of the script."""

from __future__ import annotations

import os

from lyftlearn_runtime import contract, hyperparameters
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CODE_DIR = "/opt/ml/code"
_NOT_YET = ("serve", "notebook")


def resolve(argv: list[str], environ: Mapping[str, str], values: Mapping[str, Any]) -> tuple[list[str], str]:
    """The argv to run, and the program's name where `train` chose it ("" else).

    ShimError that names the ways to say it when nothing was said.
    """
    if not argv:
        raise ShimError(
            "nothing to run: give a command, or `train` with %s, the hyperparameter sagemaker_program or SAGEMAKER_PROGRAM"
            % contract.PROGRAM,
            contract.EXIT_USAGE,
        )
    if argv[0] in _NOT_YET and len(argv) == 1:
        raise ShimError("%s is not in this version of the image; give a command of your own" % argv[0], contract.EXIT_USAGE)
    if argv[0] != "train" or len(argv) > 1:
        return list(argv), ""
    name = environ.get(contract.PROGRAM) or values.get("sagemaker_program") or environ.get("SAGEMAKER_PROGRAM")
    if not name:
        raise ShimError(
            "`train` has no program: set %s, the hyperparameter sagemaker_program or SAGEMAKER_PROGRAM" % contract.PROGRAM,
            contract.EXIT_USAGE,
        )
    style = environ.get(contract.ARGUMENTS) or contract.ARGUMENT_STYLES[0]
    own = hyperparameters.arguments(hyperparameters.of_the_script(values), style)
    return _command(str(name)) + own, str(name)


def _command(name: str) -> list[str]:
    """How a program is started: a Python file, an executable, or a Python module."""
    path = name if os.path.isabs(name) else os.path.join(CODE_DIR, name)
    python = contract.VENV_DIR + "/bin/python"
    python = python if os.path.exists(python) else "python3"
    if name.endswith(".py"):
        if not os.path.exists(path):
            raise ShimError("there is no program %s; is it in the image?" % path, contract.EXIT_CONFIG)
        return [python, path]
    if os.path.isfile(path):
        return [path] if os.access(path, os.X_OK) else ["/bin/sh", path]
    return [python, "-m", name]
