"""The layer that makes an image an adopted one: made outside of the image, put into a container that is never started.

The image's own interpreter compiles the shim, in a container that is thrown away; of what it made only bytecode is taken.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import docker.errors
from docker.utils import parse_repository_tag

from lyftlearn_image.build.context import installed_files
from lyftlearn_image.build.image_probe import confined, run_to_end, unstarted
from lyftlearn_image.errors import BuildError
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lyftlearn_image.build.image_probe import ImageProbe

ADOPTED_LABEL = "dev.lyftlearn.adopted-from"
KEY_LABEL = "dev.lyftlearn.adopted-key"
INSTALL = "opt/lyftlearn"
BIN = "/opt/lyftlearn/bin"
_ENTRYPOINT = f"{BIN}/entrypoint"
# Those of our own images, for jobs on a platform that mounts nothing there; any user of group 0 may write to them.
_ML_DIRECTORIES = tuple(
    f"opt/ml{below}"
    for below in (
        "", "/code", "/model", "/checkpoints", "/config", "/processing", "/input", "/input/config", "/input/data", "/output",
        "/output/data",
    )
)  # fmt: skip
# The user of somebody else's image may be in no group of ours.
_HOME_DIRECTORIES = tuple(contract.HOME.lstrip("/")[:end] for end in (len("home"), None))
_MODES = {**dict.fromkeys(_ML_DIRECTORIES, 0o775), _HOME_DIRECTORIES[-1]: 0o1777}
# Where none is set, one home on every platform: a pod is never root, and root's own is closed to it.
HOME = contract.HOME
_SHEBANG = b"#!/usr/bin/python3 -IS\n"
_PYC = re.compile(r"lyftlearn_runtime/(?:\w+/)*__pycache__/\w+\.cpython-\d+\.pyc")
_MOST_PYC_BYTES = 16 << 20
_MOST_FACTS_BYTES = 1 << 20


@dataclass(frozen=True)
class Order:
    """Which name the image gets, by what it is known that nothing has changed, and when that was asked for."""

    tag: str
    key: str
    started: float


@dataclass(frozen=True)
class Python:
    """An interpreter of the image. `packages` are the directories that it imports from."""

    executable: str
    version: str
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is decided before anything is made: see `Adopted`."""

    shim: Python
    python: Python | None
    programs: Mapping[str, tuple[str, ...]]

    def facts(self) -> bytes:
        """adopted.json, as the shim reads it."""
        python = asdict(self.python) if self.python else {}
        document = {"python": python, "shim": asdict(self.shim), "programs": dict(self.programs)}
        return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def make_layer(client: docker.DockerClient, probe: ImageProbe, plan: Plan) -> bytes:
    """A tar archive from the root. Raises BuildError where the image's Python cannot compile the shim."""
    files = _files(plan)
    return _tar({**files, **_compile(client, probe.image_id, plan.shim.executable, files)}, probe, plan)


def commit(client: docker.DockerClient, probe: ImageProbe, base: Any, layer: bytes, order: Order) -> Any:
    """The engine's image `order.tag`: `base` with the layer on top. Raises BuildError."""
    config = dict(base.attrs["Config"] or {})
    path = ":".join([*probe.path_directories(), BIN])
    environment = [one for one in config.get("Env") or () if not one.startswith("PATH=")]
    if not any(one.startswith("HOME=") for one in environment):
        environment.append(f"HOME={HOME}")
    changed = {
        **config,
        "Env": [f"PATH={path}", *environment],
        "Entrypoint": [_ENTRYPOINT],
        "Cmd": [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())],
        "Labels": {**(config.get("Labels") or {}), ADOPTED_LABEL: str(base.id), KEY_LABEL: order.key},
    }
    repository, version = parse_repository_tag(order.tag)
    with unstarted(client, str(base.id)) as container:
        try:
            container.put_archive("/", layer)
            return container.commit(repository, version or "latest", message="lyftlearn-image adopt", pause=False, conf=changed)
        except docker.errors.APIError as error:
            raise BuildError("the engine cannot make the image", where=str(error.explanation)[:300]) from None


def read_plan(client: docker.DockerClient, image: Any) -> Plan:
    """What an image that was made before has in it; it has our label and our key, and still it is only data."""
    try:
        with unstarted(client, str(image.id)) as container:
            stream, _ = container.get_archive(f"/{INSTALL}/adopted.json")
            content = _bounded(stream, _MOST_FACTS_BYTES)
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            file = archive.extractfile("adopted.json")
            document = json.loads(file.read()) if file else {}
        python = document["python"]
        return Plan(
            Python(document["shim"]["executable"], document["shim"]["version"]),
            Python(python["executable"], python["version"], tuple(python["packages"])) if python else None,
            {verb: tuple(argv) for verb, argv in document["programs"].items()},
        )
    except (docker.errors.APIError, tarfile.TarError, ValueError, KeyError, TypeError, AttributeError):
        raise BuildError("the image has no adopted.json of ours", where=str(image.id), hint="Give it another --tag.") from None


def _files(plan: Plan) -> dict[str, bytes]:
    """Path below /opt/lyftlearn → content."""
    shebang = f"#!{plan.shim.executable} -IS\n".encode()
    files = {"adopted.json": plan.facts()}
    for name, content in installed_files().items():
        if name.startswith("entrypoints/"):
            if not content.startswith(_SHEBANG):
                raise BuildError(f"{name} does not begin as expected")
            files[name.replace("entrypoints/", "bin/", 1)] = content.replace(_SHEBANG, shebang, 1)
        else:
            files[name] = content
    return files


def _compile(client: docker.DockerClient, image_id: str, python: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The shim's bytecode, as the image's own interpreter makes it; without it every container would compile at each start."""
    command = [
        python, "-I", "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", f"/{INSTALL}/lyftlearn_runtime",
    ]  # fmt: skip
    with confined(client, image_id, command, user="0:0", read_only=False) as container:
        container.put_archive("/", _plain_tar({f"{INSTALL}/{name}": content for name, content in files.items()}))
        run_to_end(container, python)
        stream, _ = container.get_archive(f"/{INSTALL}/lyftlearn_runtime")
        return dict(_bytecode(stream))


def _bytecode(stream: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    """What is bytecode by its name, of what a container gives: everything else in it is left there."""
    try:
        received = _bounded(stream, _MOST_PYC_BYTES)
        with tarfile.open(fileobj=io.BytesIO(received)) as archive:
            for member in archive:
                if member.isreg() and _PYC.fullmatch(member.name) and (file := archive.extractfile(member)):
                    yield member.name, file.read()
    except (tarfile.TarError, ValueError):
        raise BuildError("what the image's Python made of the shim is too large, or no archive") from None


def _plain_tar(files: Mapping[str, bytes], links: Mapping[str, str] | None = None, directories: Sequence[str] = ()) -> bytes:
    """An archive with fixed owners and times, in which directories come before what is in them."""
    every = {**dict.fromkeys(directories), **files, **(links or {})}
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(every):
            member, content = tarfile.TarInfo(name), every[name]
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, _MODES.get(name, 0o755)
            elif isinstance(content, str):
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, content, 0o777
            else:
                member.size, member.mode = len(content), 0o755 if "/bin/" in name else 0o644
            archive.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return output.getvalue()


def _tar(files: Mapping[str, bytes], probe: ImageProbe, plan: Plan) -> bytes:
    """The layer: directories that the image has already are no part of it, so that they stay as they are."""
    below = {f"{INSTALL}/{name}": content for name, content in files.items()}
    parents = {"/".join(parts[:depth]) for parts in (name.split("/") for name in below) for depth in range(1, len(parts))}
    missing = [one for one in (*parents, *_ML_DIRECTORIES, *_HOME_DIRECTORIES) if probe.stat(f"/{one}") is None]
    links = {f"{INSTALL}/python": plan.python.executable} if plan.python else {}
    return _plain_tar(below, links, missing)


def _bounded(stream: Iterable[bytes], most: int) -> bytes:
    """What a container gives, read to its end. Raises ValueError where that is more than `most` bytes."""
    received = bytearray()
    for piece in stream:
        received += piece
        if len(received) > most:
            raise ValueError(f"more than {most} bytes")
    return bytes(received)
