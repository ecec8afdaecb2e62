"""The log of a container as the node keeps it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, strategies as st

from lyftlearn_image.emulation.kubernetes import container_log


@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(max_size=40000)), max_size=6))
def test_a_log_gives_back_what_was_written(pieces: list[tuple[str, bytes]]) -> None:
    """Each stream whole, however it was cut; no row is longer than 16 KiB."""
    with tempfile.TemporaryDirectory() as directory:
        log = container_log.Log(Path(directory) / "0.log")
        for stream, data in pieces:
            log.write(stream, data)
        log.close()
        found = container_log.rows(Path(directory) / "0.log")
    for stream in ("stdout", "stderr"):
        text = b"".join(row.text + (b"\n" if row.tag == "F" else b"") for row in found if row.stream == stream)
        assert text == b"".join(data for name, data in pieces if name == stream)
    assert all(len(row.text) <= container_log.LINE_BYTES for row in found)
