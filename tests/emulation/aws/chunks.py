"""Bodies with the content encoding `aws-chunked`, as a client makes them."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lyftlearn_image.emulation.aws.aws_chunked import ChunkSigner


def signing_key(secret: str, *scope: str) -> bytes:
    """IAM user guide, "Create a signed AWS API request"."""
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def encode_chunks(chunks: Sequence[bytes], trailers: Mapping[str, str], signer: ChunkSigner | None) -> bytes:
    """A body of these chunks, signed by a signer."""
    lines = list[bytes]()
    for chunk in (*chunks, b""):
        signature = f";chunk-signature={signer.sign(hashlib.sha256(chunk).hexdigest())}" if signer else ""
        lines += [f"{len(chunk):x}{signature}".encode(), *([chunk] if chunk else [])]
    lines += [f"{name}:{value}".encode() for name, value in trailers.items()]
    if trailers and signer:
        text = "".join(f"{name}:{value}\n" for name, value in trailers.items())
        signature = signer.sign_trailers(hashlib.sha256(text.encode()).hexdigest())
        lines.append(f"x-amz-trailer-signature:{signature}".encode())
    return b"\r\n".join([*lines, b"", b""])
