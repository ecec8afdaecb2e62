"""Reading a log again from a time on: whatever comes again and wherever it broke off, each line is given once."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given, strategies as st

from lyftlearn_image.services.kubernetes.log_cursor import LogCursor
from tests.services.kubernetes.simulator.container_log import ContainerLog

_BEGIN_NS = 1_795_867_200 * 1_000_000_000
# Texts of which many are the same, and one that looks as if it had a time.
TEXTS = st.sampled_from(["", "a", "b", "same", "2026-11-28T12:00:00Z x", "long " * 8000])
# Nanoseconds after the line before: none, less than a second, seconds.
STEPS = st.sampled_from([0, 0, 0, 1, 999_999_999, 1_000_000_000, 5_000_000_000])
LINES = st.lists(st.tuples(TEXTS, STEPS), max_size=12)


def written(lines: list[tuple[str, int]]) -> ContainerLog:
    """A log with these lines, written at these times."""
    log, time_ns = ContainerLog(), _BEGIN_NS
    for text, step in lines:
        time_ns += step
        log.write(f"{text}\n".encode(), time_ns)
    return log


def served(log: ContainerLog, cursor: LogCursor) -> bytes:
    """What the kubelet answers to a cursor that begins."""
    since = int(datetime.fromisoformat(cursor.since).timestamp()) if cursor.since else None
    return log.served(log.start, since, timestamps=True)


def read(log: ContainerLog, cursor: LogCursor, upto: int | None = None) -> list[str]:
    """The new lines of a stream that breaks off after so many bytes."""
    cursor.begin()
    data = served(log, cursor)[:upto]
    taken = [cursor.take(line.decode()) for line in data.split(b"\n")[:-1]]
    if upto is None:
        cursor.end()
    return [line for line in taken if line is not None]


@given(LINES, st.lists(st.integers(0, 100_000), max_size=5))
def test_no_line_is_lost_or_doubled_wherever_streams_break_off(lines: list[tuple[str, int]], breaks: list[int]) -> None:
    """In the middle of a line or of its time, among lines of one time and with the same text."""
    log, cursor = written(lines), LogCursor()
    got = [line for upto in (*breaks, None) for line in read(log, cursor, upto)]
    assert got == [text for text, _ in lines]
    assert not cursor.is_cut


@given(LINES, LINES)
def test_lines_that_are_written_between_two_streams_come_with_the_next(
    before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    """Also at the time of the last one before."""
    cursor = LogCursor()
    got = read(written(before), cursor) + read(written(before + after), cursor)
    assert got == [text for text, _ in before + after]


@given(LINES.filter(bool), LINES)
def test_a_rotation_between_two_streams_is_told(before: list[tuple[str, int]], after: list[tuple[str, int]]) -> None:
    """The last line that was read does not come again: what was between may be lost. Nothing comes twice."""
    cursor = LogCursor()
    read(written(before), cursor)
    log = written([*before, ("lost", 1)])
    log.rotate()
    time_ns = log.entries[-1].time_ns + 2_000_000_000
    for text, step in after:
        time_ns += step
        log.write(f"{text}\n".encode(), time_ns)
    assert read(log, cursor) == [text for text, _ in after]
    assert cursor.is_cut


def test_the_end_of_a_line_that_began_before_is_no_line() -> None:
    """A line over the runtime's 16 KiB is several entries, each with a time: from a time on its last ones may come alone."""
    cursor, log = LogCursor(), ContainerLog()
    log.write(b"x" * 20_000, _BEGIN_NS)
    log.write(b"y\n", _BEGIN_NS + 7_000_000_000)
    log.write(b"next\n", _BEGIN_NS + 7_000_000_000)
    assert read(log, cursor) == ["x" * 20_000 + "y", "next"]
    assert read(log, cursor) == []
    assert not cursor.is_cut


def test_what_is_no_line_of_the_container_is_left_out() -> None:
    """A kubelet says in the log itself that it has lost the container; a zone other than UTC is a time all the same."""
    cursor = LogCursor()
    cursor.begin()
    assert cursor.take("unable to retrieve container logs for containerd://0123") is None
    assert cursor.take("2026-11-28T13:00:00.5+01:00 x") == "x"
    assert cursor.since == "2026-11-28T11:59:59Z"
    assert cursor.take("2026-11-28T12:00:01Z") == ""
