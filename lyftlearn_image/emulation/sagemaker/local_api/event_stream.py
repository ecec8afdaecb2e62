"""Messages of `application/vnd.amazon.eventstream`, as InvokeEndpointWithResponseStream answers. Pure.

Source: smithy.io, "Amazon Event Stream": a prelude of two lengths with its CRC-32, headers, a payload, and a CRC-32 of all.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_PRELUDE_BYTES, _CRC_BYTES = 8, 4
_STRING = 7  # a header's type
# PartBlob has no bound in the model; clients take 16 MiB a message.
_PART_BYTES = 1 << 20


def payload_parts(data: bytes) -> Iterator[bytes]:
    """The messages with PayloadPart events of some bytes."""
    for start in range(0, len(data), _PART_BYTES):
        headers = {":message-type": "event", ":event-type": "PayloadPart", ":content-type": "application/octet-stream"}
        yield message(headers, data[start : start + _PART_BYTES])


def exception(name: str, fields: Mapping[str, str]) -> bytes:
    """The message that ends a stream with a modelled error, such as ModelStreamError."""
    headers = {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
    return message(headers, json.dumps(dict(fields)).encode())


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message; the values of its headers are strings."""
    encoded = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    total = _PRELUDE_BYTES + _CRC_BYTES + len(encoded) + len(payload) + _CRC_BYTES
    prelude = struct.pack("!II", total, len(encoded))
    checked = prelude + struct.pack("!I", zlib.crc32(prelude)) + encoded + payload
    return checked + struct.pack("!I", zlib.crc32(checked))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack("!B", len(name)) + name + struct.pack("!BH", _STRING, len(value)) + value
