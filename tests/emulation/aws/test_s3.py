"""S3 of the local endpoint: real clients, against the bytes that they put there."""

from __future__ import annotations

import base64
import hashlib
import io
import zlib
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings, strategies as st

from lyftlearn_image.emulation.aws import blobs
from lyftlearn_image.emulation.aws.checksums import composite, encode, full_object
from tests.emulation.aws.conftest import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    from tests.emulation.aws.conftest import Front

PARTS = st.lists(st.binary(min_size=1, max_size=3000), min_size=1, max_size=4)
NUMBERS = st.integers(0, 10_000)
RANGES = st.one_of(
    st.tuples(NUMBERS, NUMBERS).map(lambda ends: f"bytes={ends[0]}-{ends[1]}"),
    NUMBERS.map("bytes={}-".format),
    NUMBERS.map("bytes=-{}".format),
    st.sampled_from(["bytes=0-1,4-5", "bytes=x-y", "bytes=", "chars=0-1", "bytes=5-2"]),
)


@pytest.fixture(scope="module")
def s3(front: Front) -> Iterator[S3Client]:
    """A client with the run's keys."""
    client = front.s3()
    yield client
    client.close()


def expected_range(data: bytes, header: str) -> bytes | None:
    """What a range asks for; None where there is no such byte. What is no range asks for all."""
    kind, _, text = header.partition("=")
    first, dash, last = text.partition("-")
    if kind != "bytes" or not dash or not (first + last).isdecimal():
        return data
    if not first:
        return data[-int(last) :] if int(last) and data else None
    if last and int(last) < int(first):
        return data
    return data[int(first) : int(last) + 1 if last else None] or None


def upload(s3: S3Client, key: str, parts: list[bytes], algorithm: str = "CRC32", **named: Any) -> Any:
    """Parts with gaps in their numbers, put last first; what completing them gives."""
    created = s3.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm=algorithm, **named)  # type: ignore[arg-type]
    place: Any = {"Bucket": BUCKET, "Key": key, "UploadId": created["UploadId"]}
    numbers = list(range(1, 3 * len(parts), 3))
    done = {
        number: s3.upload_part(**place, PartNumber=number, Body=io.BytesIO(part), ChecksumAlgorithm=algorithm)  # type: ignore[arg-type]
        for number, part in reversed(list(zip(numbers, parts, strict=True)))
    }
    named_parts: Any = [{"PartNumber": number, "ETag": done[number]["ETag"]} for number in numbers]
    return s3.complete_multipart_upload(**place, MultipartUpload={"Parts": named_parts})


FEW = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(parts=PARTS, header=RANGES, is_whole=st.booleans(), data=st.data())
def test_an_object_is_its_bytes_however_it_came_and_goes(
    s3: S3Client,
    parts: list[bytes],
    header: str,
    is_whole: bool,  # noqa: FBT001 - generated
    data: st.DataObject,
) -> None:
    """In one piece or in parts: all of it, a range, one part by its number, a copy, and a copy of ranges."""
    whole, key = b"".join(parts), str(uuid4())
    if is_whole:
        etag = s3.put_object(Bucket=BUCKET, Key=key, Body=io.BytesIO(whole))["ETag"]
        assert etag == f'"{hashlib.md5(whole, usedforsecurity=False).hexdigest()}"'
    else:
        etag = upload(s3, key, parts)["ETag"]
        digests = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in parts)
        assert etag == f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"'
        number = data.draw(st.integers(1, len(parts)))
        got = s3.get_object(Bucket=BUCKET, Key=key, PartNumber=number)
        ends = list(accumulate(map(len, parts)))
        place = f"bytes {ends[number - 1] - len(parts[number - 1])}-{ends[number - 1] - 1}/{len(whole)}"
        assert (got["Body"].read(), got["PartsCount"], got["ContentRange"]) == (parts[number - 1], len(parts), place)
    got_whole = s3.get_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    assert (got_whole["Body"].read(), got_whole["ETag"], got_whole["ContentLength"]) == (whole, etag, len(whole))
    expected = expected_range(whole, header)
    if expected is None:
        with pytest.raises(ClientError, match="InvalidRange"):
            s3.get_object(Bucket=BUCKET, Key=key, Range=header)
    else:
        got_range = s3.get_object(Bucket=BUCKET, Key=key, Range=header)
        assert got_range["Body"].read() == expected
        assert s3.head_object(Bucket=BUCKET, Key=key, Range=header)["ContentLength"] == len(expected)
    s3.copy_object(Bucket=BUCKET, Key=f"{key}-copy", CopySource={"Bucket": BUCKET, "Key": key})
    copied = s3.get_object(Bucket=BUCKET, Key=f"{key}-copy", ChecksumMode="ENABLED")
    assert copied["Body"].read() == whole
    assert copied["ETag"] == f'"{hashlib.md5(whole, usedforsecurity=False).hexdigest()}"'
    check_copied_parts(s3, key, whole, data)


def check_copied_parts(s3: S3Client, key: str, whole: bytes, data: st.DataObject) -> None:
    """An object of ranges of another one."""
    target = f"{key}-parts"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole)), max_size=3)) | {len(whole)})
    ranges = list(zip([0, *cuts[:-1]], cuts, strict=True))
    place: Any = {"Bucket": BUCKET, "Key": target}
    place["UploadId"] = s3.create_multipart_upload(**place)["UploadId"]
    source = {"Bucket": BUCKET, "Key": key}
    done: Any = [
        s3.upload_part_copy(**place, PartNumber=number, CopySource=source, CopySourceRange=f"bytes={low}-{high - 1}")
        for number, (low, high) in enumerate(ranges, 1)
    ]
    for wrong in (f"bytes=0-{len(whole)}", "bytes=0-", "0-1", "bytes=-1"):
        with pytest.raises(ClientError, match="InvalidArgument"):
            s3.upload_part_copy(**place, PartNumber=1, CopySource=source, CopySourceRange=wrong)
    parts: Any = [{"PartNumber": number, "ETag": one["CopyPartResult"]["ETag"]} for number, one in enumerate(done, 1)]
    s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    s3.delete_object(Bucket=BUCKET, Key=key)  # the copy has its bytes still
    assert s3.get_object(Bucket=BUCKET, Key=target)["Body"].read() == whole


@FEW
@given(parts=PARTS, algorithm=st.sampled_from(["CRC32", "SHA1", "SHA256"]), is_full=st.booleans())
def test_the_checksum_of_an_object_in_parts_is_true(
    s3: S3Client,
    parts: list[bytes],
    algorithm: str,
    is_full: bool,  # noqa: FBT001 - generated
) -> None:
    """One of checksums, or of all of it where that is asked for."""
    key, whole = str(uuid4()), b"".join(parts)

    def digest(data: bytes) -> bytes:
        return zlib.crc32(data).to_bytes(4, "big") if algorithm == "CRC32" else hashlib.new(algorithm, data).digest()

    kind = "FULL_OBJECT" if is_full and algorithm == "CRC32" else "COMPOSITE"
    upload(s3, key, parts, algorithm, ChecksumType=kind)
    got: Any = s3.get_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    assert got["Body"].read() == whole
    digests = [encode(digest(part)) for part in parts]
    expected = f"{composite(algorithm, digests)}-{len(parts)}"
    if kind == "FULL_OBJECT":
        expected = encode(digest(whole))
        assert expected == full_object(algorithm, [(one, len(part)) for one, part in zip(digests, parts, strict=True)])
    assert got[f"Checksum{algorithm}"] == expected


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({"ContentMD5": base64.b64encode(b"0" * 16).decode()}, "BadDigest"),
        ({"ContentMD5": "x"}, "InvalidDigest"),
        ({"ChecksumSHA256": base64.b64encode(b"0" * 32).decode()}, "BadDigest"),
        ({"ChecksumCRC32": "AAAAAA=="}, "BadDigest"),
        ({"ChecksumCRC32C": "AA=="}, "InvalidRequest"),
        ({"ChecksumSHA1": "not base64"}, "InvalidRequest"),
        ({"ChecksumSHA1": "oXyaqmHoCGuxlO1BqBiTV6P5XQw=", "ChecksumCRC32": "AAAAAA=="}, "InvalidRequest"),
    ],
)
def test_a_body_that_is_not_what_was_said_of_it_is_not_stored(s3: S3Client, named: dict[str, Any], code: str) -> None:
    """The object that was there before is there still."""
    key = str(uuid4())
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"before")
    with pytest.raises(ClientError, match=code):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"data", **named)
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"before"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_a_checksum_is_kept_and_given_back(s3: S3Client, algorithm: str) -> None:
    """Also one that is not computed here; a range has none."""
    key, known = str(uuid4()), {"CRC32C": "KS2T9w==", "CRC64NVME": "5wxcKqkCHXU="}
    named: Any = {f"Checksum{algorithm}": known[algorithm]} if algorithm in known else {"ChecksumAlgorithm": algorithm}
    put: Any = s3.put_object(Bucket=BUCKET, Key=key, Body=b"data", **named)
    got: Any = s3.get_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    assert got["Body"].read() == b"data"
    assert put[f"Checksum{algorithm}"] == got[f"Checksum{algorithm}"] != ""
    part: Any = s3.get_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED", Range="bytes=0-1")
    assert f"Checksum{algorithm}" not in part


@pytest.mark.parametrize("size", [10, 2 << 20])
def test_an_object_for_which_the_disk_has_no_room_is_refused(front: Front, s3: S3Client, size: int) -> None:
    """Not tried again, and the machine keeps what it needs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blobs, "_SPARED_BYTES", 1 << 60)
        patch.setattr(front.gate.store, "_shared", None)
        with pytest.raises(ClientError, match="InsufficientStorage") as refused:
            s3.put_object(Bucket=BUCKET, Key="large", Body=b"x" * size)
    assert refused.value.response["ResponseMetadata"]["RetryAttempts"] == 0
    s3.put_object(Bucket=BUCKET, Key="large", Body=b"x" * size)


def test_what_an_object_is_kept_with_comes_back(s3: S3Client) -> None:
    """Encryption, metadata with every character of a name, and the content's headers."""
    named: Any = {
        "Metadata": {"model_version": "1", "model-version": "2", "plain": "a  b", "empty": ""},
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "key",
        "ContentType": "text/x-note",
        "ContentEncoding": "gzip",
    }
    s3.put_object(Bucket=BUCKET, Key="kept", Body=b"data", **{**named, "Metadata": {"model_version": "1", "empty": ""}})
    got: Any = s3.get_object(Bucket=BUCKET, Key="kept")
    assert got["Metadata"] == {"model_version": "1", "empty": ""}
    assert (got["ServerSideEncryption"], got["SSEKMSKeyId"]) == ("aws:kms", "key")
    assert (got["ContentType"], got["ContentEncoding"]) == ("text/x-note", "gzip")


@pytest.mark.parametrize("upload_id", ["none", ""])
def test_an_upload_that_there_is_not_is_told(s3: S3Client, upload_id: str) -> None:
    """And so is one of another key: not a failure of the service, which a client would try again."""
    created: Any = s3.create_multipart_upload(Bucket=BUCKET, Key="mine")["UploadId"]
    for key, name in (("mine", upload_id or "x"), ("another", created)):
        place: Any = {"Bucket": BUCKET, "Key": key, "UploadId": name}
        for ask in (
            lambda place=place: s3.upload_part(**place, PartNumber=1, Body=b"x"),
            lambda place=place: s3.upload_part_copy(**place, PartNumber=1, CopySource=f"{BUCKET}/kept"),
            lambda place=place: s3.complete_multipart_upload(
                **place, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": "x"}]}
            ),
        ):
            with pytest.raises(ClientError, match="NoSuchUpload"):
                ask()
    with pytest.raises(ClientError, match="InvalidArgument"):
        s3.upload_part(Bucket=BUCKET, Key="mine", UploadId=created, PartNumber=10_001, Body=b"x")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="ascii", min_codepoint=32, exclude_characters="\x7f"), max_size=40))
def test_no_copy_source_is_a_failure_of_the_service(s3: S3Client, source: str) -> None:
    """Whatever stands there is refused as what it is."""
    statuses = []
    try:
        s3.copy_object(Bucket=BUCKET, Key="copy-of-text", CopySource=source)
    except ClientError as error:
        statuses.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
    assert all(status < 500 for status in statuses)
