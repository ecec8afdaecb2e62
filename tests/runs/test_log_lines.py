"""Lines of a log that a script writes, whatever it writes."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

from hypothesis import given, strategies as st

from lyftlearn_image.runs import log_lines
from lyftlearn_image.runs.log_lines import LONGEST_LINE_BYTES, LineSplitter, read_end, read_lines

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LONG_BYTES = 250 << 20


def lines_of(pieces: list[bytes]) -> list[str]:
    """All that a splitter gives for a stream in these pieces."""
    splitter = LineSplitter()
    return [*(line for piece in pieces for line in splitter.feed(piece)), *splitter.flush()]


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b"a\nb", b"\r\n"])))
def test_lines_do_not_depend_on_how_a_stream_is_cut(pieces: list[bytes]) -> None:
    """They are those of the whole; an empty rest at its end is none."""
    expected = [line.decode("utf-8", "replace") for line in b"".join(pieces).split(b"\n")]
    assert lines_of(pieces) == (expected if expected[-1] else expected[:-1])


def test_a_line_of_any_length_takes_little_memory() -> None:
    """Its beginning is kept, and the next line is whole."""
    piece = b"x" * (64 << 10)
    tracemalloc.start()
    try:
        splitter = LineSplitter()
        assert not [line for _ in range(LONG_BYTES // len(piece)) for line in splitter.feed(piece)]
        lines = list(splitter.feed(b"\nnext\n"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [len(lines[0]), lines[1:]] == [LONGEST_LINE_BYTES, ["next"]]
    assert peak < 8 * LONGEST_LINE_BYTES


def test_logs_are_read_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line never runs on into the next file."""
    monkeypatch.setattr(log_lines, "_CHUNK_BYTES", 3)
    (tmp_path / "one").write_bytes(b"first\nsecond")
    (tmp_path / "two").write_bytes(b"third\n")
    assert list(read_lines((tmp_path / "one", tmp_path / "two"))) == ["first", "second", "third"]


def test_the_end_of_a_file_is_read_and_no_more(tmp_path: Path) -> None:
    """Of a sparse file of a terabyte too."""
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
        file.seek(0, 2)
        file.write(b"end")
    assert read_end(tmp_path / "sparse", 5) == b"\0\0end"
    assert read_end(tmp_path / "none", 5) == b""
