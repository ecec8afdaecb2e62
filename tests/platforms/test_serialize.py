"""Manifests as text: whoever reads the YAML gets the texts that were written."""

from __future__ import annotations

import re

import yaml
from hypothesis import example, given, strategies as st

from lyftlearn_image.platforms import serialize

# What readers of YAML take for something else than a text, as each says itself. yaml.org/type (1.1): bool, int, float, null,
# merge, value, timestamp; yaml.org/spec/1.2.2, 10.3.2 (the core schema); go.yaml.in/yaml v2 and v3, resolve.go, whose numbers
# are strconv's (ParseInt with base 0, ParseFloat) without `_`; ruby/psych, scalar_scanner.rb, which knows commas.
OTHERS = (
    r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
    r"[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+",
    r"[-+]?([0-9][0-9_]*)?\.[0-9]+([eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*",
    r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|~|null|Null|NULL|<<|=",
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]{0,9})?",
    r"2001-12-14t21:59:43\.10(-0?5(:00)?|[ \t]*Z)",
    r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?",
    r"[-+]?0[xX][0-9a-fA-F_]+(\.[0-9a-fA-F]*)?([pP][-+]?[0-9]+)?|[-+]?0[oO][0-7_]+|[-+]?0[bB][01_]+",
    r"[-+]?(inf|Inf|infinity|Infinity|nan|NaN)",
    r"[-+]?(0|[1-9](,[0-9]|[0-9])*)(\.[0-9]*)?",
)
ODD = st.one_of(*(st.from_regex(pattern, fullmatch=True) for pattern in OTHERS))
INDICATORS = st.sampled_from(
    [*"-?:,[]{}#&*!|>'\"%@`~=<", "---", "...", ": ", " #", "- ", "? ", "\t", "\n", " ", "\\", "\0", "\r"]
)
BREAKS = st.sampled_from(["\x85", "\u2028", "\u2029", "\ufeff", "\u200b", "\u202e", "\x07", "\x1b", "\x7f", "\x80", "\x9f"])
TEXTS = (
    ODD
    | st.lists(INDICATORS | BREAKS | ODD | st.sampled_from(["word", "é", "日", "\U0001f600"]), max_size=6).map("".join)
    | st.lists(st.sampled_from(["word", "#", "-", "?", "---", "key:", "'", '"', "1"]), max_size=60).map(" ".join)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)


@given(ODD)
@example("1e-3")
@example("08")
@example("=")
def test_what_any_reader_takes_for_no_text_is_quoted(text: str) -> None:
    """As a value and as a key."""
    written = serialize.as_yaml({text: text})
    # A long one goes on in the next line.
    assert re.fullmatch(r"(['\"]).*\1: (['\"]).*\2\n", written, re.DOTALL), written


@given(st.dictionaries(TEXTS, TEXTS, max_size=4), st.lists(TEXTS, max_size=4))
def test_a_text_is_read_as_it_was(values: dict[str, str], words: list[str]) -> None:
    """Indicators, blanks and breaks at any place, as keys, values and items."""
    document = {"data": values, "args": words}
    assert yaml.safe_load(serialize.as_yaml(document)) == document


@given(TEXTS)
def test_no_character_acts_on_a_terminal_or_is_folded(text: str) -> None:
    """Controls, other line breaks and what has no width are escapes."""
    written = serialize.as_yaml([text])
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\u200b\u202e]", written)
