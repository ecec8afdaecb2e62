"""Text of scripts, made harmless."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.sanitize import collapse_overwritten_lines, make_visible, make_visible_line, strip_ansi


@given(st.text(st.characters(codec=None)))
def test_visible_text_can_stand_in_xml(text: str) -> None:
    """Any text whatever, made visible, survives a round trip through XML unchanged."""
    element = ET.Element("text")
    element.text = make_visible(text)

    parsed = ET.fromstring(ET.tostring(element, encoding="utf-8"))  # noqa: S314 - written two lines above

    assert (parsed.text or "") == make_visible(text)


@given(st.text(st.characters(codec=None)))
def test_one_line_is_one_line(text: str) -> None:
    """No character that any reader takes for the end of a line is left."""
    assert len(make_visible_line(text).splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 漢 🔑", "plain ü 漢 🔑"),
        ("tab\tand\nnewline", "tab\tand\nnewline"),
        ("\x00\x1b[31m\x7f", "␀␛[31m␡"),
        ("\x9b31m", "\ufffd31m"),
        ("lone \udcff", "lone \ufffd"),
        ("\ufffe\U0001ffff", "\ufffd\ufffd"),
        ("user\u202eresu", "user<U+202E>resu"),
    ],
    ids=repr,
)
def test_what_cannot_be_seen_is_shown(text: str, shown: str) -> None:
    """Controls are pictures, what XML cannot hold is U+FFFD, marks of direction are spelled out, the rest stays."""
    assert make_visible(text) == shown


def test_colours_are_taken_away() -> None:
    """Colour codes, titles and links of a terminal go; their text stays."""
    assert strip_ansi("\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]8;;\x07") == "red link"


def test_of_a_progress_bar_its_last_state_is_kept() -> None:
    """A line that was drawn over is shown as it was left."""
    assert collapse_overwritten_lines("10%\r50%\r100%\r\nwindows\r\ndone") == "100%\nwindows\ndone"
