"""What a job's `requirements.txt` asks for, installed once into a layer that any user may write, also on a read-only root.

pip reads its own settings: the index that the environment names (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_CONFIG_FILE), and
the CA bundle. Of what it says, nothing is shown but what went wrong, without the credentials of any address.
"""

from __future__ import annotations

import os
import re

from lyftlearn_runtime import contract, files, program, python_layer
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.log import log_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = "requirements.txt"
_DONE = ".lyftlearn-done"
# Of a failed installation so much is told.
_TOLD_LINES, _TOLD_CHARACTERS = 2, 900
# `user:password@` or `token@` of an address.
_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")
# Other files that a line of requirements names, and what is installed from a place here, of which the text says nothing.
_NESTED = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[\s=]+(\S+)", re.MULTILINE)
_LOCAL = re.compile(r"^\s*(?:-e|--editable|\.|/|file:)|@\s*file:|\.whl\b|\.tar\.gz\b", re.MULTILINE)
# Where pip puts things; here the layer says it.
_PLACES = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV")
# Where a CA bundle is named, in the order in which they are asked, as for a build.
_CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def install(code_dir: str, environ: Mapping[str, str], *, package: bool = False) -> str:
    """The layer with what the code's requirements.txt asks for, and with the code itself where it is a `package`.

    A layer is kept by what was asked for, beside the user's home: a container that is started again finds it. ShimError
    where pip fails.
    """
    path = os.path.join(code_dir, NAME)
    python = program.interpreter({})
    words = (["-r", path] if os.path.isfile(path) else []) + (["."] if package else [])
    texts = list(_texts(path, set())) if os.path.isfile(path) else []
    can_be_kept = not package and not any(_LOCAL.search(text) for text in texts)
    try:
        with _Lock(_place(environ), _digest(texts, python) if can_be_kept else _own_name()) as directory:
            if not (can_be_kept and os.path.exists(f"{directory}/{_DONE}")):
                _make_again(directory, python, environ)
                _run_pip(directory, words, code_dir, environ)
                with open(f"{directory}/{_DONE}", "wb"):
                    pass
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}"
        raise ShimError(f"there is no place for what {path} asks for: {reason}", contract.EXIT_CONFIG) from None
    return directory


def empty_layer(environ: Mapping[str, str]) -> str:
    """A layer with nothing in it, for a program that installs packages itself where the image's own cannot be written."""
    python = program.interpreter({})
    directory = f"{_place(environ)}/{_own_name()}"
    try:
        _make_again(directory, python, environ)
    except OSError as error:
        raise ShimError(f"{directory} cannot be written: {error.strerror}", contract.EXIT_CONFIG) from None
    return directory


def credentials(environ: Mapping[str, str]) -> list[str]:
    """The users and passwords in the addresses of pip's variables: whoever masks secrets has to know them."""
    from urllib.parse import unquote  # noqa: PLC0415 - only where something is installed

    found: list[str] = []
    for name, value in environ.items():
        if name.startswith("PIP_") or name.lower().endswith("_proxy"):
            for info in _USER_INFO.findall(value):
                for part in (info[:-1], *info[:-1].split(":", 1)):
                    found += [part, unquote(part)]
    # A user such as `aws` or `__token__` is no secret, and a short one would mask ordinary words.
    return [one for one in dict.fromkeys(found) if len(one) > len("__token__")]


def without_credentials(text: str) -> str:
    """The text with no user, token or password in any address."""
    return _USER_INFO.sub("[secret]@", text)


def _texts(path: str, seen: set[str]) -> Iterator[str]:
    """The text of a file of requirements and of those that it names. One that is not there is left to pip."""
    if path in seen:
        return
    seen.add(path)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except OSError:
        return
    yield text
    for name in _NESTED.findall(text):
        yield from _texts(os.path.join(os.path.dirname(path), name), seen)


def _digest(texts: list[str], python: str) -> str:
    import hashlib  # noqa: PLC0415 - only where something is installed

    # Another image has other packages below the layer; a home may be kept from one to the next.
    total = hashlib.sha256(os.fsencode(os.path.realpath(python)))
    for below, _, _ in os.walk(contract.VENV_DIR + "/lib"):
        if below.endswith(".dist-info"):
            total.update(os.fsencode(os.path.basename(below)))
    for text in texts:
        total.update(b"\0" + text.encode("utf-8", "surrogateescape"))
    return total.hexdigest()[:16]


def _place(environ: Mapping[str, str]) -> str:
    """A directory for layers that this user may write to; the first of those from which libraries may be loaded, if any is."""
    usual = (environ.get("HOME", ""), "/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - private by its mode below
    writable = [one for one in usual if files.is_writable(one)]
    if not writable:
        raise ShimError("no directory can be written to for packages; mount one at /tmp", contract.EXIT_CONFIG)
    place = f"{min(writable, key=_forbids_execution)}/.lyftlearn"
    # A home that is kept may have been another user's; a directory of its own by its mode either way.
    for one in (place, f"{place}-{os.getuid()}"):
        os.makedirs(one, mode=0o700, exist_ok=True)
        if os.access(one, os.W_OK | os.X_OK):
            return one
    raise ShimError(f"{place} is another user's; mount a writable directory at /tmp", contract.EXIT_CONFIG)


def _forbids_execution(directory: str) -> bool:
    return bool(os.statvfs(directory).f_flag & os.ST_NOEXEC)


def _own_name() -> str:
    """The name of a layer that is no other container's, for a home may be shared."""
    return f"own-{os.uname().nodename}-{os.getpid()}"


class _Lock:
    """One start at a time makes a layer: a home may be shared. Its directory."""

    def __init__(self, place: str, name: str) -> None:
        self._directory = f"{place}/{name}"
        self._file = -1

    def __enter__(self) -> str:
        import fcntl  # noqa: PLC0415 - only where something is installed

        self._file = os.open(self._directory + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return self._directory

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


def _make_again(directory: str, python: str, environ: Mapping[str, str]) -> None:
    """An empty layer, whatever a start that died has left."""
    if os.path.lexists(directory):
        import shutil  # noqa: PLC0415 - only after such a start

        shutil.rmtree(directory)
    python_layer.make(directory, python, environ)


def _run_pip(directory: str, words: list[str], code_dir: str, environ: Mapping[str, str]) -> None:
    import subprocess  # noqa: PLC0415 - only where something is installed

    settings = ["--no-input", "--disable-pip-version-check", "--no-color", "--progress-bar=off"]
    command = [f"{directory}/bin/python", "-m", "pip", "install", *settings, *words]
    done = subprocess.run(
        command, cwd=code_dir, env=_pip_variables(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    lines = without_credentials(done.stdout.decode("utf-8", "replace")).splitlines()
    asked = " and ".join(
        os.path.join(code_dir, NAME) if word == "-r" else "the package" for word in words if word in ("-r", ".")
    )
    if done.returncode:
        raise ShimError(
            f"what {asked} asks for cannot be installed: {_reason(lines)} ({_index(environ)})", contract.EXIT_CONFIG
        )
    installed = [line.partition("installed ")[2] for line in lines if line.startswith("Successfully installed ")]
    log_line(f"installed for {asked}: {' '.join(installed) or 'nothing, for all of it is in the image'}")


def _pip_variables(environ: Mapping[str, str]) -> dict[str, str]:
    found = {name: value for name, value in environ.items() if name not in _PLACES}
    bundle = next((environ[name] for name in _CA_VARIABLES if environ.get(name)), None)
    if bundle:
        found["PIP_CERT"] = bundle
    found["PIP_ROOT_USER_ACTION"] = "ignore"
    # A job installs once: a cache would take the room of every package a second time.
    if not environ.get("PIP_CACHE_DIR"):
        found["PIP_NO_CACHE_DIR"] = "1"
    # A script's own path is no place from which pip is to import.
    found.pop("PYTHONPATH", None)
    return found


def _reason(lines: list[str]) -> str:
    """What pip says last of what went wrong, in one line: a warning before it often has the cause."""
    words = [line.strip() for line in lines if line.strip()]
    warnings = [line for line in words if line.startswith("WARNING:")]
    errors = [line for line in words if line.lower().startswith("error:")]
    return "; ".join([*warnings[-1:], *(errors or words)[-_TOLD_LINES:]])[:_TOLD_CHARACTERS] or "pip says nothing"


def _index(environ: Mapping[str, str]) -> str:
    """Where pip looked, for whoever has to mend it."""
    index = environ.get("PIP_INDEX_URL")
    if index:
        return f"PIP_INDEX_URL is {without_credentials(index)}"
    if environ.get("PIP_CONFIG_FILE"):
        return f"the index is that of PIP_CONFIG_FILE, {environ['PIP_CONFIG_FILE']}"
    return "PIP_INDEX_URL names another index than the public one"
