"""The realised environment: what the script is about to see, written at the moment of its start.

Imported only when it is asked for, so it may use what it likes of the standard library.
"""

from __future__ import annotations

import glob
import hashlib
import hmac
import json
import os
import pwd
import resource
import socket

from lyftlearn_runtime import contract, environment, hyperparameters
from lyftlearn_runtime.identity import is_writable
from lyftlearn_runtime.references import is_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

# A larger file is known by its size and by its first and last bytes: an observation must not read all data twice.
_HASHED_BYTES = 64 << 20
_EDGE_BYTES = 1 << 20
_STATUS = {"CapEff": "capabilities", "NoNewPrivs": "no_new_privs", "Seccomp": "seccomp"}
# What the contract says can be written to; the rest of the root differs by platform.
_WRITABLE = ("/tmp", "/opt/ml/output", "/dev/shm")  # noqa: S108 - asked about
_WRITABLE_TRAINING = ("/opt/ml/model", "/opt/ml/checkpoints")


def write(  # noqa: PLR0913, PLR0917 - its parts, each said once
    place: str,
    argv: list[str],
    variables: Mapping[str, str],
    secrets: Collection[str],
    context: Any,
    files: Mapping[str, bool],
    observed_at: float,
) -> None:
    """Writes the observation that LYFTLEARN_OBSERVE asks for (`<path>#<hex key>`)."""
    path, _, key = place.rpartition("#")
    digests = _Digests(bytes.fromhex(key), secrets)
    document = {
        "version": contract.OBSERVATION_VERSION,
        "observed_at": observed_at,
        "context": {"name": context.name, "because": context.because},
        "argv": [digests.plain(one) for one in argv],
        "cwd": os.getcwd(),
        "variables": {name: digests.of(value) for name, value in sorted(variables.items())},
        "ids": {"uid": os.getuid(), "gid": os.getgid(), "groups": sorted(os.getgroups())},
        "user": {"name": variables.get("USER", ""), "home": variables.get("HOME", ""), "row": _row()},
        "umask": "%04o" % _umask(),
        "hostname": socket.gethostname(),
        "limits": _limits(),
        "cpu": _cpu(),
        "memory": {"limit_bytes": environment.memory_limit()},
        "shm_bytes": _shm_bytes(),
        "python": _python(variables),
        "packages": _packages(),
        "files": _files(files, digests),
        "writable": {one: is_writable(one) for one in _asked(variables)},
        "timezone": variables.get("TZ", ""),
        "locale": variables.get("LANG", ""),
    }
    document.update(_status())
    hyperparameters.replace(
        path, json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogateescape")
    )


class _Digests:
    """Stands a keyed digest in the place of every secret: equal secrets can be told, and nothing else."""

    def __init__(self, key: bytes, secrets: Collection[str]) -> None:
        self._key = key
        self._secrets = frozenset(secrets)

    def of(self, value: str) -> Any:
        if value in self._secrets and not is_reference(value):
            return {"digest": hmac.new(self._key, value.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:16]}
        return value

    def plain(self, value: str) -> str:
        found = self.of(value)
        return found if isinstance(found, str) else "digest:" + str(found["digest"])

    def content(self, data: bytes) -> str:
        return "digest:" + hmac.new(self._key, data, hashlib.sha256).hexdigest()[:16]


def _asked(variables: Mapping[str, str]) -> list[str]:
    training = _WRITABLE_TRAINING if "SM_MODEL_DIR" in variables else ()
    return list(dict.fromkeys((variables.get("HOME", "/"), *_WRITABLE, *training)))


def _row() -> Any:
    try:
        return list(pwd.getpwuid(os.getuid()))
    except KeyError:
        return None


def _umask() -> int:
    found = os.umask(0o022)
    os.umask(found)
    return found


def _limits() -> dict[str, list[int]]:
    return {
        name: list(resource.getrlimit(getattr(resource, name))) for name in sorted(dir(resource)) if name.startswith("RLIMIT_")
    }


def _cpu() -> dict[str, Any]:
    found: dict[str, Any] = {"count": len(os.sched_getaffinity(0)), "quota": environment.cpu_quota(), "model": "", "flags": []}
    with open("/proc/cpuinfo") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                found["model"] = value.strip()
            elif name.strip() in ("flags", "Features"):
                found["flags"] = sorted(value.split())
                break
    return found


def _shm_bytes() -> int:
    try:
        found = os.statvfs("/dev/shm")  # noqa: S108 - asked about
    except OSError:
        return 0
    return found.f_frsize * found.f_blocks


def _python(variables: Mapping[str, str]) -> dict[str, str]:
    path = contract.VENV_DIR + "/pyvenv.cfg"
    facts = {"executable": contract.VENV_DIR + "/bin/python", "version": ""}
    if os.path.exists(path):
        with open(path) as file:
            for line in file:
                name, _, value = line.partition("=")
                if name.strip() == "version":
                    facts["version"] = value.strip()
    facts["path"] = variables.get("PYTHONPATH", "")
    return facts


def _packages() -> dict[str, str]:
    names = [
        os.path.basename(path)[: -len(".dist-info")]
        for path in glob.glob(contract.VENV_DIR + "/lib/python3*/site-packages/*.dist-info")
    ]
    return {name.rpartition("-")[0].replace("_", "-").lower(): name.rpartition("-")[2] for name in sorted(names)}


def _files(placed: Mapping[str, bool], digests: _Digests) -> dict[str, Any]:
    """Every input file, and every file that the shim placed (True: it holds a secret)."""
    found: dict[str, Any] = {}
    paths = [
        os.path.join(top, name)
        for root in ("/opt/ml/input", "/opt/ml/processing/input")
        for top, _, names in os.walk(root)
        for name in names
    ]
    for path in sorted(set(paths) | set(placed)):
        try:
            status = os.stat(path)
            found[path] = {"mode": "%04o" % (status.st_mode & 0o7777), "size": status.st_size}
            if placed.get(path):
                with open(path, "rb") as file:
                    found[path]["sha256"] = digests.content(file.read())
            else:
                found[path].update(_hashed(path, status.st_size))
        except OSError as error:
            found[path] = {"error": error.strerror}
    return found


def _hashed(path: str, size: int) -> dict[str, Any]:
    total = hashlib.sha256()
    with open(path, "rb") as file:
        if size > _HASHED_BYTES:
            total.update(file.read(_EDGE_BYTES))
            file.seek(-_EDGE_BYTES, os.SEEK_END)
            total.update(file.read())
            return {"sha256": total.hexdigest(), "hashed": "first and last MiB"}
        for chunk in iter(lambda: file.read(1 << 20), b""):
            total.update(chunk)
    return {"sha256": total.hexdigest()}


def _status() -> dict[str, str]:
    found = {}
    with open("/proc/self/status") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in _STATUS:
                found[_STATUS[name]] = value.strip()
    return found
