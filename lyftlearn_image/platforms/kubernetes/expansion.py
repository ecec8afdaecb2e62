"""`$(VAR)` in commands and variables (kubernetes/kubernetes third_party/forked/golang/expansion)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def expand(text: str, known: Mapping[str, str]) -> str:
    """`$(VAR)` replaced where it is known and left where it is not; `$$` becomes `$` anywhere."""
    out, position = [], 0
    while position < len(text):
        here = text[position]
        following = text[position + 1 : position + 2]
        if here != "$" or not following:
            out.append(here)
            position += 1
        elif following == "$":
            out.append("$")
            position += 2
        elif following == "(" and (end := text.find(")", position)) > 0:
            name = text[position + 2 : end]
            out.append(known.get(name, f"$({name})"))
            position = end + 1
        else:
            out.append(here)
            position += 1
    return "".join(out)
