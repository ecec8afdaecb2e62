"""What the shim leaves of a run in S3: the end of its log as a kubelet would have it, without a secret, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, strategies as st

from lyftlearn_runtime import run_record
from lyftlearn_runtime.run_record import LogTail, write_record

if TYPE_CHECKING:
    import pytest

STREAMS = st.sampled_from([1, 2])
PIECES = st.lists(st.tuples(STREAMS, st.text("ab\n", max_size=6).map(str.encode)), max_size=20)


@given(PIECES)
def test_every_line_of_both_streams_is_there_once(pieces: list[tuple[int, bytes]]) -> None:
    """However they come in pieces: those of a stream in their order, none within another one, and counted as they are."""
    log = LogTail(())
    for stream, data in pieces:
        log.feed(stream, data)
    kept = log.text()
    wanted = {stream: b"".join(data for where, data in pieces if where == stream).decode() for stream in (1, 2)}
    lines = {stream: text.removesuffix("\n").split("\n") if text else [] for stream, text in wanted.items()}
    got = kept.removesuffix("\n").split("\n") if kept else []
    assert sorted(got) == sorted(lines[1] + lines[2])
    assert log.lines == len(got)
    for stream in (1, 2):
        rest = iter(got)
        assert all(line in rest for line in lines[stream])


@given(st.integers(0, 40), st.integers(1, 40))
def test_a_secret_is_masked_however_it_is_cut(before: int, cut: int) -> None:
    """Across the pieces of a stream, also where the other one writes in between; one that comes later from then on."""
    text = b"x" * before + b" hunter2-secret " + b"y" * 9
    log = LogTail(["hunter2-secret"])
    log.feed(1, text[:cut])
    log.feed(2, b"other\n")
    log.add_secrets(["later-secret"])
    log.feed(1, text[cut:] + b"\n")
    log.feed(2, b"later-secret\n")
    kept = log.text()
    assert "hunter2" not in kept
    assert "later" not in kept
    assert "other" in kept


def test_a_secret_that_comes_when_there_was_none_is_masked() -> None:
    """As a renewal brings it."""
    log = LogTail(())
    log.feed(1, b"begin\n")
    log.add_secrets(["renewed-secret"])
    log.feed(1, b"it is renewed-secret\n")
    assert log.text().startswith("begin\n")
    assert "renewed-secret" not in log.text()


def test_the_end_of_a_long_log_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bounded memory, and all of its lines are counted: who reads it knows how many are missing."""
    monkeypatch.setattr(run_record, "LOG_BYTES", 1000)
    log = LogTail(())
    for number in range(1000):
        log.feed(1, b"%d\n" % number)
    kept = log.text()
    assert len(kept) <= 1000
    lines = kept.removesuffix("\n").split("\n")
    assert lines == [str(number) for number in range(1000)][-len(lines) :]
    assert len(lines) > 200
    assert log.lines == 1000


def test_a_line_without_an_end_is_bounded_too() -> None:
    """As a progress bar is one, for hours."""
    log = LogTail(())
    for _ in range(100):
        log.feed(1, b"50 %\r" * 20_000)
    assert len(log._begun[1]) <= 1 << 16
    log.text()
    assert log.lines == 1


def test_a_record_is_one_per_host() -> None:
    """Under the host's index; whoever reads it needs nothing else."""
    log = LogTail(())
    log.feed(2, b"ValueError\n")
    environ = {"LYFTLEARN_RECORD": "s3://runs/job/record/", "JOB_COMPLETION_INDEX": "3"}
    ((path, uri),) = write_record(log, 7, environ).items()
    document = json.loads(Path(path).read_text())
    Path(path).unlink()
    assert uri == "s3://runs/job/record/3.json"
    assert document.pop("ended_at") > 0
    assert document == {"version": 1, "exit_code": 7, "log": "ValueError\n", "lines": 1}
