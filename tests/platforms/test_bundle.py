"""The launch bundle: lossless, deterministic, without secrets."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given, strategies as st

from lyftlearn_image.platforms import bundle
from lyftlearn_image.workload import ConfigFile, Training

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


def decode(text: str) -> object:
    """The rule of the contract, written again: JSON, else the string."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@given(st.dictionaries(st.text(max_size=20), JSON_VALUES, max_size=5))
def test_hyperparameters_survive_their_strings(values: dict[str, object]) -> None:
    """Decoding what was encoded gives the same values with the same types."""
    encoded = bundle.encode_hyperparameters(values)  # type: ignore[arg-type]
    decoded = {key: decode(text) for key, text in encoded.items()}
    assert decoded == values
    assert [type(value) for value in decoded.values()] == [type(value) for value in values.values()]


def test_a_plain_string_stays_plain() -> None:
    """`sgd` is carried as it is, as a person would write it; what reads as JSON is quoted."""
    assert bundle.encode_hyperparameters({"a": "sgd", "b": "5", "c": 5, "d": [1, "x"]}) == {
        "a": "sgd",
        "b": '"5"',
        "c": "5",
        "d": '[1,"x"]',
    }


def test_the_same_content_gives_the_same_bytes() -> None:
    """Order of keys does not reach the bytes, so the digest is one of the content."""
    workload = Training(name="job", image="x", program="t.py")
    one = bundle.to_bytes(
        bundle.bundle_for(workload, "j", "ml.m5.large", hyperparameters={"a": 1, "b": 2}, files={"/b": ConfigFile(content="x")})
    )
    two = bundle.to_bytes(
        bundle.bundle_for(workload, "j", "ml.m5.large", hyperparameters={"b": 2, "a": 1}, files={"/b": ConfigFile(content="x")})
    )
    assert one == two


def test_the_reference_carries_the_digest_of_the_bytes() -> None:
    """What the shim checks is the digest of exactly these bytes."""
    digest = hashlib.sha256(b"{}").hexdigest()
    assert bundle.reference("s3://b/k", b"{}") == f"s3://b/k#sha256={digest}"


def test_a_secret_file_goes_as_its_reference() -> None:
    """A bundle holds the reference of a secret and never asks for its value."""
    workload = Training(name="job", image="x", program="t.py")
    made = bundle.bundle_for(
        workload, "j", "ml.m5.large", files={"/etc/key": ConfigFile(secret="aws-sm://prod/key", mode="0400")}
    )
    assert json.loads(bundle.to_bytes(made))["files"] == [{"path": "/etc/key", "secret": "aws-sm://prod/key", "mode": "0400"}]
