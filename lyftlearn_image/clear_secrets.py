"""Tells a secret that somebody wrote in the clear, without ever repeating it.

A file that people write holds references to secrets (`aws-sm://name#key`). What looks like a secret itself is refused before
it gets into a request, a manifest or a log.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from lyftlearn_runtime.secret_forms import MASK, sounds_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What a secret looks like whatever its name is: prefixes that their issuers publish.
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("an AWS access key ID", re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b")),
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----")),
    ("a JSON Web Token", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})")),
    ("a GitLab token", re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}")),
    ("a Slack token", re.compile(r"\bxox[abposr]-[A-Za-z0-9-]{10,}")),
    ("a Stripe key", re.compile(r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}\b")),
    ("a Google API key", re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b")),
    ("a Hugging Face token", re.compile(r"\bhf_[A-Za-z0-9]{30,}\b")),
    ("a PyPI token", re.compile(r"\bpypi-[A-Za-z0-9_-]{50,}")),
    ("an npm token", re.compile(r"\bnpm_[A-Za-z0-9]{36}\b")),
    ("a Databricks token", re.compile(r"\bdapi[0-9a-f]{32}\b")),
    ("an API key", re.compile(r"\bsk-[A-Za-z0-9_-]{20,}")),
    ("a URL with a password in it", re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s:@$]{3,}@")),
)
# Names of the place of a secret, which may stand in the clear.
_PLACES = re.compile(r"(?:FILE|PATH|NAME|URL|URI|ARN|ID)$", re.IGNORECASE)
# Below these a text is a word, a path or a number, not a key (bits a character, of the characters' own frequencies).
_LEAST_CHARACTERS = 8
_LEAST_ENTROPY = 2.75
_PRIVATE_KEYS = ("secrets", "secret", "secret_sets", "secret_values", "parameter_values")
# Keys below which people write texts of their own: a token may stand in any word of a command.
_FREE_KEYS = ("command", "arguments", "environment", "hyperparameters", "files", "content", "tags", "defaults")


def what_secret(name: str, value: str) -> str | None:
    """What a value under a name looks like, such as `a GitHub token`; None for what does not look like a secret."""
    for what, form in _FORMS:
        if form.search(value):
            return what
    if sounds_secret(name) and not _PLACES.search(name) and _is_random(value):
        return f"the value of `{name}`"
    return None


def mask_secrets(text: str) -> str:
    """The text without what looks like a secret by its form, wherever it stands."""
    for _, form in _FORMS:
        text = form.sub(MASK, text)
    return text


def find_secrets(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every clear text of a file's data that looks like a secret: its place and what it looks like."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from find_secrets(value, (*path, str(key)))
    elif isinstance(data, list | tuple):
        for position, value in enumerate(data):
            yield from find_secrets(value, (*path, position))
    elif isinstance(data, str) and (what := _told(path, _clear_part(path, data))):
        yield path, what


def is_private(location: Sequence[str | int], value: Any) -> bool:
    """Whether a wrong value is better not repeated: it stands where secrets do, or free text, or it looks like one."""
    if any(part in _PRIVATE_KEYS or (isinstance(part, str) and sounds_secret(part)) for part in location):
        return True
    if isinstance(value, (str, list, tuple, dict)) and any(part in _FREE_KEYS for part in location):
        return True
    return next(find_secrets(value, tuple(location)), None) is not None or (
        isinstance(value, dict) and any(key in value for key in _PRIVATE_KEYS)
    )


def _clear_part(path: tuple[str | int, ...], text: str) -> str:
    """What of a text is clear: of a reference its default alone, of the name of a Kubernetes Secret nothing."""
    if path[:1] in (("secrets",), ("secret_sets",)) or (path[:1] == ("files",) and path[2:] == ("secret",)):
        return text.partition("?")[2].partition("default=")[2] if "://" in text else text
    return "" if path[:2] in (("kubernetes", "secrets"), ("kubernetes", "image_pull_secrets")) else text


def _told(path: tuple[str | int, ...], text: str) -> str | None:
    name = next((str(part) for part in reversed(path) if isinstance(part, str)), "")
    if what := what_secret(name, text):
        return what
    # A file's text has names of its own: `password: …`, `TOKEN=…`.
    for line in text.splitlines() if "\n" in text or "=" in text or ":" in text else ():
        left, mark, right = (
            re.split(r"(\s*[:=]\s*)", line.strip(), maxsplit=1)[:3] if re.search(r"[:=]", line) else ("", "", "")
        )
        if (
            mark
            and re.fullmatch(r"[\"']?[\w.-]+[\"']?", left)
            and (what := what_secret(left.strip("\"'"), right.strip(" \"',")))
        ):
            return what
    return None


def _is_random(value: str) -> bool:
    """Whether a text is long and mixed enough for a password. References and placeholders are not."""
    if len(value) < _LEAST_CHARACTERS or "://" in value or value.startswith(("$", "/", "<", "{{")) or " " in value.strip():
        return False
    counts = Counter(value)
    entropy = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    kinds = sum(
        any(test(one) for one in value) for test in (str.islower, str.isupper, str.isdigit, lambda one: not one.isalnum())
    )
    return entropy >= _LEAST_ENTROPY and kinds > 1
