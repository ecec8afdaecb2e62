"""Text of scripts and files made harmless and visible, for pages, XML, JSON and terminals alike."""

from __future__ import annotations

import json
import re
from typing import Any

# U+2400 and on are pictures of the control characters, in their order; U+2421 is that of DEL.
_PICTURES = {code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)} | {0x7F: 0x2421}
# C1 controls act on some terminals; XML 1.0 section 2.2 has no surrogates and no U+FFFE, U+FFFF.
_REPLACED = re.compile(
    "[\x80-\x9f\ud800-\udfff\ufdd0-\ufdef]|["
    + "".join(chr(p * 0x10000 + 0xFFFE) + chr(p * 0x10000 + 0xFFFF) for p in range(17))
    + "]"
)
# Marks that turn the direction of text could make a difference look like another one, and what has no width hides one.
HIDDEN = re.compile("[\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")
# What JSON may hold as it is and a terminal or an editor acts on or hides: controls, formats, separators, surrogates
# (the general categories Cc, Cf, Zl, Zp, Cs) and the noncharacters, which some readers refuse.
_ESCAPED_IN_JSON = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufdd0-\ufdef\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f" + "".join(chr(p * 0x10000 + 0xFFFE) + chr(p * 0x10000 + 0xFFFF) for p in range(17)) + "]"
)
# What CI servers take for a command in the log of a step. GitHub: `::` at the beginning of a line, after blanks, and `##[`
# anywhere (actions/runner, src/Runner.Common/ActionCommand.cs); Azure: `##vso[`; TeamCity: `##teamcity[`.
_COMMAND = re.compile(r"^(\s*:)(?=:)|(#)(?=#(?:vso|teamcity)?\[)", re.MULTILINE | re.IGNORECASE)
_ARROWS = {0x09: "⇥", 0x0A: "⏎", 0x2028: "⏎", 0x2029: "⏎"}
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


def make_visible(text: str) -> str:
    """`text` with control characters as pictures, and what XML cannot hold or a reader cannot see spelled out.

    Tab and newline stay. The result can stand in XML 1.0 and HTML once it is escaped, and does nothing to a terminal.
    """
    text = text.translate(_PICTURES)
    text = _REPLACED.sub("\ufffd", text)
    return HIDDEN.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)


def make_visible_line(text: str) -> str:
    """Visible text without tabs and line breaks, which are shown as arrows."""
    return make_visible(text).translate(_ARROWS)


def strip_ansi(text: str) -> str:
    """`text` without the escape sequences by which a terminal takes colours, titles and links."""
    return _ANSI.sub("", text)


def collapse_overwritten_lines(text: str) -> str:
    """`text` as a terminal would leave it: of a line that was drawn over and over, such as a progress bar, the last state."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def without_commands(text: str) -> str:
    """`text` with a blank within whatever a CI server would take for a command to itself."""
    return _COMMAND.sub(lambda match: f"{match[0]} ", text)


def dump_json(document: Any, indent: int | None = 2) -> str:
    """A document as JSON that any terminal and editor shows as it is: what they would act on or hide is escaped."""
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    # Outside of its strings JSON has none of these characters.
    return _ESCAPED_IN_JSON.sub(lambda match: json.dumps(match[0])[1:-1] if match[0] != "\x7f" else "\\u007f", text)
