"""What to run: the argv of the script."""

from __future__ import annotations

import os

from lyftlearn_runtime import adopted, contract, execve, hyperparameters
from lyftlearn_runtime.context import detect
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.frozen import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_SERVING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "serving", "__main__.py")
# Where the inference convention keeps a model's code, then where training has it.
MODEL_CODE_DIR = "/opt/ml/model/code"
_SERVING_CODE_DIRS = (MODEL_CODE_DIR, contract.CODE_DIR)
# Where the v2 SDK says that the code is, an archive in S3 or a directory; the variable's name is the same in capitals.
SUBMIT_DIRECTORY = "sagemaker_submit_directory"
# What the v3 SDK's container command starts: it installs, and runs the script of the channel `code`.
_DRIVER = "/opt/ml/input/data/sm_drivers/sm_train.sh"
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
    name = program_name(environ, values)
    if not name:
        if is_driven(environ, values):
            return Program(["/bin/bash", _DRIVER, *argv[1:]], "", [], [], None)
        default = adopted.default_program("train")
        if default:
            return Program([*default, *argv[1:]], "", [], [], None)
        raise ShimError(f"`train` has no program: set {_WAYS}", contract.EXIT_USAGE)
    own = hyperparameters.script_values(values)
    style = environ.get(contract.ARGUMENTS) or contract.ARGUMENT_STYLES[0]
    words = hyperparameters.arguments(own, style, as_toolkit=SUBMIT_DIRECTORY in values)
    arguments, omitted = execve.fit_arguments(sorted(own), words)
    if is_submitted(environ, values) and is_package(name, code_dir):
        command = [interpreter(environ), "-m", _module(name)]
    else:
        command = _command(name, code_dir, interpreter(environ))
    # The toolkit starts programs there, so a script may open a file beside it by its name alone.
    cwd = code_dir if os.path.isdir(code_dir) else None
    return Program([*command, *arguments, *argv[1:]], name, arguments, omitted, cwd)


def brings_code(argv: Sequence[str], environ: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    """Whether the code, or packages for it, are still to be brought: see `script_mode`, which few starts need."""
    first = argv[0] if argv else ""
    if first == "train":
        return bool(values.get(SUBMIT_DIRECTORY)) or _has_packages(environ, values) or is_driven(environ, values)
    if first == "serve":
        source = environ.get(SUBMIT_DIRECTORY.upper(), "")
        return source.startswith("s3://") or os.path.isfile(MODEL_CODE_DIR + "/requirements.txt")
    return any(_DRIVER in word for word in argv)


def program_name(environ: Mapping[str, str], values: Mapping[str, Any]) -> str:
    """The program that `train` runs, "" where nobody names one."""
    name = environ.get(contract.PROGRAM) or values.get("sagemaker_program") or environ.get("SAGEMAKER_PROGRAM")
    return str(name or "")


def is_submitted(environ: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    """Whether the program is one of script mode: named, or brought, as SageMaker's clients do."""
    return bool(values.get(SUBMIT_DIRECTORY) or (not environ.get(contract.PROGRAM) and program_name(environ, values)))


def is_driven(environ: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    """Whether it is the v3 SDK's driver that `train` is to start."""
    return not program_name(environ, values) and os.path.isfile(_DRIVER)


def is_package(name: str, code_dir: str) -> bool:
    """Whether the toolkit would install the code and start it as a module (its _entry_point_type.py)."""
    return not name.endswith(".sh") and os.path.isfile(os.path.join(code_dir, "setup.py"))


def interpreter(environ: Mapping[str, str]) -> str:
    """The Python of a job's programs: that of its own packages, the image's, or the one on the path."""
    packages = environ.get(contract.PACKAGES)
    if packages and os.path.exists(packages + "/bin/python"):
        return packages + "/bin/python"
    own = adopted.interpreter()
    if own:
        return own
    path = contract.VENV_DIR + "/bin/python"
    return path if os.path.exists(path) else "python3"


def _has_packages(environ: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    if not is_submitted(environ, values):
        return False
    return any(os.path.isfile(f"{contract.CODE_DIR}/{name}") for name in ("requirements.txt", "setup.py"))


def _module(name: str) -> str:
    return (name[: -len(".py")] if name.endswith(".py") else name).replace("/", ".")  # noqa: FURB188 - Python 3.9


def _server(environ: Mapping[str, str]) -> list[str]:
    """The model server, or the team's own one: a program that is not a Python file with handlers, nor a module."""
    name = environ.get(contract.PROGRAM) or environ.get("SAGEMAKER_PROGRAM") or ""
    for directory in _SERVING_CODE_DIRS if name and not name.endswith(".py") else ():
        if os.path.isfile(os.path.join(directory, name)):
            return _command(name, directory, interpreter(environ))
    own = adopted.default_program("serve")
    if own:
        return own
    if adopted.interpreter() or not os.path.exists(contract.VENV_DIR + "/bin/python"):
        message = f"serve is not in this version of the image: there is no {contract.VENV_DIR}/bin/python"
        raise ShimError(message, contract.EXIT_USAGE)
    return [interpreter(environ), _SERVING]


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


def _command(name: str, code_dir: str, python: str) -> list[str]:
    """How a program is started: a Python file, an executable or shell script, or a Python module."""
    path = os.path.join(code_dir, name)  # an absolute name stays what it is
    if os.path.isfile(path):
        if name.endswith(".py"):
            _refuse_closed(path, os.R_OK)
            return [python, path]
        if os.access(path, os.X_OK) and not (name.endswith(".sh") and _is_bare(path)):
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


def _is_bare(path: str) -> bool:
    """Whether a script does not say what is to run it: a shell does then, and the kernel refuses."""
    if not os.access(path, os.R_OK):
        return False
    with open(path, "rb") as file:
        return file.read(2) != b"#!"


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
    mode = found.st_mode & 0o7777
    # A copy of what the image has for others alone has no mode: see `copy_directories`.
    why = f"its mode is {mode:04o}, its owner {found.st_uid}:{found.st_gid}" if mode else "the image has it for others alone"
    raise ShimError(
        f"the user {os.getuid()}:{os.getgid()} may not {verb} {path}: {why};"
        f" make it readable in the image: RUN chmod -R a+rX {contract.CODE_DIR}",
        contract.EXIT_CONFIG,
    )
