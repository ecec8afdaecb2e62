"""What a build needs of this machine and must not keep: a CA bundle, and where Python packages come from."""

from __future__ import annotations

import configparser
import contextlib
import functools
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_runtime.secret_forms import MASK, Finder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Where a machine's own CA bundle is named, in the order in which they are asked.
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
# Debian's bundle, and the folder of the certificates that an administrator has added to it.
_SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_ADDED_BY_HAND = Path("/usr/local/share/ca-certificates")
# pip's names. Source: pip.pypa.io, "Configuration".
# What both ask where nobody names another (pip, --index-url; uv, default index).
_PUBLIC_INDEX = "https://pypi.org/simple"
_PIP_KEYS = ("index-url", "extra-index-url", "trusted-host")
# uv's names for the same; a newer name comes first. Source: docs.astral.sh/uv, "Environment variables".
_UV_VARIABLES = {"index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"), "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL")}
# `user:password@` or `token@` of an address.
_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")


@dataclass(frozen=True)
class BuildSecrets:
    """Arguments of `docker build` that hand the secrets over as files, and the texts that nothing may show.

    `names` are the ids by which a step mounts them.
    """

    arguments: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def redact(self, text: str) -> str:
        """The text without any of the secrets, in whatever form; in an address also one that is too short to look for."""
        masked = self._finder.mask_text(text)
        return _USER_INFO.sub(f"{MASK}@", masked) if self.hidden else masked

    @functools.cached_property
    def _finder(self) -> Finder:
        return Finder(self.hidden)


def without_credentials(text: str) -> str:
    """The text with `user:password@` taken out of every address."""
    return re.sub(r"(?<=://)[^/\s]+@", "", text)


@contextlib.contextmanager
def build_secrets(ca_bundle: Path | None, environment: Mapping[str, str]) -> Iterator[BuildSecrets]:
    """The secrets of a build, in files that only this user can read and that are gone afterwards.

    `ca-bundle` is the bundle that was asked for, or this machine's own. `pip-conf` is a pip configuration with the
    package indexes that pip or uv use here; it is left out where they use the public one. Raises InvalidInputError for
    a bundle that is not there.
    """
    with tempfile.TemporaryDirectory(prefix="lyftlearn-secrets-") as directory:
        # Copies under plain names: a comma in a path would end it in `--secret`.
        files: dict[str, bytes] = {}
        if bundle := find_ca_bundle(ca_bundle, environment):
            files["ca-bundle"] = bundle.read_bytes()
        settings = index_settings(environment)
        if settings:
            # The first value beside the key: pip takes a line break before the one `index-url` for a part of it.
            lines = (f"{key} = " + "\n    ".join(values) for key, values in settings.items())
            files["pip-conf"] = "\n".join(["[global]", *lines, ""]).encode()
        for name, content in files.items():
            path = Path(directory) / name
            path.touch(0o600)
            path.write_bytes(content)
        arguments = tuple(f"--secret=id={name},src={Path(directory) / name}" for name in files)
        urls = [*settings.get("index-url", ()), *settings.get("extra-index-url", ())]
        yield BuildSecrets(arguments, _credentials(urls), tuple(files))


def find_ca_bundle(explicit: Path | None, environment: Mapping[str, str]) -> Path | None:
    """The CA bundle to trust in a build: the one asked for, the one that a variable names, or the system's.

    The system's counts only where somebody has added to it: else an image's own is just as good.
    """
    if explicit is not None:
        if not explicit.is_file():
            raise InvalidInputError(f"there is no CA bundle {explicit}", hint="Give --ca-bundle a file of PEM certificates.")
        return explicit
    for name in CA_VARIABLES:
        if (value := environment.get(name)) and Path(value).is_file():
            return Path(value)
    if _SYSTEM_BUNDLE.is_file() and _ADDED_BY_HAND.is_dir() and any(_ADDED_BY_HAND.rglob("*.crt")):
        return _SYSTEM_BUNDLE
    return None


def index_urls(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Every package index that pip or uv would ask here, the main one first."""
    settings = index_settings(environment)
    return (*settings.get("index-url", (_PUBLIC_INDEX,)), *settings.get("extra-index-url", ()))


def index_settings(environment: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Key of pip's configuration → values, as pip or uv use them here; pip's variables win over uv's, both over files.

    A folder of this machine (`file://…`) is left out: a build does not see it.
    """
    configured = _configured(environment)
    settings = {}
    for key in _PIP_KEYS:
        named = [f"PIP_{key.upper().replace('-', '_')}", *_UV_VARIABLES.get(key, ())]
        text = next((environment[name] for name in named if environment.get(name)), configured.get(key, ""))
        # uv allows `name=address`.
        values = tuple(re.sub(r"^[A-Za-z0-9_.-]+=(?=\w+://)", "", value) for value in text.split())
        reachable = tuple(value for value in values if key == "trusted-host" or urlsplit(value).scheme in {"http", "https"})
        if reachable:
            settings[key] = reachable
    return settings if {"index-url", "extra-index-url"} & settings.keys() else {}


def _configured(environment: Mapping[str, str]) -> dict[str, str]:
    """What pip's configuration files say; a later file wins, and so does [install] over [global]."""
    home = Path(environment.get("HOME") or Path.home())
    own = environment.get("PIP_CONFIG_FILE")
    paths = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), home / ".pip/pip.conf"]
    paths += [Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf", Path(sys.prefix) / "pip.conf"]
    if own == os.devnull:
        # pip's own way to say: no configuration file at all.
        return {}
    found: dict[str, str] = {}
    for path in [*paths, *([Path(own)] if own else [])]:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            raise InvalidInputError(
                "pip's configuration cannot be read", where=str(path), hint="`pip config list` says more."
            ) from None
        for section in ("global", "install"):
            if parser.has_section(section):
                found.update({key.replace("_", "-"): value for key, value in parser.items(section)})
    return found


def _credentials(urls: list[str]) -> tuple[str, ...]:
    """The credentials in some addresses, as they are there and decoded."""
    found: set[str] = set()
    for url in urls:
        userinfo, at, _ = urlsplit(url).netloc.rpartition("@")
        if at:
            password = userinfo.partition(":")[2] or userinfo
            found |= {userinfo, unquote(userinfo), password, unquote(password)}
    return tuple(sorted(filter(None, found)))
