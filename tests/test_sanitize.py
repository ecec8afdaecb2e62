"""Text of scripts, made harmless."""

from __future__ import annotations

import json
import sys
import unicodedata
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.sanitize import (
    collapse_overwritten_lines,
    dump_json,
    make_visible,
    make_visible_line,
    strip_ansi,
    without_commands,
)


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


@given(st.recursive(st.none() | st.text(st.characters(codec=None)), lambda inner: st.dictionaries(st.text(), inner)))
def test_json_is_the_document_and_nothing_acts_in_it(document: object) -> None:
    """Whatever the texts are, keys too, they are read back; only the line breaks between them are controls."""
    text = dump_json(document)
    assert json.loads(text) == document
    assert {unicodedata.category(one) for one in text if one != "\n"} & {"Cc", "Cf", "Cs", "Zl", "Zp"} == set()


def test_json_has_no_character_that_is_hidden() -> None:
    """Every character of Unicode that is a control, a format or a separator is escaped."""
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    text = dump_json(every)
    assert {one for one in text if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} == set()
    assert "ü漢🔑" in dump_json("ü漢🔑")


@pytest.mark.parametrize(
    "command",
    ["::error file=a::b", "  ::set-output::", "\u3000::x::", "##[group]a", "a ##vso[task.setvariable]", "##teamCity[x]"],
)
def test_no_ci_server_takes_a_text_for_a_command(command: str) -> None:
    """In any line of it, however it is indented; and the text can be read still."""
    shown = without_commands(f"one\n{command}\ntwo")
    assert shown.replace(" ", "") == f"one\n{command}\ntwo".replace(" ", "")
    assert not any(line.strip().startswith("::") for line in shown.splitlines())
    assert all(mark not in shown.lower() for mark in ("##[", "##vso[", "##teamcity["))
    assert without_commands(shown) == shown


def test_what_is_no_command_stays() -> None:
    """Two colons within a line are those of C++, two hashes a heading."""
    assert without_commands("std::string ## [x] a::b") == "std::string ## [x] a::b"
