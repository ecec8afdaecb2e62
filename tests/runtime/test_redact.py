"""Secrets out of text, and the reason of a failure without them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given, strategies as st

from lyftlearn_runtime import failure
from lyftlearn_runtime.redact import Redactor
from lyftlearn_runtime.secret_forms import MASK, Finder, forms_of, is_maskable, mask, values_within

if TYPE_CHECKING:
    from pathlib import Path

PLANTED = "planted-9c1f77-secret"
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=30).filter(is_maskable)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """The data in pieces of these sizes, and the rest."""
    pieces, position = [], 0
    for size in sizes:
        pieces.append(data[position : position + size])
        position += size
    return [*pieces, data[position:]]


@given(
    st.lists(
        st.sampled_from([PLANTED, PLANTED + "-longer", "9c1f77", "café-\n-crème", "\U0001f511key"]), min_size=1, max_size=3
    ),
    st.lists(
        st.sampled_from([PLANTED, PLANTED + "-longer", "9c1f77", "plant", "ed-9c", " text ", "café-\n-crème"]), max_size=8
    ),
    st.lists(st.integers(0, 9), max_size=30),
)
def test_chunks_make_no_difference(secrets: list[str], parts: list[str], sizes: list[int]) -> None:
    """A secret that lies across the border of two chunks is masked as if there was no border."""
    data = "".join(parts).encode()
    whole = Redactor(secrets)
    expected = whole.feed(data) + whole.flush()
    stream = Redactor(secrets)
    assert b"".join([stream.feed(piece) for piece in cut(data, sizes)]) + stream.flush() == expected
    assert expected == Finder(secrets).mask(data)
    assert not any(secret.encode() in expected for secret in secrets)


def test_no_more_is_held_back_than_a_secret_is_long() -> None:
    """Without one, nothing; else all but one byte of its longest form."""
    assert Redactor([]).feed(b"a") == b"a"
    longest = Finder([PLANTED]).longest
    redactor = Redactor([PLANTED])
    assert redactor.feed(b"x" * (longest + 2)) == b"xxx"
    assert redactor.feed(b"y") == b"x"


def test_a_form_that_begins_like_a_shorter_one_is_waited_for() -> None:
    """Where the last byte of the longest form is still to come, a secret that is its beginning is not masked alone."""
    longest = max(forms_of(PLANTED), key=len)
    redactor = Redactor([PLANTED, longest[:8].decode()])
    assert redactor.feed(b"x" + longest[:-1]) + redactor.feed(longest[-1:]) + redactor.flush() == b"x[secret]"


@given(SECRETS, st.text(max_size=10), st.text(max_size=10))
def test_no_form_of_a_secret_survives(secret: str, before: str, after: str) -> None:
    """Plain, as JSON, as Python shows it, and in a URL."""
    forms = (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1])
    for form in (*forms, quote(secret, safe=""), quote_plus(secret, safe="")):
        assert f"|{form}|" not in mask(f"{before}|{form}|{after}", [secret])


@given(st.binary(max_size=8), st.binary(min_size=6, max_size=40), st.binary(max_size=8))
def test_a_secret_inside_base64_is_masked(before: bytes, secret: bytes, after: bytes) -> None:
    """Wherever it begins in the encoded text, in the standard and in the URL alphabet: nothing of it can be decoded."""
    text = secret.decode("utf-8", "surrogateescape")
    assume(is_maskable(text))
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(before + secret + after).decode()
        masked = mask(encoded, [text])
        assert MASK in masked
        kept = masked.split(MASK)
        assert max(len(piece) for piece in kept) <= max(len(encode(before)), len(encode(after))) + 4


@pytest.mark.parametrize("text", ["a b c", "", "exit code 3", "x" * 100_000])
def test_text_without_a_secret_stays_as_it_is(text: str) -> None:
    """Also with short secrets, which are in every text."""
    assert mask(text, [PLANTED, "b", "", "abc"]) == text


def test_a_line_of_a_key_is_masked_alone() -> None:
    """An error often shows one line of a file."""
    key = "-----BEGIN KEY-----\nMIIEvgIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----"
    assert mask("cannot parse kqhkiG9w0BAQEF", [key]) == "cannot parse [secret]"


def test_the_values_inside_a_secret_are_secrets() -> None:
    """A script that reads a JSON secret prints its password, not its JSON."""
    document = json.dumps({"user": "svc-ride", "password": PLANTED, "port": 5432, "tls": True, "none": None})
    assert values_within(document)[1:] == ["svc-ride", PLANTED, "5432"]
    assert values_within(json.dumps({"db": {"hosts": [{"password": PLANTED}]}}))[1:] == [PLANTED]
    assert values_within("[" * 900 + f'"{PLANTED}"' + "]" * 900)[1:] == [PLANTED]
    assert values_within("no JSON") == ["no JSON"]
    assert values_within('"text"') == ['"text"', "text"]


def test_the_tail_is_cut_after_it_is_masked() -> None:
    """A cut through a secret would leave its end behind."""
    tail = failure.Tail([PLANTED * 400])
    data = (PLANTED * 400 + "the end").encode()
    for start in range(0, len(data), 1000):
        tail.feed(data[start : start + 1000])
    assert tail.text() == "[secret]the end"


def test_the_tail_is_the_end_of_a_long_stream() -> None:
    """No more than a platform shows is kept."""
    tail = failure.Tail([])
    for number in range(10_000):
        tail.feed(b"%d\n" % number)
    assert tail.text().endswith("9998\n9999")
    assert len(tail.text()) <= failure.TERMINATION_BYTES


def test_the_reason_keeps_its_head_and_the_end_of_the_tail() -> None:
    """What happened first, then as much of the end as there is room for."""
    text = failure.compose("exit code 1", "x" * 5000 + "ValueError: bad", failure.FAILURE_CHARACTERS)
    assert len(text) == failure.FAILURE_CHARACTERS
    assert text.startswith("exit code 1\nxxx")
    assert text.endswith("ValueError: bad")
    assert failure.compose("exit code 1", "", 1024) == "exit code 1"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Failure file, message and termination log in a directory of the test; the last is made by a kubelet."""
    found = {"FAILURE_FILE": tmp_path / "failure", "MESSAGE_FILE": tmp_path / "message", "TERMINATION_LOG": tmp_path / "log"}
    for name, path in found.items():
        monkeypatch.setattr(failure, name, str(path))
    found["TERMINATION_LOG"].touch()
    return found


def test_a_failure_is_told_everywhere_without_its_secret(places: dict[str, Path]) -> None:
    """1,024 characters for SageMaker, 4,096 bytes for a kubelet, also of text that is not ASCII."""
    failure.write_reason(f"exit code 1 {PLANTED}", "é" * 4000, [PLANTED], is_processing=False)
    assert not places["MESSAGE_FILE"].exists()
    text = places["FAILURE_FILE"].read_text()
    assert len(text) == 1024
    assert text.startswith("exit code 1 [secret]\né")
    log = places["TERMINATION_LOG"].read_bytes()
    assert 4000 < len(log) <= 4096
    assert log.decode().startswith("exit code 1 [secret]\né")


def test_a_processing_job_has_its_message_too(places: dict[str, Path]) -> None:
    """ExitMessage is what SageMaker shows of a processing job."""
    failure.write_reason("exit code 1", "", [], is_processing=True)
    assert places["MESSAGE_FILE"].read_text() == places["FAILURE_FILE"].read_text() == "exit code 1"


@pytest.mark.parametrize("where", ["FAILURE_FILE", "TERMINATION_LOG"])
def test_the_scripts_own_words_are_told_on_both_sides(places: dict[str, Path], where: str) -> None:
    """A SageMaker script writes the one, a Kubernetes script the other; what they say is better than our guess."""
    places[where].write_text("the data is bad\n")
    failure.write_reason("exit code 1", "traceback", [], is_processing=False)
    assert places["FAILURE_FILE"].read_text() == places["TERMINATION_LOG"].read_text() == "the data is bad\n"


def test_a_secret_in_the_scripts_own_words_is_masked(places: dict[str, Path]) -> None:
    """The file ends in the job's description, which many can read."""
    places["FAILURE_FILE"].write_text(f"cannot log in with {PLANTED}")
    failure.write_reason("exit code 1", "", [PLANTED], is_processing=False)
    assert places["FAILURE_FILE"].read_text() == places["TERMINATION_LOG"].read_text() == "cannot log in with [secret]"
