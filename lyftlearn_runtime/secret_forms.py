"""How a secret may be spelt where it must not be shown, and which names tell of one: for the shim and the toolkit alike.

A script prints a secret as it is, or in the encoding of whatever it hands it to. `forms_of` has every one that is known;
`Finder` looks for them. Imported only where there is a secret, so it may use what it likes of the standard library.
"""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MASK = "[secret]"
# Shorter values occur in ordinary text: to mask them would destroy it, and they protect nothing.
SHORTEST = 6
# As many bytes of a form are told from ordinary text where a cut leaves no more.
FIRST_BYTES = 4
# A line, and a form that no program prints by itself, must be longer, for it could be a word of its own.
_SHORTEST_RARE = 8
_BITS_OF_BASE64, _BITS_OF_BASE32 = 6, 5

# Words of a name that tell of a secret, wherever they stand in it.
_SECRET_WORDS = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|API[_-]?KEY|ACCESS[_-]?KEY|PRIVATE[_-]?KEY", re.IGNORECASE
)
# Names with such a word that mean numbers of tokens, or what makes them.
_TOKEN_COUNTS = re.compile(
    r"(?:^|[_-])(?:NUM|MAX|MIN|N)_?(?:\w+_)?TOKENS?|TOKENS?_?(?:PER|LIMIT|COUNT|SIZE|LENGTH)|TOKENI[SZ]", re.IGNORECASE
)
# Variables of the AWS SDKs with such a word that a reader of a log wants to see: places of a secret, and an ID.
_PUBLIC_NAMES = (
    "AWS_ACCESS_KEY_ID", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)  # fmt: skip


def sounds_secret(name: str) -> bool:
    """Whether the name of a variable, a key or a field tells that its value is a secret, or the place of one."""
    return bool(_SECRET_WORDS.search(name)) and not _TOKEN_COUNTS.search(name) and name.upper() not in _PUBLIC_NAMES


def values_within(secret: str) -> list[str]:
    """A secret and the values inside it: of JSON that is a secret, every text and number is one, however deep it is."""
    return list(places_within(secret))


def places_within(secret: str) -> dict[str, str]:
    """The same values, each with its place in the JSON, such as `users.0.key`; "" for the secret itself."""
    values = {secret: ""}
    try:
        pending = [("", json.loads(secret))]
    except (ValueError, RecursionError):
        return values
    while pending:
        place, value = pending.pop()
        if isinstance(value, (dict, list)):
            below = list(value.items() if isinstance(value, dict) else enumerate(value))
            pending.extend((f"{place}.{key}" if place else str(key), inner) for key, inner in reversed(below))
        elif not isinstance(value, (bool, type(None))):
            values.setdefault(value if isinstance(value, str) else json.dumps(value), place)
    return values


def is_maskable(secret: str) -> bool:
    """Whether a secret is looked for: not one that is shorter than SHORTEST, or a plain word that every log has."""
    if len(secret.strip()) < SHORTEST:
        return False
    from lyftlearn_runtime.plain_words import WORDS  # noqa: PLC0415 - where there is a secret, and it is long enough

    return secret.strip().lower() not in WORDS


def forms_of(secret: str) -> set[bytes]:
    """Every spelling of a secret that is looked for; none for one that is not maskable."""
    if not is_maskable(secret):
        return set()
    raw = to_bytes(secret)
    forms = {raw, repr(raw)[2:-1].encode(), *_hexadecimal(raw), *_in_urls(raw), *_base64(raw)}
    forms.update(_printed(secret))
    # An error often shows one line of a file.
    for line in (line.strip() for line in secret.splitlines()):
        if len(line) >= _SHORTEST_RARE and is_maskable(line):
            forms.update(_printed(line))
    rare = {*_base64_twice(raw), *_base32(raw), *_wide(secret), to_bytes(secret[::-1])}
    return forms.union(form for form in rare if len(form) >= _SHORTEST_RARE)


def to_bytes(text: str) -> bytes:
    """As it was given to this process; half of a pair of surrogates, which JSON can say, as UTF-8 would have it."""
    return _encode(text)[0]


def mask(text: str, secrets: Iterable[str]) -> str:
    """The text with every form of every secret masked."""
    return Finder(secrets).mask_text(text)


class Finder:
    """Finds secrets in bytes, in whatever form they are there."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # Bytes of the longest form.
        self.longest = 0
        self._forms: set[bytes] = set()
        # The first bytes of a form → all that begin so, the longest first.
        self._by_start: dict[bytes, list[bytes]] = {}
        self._starts: re.Pattern[bytes] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Looks for these secrets, too."""
        new = {form for secret in secrets for form in forms_of(secret)} - self._forms
        if not new:
            return
        self._forms |= new
        self.longest = max(map(len, self._forms))
        self._by_start = {}
        for form in sorted(self._forms, key=len, reverse=True):
            self._by_start.setdefault(form[:FIRST_BYTES], []).append(form)
        self._starts = re.compile(_any_of(self._by_start))

    def find(self, data: bytes, position: int = 0) -> tuple[int, int] | None:
        """Where the first form from `position` on begins and ends, of several there the longest; None without any."""
        # Of two secrets that begin alike, the whole of the longer one is masked.
        while self._starts:
            start = self._starts.search(data, position)
            if not start:
                break
            position = start.start()
            for form in self._by_start[start.group()]:
                if data.startswith(form, position):
                    return position, position + len(form)
            position += 1
        return None

    def mask(self, data: bytes) -> bytes:
        """The data with every form masked."""
        done: list[bytes] = []
        position = 0
        while True:
            found = self.find(data, position)
            if found is None:
                return b"".join([*done, data[position:]])
            done += [data[position : found[0]], MASK.encode()]
            position = found[1]

    def mask_text(self, text: str) -> str:
        """The text with every form masked; nothing else of it changes."""
        data, errors = _encode(text)
        masked = self.mask(data)
        return text if masked == data else masked.decode("utf-8", errors)

    def unfinished(self, data: bytes) -> int:
        """How many bytes at the end of the data are the beginning of a form that is cut there; 0 for none."""
        for position in range(max(0, len(data) - self.longest + 1), len(data) - FIRST_BYTES + 1):
            end = data[position:]
            if any(len(form) > len(end) and form.startswith(end) for form in self._by_start.get(end[:FIRST_BYTES], ())):
                return len(end)
        return 0


def _encode(text: str) -> tuple[bytes, str]:
    """A text's bytes, and how to decode them."""
    try:
        return text.encode("utf-8", "surrogateescape"), "surrogateescape"
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass"), "surrogatepass"


def _any_of(starts: Iterable[bytes]) -> bytes:
    """A pattern for any of these texts, by their first byte: it is looked at once, not once for each of them."""
    by_first: dict[bytes, list[bytes]] = {}
    for start in sorted(starts):
        by_first.setdefault(start[:1], []).append(re.escape(start[1:]))
    return b"|".join(re.escape(first) + b"(?:" + b"|".join(rest) + b")" for first, rest in by_first.items())


def _printed(text: str) -> Iterator[bytes]:
    """As it is, as JSON, JSON within JSON, Python, HTML and XML escape it."""
    in_json = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    slashed = (one.replace("/", r"\/") for one in in_json)
    # Go and Gson escape what HTML would take for its own.
    for_html = (_escaped(one, "<>&='", lambda code: f"\\u{code:04x}") for one in in_json)
    go = (_escaped(one, "<>&", lambda code: f"\\u{code:04x}") for one in in_json)
    twice = (json.dumps(one)[1:-1] for one in in_json)
    for form in (text, *in_json, *slashed, *go, *for_html, *twice, repr(text)[1:-1], *_in_markup(text)):
        yield to_bytes(form)
        # Half of a pair of surrogates, as stderr writes it and as a text has it beside others.
        yield form.encode("utf-8", "backslashreplace")
        yield form.encode("utf-8", "surrogatepass")


def _in_markup(text: str) -> Iterator[str]:
    """As Python's html, markupsafe, XML's writers and its text escape it."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield escaped
    for double, single in (
        ("&quot;", "&#x27;"),
        ("&quot;", "&#39;"),
        ("&#34;", "&#39;"),
        ("&quot;", "&apos;"),
        ("&quot;", "'"),
    ):
        yield escaped.replace('"', double).replace("'", single)


def _escaped(text: str, characters: str, escape: Callable[[int], str]) -> str:
    return "".join(escape(ord(one)) if one in characters else one for one in text)


def _hexadecimal(raw: bytes) -> tuple[bytes, ...]:
    return raw.hex().encode(), raw.hex().upper().encode()


def _in_urls(raw: bytes) -> Iterator[bytes]:
    """Percent-encoded, in either case, with `+` for a blank as in a form, and with the slash that stays in a path."""
    from urllib.parse import quote_from_bytes  # noqa: PLC0415 - as above

    for safe in ("", "/"):
        quoted = quote_from_bytes(raw, safe)
        for form in (quoted, re.sub("%..", lambda escape: escape.group().lower(), quoted)):
            yield form.encode()
            yield form.replace("%20", "+").encode()


def _base64(raw: bytes) -> Iterator[bytes]:
    """In either alphabet, wherever the secret stands in a longer encoded text; in a URL too."""
    for core in _base64_cores(raw):
        yield core
        yield core.replace(b"+", b"-").replace(b"/", b"_")
        for plus, slash in ((b"%2B", b"%2F"), (b"%2b", b"%2f")):
            yield core.replace(b"+", plus)  # in a path the slash stays
            yield core.replace(b"+", plus).replace(b"/", slash)


def _base64_twice(raw: bytes) -> Iterator[bytes]:
    for core in _base64_cores(raw):
        yield from _base64_cores(core)


def _base64_cores(raw: bytes) -> Iterator[bytes]:
    from base64 import b64encode  # noqa: PLC0415 - as above

    return _cores(raw, 3, b64encode, _BITS_OF_BASE64)


def _base32(raw: bytes) -> Iterator[bytes]:
    from base64 import b32encode  # noqa: PLC0415 - as above

    return _cores(raw, 5, b32encode, _BITS_OF_BASE32)


def _cores(raw: bytes, group: int, encode: Callable[[bytes], bytes], bits: int) -> Iterator[bytes]:
    """The characters that the secret alone decides, for each place in a group of bytes at which it may begin."""
    for offset in range(group):
        first = -(-offset * 8 // bits)
        last = (offset + len(raw)) * 8 // bits
        core = encode(b"\0" * offset + raw)[first:last]
        if len(core) >= SHORTEST:
            yield core


def _wide(text: str) -> Iterator[bytes]:
    """As UTF-16, and as UTF-32, which arrays of NumPy and wide characters of C have."""
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        yield text.encode(encoding, "surrogatepass")
