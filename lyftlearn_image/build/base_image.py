"""Makes sure of the base image: the one that is here, or pulled, or bootstrapped from Debian's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lyftlearn_image.build.engine import build_client
from lyftlearn_image.errors import BuildError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.build.spec import Base

    Progress = Callable[[str], None]

BOOTSTRAP_LABEL = "dev.lyftlearn.bootstrapped-from"
_PULL_TIMEOUT_S = 600
# What the slim images of Debian leave out too.
_EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*")
_KEPT = ("/usr/share/doc/*/copyright",)


@dataclass(frozen=True)
class BaseImage:
    """A base image on the engine. `reference` is what FROM is given; `origin` says where it came from."""

    reference: str
    id: str
    origin: Literal["local", "pulled", "bootstrapped"]


def ensure_base(base: Base, progress: Progress) -> BaseImage:
    """The base image of a class, on the engine.

    Tried in turn: the image with that digest, one bootstrapped before, a pull, Debian's packages (mmdebstrap).
    Raises UnavailableError when none of them works.
    """
    pinned = f"{base.image}@{base.digest}"
    if image_id := _image_id(pinned):
        return BaseImage(pinned, image_id, "local")
    local = _bootstrap_tag(base)
    if image_id := _image_id(local):
        return BaseImage(local, image_id, "bootstrapped")
    if _pull(pinned, progress) and (image_id := _image_id(pinned)):
        return BaseImage(pinned, image_id, "pulled")
    if base.bootstrap is None:
        raise UnavailableError(
            f"{pinned} is not here and cannot be pulled", hint="Load it with `docker load`, or set `base.bootstrap`."
        )
    progress(f"{base.image} cannot be pulled here: bootstrapping it from Debian's packages ({base.bootstrap}), about 30 s")
    _bootstrap(base.bootstrap, local, progress)
    if not _image_id(base.image):
        _docker("tag", local, base.image)
    image_id = _image_id(local)
    if image_id is None:
        raise BuildError(f"{local} was imported, but the engine does not have it")
    return BaseImage(local, image_id, "bootstrapped")


def _bootstrap_tag(base: Base) -> str:
    name, _, tag = base.image.rpartition("/")[2].partition(":")
    return f"lyftlearn-base/{name}:{tag or 'latest'}"


def _image_id(reference: str) -> str | None:
    done = _run("image", "inspect", "--format", "{{.Id}}", reference)
    return done.stdout.strip() if done.returncode == 0 else None


def _pull(reference: str, progress: Progress) -> bool:
    progress(f"pulling {reference}")
    try:
        return _run("pull", "--quiet", reference, timeout_s=_PULL_TIMEOUT_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _bootstrap(suite: str, tag: str, progress: Progress) -> None:
    """Debian's minimal base, as the slim images have it, imported as `tag`."""
    _ensure_mmdebstrap(progress)
    options = [f"--dpkgopt=path-exclude={path}" for path in _EXCLUDED] + [f"--dpkgopt=path-include={path}" for path in _KEPT]
    with tempfile.TemporaryDirectory(prefix="lyftlearn-base-") as directory:
        tarball = Path(directory) / "base.tar"
        # The packages' own time, not ours: the same packages give the same archive.
        environment = {**os.environ, "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", "0")}
        command = ["mmdebstrap", "--quiet", "--variant=minbase", *options, suite, str(tarball)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise BuildError(
                f"mmdebstrap could not bootstrap {suite}", where=_end(done.stderr), hint="Does apt reach a Debian mirror?"
            )
        label = f"LABEL {BOOTSTRAP_LABEL}={suite}"
        _docker("import", "--change", label, "--change", 'CMD ["bash"]', str(tarball), tag)


def _ensure_mmdebstrap(progress: Progress) -> None:
    if shutil.which("mmdebstrap"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise UnavailableError("mmdebstrap is needed to bootstrap the base image", hint="As root: apt-get install mmdebstrap")
    progress("installing mmdebstrap")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "mmdebstrap"]):
        done = subprocess.run(["apt-get", *arguments], capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise UnavailableError("mmdebstrap could not be installed", where=_end(done.stderr))


def _docker(*arguments: str) -> str:
    done = _run(*arguments)
    if done.returncode:
        raise BuildError(f"docker {arguments[0]} failed", where=_end(done.stderr))
    return done.stdout


def _run(*arguments: str, timeout_s: float | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(build_client()), *arguments], capture_output=True, text=True, check=False, timeout=timeout_s)


def _end(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-5:])
