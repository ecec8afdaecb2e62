"""Text of scripts made harmless and visible, for pages, XML and terminals alike."""

from __future__ import annotations

import re

# U+2400 and on are pictures of the control characters, in their order; U+2421 is that of DEL.
_PICTURES = {code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)} | {0x7F: 0x2421}
# C1 controls act on some terminals; XML 1.0 section 2.2 has no surrogates and no U+FFFE, U+FFFF.
_REPLACED = re.compile(
    "[\x80-\x9f\ud800-\udfff\ufdd0-\ufdef]|["
    + "".join(chr(p * 0x10000 + 0xFFFE) + chr(p * 0x10000 + 0xFFFF) for p in range(17))
    + "]"
)
# Marks that turn the direction of text could make a difference look like another one.
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ARROWS = {0x09: "⇥", 0x0A: "⏎", 0x2028: "⏎", 0x2029: "⏎"}
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


def make_visible(text: str) -> str:
    """`text` with control characters as pictures, and what XML cannot hold or a reader cannot see spelled out.

    Tab and newline stay. The result can stand in XML 1.0 and HTML once it is escaped, and does nothing to a terminal.
    """
    text = text.translate(_PICTURES)
    text = _REPLACED.sub("\ufffd", text)
    return _DIRECTION.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)


def make_visible_line(text: str) -> str:
    """Visible text without tabs and line breaks, which are shown as arrows."""
    return make_visible(text).translate(_ARROWS)


def strip_ansi(text: str) -> str:
    """`text` without the escape sequences by which a terminal takes colours, titles and links."""
    return _ANSI.sub("", text)


def collapse_overwritten_lines(text: str) -> str:
    """`text` as a terminal would leave it: of a line that was drawn over and over, such as a progress bar, the last state."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
