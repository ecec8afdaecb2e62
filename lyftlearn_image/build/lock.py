"""Resolves a class's requirements into a lock: every package at one version, with the hashes of its files.

A lock says in its head what it was made from, so that a build notices, without an index, that something of it has changed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.build.causes import find_cause
from lyftlearn_image.build.misnamed import IMAGES
from lyftlearn_image.build.proxies import proxy_addresses, proxy_for, refusal
from lyftlearn_image.build.python_version import require_python_of_suite
from lyftlearn_image.build.secrets import build_secrets, find_ca_bundle, index_settings, index_urls, without_credentials
from lyftlearn_image.build.spec import find_assets, list_specs
from lyftlearn_image.errors import BuildError, InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.build.spec import ImageSpec

# Debian 12 has glibc 2.36, which runs these wheels.
_PLATFORM = "x86_64-manylinux_2_28"
_PROXY_TIMEOUT_S = 10.0
_HEADER = "# Made by `lyftlearn-image lock {name}` from {requirements}. Do not edit.\n{inputs}"
_INPUTS = "# Inputs: "
# A line of a requirements file that reads another one (pip's documentation, "Requirements File Format").
_INCLUDED = re.compile(r"(?:-[rc]\s*|--(?:requirement|constraint)s?(?:\s+|\s*=\s*))(\S+)")
_COMMENT = re.compile(r"(?:^|\s+)#.*$")


def lock(spec: ImageSpec, images_dir: Path, *, upgrade: bool = False, ca_bundle: Path | None = None) -> str:
    """The lock's text for a class's requirements. Versions of the present lock stay unless `upgrade` is set.

    Package index, and CA bundle unless it is this one, are those that a build is given (`index_settings`,
    `find_ca_bundle`); neither is in the lock.
    Raises InvalidInputError when the requirements are missing, and BuildError with uv's own words, less the index's
    credentials, when there is no solution.
    """
    folder = images_dir / spec.name
    requirements, present = folder / spec.python.requirements, folder / spec.python.lock
    if not requirements.is_file():
        raise InvalidInputError(f"there is no {requirements}", hint="One requirement a line, as pip reads it.")
    require_python_of_suite(spec, images_dir)
    _require_proxies(os.environ)
    with (
        tempfile.TemporaryDirectory(prefix="lyftlearn-lock-") as directory,
        build_secrets(ca_bundle, os.environ) as secrets,
    ):
        made = Path(directory) / "lock.txt"
        if present.is_file():
            made.write_bytes(present.read_bytes())
        command = _command(spec.python.version, requirements, made, upgrade=upgrade)
        environment = {**os.environ, **_uv_settings(os.environ, ca_bundle)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            words = secrets.redact(done.stderr.strip())
            if cause := find_cause(words, os.environ):
                raise cause.error(f"while {requirements} was resolved")
            raise BuildError(
                f"{requirements} cannot be resolved",
                where=words,
                hint="Loosen a requirement, or check the index.",
            )
        header = _HEADER.format(
            name=spec.name, requirements=spec.python.requirements, inputs=_as_line(_inputs(spec, requirements))
        )
        return header + made.read_text(encoding="utf-8")


def write_lock(spec: ImageSpec, images_dir: Path, *, upgrade: bool = False, ca_bundle: Path | None = None) -> str:
    """Makes the lock and puts it into its file; its text. Raises as `lock` does."""
    text = lock(spec, images_dir, upgrade=upgrade, ca_bundle=ca_bundle)
    (images_dir / spec.name / spec.python.lock).write_text(text, encoding="utf-8")
    return text


def is_current(spec: ImageSpec, images_dir: Path) -> bool:
    """Whether the lock is what its requirements give, with the versions that it has."""
    present = images_dir / spec.name / spec.python.lock
    if not present.is_file() or find_changed_inputs(spec, images_dir):
        return False
    return present.read_text(encoding="utf-8") == lock(spec, images_dir)


def find_changed_inputs(spec: ImageSpec, images_dir: Path) -> tuple[str, ...]:
    """What has changed since the lock was made, each as one phrase; nothing where it can be built from. No index is asked.

    A lock that stands alone, without its requirements, is what somebody made elsewhere: there is nothing that it could be
    behind. Raises InvalidInputError when
    the lock, or a file that the requirements read, is missing.
    """
    folder = images_dir / spec.name
    requirements, present = folder / spec.python.requirements, folder / spec.python.lock
    if not present.is_file():
        raise InvalidInputError(f"there is no lock {present}", hint=f"Make it: {lock_command(spec.name, images_dir)}")
    said = _said_inputs(present.read_text(encoding="utf-8"))
    if not requirements.is_file():
        return (f"{requirements.name} is not there any more",) if said else ()
    if not said:
        return (f"{present.name} does not say what it was made from",)
    inputs = _inputs(spec, requirements)
    return tuple(
        f"{name} has changed" if value.startswith("sha256:") else f"{name} was {said.get(name, 'not said')} and is {value}"
        for name, value in inputs.items()
        if said.get(name) != value
    )


def refuse_stale_lock(spec: ImageSpec, images_dir: Path) -> None:
    """InvalidInputError that says what has changed since the lock was made, and by which command it is made anew."""
    if changed := find_changed_inputs(spec, images_dir):
        command = lock_command(spec.name, images_dir)
        raise InvalidInputError(
            f"the lock of {spec.name} is stale: {'; '.join(changed)}",
            where=str(images_dir / spec.name / spec.python.lock),
            hint=f"`{command}`, and look at the diff; or `{command.replace(' lock ', ' build ', 1)} --relock`.",
        )


def lock_command(name: str, images_dir: Path) -> str:
    """The command line that makes the lock of a class, from where this one was called."""
    here = Path(IMAGES)
    found = here if list_specs(here) else find_assets() / IMAGES
    flag = [] if found.resolve() == images_dir.resolve() else ["--images", str(images_dir)]
    return shlex.join(["lyftlearn-image", "lock", name, *flag])


def _inputs(spec: ImageSpec, requirements: Path) -> dict[str, str]:
    """All that a lock is made of, by name: a word, or the digest of files less their comments."""
    return {
        "python": spec.python.version,
        "platform": _PLATFORM,
        # Its glibc decides which wheels can be taken; a newer image of the same name has the same one.
        "base": spec.base.image,
        spec.python.requirements: f"sha256:{hashlib.sha256(_read(requirements, ()).encode()).hexdigest()}",
    }


def _read(requirements: Path, above: tuple[Path, ...]) -> str:
    """What a requirements file says, with those that it reads; its comments, spaces and the order of files say nothing."""
    path = requirements.resolve()
    if path in above:
        return ""
    if not path.is_file():
        raise InvalidInputError(f"there is no {requirements}", where=str(above[-1]), hint="It is read by that file.")
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    lines: list[str] = []
    for line in (_COMMENT.sub("", raw).strip() for raw in text.splitlines()):
        included = _INCLUDED.fullmatch(line)
        if included and "://" not in included[1]:
            what = line[: included.start(1)].strip()
            lines.append(f"{what} {{{_read(requirements.parent / included[1], (*above, path))}}}")
        elif line:
            lines.append(" ".join(line.split()))
    return "\n".join(lines)


def _as_line(inputs: Mapping[str, str]) -> str:
    return f"{_INPUTS}{' '.join(f'{name}={value}' for name, value in inputs.items())}\n"


def _said_inputs(text: str) -> dict[str, str]:
    """What a lock says that it was made from; nothing for one that somebody else has made."""
    line = next((line for line in text.splitlines()[:2] if line.startswith(_INPUTS)), "")
    return dict(word.partition("=")[::2] for word in line.removeprefix(_INPUTS).split())


def _require_proxies(environment: Mapping[str, str]) -> None:
    """Raises UnavailableError for a proxy of the index at which nobody listens: uv would try for minutes."""
    for url in index_urls(environment):
        proxy = proxy_for(url, environment)
        if proxy and (reason := refusal(proxy, _PROXY_TIMEOUT_S)):
            name = proxy_addresses(environment).get(proxy, "")
            raise UnavailableError(
                f"the proxy {proxy} does not answer: {reason}",
                where=f"{name}, on the way to {without_credentials(url)}",
                hint=f"Is it up? Unset {name}, name another, or add the index's host to NO_PROXY.",
            )


def _command(python_version: str, requirements: Path, made: Path, *, upgrade: bool) -> list[str]:
    """The command line of uv. Index addresses are not in it: everybody may read a process list."""
    import uv  # noqa: PLC0415 - only this verb runs it

    return [
        uv.find_uv_bin(), "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate",
        "--no-emit-index-url", "--no-emit-find-links", "--only-binary=:all:", f"--python={sys.executable}",
        f"--python-version={python_version}", f"--python-platform={_PLATFORM}", *(["--upgrade"] if upgrade else []),
        str(requirements), f"--output-file={made}",
    ]  # fmt: skip


def _uv_settings(environment: Mapping[str, str], ca_bundle: Path | None) -> dict[str, str]:
    """The variables of uv for the index and the CA that pip uses here; uv reads no settings of pip's.

    Source: docs.astral.sh/uv, "Environment variables" and "Compatibility with pip".
    """
    settings = index_settings(environment)
    found = {}
    if urls := settings.get("index-url"):
        found["UV_DEFAULT_INDEX"] = urls[0]
    if urls := settings.get("extra-index-url"):
        found["UV_INDEX"] = " ".join(urls)
    if hosts := settings.get("trusted-host"):
        found["UV_INSECURE_HOST"] = " ".join(hosts)
    if bundle := find_ca_bundle(ca_bundle, environment):
        found["SSL_CERT_FILE"] = str(bundle)
    return found
