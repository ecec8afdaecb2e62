"""What is taken out of a text before it is compared, and what is not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from lyftlearn_image.parity.compare.normalisers import NORMALISERS, NormaliserName, Replacement, normalise
from lyftlearn_image.parity.compare.options import Options
from lyftlearn_image.parity.compare.text import compare_texts

UNITS = ("ns", "us", "µs", "ms", "s", "sec", "secs", "seconds", "m", "min", "minutes", "h", "hours")
DIGITS = st.integers(0, 10**6).map(str)
HEX = st.text("0123456789abcdefABCDEF", min_size=4, max_size=16)
NAMES = st.text("abcXYZ019_./-", min_size=1, max_size=12)
# What each normaliser takes out, as programs print it.
FORMS: dict[str, st.SearchStrategy[str]] = {
    "timestamps": st.datetimes().flatmap(
        lambda moment: st.sampled_from([
            moment.isoformat(),
            moment.isoformat(" "),
            moment.isoformat(timespec="minutes"),
            f"{moment.isoformat(timespec='seconds')}Z",
            f"{moment.isoformat(timespec='milliseconds')}+01:00",
            f"{moment.isoformat(timespec='seconds')},123-0530",
            moment.time().isoformat(),
        ])
    ),
    "durations": st.builds("{}{}{}{}".format, DIGITS, st.just("") | DIGITS.map(".{}".format), st.sampled_from(["", " "]),
                           st.sampled_from(UNITS)),
    "addresses": HEX.map("0x{}".format),
    "pids": st.builds("{}{}{}".format, st.sampled_from(["pid", "PID", "Pid"]), st.sampled_from([" ", "=", ": "]), DIGITS),
    "temporary-paths": NAMES.map("/tmp/{}".format),
}  # fmt: skip


@pytest.mark.parametrize("name", NORMALISERS)
@given(st.data())
def test_a_line_may_differ_in_what_is_normalised_and_in_nothing_else(name: str, data: st.DataObject) -> None:
    """Each form in which a program prints it is taken out; the words around it still count."""
    form = FORMS[name]
    if name == "pids":  # `pid` itself stays, as it is written
        one = data.draw(form)
        other = one.rstrip("0123456789") + data.draw(DIGITS)
    else:
        one, other = data.draw(form), data.draw(form)
    options = Options(normalise=(name,))
    assert compare_texts(f"at {one} it ended\n", f"at {other} it ended\n", options) == ()
    assert [each.place for each in compare_texts(f"at {one} it ended", f"at {other} it broke", options)] == ["line 1"]
    assert [each.place for each in compare_texts(f"{one}\nx", f"{other}\ny", options)] == ["line 2"]


@pytest.mark.parametrize("name", NORMALISERS)
@given(text=st.text(st.sampled_from("0123456789:-. TZxX\nabcpidsmnh=/tmµ,'"), max_size=40))
def test_normalising_twice_changes_nothing_and_keeps_the_lines(name: str, text: str) -> None:
    """What is normalised stays as it is, and no line is made one with the next."""
    once = normalise(text, [name])
    assert normalise(once, [name]) == once
    assert once.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("timestamps", "2026-11-23"),
        ("timestamps", "ratio 3:14"),
        ("durations", "loss 0.5, 3 models, 5 Metres"),
        ("durations", "took 5\ns"),
        ("addresses", "0x1f a0x1234"),
        ("pids", "rapid 12"),
        ("temporary-paths", "/var/tmp2/a"),
    ],
)
def test_what_only_looks_like_it_stays(name: str, text: str) -> None:
    """A normaliser must not hide what a script computed."""
    assert normalise(text, [name]) == text


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("timestamps", "[2026-11-23T10:00:00.5+01:00] 10:00:00,5 up", "[<time>] <time> up"),
        ("durations", "12.5 ms, 3min", "<duration>, <duration>"),
        ("addresses", "<A at 0x7f00aa>", "<A at <address>>"),
        ("pids", "pid=12 PID: 3", "pid=<pid> PID: <pid>"),
        ("temporary-paths", "'/tmp/a/b', /tmp/c:1", "'<temporary>', <temporary>:1"),
    ],
)
def test_what_stands_in_its_place(name: str, text: str, expected: str) -> None:
    """A reader of the report sees what was taken out."""
    assert normalise(text, [name]) == expected


def test_normalisers_are_applied_in_their_order() -> None:
    """The second one sees what the first one left; one of a team's own has its own replacement, or an ellipsis."""
    first, second = Replacement(pattern="a+", replace="b"), Replacement(pattern="b")
    assert normalise("aab c", [first, second]) == "…… c"
    assert normalise("aab c", [second, first]) == "b… c"
    assert normalise("x1", [Replacement(pattern=r"x(\d)", replace=r"\1y")]) == "1y"


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (NormaliserName, "clock", f"expected one of {', '.join(NORMALISERS)}, or {{pattern, replace}}"),
        (Replacement, {"pattern": "("}, "expected a regular expression: missing )"),
        (Replacement, {"pattern": "a", "with": "b"}, "Extra inputs"),
    ],
)
def test_what_is_no_normaliser_is_refused(kind: Any, value: Any, message: str) -> None:
    """With what was expected."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    assert message in str(caught.value)
