"""The forms of a secret: each of them, made by the library's own functions, is masked by whoever masks."""

from __future__ import annotations

import base64
import html
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote, urlencode
from xml.sax import saxutils

import markupsafe
import pytest
from hypothesis import given, strategies as st

from lyftlearn_image import clear_secrets
from lyftlearn_image.build.secrets import BuildSecrets
from lyftlearn_image.errors import RunError
from lyftlearn_image.parity.case_error import describe_case_error
from lyftlearn_image.parity.secrets import mask_values, redact_file, secret_values
from lyftlearn_image.report.redaction import without_secrets
from lyftlearn_runtime import contract
from lyftlearn_runtime.failure import Tail
from lyftlearn_runtime.plain_words import WORDS
from lyftlearn_runtime.redact import Redactor
from lyftlearn_runtime.secret_forms import (
    FIRST_BYTES,
    MASK,
    SHORTEST,
    Finder,
    forms_of,
    is_maskable,
    mask,
    places_within,
    sounds_secret,
    values_within,
)
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable

# Every form of such a secret differs from every other: it has what JSON, Python, HTML and URLs escape, and two lines.
_SPICE = "p/l+a n<t>&e'd\"ü\U0001f511\\x\n"
PART = st.text("abcXYZ0189-_ /+%é", min_size=3, max_size=12).map(lambda text: f"{text}#")
SECRETS = st.builds(lambda first, last: f"#{first}{_SPICE}{last}", PART, PART)
# Characters that a neighbour decides too: those of one group, percent-encoded.
LOOSE = 12
# Neighbours that are part of no encoding, and so of no form.
BEFORE, AFTER = "[[ ", " ]]"


def lowered(quoted: str) -> str:
    """As some libraries write percent-encoding."""
    return re.sub("%..", lambda escape: escape.group().lower(), quoted)


def as_text(data: bytes) -> str:
    """Bytes as a text that holds any."""
    return data.decode("utf-8", "surrogateescape")


def as_go(text: str, characters: str) -> str:
    """JSON whose text may stand in HTML."""
    return "".join(f"\\u{ord(one):04x}" if one in characters else one for one in text)


FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda secret: secret,
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "JSON, not only ASCII": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "JSON as PHP and Java write it": lambda secret: json.dumps(secret)[1:-1].replace("/", r"\/"),
    "JSON so, not only ASCII": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1].replace("/", r"\/"),
    "repr of text": lambda secret: repr(secret)[1:-1],
    "repr of bytes": lambda secret: repr(secret.encode())[2:-1],
    "HTML": html.escape,
    "URL": lambda secret: quote(secret, safe=""),
    "URL in lower case": lambda secret: lowered(quote(secret, safe="")),
    "path of a URL": quote,
    "path of a URL in lower case": lambda secret: lowered(quote(secret)),
    "form": quote_plus,
    "form in lower case": lambda secret: lowered(quote_plus(secret)),
    "form with slashes": lambda secret: urlencode({"": secret}, safe="/")[1:],
    "form with slashes in lower case": lambda secret: lowered(urlencode({"": secret}, safe="/")[1:]),
    "HTML as markupsafe writes it": lambda secret: str(markupsafe.escape(secret)),
    "HTML without quotes": lambda secret: html.escape(secret, quote=False),
    "text of XML": saxutils.escape,
    "attribute of XML": lambda secret: saxutils.escape(secret, {'"': "&quot;"}),
    "attribute of XML with both quotes": lambda secret: saxutils.escape(secret, {'"': "&quot;", "'": "&apos;"}),
    "JSON as Go writes it": lambda secret: as_go(json.dumps(secret, ensure_ascii=False)[1:-1], "<>&"),
    "JSON as Gson writes it": lambda secret: as_go(json.dumps(secret, ensure_ascii=False)[1:-1], "<>&='"),
    "JSON in JSON": lambda secret: json.dumps(json.dumps(secret))[3:-3],
    "UTF-32, low byte first": lambda secret: as_text(secret.encode("utf-32-le")),
    "UTF-32, high byte first": lambda secret: as_text(secret.encode("utf-32-be")),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "hexadecimal in upper case": lambda secret: secret.encode().hex().upper(),
    "UTF-16, low byte first": lambda secret: as_text(secret.encode("utf-16-le")),
    "UTF-16, high byte first": lambda secret: as_text(secret.encode("utf-16-be")),
    "backwards": lambda secret: secret[::-1],
    "its first line": lambda secret: secret.splitlines()[0],
    "its first line as JSON": lambda secret: json.dumps(secret.splitlines()[0])[1:-1],
    "its first line as Python": lambda secret: repr(secret.splitlines()[0])[1:-1],
    "its first line as HTML": lambda secret: html.escape(secret.splitlines()[0]),
}
# Encodings of bytes that a secret is a part of: how far it begins into the bytes decides how it looks.
ENCODINGS: dict[str, tuple[int, Callable[[bytes], str]]] = {
    "base64": (3, lambda data: base64.b64encode(data).decode()),
    "base64 for URLs": (3, lambda data: base64.urlsafe_b64encode(data).decode()),
    "base64 in a URL": (3, lambda data: quote(base64.b64encode(data), safe="")),
    "base64 in a URL in lower case": (3, lambda data: lowered(quote(base64.b64encode(data), safe=""))),
    "base64 in the path of a URL": (3, lambda data: quote(base64.b64encode(data))),
    "base64 in the path of a URL in lower case": (3, lambda data: lowered(quote(base64.b64encode(data)))),
    "base32": (5, lambda data: base64.b32encode(data).decode()),
    "base64 of base64": (9, lambda data: base64.b64encode(base64.b64encode(data)).decode()),
}


@dataclass(frozen=True)
class Shown:
    """What a report shows, with a text somewhere inside."""

    name: str
    parts: tuple[dict[str, list[str]], ...]


def by_stream(text: str, secret: str) -> str:
    """The shim's redactor, fed in small pieces."""
    redactor = Redactor([secret])
    data = text.encode("utf-8", "surrogateescape")
    return as_text(b"".join(redactor.feed(data[at : at + 7]) for at in range(0, len(data), 7)) + redactor.flush())


def by_message(text: str, secret: str) -> str:
    """A line of the shim's own."""
    return mask(text, [secret])


def by_report(text: str, secret: str) -> str:
    """The text deep in a value that is shown."""
    shown = without_secrets(Shown("case", ({"stdout": ["", text]},)), [secret])
    return shown.parts[0]["stdout"][1]


@pytest.fixture(scope="module")
def by_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], str]:
    """A file of a run."""
    path: Path = tmp_path_factory.mktemp("run") / "stdout"

    def masked(text: str, secret: str) -> str:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        redact_file(path, secret_values({"name": secret}))
        return as_text(path.read_bytes())

    return masked


def by_request(text: str, secret: str) -> str:
    """A value of a request that is kept."""
    masked: dict[str, list[str]] = mask_values({"Key": [text]}, secret_values({"name": secret}))
    return masked["Key"][0]


def by_build(text: str, secret: str) -> str:
    """A line of a build."""
    return BuildSecrets((), (secret,)).redact(text)


def by_reason(text: str, secret: str) -> str:
    """The end of a script's stderr, in the reason of its failure."""
    tail = Tail([secret])
    tail.feed(text.encode("utf-8", "surrogateescape"))
    return tail.text()


def by_case_error(text: str, secret: str) -> str:
    """The line of an exception within a case, as its log has it."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "case.log"
        describe_case_error(RunError(text), log, [secret])
        return log.read_bytes().decode("utf-8", "surrogateescape").partition("RunError: ")[2].removesuffix("\n")


@pytest.fixture(
    scope="module", params=["stream", "message", "file", "report", "request", "build", "reason of a failure", "error of a case"]
)
def masked(request: pytest.FixtureRequest, by_file: Callable[[str, str], str]) -> Callable[[str, str], str]:
    """Each of those who mask: a text and a secret → the text without it."""
    users = {
        "stream": by_stream, "message": by_message, "file": by_file, "report": by_report, "request": by_request,
        "build": by_build, "reason of a failure": by_reason, "error of a case": by_case_error,
    }  # fmt: skip
    return users[request.param]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_masked_as_a_whole(form: str, masked: Callable[[str, str], str]) -> None:
    """Whoever masks, whatever the secret: nothing of the form is left, and all of what stands around it."""

    @examples(15)
    @given(SECRETS)
    def check(secret: str) -> None:
        assert masked(f"{BEFORE}{FORMS[form](secret)}{AFTER}", secret) == f"{BEFORE}{MASK}{AFTER}"

    check()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_of_bytes_with_a_secret_is_masked(encoding: str, masked: Callable[[str, str], str]) -> None:
    """Wherever the secret begins, every character that it alone decides is masked; the others may stay."""
    places, encode = ENCODINGS[encoding]

    @examples(15)
    @given(SECRETS, st.integers(0, places - 1), st.binary(max_size=9))
    def check(secret: str, offset: int, after: bytes) -> None:
        raw = secret.encode()
        shown = masked(f"{BEFORE}{encode(bytes(offset) + raw + after)}{AFTER}", secret)
        # One mask, so the secret's own characters are under it from the first to the last.
        # A character that a URL escapes is one all the same.
        left, right = map(unquote, shown.removeprefix(BEFORE).removesuffix(AFTER).split(MASK))
        assert len(left) <= len(unquote(encode(bytes(offset)))) + LOOSE
        assert len(right) <= len(unquote(encode(after))) + LOOSE

    check()


ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs"]), min_size=SHORTEST, max_size=20).filter(is_maskable)


@given(ANY_TEXT)
def test_any_text_may_be_a_secret(secret: str) -> None:
    """Half of a pair of surrogates, as JSON can say it, is no reason to fail or to show it."""
    assert secret not in mask(f"{BEFORE}{secret}{AFTER}", [secret]).replace(MASK, "")


def test_bytes_that_are_no_text_stay_as_they_are() -> None:
    """As halves of pairs of surrogates they are in a text, and even where two of them would be a character."""
    assert mask("\udcc3\udca9", ["planted"]) == "\udcc3\udca9"
    assert mask("\udcff planted \udcfe", ["planted"]) == f"\udcff {MASK} \udcfe"
    assert mask("\ud800 planted \udcfe", ["planted"]) == f"\ud800 {MASK} \udcfe"
    assert mask("\ud800 \udcfeplanted", ["\udcfeplanted"]) == f"\ud800 {MASK}"


@given(ANY_TEXT, st.lists(st.text(max_size=3)))
def test_a_text_without_a_secret_stays_as_it_is(text: str, secrets: list[str]) -> None:
    """Also with values that are too short to be looked for, and with characters that no encoding has."""
    assert mask(text, secrets) == text


def test_a_short_value_has_no_form() -> None:
    """It occurs in ordinary text, and so do the forms that only long secrets have."""
    assert forms_of("abcde") == forms_of(" abcde ") == set()
    assert b"abcdef" in forms_of("abcdef")
    assert b"fedcba" not in forms_of("abcdef")
    assert b"hgfedcba" in forms_of("abcdefgh")
    assert b"short" not in forms_of("short\nlong enough")
    assert b"long enough" in forms_of("short\n long enough ")


@pytest.mark.parametrize("word", ["true", "name", "production", "Training", "LOCALHOST", " password\n"])
def test_a_plain_word_has_no_form(word: str) -> None:
    """Logs are full of it, in whatever case: what masks it hides nothing and ruins them."""
    assert not is_maskable(word)
    assert forms_of(word) == set()
    assert mask(f"{word} x", [word]) == f"{word} x"
    assert is_maskable(f"{word}-7 of 9")


def test_no_plain_word_could_be_a_password_by_itself() -> None:
    """The list has words, in lower case, that are long enough to be looked for."""
    assert all(re.fullmatch(f"[a-z]{{{SHORTEST},}}", word) for word in WORDS)


def test_a_number_that_is_a_secret_is_masked_where_it_is_a_number() -> None:
    """In a request and in a report's data: the JSON stays JSON, and other numbers stay."""
    secrets = secret_values({"name": '{"pin": 48151623, "rate": 123456.5}'})
    data = {"a": [48151623, 48151624, 123456.5, True], "b": {"c": 48151623}}
    expected = {"a": [MASK, 48151624, MASK, True], "b": {"c": MASK}}
    assert mask_values(data, secrets) == without_secrets(data, secrets) == expected


def test_values_of_a_json_secret_have_places() -> None:
    """A report names one of them by its place, for the value is secret."""
    secret = json.dumps({"user": "u", "db": {"ports": [5432, 1]}, "off": None})
    assert places_within(secret) == {secret: "", "u": "user", "5432": "db.ports.0", "1": "db.ports.1"}


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    """They begin alike, and what is longer tells more."""
    assert mask("planted-and-more planted", ["planted", "planted-and-more"]) == f"{MASK} {MASK}"


def test_a_secret_that_is_learnt_later_is_looked_for_from_then_on() -> None:
    """Those before it, too; a value that was known already changes nothing."""
    finder = Finder(["planted-one"])
    assert finder.find(b"planted-one") == (0, 11)
    assert finder.find(b"a planted-two planted-one") == (14, 25)
    longest = finder.longest
    finder.add(["planted-two", "planted-one"])
    assert finder.find(b"a planted-two planted-one") == (2, 13)
    assert finder.find(b"a planted-two planted-one", 3) == (14, 25)
    assert finder.longest == longest


@given(SECRETS, st.integers(FIRST_BYTES, 30))
def test_the_beginning_of_a_secret_at_a_cut_is_found(secret: str, size: int) -> None:
    """As many bytes as there are of it; the whole of it is for `find`."""
    raw = secret.encode()
    kept = raw[: min(size, len(raw) - 1)]
    finder = Finder([secret])
    assert finder.unfinished(b"text: " + kept) == finder.unfinished(kept) == len(kept)
    assert finder.unfinished(b"text: " + kept[: FIRST_BYTES - 1]) == 0
    longest = max(forms_of(secret), key=len)[:-1]
    assert finder.unfinished(b"text: " + longest) == len(longest)


def test_what_only_begins_like_a_secret_at_a_cut_stays() -> None:
    """It goes on otherwise, or it is there as a whole, or there is no secret."""
    finder = Finder(["planted-secret"])
    assert finder.unfinished(b"text: planted-se") == len(b"planted-se")
    assert finder.unfinished(b"text: planted text") == 0
    assert finder.unfinished(b"text: planted-secret") == 0
    assert Finder().unfinished(b"text") == 0


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def texts_in(value: object) -> set[str]:
    """The texts and numbers of a document."""
    if isinstance(value, dict | list):
        return {text for inner in (value.values() if isinstance(value, dict) else value) for text in texts_in(inner)}
    return set() if value is None or isinstance(value, bool) else {value if isinstance(value, str) else json.dumps(value)}


@given(VALUES)
def test_the_values_inside_a_json_secret_are_secrets(value: object) -> None:
    """A script that reads it prints one of its values, not the JSON."""
    secret = json.dumps(value)
    assert set(values_within(secret)) == {secret} | texts_in(value)


@pytest.mark.parametrize("secret", ["no JSON", "[" * 100_000, '{"half": ', ""])
def test_a_secret_that_is_no_json_is_one_value(secret: str) -> None:
    """However much it looks like it."""
    assert values_within(secret) == [secret]


@pytest.mark.parametrize(
    "name",
    [
        *contract.SECRET_VARIABLES, "DB_PASSWORD", "DBPASSWORD", "MYSQL_PASSWD", "KEY_PASSPHRASE",
        "CLIENT_SECRET", "github_token", "NEWTOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "OPENAI_API_KEY", "apikey",
        "api-key", "AWS_ACCESS_KEY", "PRIVATE_KEY", "privateKey", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    ],
)  # fmt: skip
def test_a_name_that_tells_of_a_secret(name: str) -> None:
    """In whatever spelling: a value under it is hidden."""
    assert sounds_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "HOME", "SM_HP_KEY", "MONKEY", "MAX_TOKENS", "max-new_tokens", "N_TOKENS", "NUM_TOKENS", "MIN_TOKEN",
        "TOKENS_PER_BATCH", "TOKEN_LIMIT", "token_count", "TOKEN_SIZE", "TOKEN_LENGTH", "TOKENIZERS_PARALLELISM",
        "tokeniser", "AWS_ACCESS_KEY_ID",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "aws_web_identity_token_file",
    ],
)  # fmt: skip
def test_a_name_that_tells_of_no_secret(name: str) -> None:
    """A number of tokens, the place of a token, an ID: a reader of a report wants to see them."""
    assert not sounds_secret(name)


@pytest.mark.parametrize("name", ["AWS_SESSION_TOKEN", "DB_PASSWORD"])
def test_a_clear_value_under_such_a_name_is_refused(name: str) -> None:
    """By the same names: what the shim would hide is not written into a workload. A place of a secret may be."""
    assert clear_secrets.what_secret(name, "x7Kq-92!fLmZ") == f"the value of `{name}`"
    assert clear_secrets.what_secret(f"{name}_FILE", "x7Kq-92!fLmZ") is None
