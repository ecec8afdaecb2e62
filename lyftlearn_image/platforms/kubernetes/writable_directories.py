"""What a script may write to on a read-only root: scratch, and copies of the image's own directories.

An emptyDir hides what the image has at its place. So an init container of the same image, which sees that, copies it first
(`copy_directories` of the runtime): the code's directory, the home, and the working directory wherever the image has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Volume = tuple[dict[str, Any], dict[str, Any]]
SCRATCH = ("/tmp", "/var/tmp", contract.HOME)  # noqa: S108 - of the container
INIT_CONTAINER = "writable"
_COPIED = (contract.CODE_DIR, contract.HOME)
_TARGETS = "/mnt/lyftlearn/copies"
_WORK = "work"
_PROGRAM = f"{contract.INSTALL_DIR}/lyftlearn_runtime/copy_directories.py"


def scratch_name(path: str) -> str:
    """The name of the volume that makes a directory writable."""
    return path.strip("/").replace("/", "-")


def scratch(path: str) -> Volume:
    """An emptyDir for a directory that the contract says is writable, and its mount."""
    name = scratch_name(path)
    return {"name": name, "emptyDir": {}}, {"name": name, "mountPath": path}


def copies() -> list[Volume]:
    """The volumes of the image's own directories besides its home, and their mounts in the main container."""
    work = {"name": _WORK, "emptyDir": {}}, {"name": _WORK, "mountPath": contract.WORK_DIR}
    return [scratch(contract.CODE_DIR), work]


def copying_container(main: Mapping[str, Any], volumes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The init container that fills those volumes: with the image, user and limits of the main one, and nothing else of it.

    A volume that is kept from run to run has its content already.
    """
    names = {volume["name"] for volume in volumes if "emptyDir" in volume}
    copied = {path: f"{_TARGETS}/{scratch_name(path)}" for path in _COPIED if scratch_name(path) in names}
    pairs = [word for pair in copied.items() for word in pair]
    mounts = [{"name": scratch_name(path), "mountPath": target} for path, target in copied.items()]
    return {
        "name": INIT_CONTAINER,
        "image": main["image"],
        # Not the shim: it would wait for references, and has nothing to do here.
        "command": ["/usr/bin/python3", "-IS", _PROGRAM, contract.WORK_DIR, *pairs],
        "resources": main["resources"],
        "securityContext": main["securityContext"],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [*mounts, {"name": _WORK, "mountPath": contract.WORK_DIR}],
    }
