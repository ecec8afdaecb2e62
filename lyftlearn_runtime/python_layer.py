"""A virtual environment on top of the image's own, for packages that come with a job, wherever a UID may write.

The image's packages are found below it, so what is there already is not installed again, and what a job wants newer wins.
Programs of the image (`torchrun`, `pip`) begin with the path of its interpreter: the layer has them again, with its own.
"""

from __future__ import annotations

import os

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# What an interpreter says of itself, a line each: version, the program that a layer starts, and where its packages are.
_ASK = (
    "import site, sys; print('%d.%d' % sys.version_info[:2]); print(getattr(sys, '_base_executable', '') or sys.executable);"
    " print(*site.getsitepackages(), sep='\\n')"
)
_SHEBANG_BYTES = 256


def make(directory: str, python: str, environ: Mapping[str, str]) -> None:
    """Makes an empty layer over the environment of `python`. OSError where there is no room."""
    import subprocess  # noqa: PLC0415 - only where packages are to be installed

    asked = subprocess.run([python, "-c", _ASK], env=dict(environ), stdout=subprocess.PIPE, check=False)
    if asked.returncode:
        raise ShimError(f"{python} does not start, and packages are to be installed for it", contract.EXIT_CONFIG)
    version, base, *below = asked.stdout.decode("utf-8", "surrogateescape").splitlines()
    packages = f"{directory}/lib/python{version}/site-packages"
    os.makedirs(packages)
    os.makedirs(directory + "/bin")
    _write(f"{directory}/pyvenv.cfg", f"home = {os.path.dirname(base)}\ninclude-system-site-packages = false\n")
    # `addsitedir` reads the .pth files there too; a plain path would not.
    _write(f"{packages}/lyftlearn.pth", "".join(f"import site; site.addsitedir({path!r})\n" for path in below))
    for name in ("python", "python3", f"python{version}"):
        os.symlink(base, f"{directory}/bin/{name}")
    _copy_programs(os.path.dirname(python), directory)


def variables(directory: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What activates a layer, as `activate` of a virtual environment does."""
    path = directory + "/bin:" + environ.get("PATH", os.defpath)
    return {contract.PACKAGES: directory, "VIRTUAL_ENV": directory, "PATH": path}


def _copy_programs(source: str, directory: str) -> None:
    """The programs of the interpreter's own environment that are started by it."""
    if not os.path.isabs(source):
        return
    for name in os.listdir(source):
        path, copy = os.path.join(source, name), f"{directory}/bin/{name}"
        if os.path.lexists(copy) or not os.path.isfile(path):
            continue
        with open(path, "rb") as file:
            line = file.readline(_SHEBANG_BYTES)
            if line.startswith(b"#!" + os.fsencode(source) + b"/python"):
                _write(copy, f"#!{directory}/bin/python\n", file.read())
                os.chmod(copy, 0o700)


def _write(path: str, text: str, rest: bytes = b"") -> None:
    with open(path, "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape") + rest)
