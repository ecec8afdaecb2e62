"""The log of a container as the node keeps it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from hypothesis import given, strategies as st

from lyftlearn_image.emulation.kubernetes import container_log


@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(max_size=40000)), max_size=6))
def test_a_log_gives_back_what_was_written(pieces: list[tuple[str, bytes]]) -> None:
    """Each stream whole, however it was cut; no entry is longer than 16 KiB."""
    with tempfile.TemporaryDirectory() as directory:
        log = container_log.ContainerLog(Path(directory) / "0.log", sys.maxsize)
        for stream, data in pieces:
            log.write(stream, data)
        log.close()
        entries = container_log.read_entries(Path(directory) / "0.log")
    for stream in ("stdout", "stderr"):
        text = b"".join(entry.content + (b"\n" if entry.tag == "F" else b"") for entry in entries if entry.stream == stream)
        assert text == b"".join(data for name, data in pieces if name == stream)
    assert all(len(entry.content) <= container_log.MAX_ENTRY_BYTES for entry in entries)


@given(st.lists(st.binary(max_size=20_000), max_size=20))
def test_a_log_ends_at_its_limit_and_its_end_is_known(pieces: list[bytes]) -> None:
    """The file has one entry over the limit at most; the tail is that of all that was written."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "0.log"
        log = container_log.ContainerLog(path, 30_000)
        for data in pieces:
            log.write("stdout", data)
        log.close()
        assert path.stat().st_size <= 30_000 + container_log.MAX_ENTRY_BYTES + 100
    assert log.tail == b"".join(pieces)[-container_log.TAIL_BYTES :]
