"""Takes secrets out of text: by value, plain and in the encodings in which they are printed, also across chunks."""

from __future__ import annotations

import base64
import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK = b"[secret]"
# Shorter values occur in ordinary text.
SHORTEST = 4
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_CHARACTERS_OF_BASE64 = 6  # bits


class Redactor:
    """Masks secrets in a stream of bytes. However the stream is cut into chunks, the result is the same."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms: set[bytes] = set()
        self._pattern: re.Pattern[bytes] | None = None
        self._longest = 0
        self._held = b""
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Masks these secrets, too, from now on."""
        self._forms.update(form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret))
        # The longest first: of two secrets that begin alike, the whole of the longer one is masked.
        ordered = sorted(self._forms, key=lambda form: (-len(form), form))
        self._longest = len(ordered[0]) if ordered else 0
        self._pattern = re.compile(b"|".join(re.escape(form) for form in ordered)) if ordered else None

    def feed(self, data: bytes) -> bytes:
        """What is certain after this chunk; the beginning of what may be a secret is held back."""
        if self._pattern is None:
            return data
        self._held += data
        return self._certain(len(self._held) - self._longest + 1)

    def flush(self) -> bytes:
        """What was held back, at the end of the stream."""
        return self._certain(len(self._held)) if self._pattern else b""

    def _certain(self, end: int) -> bytes:
        """Everything before `end`, and a secret that begins before it to its own end; the rest is held."""
        if self._pattern is None or end <= 0:
            return b""
        done, position = [], 0
        for match in self._pattern.finditer(self._held):
            if match.start() >= end:
                break
            done += [self._held[position : match.start()], MASK]
            position = match.end()
        if position < end:
            done.append(self._held[position:end])
            position = end
        self._held = self._held[position:]
        return b"".join(done)


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret masked."""
    redactor = Redactor(secrets)
    data = _bytes(text)
    return (redactor.feed(data) + redactor.flush()).decode("utf-8", "surrogateescape")


def within(value: str) -> list[str]:
    """A secret and the texts inside it: of a JSON object that is a secret, every value is one, however deep it is."""
    found = [value]
    try:
        pending = [json.loads(value)]
    except (ValueError, RecursionError):
        return found
    while pending:
        document = pending.pop()
        for one in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
            if isinstance(one, (dict, list)):
                pending.append(one)
            elif not isinstance(one, (bool, type(None))):
                found.append(one if isinstance(one, str) else json.dumps(one))
    return found


def _forms(secret: str) -> Iterator[bytes]:
    """The secret as it is, as JSON, Python (text and bytes) and URLs escape it, line by line, and in base64 at every offset."""
    raw = _bytes(secret)
    yield raw
    yield repr(raw)[2:-1].encode()
    for text in (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret)):
        yield text[1:-1].encode("utf-8", "backslashreplace")
    quoted = "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in raw)
    yield quoted.encode()
    yield quoted.replace("%20", "+").encode()
    yield quoted.replace("%2F", "/").encode()  # in a path the slash stays
    for line in secret.splitlines():
        if len(line.strip()) >= 2 * SHORTEST:
            yield _bytes(line.strip())
    yield from _in_base64(raw)


def _bytes(text: str) -> bytes:
    """As it was given to this process; half of a pair of surrogates, which JSON can say, as UTF-8 would have it."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """The characters that the secret alone decides, wherever it stands in a longer encoded text."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).rstrip(b"=")
        first = -(-offset * 8 // _CHARACTERS_OF_BASE64)
        last = (offset + len(raw)) * 8 // _CHARACTERS_OF_BASE64
        core = encoded[first:last]
        if len(core) >= SHORTEST:
            yield core
            yield core.replace(b"+", b"-").replace(b"/", b"_")
            # In a URL, where the slash may stay.
            yield core.replace(b"+", b"%2B")
            yield core.replace(b"+", b"%2B").replace(b"/", b"%2F")
