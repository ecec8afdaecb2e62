"""What is taken out of a text before it is compared, and what is not."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st
from pydantic import TypeAdapter, ValidationError

from lyftlearn_image.parity.compare.normalisers import NORMALISERS, NormaliserName, Replacement, normalise, stays_within_lines
from lyftlearn_image.parity.compare.options import Options
from tests.parity.compare.pairs import compare_texts

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
    "temporary-paths": NAMES.map("/tmp/{}".format) | NAMES.map("/var/tmp/{}".format) | NAMES.map("/dev/shm/{}".format),
    "speeds": st.builds("{}{} {}".format, DIGITS, st.just("") | DIGITS.map(".{}".format),
                        st.sampled_from(["it/s", "s/it", "ms/step", "MB/s", "rows/sec", "tokens per second", "samples/s"])),
    "memory": st.builds("{} {}{}".format, st.just("rss"), DIGITS, st.sampled_from([" MB", "KiB", " bytes", "GB"])),
    "progress-bars": st.builds(
        "{}[{:02}:{:02}<00:00, {}.{:02}it/s]".format,
        st.integers(0, 9).map(lambda done: "".join(f"\r{each * 10}%|x| {each}/10 [00:01<?]" for each in range(done)) + "\r"),
        st.integers(0, 99), st.integers(0, 59), st.integers(0, 500), st.integers(0, 99)),
    "package-lines": st.integers(1, 9999).map("/usr/lib/python3/dist-packages/a/b.py:{}: FutureWarning".format)
    | st.integers(1, 9999).map('File "/x/site-packages/a/b.py", line {}'.format),
}  # fmt: skip
# What stays of a form, since it says what it is; in such lines only the rest is drawn.
KEPT = {"pids": r"\d+$", "memory": r"(?<=rss )\d+ ?\w+$", "package-lines": r"(?<=py:)\d+|(?<=line )\d+"}


@pytest.mark.parametrize("name", NORMALISERS)
@given(st.data())
def test_a_line_may_differ_in_what_is_normalised_and_in_nothing_else(name: str, data: st.DataObject) -> None:
    """Each form in which a program prints it is taken out; the words around it still count."""
    one, other = data.draw(FORMS[name]), data.draw(FORMS[name])
    if name in KEPT:
        changing = re.search(KEPT[name], one)
        assert changing
        new = re.search(KEPT[name], other)
        assert new
        other = one[: changing.start()] + new[0] + one[changing.end() :]
    if name == "progress-bars":
        one, other = f"start {one}", f"start {other}"
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
        ("timestamps", "1234567T1234567 20261128 231218"),
        ("timestamps", "W2026 and Nov 28"),
        ("speeds", "12 it, a1.5 it/s, 3 models/size, loss/s 0.5"),
        ("memory", "a model of 12 MB, 5 KB of weights, memory of 3 layers"),
        ("memory", "programme 12 MB"),
        ("progress-bars", "loss 0.5\rloss 0.4\r"),
        ("progress-bars", "epoch [3/10], step [5:30], loss 0.1"),
        ("package-lines", "/opt/ml/code/train.py:12: and site-packages/a.py:3"),
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
        ("timestamps", "I1128 23:12:18.123456 7 f.cc:1] Sat Nov 28 23:12:18 UTC 2026", "I<time> 7 f.cc:1] <time>"),
        ("timestamps", "26/11/28 23:12:18 INFO; Nov  8 23:12:18; Sat, 28 Nov 2026 23:12:18 GMT", "<time> INFO; <time>; <time>"),
        ("durations", "1h2m3.5s 0:00:12.5 1e-05 seconds", "<duration> <duration> <duration>"),
        (
            "durations",
            "{'train_runtime': 12.5, 'loss': 0.5} elapsed=3",
            "{'train_runtime': <duration>, 'loss': 0.5} elapsed=<duration>",
        ),
        ("speeds", "{'eval_samples_per_second': 12.5, 'loss': 0.5}", "{'eval_samples_per_second': <speed>, 'loss': 0.5}"),
        ("memory", "Memory usage: 1,234.5 MB, 3 GiB allocated", "Memory usage: <memory>, <memory> allocated"),
        (
            "progress-bars",
            "\r 0%|  | 0/2 [00:00<?, ?it/s]\r100%|██| 2/2 [00:01<00:00,  1.98it/s, loss=0.125]",
            "100%|██| 2/2 [<time>, <speed>, loss=0.125]",
        ),
        (
            "progress-bars",
            "1/2 [==>..] - ETA: 1s - loss: 0.5\r2/2 [====] - 2s 3ms/step - loss: 0.25",
            "2/2 [====] - <time> <speed> - loss: 0.25",
        ),
        ("progress-bars", "warning: kept\r40%|███ | 4/10\rdone\r", "warning: kept\rdone\r"),
    ],
)
def test_what_stands_in_its_place(name: str, text: str, expected: str) -> None:
    """A reader of the report sees what was taken out."""
    assert normalise(text, [name]) == expected


NUMBERS = st.floats(0, 1e6).map("{:.6f}".format) | st.integers(0, 10**6).map(str)


@pytest.mark.parametrize("name", NORMALISERS)
@given(
    one=NUMBERS, key=st.sampled_from(["loss: {}", "auc={}", "'f1': {},", "epoch {}/", "[{}]", "step {} - val_loss: 0.5", "{}"])
)
def test_a_metric_is_never_hidden(name: str, one: str, key: str) -> None:
    """A number that is no time, speed or address stays, whatever stands beside it."""
    assert one in normalise(f"took 5 s at 2026-11-28 10:00:00, {key.format(one)} 7 it/s, RSS 5 MB", [name])


FRAGMENTS = [
    "1.",
    "1,",
    "12:",
    "1",
    "0x",
    "/tmp/",
    "/site-packages/a",
    "Nov ",
    "\r",
    "9%|",
    "[00:01<",
    "mem ",
    "pid ",
    "1e5",
    "runtime: ",
]


@pytest.mark.parametrize("name", NORMALISERS)
@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_a_hostile_line_is_gone_over_once(name: str, fragment: str) -> None:
    """A line of half a megabyte would take an hour where each of its characters is looked at from every other one."""
    line = fragment * (2**19 // len(fragment)) + " !"
    assert normalise(line, [name]).endswith("!")


@pytest.mark.parametrize("pattern", ["run-\\d+", "(?m)^a.*$", "a|(b)?(?:c)(?=d)", "[a-z]{2,3}", "\\[x\\]", "(?P<n>a)(?P=n)\\1"])
def test_a_pattern_that_stays_within_lines_is_known(pattern: str) -> None:
    """Such a one is applied to the lines that differ, and to no others."""
    assert stays_within_lines(Replacement(pattern=pattern))


@pytest.mark.parametrize(
    "pattern",
    [r"a\s", "[^a]", r"a\nb", "^a", "a$", "(?s)a.b", r"\Aa", r"a\Z", r"[\t-z]", r"\x0a", r"\W", "a\nb", "(?-m:^)a", r"\012"],
)
def test_a_pattern_that_may_reach_over_lines_is_known(pattern: str) -> None:
    """It is applied to the whole text, as it always was."""
    assert not stays_within_lines(Replacement(pattern=pattern))


@given(st.text(st.sampled_from("a1 \n[]^$(?m:)|\\dsnW.*+{}-=!x"), max_size=10), st.text(st.sampled_from("a1 \n"), max_size=12))
def test_line_by_line_is_the_same_as_on_the_whole(pattern: str, text: str) -> None:
    """For every pattern that is said to stay within lines."""
    assume(_is_pattern(pattern))
    rule = Replacement(pattern=pattern, replace="<>")
    assume(stays_within_lines(rule))
    assert normalise(text, [rule]) == "\n".join(normalise(line, [rule]) for line in text.split("\n"))


def _is_pattern(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(text)
    except (re.error, Warning):
        return False
    return True


def test_normalisers_are_applied_in_their_order() -> None:
    """The second one sees what the first one left; one of a team's own has its own replacement, or an ellipsis."""
    first, second = Replacement(pattern="a+", replace="b"), Replacement(pattern="b")
    assert normalise("aab c", [first, second]) == "…… c"
    assert normalise("aab c", [second, first]) == "b… c"
    assert normalise("x1", [Replacement(pattern=r"x(\d)", replace=r"\1y")]) == "1y"


def test_the_schema_of_a_suite_lists_the_names() -> None:
    """With what each of them takes out, for editors."""
    listed = {each["const"]: each["description"] for each in TypeAdapter(NormaliserName).json_schema()["oneOf"]}
    assert listed == {name: each.description for name, each in NORMALISERS.items()}


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
