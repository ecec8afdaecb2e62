"""What to run: the argv of the script."""

from __future__ import annotations

import os

from lyftlearn_runtime import contract, execve, hyperparameters
from lyftlearn_runtime.context import detect
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.frozen import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_SERVING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "serving", "__main__.py")
# Where the inference convention keeps a model's code, then where training has it.
_SERVING_CODE_DIRS = ("/opt/ml/model/code", contract.CODE_DIR)
# The volume of a Studio space (developer guide, studio-updated-byoi-specs).
_STUDIO_HOME = "/home/sagemaker-user"
_NOTEBOOK = contract.VENV_DIR + "/bin/jupyter-lab"
_WAYS = f"{contract.PROGRAM}, the hyperparameter sagemaker_program or SAGEMAKER_PROGRAM"

# `name` is "" unless `train` chose the program; `arguments` are those made of hyperparameters, `omitted` the hyperparameters
# that no command line can hold; `cwd` is None where the script stays in the image's directory.
Program = namedtuple("Program", ["argv", "name", "arguments", "omitted", "cwd"])


def resolve(
    argv: Sequence[str], environ: Mapping[str, str], values: Mapping[str, Any], code_dir: str = contract.CODE_DIR
) -> Program:
    """The program to run. What follows `train` comes after the hyperparameters; every other argv is taken as it is.

    ShimError that names the ways to say it when nothing was said.
    """
    if not argv:
        raise ShimError(f"nothing to run: give a command, or `train` with {_WAYS}", contract.EXIT_USAGE)
    if argv[0] == "serve":
        return Program([*_server(environ), *argv[1:]], "", [], [], None)
    if argv[0] == "notebook":
        return _notebook(environ, list(argv[1:]))
    if argv[0] != "train":
        return Program(list(argv), "", [], [], None)
    name = environ.get(contract.PROGRAM) or values.get("sagemaker_program") or environ.get("SAGEMAKER_PROGRAM")
    if not name:
        raise ShimError(f"`train` has no program: set {_WAYS}", contract.EXIT_USAGE)
    own = hyperparameters.script_values(values)
    style = environ.get(contract.ARGUMENTS) or contract.ARGUMENT_STYLES[0]
    arguments, omitted = execve.fit_arguments(sorted(own), hyperparameters.arguments(own, style))
    command = _command(str(name), code_dir)
    # The toolkit starts programs there, so a script may open a file beside it by its name alone.
    cwd = code_dir if os.path.isdir(code_dir) else None
    return Program([*command, *arguments, *argv[1:]], str(name), arguments, omitted, cwd)


def _server(environ: Mapping[str, str]) -> list[str]:
    """The model server, or the team's own one: a program that is not a Python file with handlers, nor a module."""
    name = environ.get(contract.PROGRAM) or environ.get("SAGEMAKER_PROGRAM") or ""
    for directory in _SERVING_CODE_DIRS if name and not name.endswith(".py") else ():
        if os.path.isfile(os.path.join(directory, name)):
            return _command(name, directory)
    python = contract.VENV_DIR + "/bin/python"
    if not os.path.exists(python):
        raise ShimError(f"serve is not in this version of the image: there is no {python}", contract.EXIT_USAGE)
    return [python, _SERVING]


def _notebook(environ: Mapping[str, str], more: list[str]) -> Program:
    """JupyterLab on 8888. In Studio: its base URL, its space's directory, and no token, for its proxy says who comes in.

    Elsewhere the token is the one in JUPYTER_TOKEN or Jupyter's own. Source: developer guide,
    studio-updated-jl-admin-guide-custom-images and studio-updated-byoi-specs.
    """
    if not os.path.exists(_NOTEBOOK):
        message = "notebook is not in this version of the image: add `jupyterlab` to it (pip install jupyterlab)"
        raise ShimError(message, contract.EXIT_USAGE)
    command = [_NOTEBOOK, "--ip=0.0.0.0", "--port=8888", "--ServerApp.port_retries=0", "--no-browser"]
    if os.getuid() == 0:
        command.append("--allow-root")
    # A pod may have Studio's variable too, and no proxy in front of it: the same order as everywhere decides.
    if detect(environ, ["notebook"], os.path.exists).name != "sagemaker-studio":
        return Program(command + more, "", [], [], None)
    command += ["--ServerApp.base_url=/jupyterlab/default", "--IdentityProvider.token=", "--ServerApp.allow_origin=*"]
    return Program(command + more, "", [], [], _STUDIO_HOME if os.path.isdir(_STUDIO_HOME) else None)


def _command(name: str, code_dir: str) -> list[str]:
    """How a program is started: a Python file, an executable or shell script, or a Python module."""
    path = os.path.join(code_dir, name)  # an absolute name stays what it is
    python = contract.VENV_DIR + "/bin/python"
    python = python if os.path.exists(python) else "python3"
    if os.path.isfile(path):
        if name.endswith(".py"):
            _refuse_closed(path, os.R_OK)
            return [python, path]
        if os.access(path, os.X_OK):
            return [path]
        if name.endswith(".sh"):
            _refuse_closed(path, os.R_OK)
            return ["/bin/sh", path]
        raise ShimError(f"the program {path} is not executable; chmod +x it in the image", contract.EXIT_CONFIG)
    if all(part.isidentifier() for part in name.split(".")) and not name.endswith(".py"):
        _refuse_closed_directories(os.path.join(code_dir, *name.split(".")))
        return [python, "-m", name]
    _refuse_closed_directories(path)
    raise ShimError(f"there is no program {path}; is it in the image?", contract.EXIT_CONFIG)


def _refuse_closed_directories(path: str) -> None:
    """ShimError for a directory above a path that is there, and that this user may not enter: to him nothing is in it."""
    above = []
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        above.append(path)
    for directory in reversed(above):
        if os.path.isdir(directory):
            _refuse_closed(directory, os.X_OK)


def _refuse_closed(path: str, wanted: int) -> None:
    """ShimError that says who may not read or enter what, and how that is mended."""
    if os.access(path, wanted):
        return
    found = os.stat(path)
    verb = "enter" if wanted == os.X_OK else "read"
    raise ShimError(
        f"the user {os.getuid()}:{os.getgid()} may not {verb} {path}: its mode is {found.st_mode & 0o7777:04o}, its owner"
        f" {found.st_uid}:{found.st_gid}; make it readable in the image: RUN chmod -R a+rX {contract.CODE_DIR}",
        contract.EXIT_CONFIG,
    )
