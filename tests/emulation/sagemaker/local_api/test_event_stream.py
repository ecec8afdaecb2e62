"""Messages of an event stream are what botocore's own parser reads."""

from __future__ import annotations

import json

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.sagemaker.local_api import event_stream


def read(data: bytes, size: int) -> list[tuple[dict[str, str], bytes]]:
    """Headers and payloads, fed piece by piece."""
    buffer, found = EventStreamBuffer(), []
    for start in range(0, len(data), size):
        buffer.add_data(data[start : start + size])
        found += [(message.headers, message.payload) for message in buffer]
    return found


@given(st.binary(min_size=1, max_size=2000), st.integers(1, 500))
def test_bytes_come_back_as_payload_parts(data: bytes, size: int) -> None:
    """In one message where they fit in one, however the stream is cut."""
    ((headers, payload),) = read(b"".join(event_stream.payload_parts(data)), size)
    assert (headers[":message-type"], headers[":event-type"], payload) == ("event", "PayloadPart", data)


def test_what_is_long_is_several_parts() -> None:
    """Clients bound a message."""
    data = bytes(range(256)) * 10_000
    found = read(b"".join(event_stream.payload_parts(data)), 1 << 16)
    assert (len(found), b"".join(payload for _, payload in found)) == (3, data)


@given(st.text(max_size=300))
def test_an_exception_has_its_fields(text: str) -> None:
    """As JSON, whatever stands in it."""
    ((headers, payload),) = read(event_stream.exception("ModelStreamError", {"Message": text}), 1000)
    assert (headers[":message-type"], headers[":exception-type"]) == ("exception", "ModelStreamError")
    assert json.loads(payload) == {"Message": text}


def test_the_parser_would_notice() -> None:
    """A planted fault: one byte of a payload is another one."""
    (whole,) = event_stream.payload_parts(b"data")
    with pytest.raises(ChecksumMismatch):
        read(whole.replace(b"data", b"data".upper()), 1000)
