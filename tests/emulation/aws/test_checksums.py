"""S3's checksums, of bodies and of objects that came in parts."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.aws.checksums import ALGORITHMS, composite, digest_bytes, encode, full_object, new_checksum

# Of `123456789`: the catalogue of parametrised CRC algorithms (CRC-32/ISO-HDLC, CRC-32/ISCSI, CRC-64/NVME), and FIPS 180-4.
KNOWN = {"CRC32": "cbf43926", "CRC32C": "e3069283", "CRC64NVME": "ae8b14860a799888"}


@pytest.mark.parametrize("algorithm", KNOWN)
def test_a_crc_is_the_catalogue_s(algorithm: str) -> None:
    """Here of digests, of which a composite checksum is made."""
    assert base64.b64decode(composite(algorithm, [encode(b"12345"), encode(b"6789")])).hex() == KNOWN[algorithm]


@pytest.mark.parametrize("algorithm", KNOWN)
@given(parts=st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_a_whole_object_s_crc_follows_from_its_parts(algorithm: str, parts: list[bytes]) -> None:
    """Without its bytes."""
    crc = {part: composite(algorithm, [encode(part)]) for part in (*parts, b"".join(parts))}
    assert full_object(algorithm, [(crc[part], len(part)) for part in parts]) == crc[b"".join(parts)]


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_a_sum_over_pieces_is_that_of_the_whole(pieces: list[bytes]) -> None:
    """Of each algorithm that the standard library has."""
    whole = b"".join(pieces)
    for algorithm in ALGORITHMS:
        if (total := new_checksum(algorithm)) is None:
            assert algorithm in {"CRC32C", "CRC64NVME"}
            continue
        for piece in pieces:
            total.update(piece)
        expected = zlib.crc32(whole).to_bytes(4, "big") if algorithm == "CRC32" else hashlib.new(algorithm, whole).digest()
        assert total.digest() == expected
        assert len(expected) == digest_bytes(algorithm)
