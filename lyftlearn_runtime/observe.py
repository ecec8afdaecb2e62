"""The realised environment: what the script is about to see, written at the moment of its start.

Imported only when it is asked for, so it may use what it likes of the standard library.
"""

from __future__ import annotations

import glob
import hashlib
import hmac
import json
import os
import resource
import socket
import stat
import time

from lyftlearn_runtime import adopted, cgroup, contract, files
from lyftlearn_runtime.context import PROCESSING_CONFIG
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.posix_user import passwd_entry
from lyftlearn_runtime.secret_forms import is_maskable, sounds_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from lyftlearn_runtime.context import Context
    from lyftlearn_runtime.supervise import Command

# A larger file is known by its size and by its first and last bytes: an observation must not read all data twice.
_HASHED_BYTES = 64 << 20
_EDGE_BYTES = 1 << 20
_STATUS = {"CapEff": "capabilities", "NoNewPrivs": "no_new_privs", "Seccomp": "seccomp"}
# What the contract says can be written to; the rest of the root differs by platform.
_WRITABLE = ("/tmp", "/opt/ml/output", "/dev/shm")  # noqa: S108 - asked about
_WRITABLE_TRAINING = ("/opt/ml/model", "/opt/ml/checkpoints")
_INPUTS = ("/opt/ml/input", "/opt/ml/processing/input")


def write_observation(
    destination: str, command: Command, context: Context, placed: Mapping[str, bool], secrets: Collection[str]
) -> None:
    """Writes the observation that LYFTLEARN_OBSERVE asks for; `destination` is its value, `<path>#<hex key>`.

    `placed` are the files that the shim wrote or that a ConfigMap brought, True for one with a secret in it. The time is
    taken last, for the hashing of inputs is none of the start's.
    """
    path, _, key = destination.rpartition("#")
    try:
        digests = _Digests(bytes.fromhex(key), secrets)
    except ValueError:
        path = ""
    if not path.startswith("/"):
        raise ShimError(f"{contract.OBSERVE} is not <absolute path>#<hex key>", contract.EXIT_CONFIG)
    variables = command.variables
    document = {
        "version": contract.OBSERVATION_VERSION,
        "context": {"name": context.name, "because": context.because},
        "argv": [digests.plain(one) for one in command.argv],
        "cwd": command.cwd or os.getcwd(),
        "variables": {name: digests.variable(name, value) for name, value in sorted(variables.items())},
        "ids": {"uid": os.getuid(), "gid": os.getgid(), "groups": sorted(os.getgroups())},
        "user": {"name": variables.get("USER", ""), "home": variables.get("HOME", ""), "row": _passwd_row()},
        "umask": f"{_umask():04o}",
        "hostname": socket.gethostname(),
        "limits": _limits(),
        "cpu": _cpu(),
        "memory": {"limit_bytes": cgroup.memory_limit()},
        "shm_bytes": _shm_bytes(),
        "python": _python(variables),
        "packages": _packages(variables),
        "files": _files(placed, digests),
        "writable": {one: files.is_writable(one) for one in _asked(variables)},
        "timezone": variables.get("TZ", ""),
        "locale": variables.get("LANG", ""),
        **_status(),
    }
    document["observed_at"] = time.time()
    files.replace(path, json.dumps(document, indent=1, sort_keys=True).encode())


class _Digests:
    """Stands a keyed digest in the place of every secret: equal secrets can be told, and nothing else."""

    def __init__(self, key: bytes, secrets: Collection[str]) -> None:
        self._key = key
        self._secrets = frozenset(secrets)
        self._searchable = tuple(one for one in self._secrets if is_maskable(one))

    def variable(self, name: str, value: str) -> Any:
        """The value, or its digest where it is a secret, has one in it, or has a name that says so."""
        if value in self._secrets or any(one in value for one in self._searchable) or (value and sounds_secret(name)):
            return {"digest": self.digest(value.encode("utf-8", "surrogateescape"))}
        return value

    def plain(self, value: str) -> str:
        """A word of the command line, likewise."""
        found = self.variable("", value)
        return found if isinstance(found, str) else "digest:" + str(found["digest"])

    def digest(self, data: bytes) -> str:
        """The digest."""
        return hmac.new(self._key, data, hashlib.sha256).hexdigest()[:16]


def _asked(variables: Mapping[str, str]) -> list[str]:
    training = _WRITABLE_TRAINING if "SM_MODEL_DIR" in variables else ()
    return list(dict.fromkeys((variables.get("HOME", "/"), *_WRITABLE, *training)))


def _passwd_row() -> Any:
    entry = passwd_entry(os.getuid())
    return list(entry) if entry else None


def _umask() -> int:
    found = os.umask(0o022)
    os.umask(found)
    return found


def _limits() -> dict[str, list[int]]:
    return {
        name: list(resource.getrlimit(getattr(resource, name))) for name in sorted(dir(resource)) if name.startswith("RLIMIT_")
    }


def _cpu() -> dict[str, Any]:
    found: dict[str, Any] = {"count": len(os.sched_getaffinity(0)), "quota": cgroup.cpu_quota(), "model": "", "flags": []}
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
    own = adopted.facts().get("python", {})
    if own:
        return {"executable": own["executable"], "version": own["version"], "path": variables.get("PYTHONPATH", "")}
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


def _packages(variables: Mapping[str, str]) -> dict[str, str]:
    """Name → version. What came with the job's own requirements hides what the image has."""
    layer = variables.get(contract.PACKAGES)
    patterns = [f"{glob.escape(one)}/lib/python3*/site-packages" for one in (contract.VENV_DIR, layer) if one]
    own = adopted.facts().get("python", {})
    if own:  # the last one hides the others, and the first of a path is found
        patterns = [*map(glob.escape, reversed(own["packages"])), *patterns[1:]]
    names = [
        os.path.basename(path)[: -len(".dist-info")]
        for pattern in patterns
        for path in sorted(glob.glob(pattern + "/*.dist-info"))
    ]
    return {name.rpartition("-")[0].replace("_", "-").lower(): name.rpartition("-")[2] for name in names}


def _files(placed: Mapping[str, bool], digests: _Digests) -> dict[str, Any]:
    """Every input file, and every file that was placed for the script."""
    found: dict[str, Any] = {}
    paths = [os.path.join(top, name) for root in _input_places() for top, _, names in os.walk(root) for name in names]
    for path in sorted(set(paths) | set(placed)):
        try:
            status = os.stat(path)
            found[path] = {"mode": f"{status.st_mode & 0o7777:04o}", "size": status.st_size}
            if not stat.S_ISREG(status.st_mode):
                continue  # a FIFO of Pipe mode must not be read
            if placed.get(path):
                with open(path, "rb") as file:
                    found[path] = {"mode": found[path]["mode"], "sha256": "digest:" + digests.digest(file.read())}
            else:
                found[path].update(_hashed(path, status.st_size))
        except OSError as error:
            found[path] = {"error": error.strerror}
    return found


def _input_places() -> list[str]:
    """Where inputs lie: the usual directories, and those that a processing job has chosen (`LocalPath`)."""
    try:
        with open(PROCESSING_CONFIG, encoding="utf-8") as file:
            chosen = [str(one["S3Input"]["LocalPath"]).rstrip("/") for one in json.load(file)["ProcessingInputs"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        chosen = []
    return [*_INPUTS, *(path for path in chosen if not (path + "/").startswith(_INPUTS[1] + "/"))]


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


def _status() -> dict[str, Any]:
    found: dict[str, Any] = {}
    with open("/proc/self/status") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in _STATUS:
                found[_STATUS[name]] = value.strip() if name == "CapEff" else int(value)
    return found
