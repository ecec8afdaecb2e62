"""Builds images with BuildKit: a class's own, and those that stand on one. Nothing changed means nothing built."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.build.base_image import BaseImage, ensure_base
from lyftlearn_image.build.build_log import log_path, open_log
from lyftlearn_image.build.context import build_context, build_key
from lyftlearn_image.build.dockerfile import mount_flags, mount_secrets
from lyftlearn_image.build.engine import build_client, ensure_engine
from lyftlearn_image.build.failure import failure
from lyftlearn_image.build.lock import find_changed_inputs, refuse_stale_lock, write_lock
from lyftlearn_image.build.misnamed import SPEC_FILE
from lyftlearn_image.build.progress import BuildOutput, Silent
from lyftlearn_image.build.python_version import require_python_of_image, require_python_of_suite
from lyftlearn_image.build.reference import require_reference
from lyftlearn_image.build.secrets import BuildSecrets, build_secrets
from lyftlearn_image.build.spec import load_spec
from lyftlearn_image.build.team_context import base_images, read_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.build.engine import Engine
    from lyftlearn_image.build.progress import Progress
    from lyftlearn_image.build.spec import ImageSpec

KEY_LABEL = "dev.lyftlearn.build-key"
# BuildKit knows these build arguments by itself, and keeps them out of the history and of its cache keys.
# Source: docs.docker.com/reference/dockerfile, "Predefined ARGs".
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class BuildOptions:
    """A user's choices for a build. Without `tags` the image is `<class>:latest` and `<class>:<version>`.

    `ca_bundle` is a file of PEM certificates to trust during the build, else this machine's own. `force` builds also what
    has not changed, from BuildKit's cache unless not `use_cache`.
    """

    tags: tuple[str, ...] = ()
    ca_bundle: Path | None = None
    use_cache: bool = True
    force: bool = False
    relock: bool = False


@dataclass(frozen=True)
class BuildResult:
    """A built image. `id` is the digest of its configuration; `was_built` is False when nothing had changed.

    `file` is the description that it was built from: an image.yaml, or a team's Dockerfile.
    """

    image: str
    file: str
    tags: tuple[str, ...]
    id: str
    size_bytes: int
    duration_s: float
    build_key: str
    was_built: bool
    base: BaseImage


@dataclass(frozen=True)
class _Order:
    """What to build, under which names, on which base, and how."""

    file: Path
    context: Path
    tags: tuple[str, ...]
    # Other names under which the same image may be on the engine already.
    known_as: tuple[str, ...]
    key: str
    base: BaseImage
    arguments: tuple[str, ...] = ()
    use_cache: bool = True
    secrets: BuildSecrets = field(default_factory=lambda: BuildSecrets(()))
    # What was added to each step of a Dockerfile that is not ours.
    added: str = ""


def build(
    class_name: str, *, images_dir: Path, options: BuildOptions = BuildOptions(), progress: Progress | None = None
) -> BuildResult:
    """The image of a class.

    An image that was built from the same context on the same base is only tagged, unless the options say otherwise.
    Raises InvalidInputError for a wrong description, UnavailableError without an engine, a client or a base image, and
    BuildError with the failing step and the last lines that it wrote.
    """
    started = time.monotonic()
    display = progress or Silent()
    spec = load_spec(class_name, images_dir)
    file = images_dir / class_name / SPEC_FILE
    display.note(f"building {spec.name} from {file}")
    require_python_of_suite(spec, images_dir)
    for tag in options.tags:
        require_reference(tag, where="--tag")
    _see_to_lock(spec, images_dir, options, display)
    engine = ensure_engine(display.note)
    base = ensure_base(spec.base, engine, display.note)
    context = build_context(spec, images_dir, bootstrapped=base.origin == "bootstrapped")
    own_tags = (f"{spec.name}:latest", f"{spec.name}:{spec.version}")
    with (
        tempfile.TemporaryDirectory(prefix="lyftlearn-build-") as directory,
        build_secrets(options.ca_bundle, os.environ) as secrets,
    ):
        order = _Order(
            file=file,
            context=Path(directory),
            tags=options.tags or own_tags,
            known_as=own_tags,
            key=build_key(context, base.id),
            base=base,
            arguments=(f"--build-arg=BASE_IMAGE={base.reference}",),
            use_cache=options.use_cache,
            secrets=secrets,
        )
        known = None if options.force or not options.use_cache else _retag(order, engine)
        if known is None:
            with engine.connect() as client:
                require_python_of_image(spec, images_dir, client, base.id)
            _write(context, order.context)
        image_id = known or _run_build(order, engine, display)
    return _result(order, engine, image_id, was_built=known is None, started=started)


def build_directory(
    directory: Path, tag: str, *, ca_bundle: Path | None = None, force: bool = False, progress: Progress | None = None
) -> BuildResult:
    """The image of a directory with a Dockerfile of its own, such as a team's `FROM lyftlearn:latest`.

    Its steps have this CA bundle, or this machine's own, and the package index, as a class's own have.

    It is built anew when a file of the directory changed (less what .dockerignore names, and less reports and kept runs of the
    toolkit's own) or an image that a FROM names.
    Raises InvalidInputError without a Dockerfile or a FROM in it, else as `build` does.
    """
    started = time.monotonic()
    display = progress or Silent()
    require_reference(tag, where="the image's name")
    display.note(f"building {tag} from {directory / 'Dockerfile'}")
    context = read_context(directory)
    references = base_images(context.files, where=str(directory / "Dockerfile"))
    engine = ensure_engine(display.note)
    ids = {reference: _image_id(engine, reference) for reference in references}
    base = BaseImage(references[-1], ids[references[-1]], "local")
    key = build_key(context.files, " ".join(ids.values()))
    with tempfile.TemporaryDirectory(prefix="lyftlearn-build-") as beside, build_secrets(ca_bundle, os.environ) as secrets:
        dockerfile = Path(beside) / "Dockerfile"
        text = (directory / "Dockerfile").read_text(encoding="utf-8", errors="surrogateescape")
        # BuildKit looks for it beside the Dockerfile, before it takes the context's own.
        (dockerfile.parent / "Dockerfile.dockerignore").write_text(context.ignored, encoding="utf-8")
        variables = {} if ca_bundle else os.environ
        dockerfile.write_text(mount_secrets(text, secrets.names, variables), encoding="utf-8", errors="surrogateescape")
        order = _Order(
            file=directory / "Dockerfile",
            context=directory,
            tags=(tag,),
            known_as=(),
            key=key,
            base=base,
            arguments=(f"--file={dockerfile}",),
            secrets=secrets,
            added=mount_flags(secrets.names),
        )
        known = None if force else _retag(order, engine)
        image_id = known or _run_build(order, engine, display)
    return _result(order, engine, image_id, was_built=known is None, started=started)


def _see_to_lock(spec: ImageSpec, images_dir: Path, options: BuildOptions, display: Progress) -> None:
    """Lets no stale lock into a build: it is made anew where that is asked for, and refused else."""
    if options.relock and find_changed_inputs(spec, images_dir):
        write_lock(spec, images_dir, ca_bundle=options.ca_bundle)
        display.note(f"{images_dir / spec.name / spec.python.lock}: locked anew")
    refuse_stale_lock(spec, images_dir)


def _retag(order: _Order, engine: Engine) -> str | None:
    """Gives the order's tags to the image that is there already, and returns its id; None when none with this key is.

    Only names of this very image are asked: every image built on top of one inherits its key label.
    """
    import docker.errors  # noqa: PLC0415 - see EngineAddress.client()

    with engine.connect() as client:
        for name in dict.fromkeys((*order.tags, *order.known_as)):
            try:
                image = client.images.get(name)
            except docker.errors.ImageNotFound:
                continue
            if image.labels.get(KEY_LABEL) == order.key:
                for tag in order.tags:
                    if tag != name:
                        image.tag(tag)
                return str(image.id)
    return None


def _run_build(order: _Order, engine: Engine, progress: Progress) -> str:
    """Runs the build, telling each step, with its whole output in a log; returns the image's id. Raises BuildError.

    Somebody else may build another image of this name meanwhile: the id is this one's.
    """
    output = BuildOutput()
    log = log_path(order.tags[0])
    environment = {**os.environ, **engine.address.variables, "DOCKER_BUILDKIT": "1", "BUILDX_BUILDER": "default"}
    with tempfile.TemporaryDirectory(prefix="lyftlearn-build-") as beside, open_log(log) as file:
        id_file = Path(beside) / "image-id"
        with subprocess.Popen(
            _command(order, id_file),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            errors="replace",
        ) as process:
            for raw in process.stdout or ():
                line = order.secrets.redact(raw.rstrip())
                if order.added:
                    line = line.replace(order.added, "")
                file.write(f"{line}\n")
                if step := output.feed(line):
                    progress.step(step)
        if process.returncode == 0:
            return id_file.read_text(encoding="ascii").strip()
    raise failure(order.tags[0], output, log, _engine_root(engine))


def _command(order: _Order, id_file: Path) -> list[str]:
    """The client's arguments; it writes the image's id into a file.

    No secret is among them: values come from the environment or from files.
    """
    proxies = [name for name in _PROXY_VARIABLES for name in (name, name.lower()) if os.environ.get(name)]
    return [
        str(build_client()),
        "build",
        "--progress=plain",
        f"--label={KEY_LABEL}={order.key}",
        f"--iidfile={id_file}",
        *(f"--tag={tag}" for tag in order.tags),
        *([] if order.use_cache else ["--no-cache"]),
        *(f"--build-arg={name}" for name in proxies),
        *order.arguments,
        *order.secrets.arguments,
        str(order.context),
    ]


def _image_id(engine: Engine, reference: str) -> str:
    """The id of an image that a FROM names; the reference itself where the engine must pull it first."""
    import docker.errors  # noqa: PLC0415 - see EngineAddress.client()

    with engine.connect() as client:
        try:
            return str(client.images.get(reference).id)
        except docker.errors.ImageNotFound:
            return reference


def _engine_root(engine: Engine) -> str:
    """The directory of the engine's images, on its own machine; empty where it does not answer any more."""
    with contextlib.suppress(Exception), engine.connect(timeout_s=10) as client:
        return str(client.info()["DockerRootDir"])
    return ""


def _result(order: _Order, engine: Engine, image_id: str, *, was_built: bool, started: float) -> BuildResult:
    import docker.errors  # noqa: PLC0415 - see EngineAddress.client()

    with engine.connect() as client:
        try:
            image = client.images.get(image_id)
        except docker.errors.ImageNotFound:
            # An engine with containerd's image store knows an image by another digest than its client writes.
            image = client.images.get(order.tags[0])
    return BuildResult(
        image=order.tags[0],
        file=str(order.file),
        tags=order.tags,
        id=str(image.id),
        size_bytes=int(image.attrs["Size"]),
        duration_s=time.monotonic() - started,
        build_key=order.key,
        was_built=was_built,
        base=order.base,
    )


def _write(context: Mapping[str, bytes], place: Path) -> None:
    """The context as files. Modes and times are fixed, so that the same files give the same layers anywhere."""
    for name, content in context.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)
        os.utime(path, (0, 0))
    for folder in (place, *(path for path in place.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
        os.utime(folder, (0, 0))
