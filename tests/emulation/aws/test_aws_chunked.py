"""Bodies in chunks: what is signed is believed, and nothing else is."""

from __future__ import annotations

import contextlib
import hashlib
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.aws.aws_chunked import ChunkedBody, ChunkSigner
from lyftlearn_image.emulation.aws.refusal import RefusedError
from tests.emulation.aws.chunks import encode_chunks, signing_key

if TYPE_CHECKING:
    from collections.abc import Sequence

SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"


def signer() -> ChunkSigner:
    """Of the example in the S3 API reference."""
    scope = ("20130524", "us-east-1", "s3", "aws4_request")
    key = signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", *scope)
    return ChunkSigner("20130524T000000Z", "/".join(scope), SEED, key)


def test_the_example_of_the_reference_is_signed_as_there() -> None:
    """S3 API reference, "Transferring Payload in Multiple Chunks": 65 KiB of `a` in two chunks."""
    signing = signer()
    chunks = (b"a" * 65536, b"a" * 1024, b"")
    assert [signing.sign(hashlib.sha256(chunk).hexdigest()) for chunk in chunks] == [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]


def encoded(chunks: Sequence[bytes], trailers: dict[str, str], *, is_signed: bool) -> bytes:
    """A body of these chunks."""
    return encode_chunks(chunks, trailers, signer() if is_signed else None)


class Trickle(io.BytesIO):
    """A client whose bytes come a few at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Three at most."""
        return super().read(min(3, size or 0))


def decoded(body: io.BytesIO, *, is_signed: bool, has_trailers: bool) -> tuple[bytes, dict[str, str]]:
    """Data and trailers."""
    chunked = ChunkedBody(body, signer() if is_signed else None, has_signed_trailers=has_trailers)
    return b"".join(chunked), dict(chunked.trailers)


CHUNKS = st.lists(st.binary(min_size=1, max_size=30), max_size=4)
TRAILERS = st.sampled_from([{}, {"x-amz-checksum-crc32": "AAAAAA=="}])


@given(CHUNKS, TRAILERS, st.booleans())
def test_what_was_put_in_comes_out(chunks: list[bytes], trailers: dict[str, str], is_signed: bool) -> None:  # noqa: FBT001
    """In whatever pieces it comes."""
    body = encoded(chunks, trailers, is_signed=is_signed)
    for stream in (io.BytesIO(body), Trickle(body)):
        assert decoded(stream, is_signed=is_signed, has_trailers=bool(trailers)) == (b"".join(chunks), trailers)


@given(CHUNKS, TRAILERS, st.data())
def test_no_change_of_a_signed_body_is_believed(chunks: list[bytes], trailers: dict[str, str], data: st.DataObject) -> None:
    """One byte that is another one, or a body that ends early: refused, or the very same data and trailers."""
    body = encoded(chunks, trailers, is_signed=True)
    at = data.draw(st.integers(0, len(body) - 1))
    other = bytes([body[at] ^ data.draw(st.integers(1, 255))])
    for changed in (body[:at] + other + body[at + 1 :], body[:at]):
        with contextlib.suppress(RefusedError):
            found = decoded(io.BytesIO(changed), is_signed=True, has_trailers=bool(trailers))
            assert found == (b"".join(chunks), trailers)


@given(st.binary(max_size=200), st.booleans())
def test_no_body_is_a_crash(body: bytes, is_signed: bool) -> None:  # noqa: FBT001
    """Whatever comes is data or refused."""
    with contextlib.suppress(RefusedError):
        decoded(io.BytesIO(body), is_signed=is_signed, has_trailers=True)


@pytest.mark.parametrize(
    "body",
    [
        b"-1\r\n",
        b"0x1\r\na\r\n0\r\n\r\n",
        b"1_0\r\n",
        b"f" * 17 + b"\r\n",
        b"1\r\nab\r\n0\r\n\r\n",
        b"z" * 5000,
        b"0\r\n" + b"a:b\r\n",
    ],
)
def test_a_size_is_hexadecimal_digits(body: bytes) -> None:
    """And a line has an end: what another reader could read differently is refused."""
    with pytest.raises(RefusedError):
        decoded(io.BytesIO(body), is_signed=False, has_trailers=False)
