"""Script mode: a job or a server that brings its own code, and packages that the image has not.

As SageMaker's clients send it: the v2 SDK names an archive by hyperparameters (aws/sagemaker-training-toolkit,
src/sagemaker_training/entry_point.py), the v3 SDK has channels with the code and a driver that installs and starts
(aws/sagemaker-python-sdk, sagemaker-train/src/sagemaker/train/model_trainer.py), and a model's archive has `code/` in it
(aws/sagemaker-inference-toolkit, src/sagemaker_inference/model_server.py).
"""

from __future__ import annotations

import os

from lyftlearn_runtime import contract, program, python_layer, requirements, submitted_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def prepare(argv: Sequence[str], environ: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    """Brings the code and installs what it asks for. The variables by which its packages are found.

    ShimError where the code is not to be had, or pip fails.
    """
    if argv[0] == "serve":
        return _prepare_server(environ)
    if argv[0] == "train" and not program.is_driven(environ, values):
        return _prepare_training(environ, values)
    # The SDK's driver installs by itself: here the image's own packages may be on a read-only root.
    return {} if _can_install() else python_layer.variables(requirements.empty_layer(environ), environ)


def _prepare_training(environ: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    source = values.get(program.SUBMIT_DIRECTORY)
    if source:
        submitted_code.bring(str(source), environ)
    name = program.program_name(environ, values)
    is_package = program.is_package(name, contract.CODE_DIR)
    path = os.path.join(contract.CODE_DIR, name)
    if not is_package and not name.endswith(".py") and os.path.isfile(path):
        # As the toolkit has it: a command installs what it needs itself.
        _make_executable(path)
        return {}
    return _packages(contract.CODE_DIR, environ, is_package=is_package)


def _prepare_server(environ: Mapping[str, str]) -> dict[str, str]:
    source = environ.get(program.SUBMIT_DIRECTORY.upper(), "")
    if source.startswith("s3://"):
        submitted_code.bring(source, environ)
        found = _packages(contract.CODE_DIR, environ)
        if found:
            return found
    return _packages(program.MODEL_CODE_DIR, environ)


def _packages(code_dir: str, environ: Mapping[str, str], *, is_package: bool = False) -> dict[str, str]:
    if not is_package and not os.path.isfile(os.path.join(code_dir, requirements.NAME)):
        return {}
    return python_layer.variables(requirements.install(code_dir, environ, package=is_package), environ)


def _make_executable(path: str) -> None:
    """What is started as a command is one, however the client's file system had it."""
    if not os.access(path, os.X_OK):
        try:
            os.chmod(path, os.stat(path).st_mode | 0o111)  # noqa: S103 - whoever may read it
        except OSError:
            pass  # of an image's own: how it is started then, or why not, is told with the program


def _can_install() -> bool:
    """Whether pip may write beside the image's packages."""
    lib = contract.VENV_DIR + "/lib"
    names = os.listdir(lib) if os.path.isdir(lib) else []
    return any(os.access(f"{lib}/{name}/site-packages", os.W_OK) for name in names)
