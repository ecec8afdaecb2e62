"""Builds images with BuildKit: a class's own, and those that stand on one. Nothing changed means nothing built."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.build.base_image import ensure_base
from lyftlearn_image.build.context import build_context, build_key
from lyftlearn_image.build.engine import build_client, ensure_engine
from lyftlearn_image.build.spec import load_spec
from lyftlearn_image.errors import BuildError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Progress = Callable[[str], None]

KEY_LABEL = "dev.lyftlearn.build-key"
# Where a machine's own CA bundle is named, in the order in which they are asked.
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_STEP = re.compile(r"#\d+ (\[[^\]]+\] .*)")
_SHOWN_LINES = 20


@dataclass(frozen=True)
class BuildResult:
    """A built image. `id` is the digest of its configuration; `was_built` is False when nothing had changed."""

    image: str
    id: str
    size_bytes: int
    duration_s: float
    build_key: str
    was_built: bool
    base: str


def quiet(message: str) -> None:
    """Takes a progress line and says nothing."""


def build(  # noqa: PLR0913 - one parameter a choice of the user
    class_name: str,
    *,
    images_dir: Path,
    tags: Sequence[str] = (),
    ca_bundle: Path | None = None,
    use_cache: bool = True,
    progress: Progress = quiet,
) -> BuildResult:
    """The image of a class, tagged `<class>:latest` and `<class>:<version>` unless `tags` are given.

    Raises InvalidInputError for a wrong description, BuildError with the failing step's last lines.
    """
    started = time.monotonic()
    spec = load_spec(class_name, images_dir)
    ensure_engine(progress)
    base = ensure_base(spec.base, progress)
    context = build_context(spec, images_dir)
    key = build_key(context, base.id)
    names = tuple(tags) or (f"{spec.name}:latest", f"{spec.name}:{spec.version}")
    with tempfile.TemporaryDirectory(prefix="lyftlearn-build-") as directory:
        place = Path(directory)
        _write(context, place)
        arguments = [f"--build-arg=BASE_IMAGE={base.reference}", *_secrets(ca_bundle)]
        was_built = _build_unless_current(place, names, key, arguments, use_cache=use_cache, progress=progress)
    return _result(names[0], key, was_built=was_built, base=base.origin, started=started)


def build_directory(directory: Path, tag: str, *, progress: Progress = quiet) -> BuildResult:
    """The image of a directory with a Dockerfile that stands on an image of this engine (`FROM lyftlearn:latest`)."""
    started = time.monotonic()
    dockerfile = directory / "Dockerfile"
    if not dockerfile.is_file():
        raise InvalidInputError(
            f"there is no Dockerfile in {directory}", hint="Two lines do: FROM lyftlearn:latest, COPY . /opt/ml/code/"
        )
    below = _base_of(dockerfile)
    base_id = _inspect(below, "{{.Id}}")
    if base_id is None:
        raise BuildError(
            f"{dockerfile} stands on {below}, which is not on this engine", hint="Build it: lyftlearn-image build lyftlearn"
        )
    context = {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}
    key = build_key(context, base_id)
    was_built = _build_unless_current(directory, (tag,), key, [], use_cache=True, progress=progress)
    return _result(tag, key, was_built=was_built, base=below, started=started)


def _build_unless_current(  # noqa: PLR0913 - all of them decide what is run
    place: Path, names: Sequence[str], key: str, arguments: Sequence[str], *, use_cache: bool, progress: Progress
) -> bool:
    if use_cache and _inspect(names[0], f'{{{{index .Config.Labels "{KEY_LABEL}"}}}}') == key:
        for name in names[1:]:
            _docker("tag", names[0], name)
        return False
    command = [
        str(build_client()),
        "build",
        "--progress=plain",
        f"--label={KEY_LABEL}={key}",
        *(f"--tag={name}" for name in names),
    ]
    if not use_cache:
        command.append("--no-cache")
    _run_build([*command, *arguments, str(place)], progress)
    return True


def _run_build(command: Sequence[str], progress: Progress) -> None:
    """Runs a build, telling each step; BuildError with the last lines when it fails."""
    last: deque[str] = deque(maxlen=_SHOWN_LINES)
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, errors="replace"
    ) as process:
        for line in process.stdout or ():
            last.append(line.rstrip())
            if step := _STEP.match(line):
                progress(f"{step[1]:.110}")
    if process.returncode:
        raise BuildError(
            "the build failed",
            where="\n".join(last),
            hint="The step is named above; `lyftlearn-image render` prints all of them.",
        )


def _secrets(ca_bundle: Path | None) -> list[str]:
    """The build secrets: files that a step may read and that no layer, history or log holds."""
    found = ca_bundle or next((Path(os.environ[name]) for name in CA_VARIABLES if os.environ.get(name)), None)
    secrets = {"ca-bundle": found, "pip-conf": _pip_configuration()}
    return [f"--secret=id={name},src={path}" for name, path in secrets.items() if path is not None and path.is_file()]


def _pip_configuration() -> Path | None:
    """The pip configuration file that this user's pip reads, where it names an index."""
    candidates = [
        os.environ.get("PIP_CONFIG_FILE"),
        Path.home() / ".config/pip/pip.conf",
        Path.home() / ".pip/pip.conf",
        "/etc/pip.conf",
    ]
    paths = [Path(candidate) for candidate in candidates if candidate]
    return next(
        (path for path in paths if path.is_file() and re.search(r"^\s*index-url\s*=", path.read_text(), re.MULTILINE)), None
    )


def _result(name: str, key: str, *, was_built: bool, base: str, started: float) -> BuildResult:
    image_id, _, size = (_inspect(name, "{{.Id}} {{.Size}}") or "").partition(" ")
    return BuildResult(name, image_id, int(size or 0), time.monotonic() - started, key, was_built, base)


def _base_of(dockerfile: Path) -> str:
    found = re.findall(r"^FROM\s+(\S+)", dockerfile.read_text(encoding="utf-8"), re.MULTILINE | re.IGNORECASE)
    if not found:
        raise InvalidInputError(
            "there is no FROM in the Dockerfile", where=str(dockerfile), hint="Begin it with FROM lyftlearn:latest"
        )
    return str(found[0])


def _write(context: Mapping[str, bytes], place: Path) -> None:
    for name, content in context.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _inspect(image: str, form: str) -> str | None:
    done = subprocess.run(
        [str(build_client()), "image", "inspect", "--format", form, image], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _docker(*arguments: str) -> None:
    done = subprocess.run([str(build_client()), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"docker {arguments[0]} failed", where=done.stderr.strip())
