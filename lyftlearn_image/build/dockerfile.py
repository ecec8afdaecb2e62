"""A team's Dockerfile, whose steps get this machine's CA bundle and package index as build secrets, as a class's own have them.

Nothing of them is in the image: a secret is mounted for one step, and a build argument is no variable of the image. What
stands in the history are the paths of the mounts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lyftlearn_image.build.secrets import find_ca_bundle

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_PLACE = "/run/secrets"
# Secret → the variables by which pip, and what stands on OpenSSL, curl, git and requests, find it.
_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "ca-bundle": ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"),
    "pip-conf": ("PIP_CONFIG_FILE",),
}
_ESCAPE = re.compile(r"^#\s*escape\s*=\s*(\S)\s*$", re.IGNORECASE)
_DIRECTIVE = re.compile(r"^#\s*\w+\s*=")
_INSTRUCTION = re.compile(r"^\s*(FROM|RUN)(?=\s)", re.IGNORECASE)
_HEREDOC = re.compile(r"(?<!<)<<-?([\"']?)([A-Za-z_]\w*)\1")
_WITH_HEREDOC = re.compile(r"^\s*(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s", re.IGNORECASE)


def mount_flags(secrets: Collection[str]) -> str:
    """What a step has after its RUN for these secrets."""
    return "".join(f" --mount=type=secret,id={name},mode=0444" for name in secrets)


def mount_secrets(dockerfile: str, secrets: Collection[str], environment: Mapping[str, str]) -> str:
    """The Dockerfile with these secrets (of `ca-bundle` and `pip-conf`) in each of its steps, where pip and others look.

    What the image sets itself wins, as a variable of ENV wins over an argument. A bundle that this machine has for pip
    alone is not everybody's.
    """
    if not secrets:
        return dockerfile
    variables = dict(_VARIABLES)
    others = {name: value for name, value in environment.items() if name != "PIP_CERT"}
    if environment.get("PIP_CERT") and find_ca_bundle(None, others) is None:
        variables["ca-bundle"] = ("PIP_CERT",)
    flags = mount_flags(secrets)
    arguments = "\n".join(f"ARG {variable}={_PLACE}/{name}" for name in secrets for variable in variables[name])
    lines: list[str] = []
    for first, *rest in _instructions(dockerfile):
        keyword = _INSTRUCTION.match(first)
        is_run = keyword is not None and keyword[1].upper() == "RUN"
        lines += [f"{first[: keyword.end()]}{flags}{first[keyword.end() :]}" if keyword and is_run else first, *rest]
        if keyword and not is_run:
            lines.append(arguments)
    return "\n".join(lines) + "\n"


def _instructions(dockerfile: str) -> Iterator[list[str]]:
    """The lines of each instruction, with its continuations and here-documents; comments and empty lines alone."""
    lines = dockerfile.splitlines()
    escape, start = _escape(lines), 0
    while start < len(lines):
        end = start + 1
        if not _is_blank(lines[start]):
            while end < len(lines) and (
                lines[end - 1].rstrip().endswith(escape) or (end > start + 1 and _is_blank(lines[end - 1]))
            ):
                end += 1
            if _WITH_HEREDOC.match(lines[start]):
                for match in _HEREDOC.finditer(" ".join(lines[start:end])):
                    # Without its end it is none: an operator of some language between quotes.
                    below = (number for number in range(end, len(lines)) if lines[number].strip("\t") == match[2])
                    end = next(below, end - 1) + 1
        yield lines[start:end]
        start = end


def _escape(lines: list[str]) -> str:
    """The character that continues a line: a directive at the top may name another."""
    for line in lines:
        if found := _ESCAPE.match(line):
            return found[1]
        if not _DIRECTIVE.match(line):
            break
    return "\\"


def _is_blank(line: str) -> bool:
    """Whether a line within a continued instruction is left out of it: a comment, or nothing."""
    return not line.strip() or line.lstrip().startswith("#")
