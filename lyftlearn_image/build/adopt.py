"""Gives an image that a team already has the shim, in one layer on top, and changes nothing else of it.

The image is not rebuilt: files are put into a container that is never started, and that is committed. So the image needs
no shell, its ONBUILD triggers do not run, and nothing that one of its programs writes gets into the layer.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker.errors
from docker.utils import parse_repository_tag

from lyftlearn_image.build.adopted_layer import (
    ADOPTED_LABEL,
    BIN,
    INSTALL,
    KEY_LABEL,
    Order,
    Plan,
    Python,
    commit,
    make_layer,
    read_plan,
)
from lyftlearn_image.build.context import build_key, installed_files
from lyftlearn_image.build.image_probe import ImageProbe, unstarted
from lyftlearn_image.errors import InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lyftlearn_image.build.image_probe import Said

_OLDEST = (3, 8)
_OLDEST_TEXT = ".".join(map(str, _OLDEST))
# execve(2): what is longer is cut by kernels before 5.1.
_LONGEST_SHEBANG = 127
_VERBS = ("train", "serve")


@dataclass(frozen=True)
class Adopted:
    """An image with the shim in it.

    `shim` is the interpreter that runs the shim, `python` the one of the image's own programs, if it has one; `programs` is
    what the image runs by itself for `train` and `serve`, an argv each.
    """

    image: str
    adopted_from: str
    id: str
    shim: Python
    python: Python | None
    programs: Mapping[str, tuple[str, ...]]
    size_bytes: int
    added_bytes: int
    duration_s: float
    was_made: bool


def adopt(
    client: docker.DockerClient, reference: str, tag: str = "", *, python: str = "", on_line: Callable[[str], None] = print
) -> Adopted:
    """The image `tag`: `reference` with the shim as its ENTRYPOINT; its own ENTRYPOINT and CMD are its default program.

    `python` is the path of the interpreter for the shim, where the usual places have none. Raises InvalidInputError for an
    image that has the shim already or has no Python that is new enough, UnavailableError for one that is not to be had,
    BuildError where the engine does not make it.
    """
    started = time.monotonic()
    base = _find(client, reference, on_line)
    config = base.attrs["Config"] or {}
    key = build_key(installed_files(), f"{base.id} {python}")
    order = Order(tag or default_tag(reference), key, started)
    if (made := _made_before(client, order)) is not None:
        return _result(order, base, made, read_plan(client, made), was_made=False)
    with unstarted(client, str(base.id)) as still:
        probe = ImageProbe(client, str(base.id), _environment(config), still)
        _refuse(probe, config, reference)
        on_line(f"looking for a Python of at least {_OLDEST_TEXT} in {reference}")
        plan = _plan(probe, config, python, reference)
        on_line(f"the shim runs on {plan.shim.executable} ({plan.shim.version})")
        made = commit(client, probe, base, make_layer(client, probe, plan), order)
    return _result(order, base, made, plan, was_made=True)


def default_tag(reference: str) -> str:
    """`team:7` → `team:7-lyftlearn`; a digest is no part of it. Raises InvalidInputError for an image's id."""
    if reference.startswith("sha256:"):
        raise InvalidInputError("an image that is named by its id needs a name for the new one", hint="Give it with --tag.")
    repository, version = parse_repository_tag(reference.partition("@")[0])
    return f"{repository}:{version or 'latest'}-lyftlearn"


def _find(client: docker.DockerClient, reference: str, on_line: Callable[[str], None]) -> Any:
    if not reference.strip():
        raise InvalidInputError("the name of the image is empty")
    try:
        return client.images.get(reference)
    except docker.errors.ImageNotFound:
        on_line(f"pulling {reference}")
    except docker.errors.APIError as error:
        raise InvalidInputError(f"{reference} is no name of an image: {str(error.explanation)[:300]}") from None
    try:
        return client.images.pull(reference)
    except docker.errors.APIError as error:
        raise UnavailableError(
            f"the image {reference} is not on this engine and cannot be pulled",
            where=str(error.explanation)[:300],
            hint="Log in with `docker login`, or bring it with `docker load`.",
        ) from None


def _environment(config: Mapping[str, Any]) -> dict[str, str]:
    return dict(one.split("=", 1) for one in config.get("Env") or () if "=" in one)


def _made_before(client: docker.DockerClient, order: Order) -> Any:
    try:
        image = client.images.get(order.tag)
    except docker.errors.ImageNotFound:
        return None
    except docker.errors.APIError as error:
        raise InvalidInputError(f"{order.tag} is no name for an image: {str(error.explanation)[:300]}") from None
    return image if image.labels.get(KEY_LABEL) == order.key else None


def _refuse(probe: ImageProbe, config: Mapping[str, Any], reference: str) -> None:
    """InvalidInputError for an image that has the shim, or hides the place where it goes."""
    if (config.get("Entrypoint") or [""])[0].startswith(f"{BIN}/") or probe.stat(f"/{INSTALL}") is not None:
        hint = f"An adopted image is adopted anew from the one that its label {ADOPTED_LABEL} names."
        raise InvalidInputError(f"the image {reference} has the shim already", where=f"/{INSTALL}", hint=hint)
    for volume in config.get("Volumes") or {}:
        if f"/{INSTALL}/".startswith(volume.rstrip("/") + "/"):
            raise InvalidInputError(
                f"the image {reference} has a VOLUME at {volume}: what is put below it is no part of an image",
                hint=f"Build it without that VOLUME: the shim goes to /{INSTALL}.",
            )


def _plan(probe: ImageProbe, config: Mapping[str, Any], wanted: str, reference: str) -> Plan:
    own_user = config.get("User") or "0"
    found: dict[str, Said | None] = {}
    # As on a command line: a name alone is looked for on PATH.
    for path in [probe.find(wanted) or wanted] if wanted else probe.pythons():
        found[path] = said = probe.ask(path, site=False) or probe.ask(path, user=own_user, site=False)
        if said is not None and said.version[:2] >= _OLDEST and not said.missing and _can_be_named(path):
            shim = Python(path, said.version_text)
            break
    else:
        raise _no_python(found, wanted, reference)
    first = next((path for name in ("python", "python3") if (path := probe.find(name))), shim.executable)
    said = probe.ask(first, site=True) or probe.ask(first, user=own_user, site=True)
    python = Python(first, said.version_text, tuple(said.packages)) if said is not None else None
    return Plan(shim, python, _programs(probe, config))


def _no_python(found: Mapping[str, Said | None], wanted: str, reference: str) -> InvalidInputError:
    def verdict(said: Said | None) -> str:
        if said is None:
            return "cannot be run, or is no Python"
        if said.version[:2] < _OLDEST:
            return f"is Python {said.version_text}"
        if said.missing:
            return f"lacks {', '.join(said.missing)}"
        return f"is no path for a script's first line: absolute, no blank, at most {_LONGEST_SHEBANG} characters with it"

    seen = "; ".join(f"{path} {verdict(said)}" for path, said in found.items())
    return InvalidInputError(
        f"the image {reference} has no Python that the shim can run on: it needs {_OLDEST_TEXT} or newer",
        where=seen or "none on its PATH, in /usr/bin, /usr/local/bin or /opt/conda/bin",
        hint="Name another one with --python PATH." if not wanted else "Leave --python out to see what is found.",
    )


def _can_be_named(path: str) -> bool:
    """Whether the first line of a script may say it, with an option behind it (execve(2))."""
    return path.startswith("/") and not re.search(r"\s", path) and len(f"#!{path} -IS") <= _LONGEST_SHEBANG


def _programs(probe: ImageProbe, config: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What the image runs for each verb: its own ENTRYPOINT and CMD; without an ENTRYPOINT its own program of that name.

    Source of the second: developer guide, your-algorithms-training-algo-dockerfile: `docker run IMAGE train`.
    """
    entrypoint, command = tuple(config.get("Entrypoint") or ()), tuple(config.get("Cmd") or ())
    programs = {}
    for verb in _VERBS:
        own = () if entrypoint else (probe.find(verb),)
        argv = own if any(own) else (*entrypoint, *command)
        # A word of ours that the image has no program for is none of its own.
        if argv and (argv[0] not in _VERBS or probe.find(argv[0])):
            programs[verb] = argv
    return programs


def _result(order: Order, base: Any, made: Any, plan: Plan, *, was_made: bool) -> Adopted:
    size = int(made.attrs["Size"])
    return Adopted(
        image=order.tag,
        adopted_from=str(base.id),
        id=str(made.id),
        shim=plan.shim,
        python=plan.python,
        programs=plan.programs,
        size_bytes=size,
        added_bytes=size - int(base.attrs["Size"]),
        duration_s=time.monotonic() - order.started,
        was_made=was_made,
    )
