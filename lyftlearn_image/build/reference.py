"""What may be an image's name: refused before the engine is asked, which would say no more than "invalid reference format"."""

from __future__ import annotations

import re

from lyftlearn_image.errors import InvalidInputError

# github.com/distribution/reference, regexp.go.
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")


def require_reference(text: str, *, where: str) -> None:
    """Raises InvalidInputError for what names no image, with the part of it that is wrong."""
    name, at, digest = text.partition("@")
    start, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        name = start
    else:
        colon, tag = "", ""
    problem = ""
    if colon and not _TAG.fullmatch(tag):
        problem = f"{tag!r} is no tag: up to 128 letters, digits, _, . and -"
    elif at and not _DIGEST.fullmatch(digest):
        problem = f"{digest!r} is no digest, such as sha256:…"
    elif name != name.lower() and _NAME.fullmatch(name.lower()):
        problem = "a name is in lower case"
    elif not _NAME.fullmatch(name):
        problem = f"{name!r} is no name, which has lower-case letters and digits, with ., _, - and / between"
    if problem:
        raise InvalidInputError(
            f"{text!r} names no image: {problem}", where=where, hint="Expected [registry/]name[:tag], such as my-team:1.2."
        )
