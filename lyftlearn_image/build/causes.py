"""Why a build, a pull or a lock failed, where that is no matter of its own steps: one line, and what to do.

An engine, BuildKit, the classic builder, Podman, pip, apt and uv each have their own words; what is looked for is the kind.
Words that were met for real stand in `tests/build/test_causes.py`, with the program that said them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from lyftlearn_image.build.proxies import proxy_addresses, refusal
from lyftlearn_image.errors import BuildError, InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.errors import LyftlearnError

_LINE_CHARACTERS = 300
_SILENT_S = 2.0
# pip's and apt's words where they got no list.
_NOTHING_FOUND = r"no matching distribution|unable to locate package|has no installation candidate"
# Go's, libc's and Rust's words for the same: nobody listens, nothing comes back, nobody knows the name.
_UNREACHABLE = (
    r"connection refused|connect \(111|no such host|name or service not known|temporary failure|could not resolve|"
    r"network is unreachable|no route to host|i/o timeout|timed? ?out|couldn't connect|unable to connect|could not connect|"
    r"failed to connect|dns error|server misbehaving"
)
_PROXY = re.compile(
    r"proxyconnect|cannot connect to proxy|could not resolve proxy|tunnel error|proxyerror|unable to connect to proxy",
    re.IGNORECASE,
)
_NO_SPACE = re.compile(r"no space left on device|enospc|disk quota exceeded|don't have enough free space", re.IGNORECASE)
_PATH = re.compile(r"(?<![\w:/.])(/[\w.@%+=-]+(?:/[\w.@%+=-]+)*)")
_VERSION = re.compile(
    r"client version \S+ is too (?P<which>old|new)[^\"}\n]*|minimum supported API version[^\"}\n]*", re.IGNORECASE
)
_NO_BUILDKIT = re.compile(r"buildkit not supported by daemon|unable to upgrade to h2c|booting buildkit", re.IGNORECASE)
_REFERENCE = re.compile(r"(?P<text>\"[^\"]*\")?[^\"\n]*invalid reference format|invalid tag (?P<tag>\"[^\"]*\")", re.IGNORECASE)
# Where each of them says which image it wanted.
_WANTED = (
    re.compile(r"load metadata for (\S+)"),
    re.compile(r"failed to resolve source metadata for (\S+?):? "),
    re.compile(r"manifest for (\S+) not found"),
    re.compile(r"pull access denied for ([^\s,]+)"),
    re.compile(r"initializing source docker://(\S+?):? "),
)
_PULL = re.compile(
    r"failed to resolve source metadata|manifest (?:for \S+ )?(?:not found|unknown)|pull access denied|initializing source|"
    r"failed to do request|toomanyrequests|failed to authorize|no match for platform|Get \"https?://\S+/v2/"
)
_REASONS = (
    (r"toomanyrequests|rate limit", "the registry lets you pull no more for now", "Log in (`docker login`), or wait."),
    (
        r"access denied|unauthorized|authentication required|failed to authorize|forbidden|denied",
        "there is none, or you may not read it",
        "Check its name, and log in to its registry: `docker login`, or `aws ecr get-login-password`.",
    ),
    (r"no match for platform|no matching manifest", "there is none for this machine's architecture", "Name one that has it."),
    (
        r"not found|manifest unknown|name unknown",
        "its registry has no such image or tag",
        "Check the name and the tag that FROM, or `base` in image.yaml, names; build it first if it is your own.",
    ),
    (
        r"x509|certificate|HTTP response to HTTPS",
        "its registry's certificate is not trusted by the engine",
        "Give the engine the company's CA: /etc/docker/certs.d/<registry>/ca.crt.",
    ),
    (
        _UNREACHABLE,
        "its registry does not answer",
        "Load it with `docker load`, or name one that the engine has (`docker images`).",
    ),
)


class Kind(Enum):
    """What kind of thing went wrong."""

    BASE_IMAGE = auto()
    REFERENCE = auto()
    PROXY = auto()
    DISK = auto()
    VERSION = auto()
    NO_BUILDKIT = auto()


_ERRORS: Mapping[Kind, type[LyftlearnError]] = {
    Kind.BASE_IMAGE: UnavailableError,
    Kind.REFERENCE: InvalidInputError,
    Kind.PROXY: UnavailableError,
    Kind.DISK: BuildError,
    Kind.VERSION: UnavailableError,
    Kind.NO_BUILDKIT: UnavailableError,
}


@dataclass(frozen=True)
class Cause:
    """What went wrong, in one line, the words that say so, and what to do next."""

    kind: Kind
    what: str
    words: str
    hint: str

    def error(self, where: str = "") -> LyftlearnError:
        """The error that tells it; `where` is where more of it stands."""
        return _ERRORS[self.kind](self.what, where="\n      ".join(filter(None, (self.words, where))), hint=self.hint)


def find_cause(text: str, environment: Mapping[str, str], engine_root: str = "", *, is_a_step: bool = False) -> Cause | None:
    """The cause that a failure's own words tell; None for one that is a matter of its step.

    `environment` has the proxies that it was given, and `engine_root` is the directory of the engine's images. What a RUN
    step (`is_a_step`) says of images and clients is about its own.
    """
    if is_a_step:
        return _find_disk(text, engine_root, is_a_step=True) or _find_proxy(text, environment, is_a_step=True)
    return (
        _find_version(text)
        or _find_disk(text, engine_root)
        or _find_proxy(text, environment)
        or _find_reference(text)
        or _find_base_image(text)
    )


def find_silent_proxy(text: str, environment: Mapping[str, str]) -> Cause | None:
    """A proxy at which nobody listens, for a step that found nothing and does not say why, as pip does without retries.

    A proxy is asked for from here, for at most two seconds.
    """
    if not re.search(rf"{_UNREACHABLE}|{_NOTHING_FOUND}", text, re.IGNORECASE):
        return None
    for address, name in proxy_addresses(environment).items():
        if reason := refusal(address, _SILENT_S):
            hint = f"Is it up? {name} names it; unset it, or name another."
            return Cause(Kind.PROXY, f"the proxy {address} does not answer", reason, hint)
    return None


def pull_refusal(words: str) -> tuple[str, str]:
    """Why an image cannot be pulled, by the words of an engine or builder, and what to do."""
    found = ((reason, hint) for pattern, reason, hint in _REASONS if re.search(pattern, words, re.IGNORECASE))
    return next(found, ("the registry refuses it", "`docker pull` says more; `docker load` brings it without a registry."))


def _find_version(text: str) -> Cause | None:
    if found := _VERSION.search(text):
        if (found["which"] or "old").lower() == "old":
            hint = "Update the client (Debian: apt-get install docker-cli docker-buildx), or put a newer one first on PATH."
            return Cause(Kind.VERSION, "the docker client is too old for the engine", _line_of(text, found), hint)
        hint = "Update the engine, or put an older docker client first on PATH; is DOCKER_API_VERSION set?"
        return Cause(Kind.VERSION, "the docker client is too new for the engine", _line_of(text, found), hint)
    if found := _NO_BUILDKIT.search(text):
        return Cause(
            Kind.NO_BUILDKIT,
            "the engine cannot build with BuildKit",
            _line_of(text, found),
            "Build with a Docker engine (20.10 or newer) that DOCKER_HOST names; Podman's socket has no BuildKit.",
        )
    return None


def _find_disk(text: str, engine_root: str, *, is_a_step: bool = False) -> Cause | None:
    found = _NO_SPACE.search(text)
    if found is None:
        return None
    line = _line_of(text, found)
    path = _PATH.search(line)
    if is_a_step and path and path[0].startswith("/dev/shm"):  # noqa: S108 - of the step's container: a small tmpfs
        return None
    # What a step writes is in the engine's directory, whatever its path is called there; so is a file of the context.
    is_here = path is not None and not is_a_step and path[0].count("/") > 1
    place = path[0] if path and is_here else engine_root or "the engine's directory"
    return Cause(Kind.DISK, f"the disk is full: {place}", line, "`docker system df`, `docker builder prune`, or a larger disk.")


def _find_proxy(text: str, environment: Mapping[str, str], *, is_a_step: bool = False) -> Cause | None:
    found = _PROXY.search(text)
    named = proxy_addresses(environment)
    places = ((address, re.search(rf"{re.escape(address)}(?!\d)", text)) for address in named)
    refused = [(address, place) for address, place in places if place and _is_unreachable(_line_of(text, place))]
    if not found and not refused:
        return None
    if refused:
        address, place = refused[0]
        hint = f"Is it up, and reached from a container? {named[address]} names it; unset it, or name another."
        return Cause(Kind.PROXY, f"the proxy {address} does not answer", _line_of(text, place), hint)
    assert found is not None  # noqa: S101 - tells mypy
    dialled = re.search(r"dial tcp:? (?:lookup )?(\S+?)(?:: | on )", text)
    if "proxyconnect" in found[0].lower() and not is_a_step:
        hint = "Its settings have it (`docker info` shows HTTP Proxy): mend them and start it again."
        where = f" {dialled[1]}" if dialled else ""
        return Cause(Kind.PROXY, f"the engine's own proxy{where} does not answer", _line_of(text, found), hint)
    shown = f" {', '.join(named)}" if named else ""
    hint = f"Is it up? {next(iter(named.values()), 'HTTPS_PROXY')} names it; unset it, or name another."
    return Cause(Kind.PROXY, f"the proxy{shown} does not answer", _line_of(text, found), hint)


def _find_reference(text: str) -> Cause | None:
    found = _REFERENCE.search(text)
    if found is None:
        return None
    named = found["text"] or found["tag"] or ""
    return Cause(
        Kind.REFERENCE,
        f"{named or 'a name'} is no name of an image".strip(),
        _line_of(text, found),
        "Expected [registry/]name[:tag], the name in lower case, one tag; look at FROM, --tag and build arguments.",
    )


def _find_base_image(text: str) -> Cause | None:
    found = _PULL.search(text)
    if found is None:
        # BuildKit of Docker 20.10 says no more than "not found" of the image whose metadata it wanted.
        found = re.search(r"(?:ERROR|failed to create LLB definition): \S+: not found", text)
    if found is None:
        return None
    image = next((match[1].rstrip(":") for pattern in _WANTED if (match := pattern.search(text))), "")
    image = image or next(iter(re.findall(r"^(?:STEP|Step) \d+/\d+ ?: FROM (\S+)", text, re.MULTILINE)[-1:]), "")
    line = _line_of(text, found)
    reason, hint = pull_refusal(line)
    named = f" {image.removeprefix('docker.io/library/')}" if image else ""
    return Cause(Kind.BASE_IMAGE, f"the base image{named} cannot be pulled: {reason}", line, hint)


def _is_unreachable(line: str) -> bool:
    return re.search(_UNREACHABLE, line, re.IGNORECASE) is not None


def _line_of(text: str, found: re.Match[str]) -> str:
    """The line in which something was found, not longer than a few of a terminal."""
    start, end = text.rfind("\n", 0, found.start()) + 1, text.find("\n", found.start())
    return text[start : len(text) if end < 0 else end].strip()[:_LINE_CHARACTERS]
