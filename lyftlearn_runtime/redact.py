"""Takes secrets out of text: by value, plain and in the encodings in which they are printed."""

from __future__ import annotations

import base64
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "[secret]"
# Shorter values occur in ordinary text.
_SHORTEST = 4


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret masked."""
    forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def _forms(secret: str) -> list[str]:
    from lyftlearn_runtime.aws.sigv4 import quote  # noqa: PLC0415 - only after a failure

    raw = secret.encode("utf-8", "surrogateescape")
    found = [secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret)]
    found += [line for line in secret.split("\n") if len(line) >= _SHORTEST]
    for offset in range(3):
        # The characters that only the secret decides, wherever it stands in a longer encoded text.
        encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        core = encoded[(offset * 8 + 5) // 6 : len(encoded) - (1 if (offset + len(raw)) % 3 else 0)]
        if len(core) >= _SHORTEST:
            found += [core, core.replace("+", "-").replace("/", "_")]
    return found
