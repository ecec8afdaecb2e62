"""Redaction: a secret is masked in every form in which it could be printed."""

from __future__ import annotations

import base64
import json
import tracemalloc
from typing import TYPE_CHECKING
from urllib.parse import quote

from hypothesis import given, strategies as st

from lyftlearn_image.parity.secrets import mask_values, redact_file, secret_values
from lyftlearn_runtime.secret_forms import MASK, is_maskable, mask

if TYPE_CHECKING:
    from pathlib import Path

SECRET = st.text(min_size=8, max_size=40).filter(lambda text: is_maskable(text) and "[secret]" not in text)


@given(SECRET, st.text(max_size=20), st.text(max_size=20))
def test_no_form_of_a_secret_is_left(secret: str, before: str, after: str) -> None:
    """Plain, URL-, JSON-, Python- and base64-encoded, and base64 in a URL, alone or inside a longer text."""
    secret = secret.encode("utf-8", "ignore").decode()
    raw = secret.encode()
    forms = (secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1], repr(raw)[2:-1])
    for form in (*forms, quote(base64.b64encode(raw).rstrip(b"="), safe="")):
        assert form not in mask(f"{before}{form}{after}", [secret]).replace(MASK, "") or form in before + after


@given(
    st.binary(max_size=8),
    st.text(alphabet="abcdefghijklmnop0123456789", min_size=12, max_size=40).filter(is_maskable),
    st.binary(max_size=8),
)
def test_a_secret_inside_a_base64_text_is_masked(before: bytes, secret: str, after: bytes) -> None:
    """Whatever bytes stand around it, the part of the base64 text that only the secret decides is masked."""
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    assert MASK in mask(encoded, [secret])


def test_the_leaves_of_a_json_secret_are_secrets_too() -> None:
    """A script that prints one field of a JSON secret prints a secret."""
    values = secret_values({"prod/db": '{"user": "u", "password": "planted-7f3a", "nested": ["also-planted"]}'})
    assert mask("p=planted-7f3a also-planted u", values) == f"p={MASK} {MASK} u"


def test_a_file_keeps_its_other_bytes(tmp_path: Path) -> None:
    """Bytes that are no text stay exactly as they were."""
    path = tmp_path / "stdout"
    path.write_bytes(b"\xff\xfe planted-secret \x80")
    redact_file(path, ["planted-secret"])
    assert path.read_bytes() == b"\xff\xfe " + MASK.encode() + b" \x80"


def test_a_large_file_is_redacted_in_pieces(tmp_path: Path) -> None:
    """Also a secret between two of them; the file keeps its mode."""
    path = tmp_path / "stdout"
    text = b"x" * ((1 << 20) - 5) + b"planted-secret" + b"y" * (3 << 20) + b"[secret 0123456789abcdef] planted-secret"
    path.write_bytes(text)
    path.chmod(0o640)
    tracemalloc.start()
    redact_file(path, ["planted-secret"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    masked = text.replace(b"planted-secret", MASK.encode()).replace(b"[secret 0123456789abcdef]", MASK.encode())
    assert path.read_bytes() == masked
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]
    assert peak < 8 << 20


def test_a_request_without_secrets_is_still_json() -> None:
    """Values are masked where they are text; keys, numbers and what is true stay."""
    document = {"name": "true", "is": True, "list": [{"name": "a planted-secret"}, 17, None]}
    masked = {"name": "true", "is": True, "list": [{"name": f"a {MASK}"}, 17, None]}
    assert mask_values(document, ["planted-secret"]) == masked
