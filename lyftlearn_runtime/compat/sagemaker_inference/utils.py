"""Files, and what stands in the headers of a request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE_REGEX = re.compile("^[Cc]ontent-?[Tt]ype")


def read_file(path: str, mode: str = "r") -> Any:
    """The content of a file."""
    with open(path, mode) as file:
        return file.read()


def write_file(path: str, data: Any, mode: str = "w") -> None:
    """Writes a file."""
    with open(path, mode) as file:
        file.write(data)


def retrieve_content_type_header(request_property: Mapping[str, str]) -> str | None:
    """The Content-Type however it is spelt, None where there is none."""
    return next((value for key, value in request_property.items() if CONTENT_TYPE_REGEX.match(key)), None)


def parse_accept(accept: str) -> list[str]:
    """The types of an Accept header."""
    return accept.replace(" ", "").split(",")


def remove_crlf(illegal_string: str) -> str:
    """A phrase without line breaks."""
    return illegal_string.replace("\r", " ").replace("\n", " ")
