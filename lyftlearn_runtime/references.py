"""References as values: `scheme://name?options#key`. All of them are resolved at once, before the script starts.

Options, with `&` between them: `optional` leaves the variable or the file out when it cannot be had; `default=text`, the
last one, puts a text in its place; `last-known-good` takes the value of an earlier start, or of an earlier renewal, when its
source does not answer; the others are those of the source. Every other value is taken as it is.
"""

from __future__ import annotations

import json
import time
from collections import namedtuple

from lyftlearn_runtime import contract
from lyftlearn_runtime.deadline import fetch_timeout
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.log import say
from lyftlearn_runtime.sources import Item

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

# How often a variable may point to another one.
_DEEPEST = 8

# `text` is the whole of it, `default` is None for one without.
Reference = namedtuple("Reference", ["text", "scheme", "item", "key", "is_optional", "default", "keeps"])
# `values` are texts by reference, None for an optional one that cannot be had; `sets` are dicts of texts by reference;
# `seconds` says how long each scheme took.
Resolved = namedtuple("Resolved", ["values", "sets", "seconds"])
NOTHING = Resolved({}, {}, {})


def is_reference(value: str) -> bool:
    """Whether a value points to something, told by its scheme alone."""
    scheme, mark, _ = value.partition("://")
    return bool(mark) and scheme in contract.CLEAR_SCHEMES


def named(environ: Mapping[str, str]) -> list[str]:
    """The variables whose values are references: by their scheme, or because LYFTLEARN_REFERENCES names them."""
    told = {name.strip() for name in environ.get(contract.REFERENCES, "").split(",")}
    own = contract.HIDDEN_VARIABLES
    return [
        name
        for name, value in environ.items()
        if name not in own and (is_reference(value) or (name in told and "://" in value))
    ]


def parse(text: str) -> Reference:
    """The parts of a reference; ShimError that shows it when it is malformed."""
    scheme, _, rest = text.partition("://")
    place, _, key = rest.partition("#")
    name, _, options = place.partition("?")
    if not name:
        raise ShimError(
            f"the reference {text} has no name; expected {scheme}://name or {scheme}://name#key", contract.EXIT_CONFIG
        )
    if not _can_be_asked_for(name + key):
        raise ShimError(f"the reference {text!a} has a character that no name has", contract.EXIT_CONFIG)
    given, default = _options(options)
    own = {"optional", "last-known-good"}
    pairs = tuple(sorted((option, value) for option, value in given.items() if option not in own))
    for option, value in given.items():
        if bool(value) == (option in own):
            raise ShimError(
                f"the reference {text} has the option {option!r}; expected ?optional, ?last-known-good, an option of the"
                " source with a value, or ?default=text as the last one",
                contract.EXIT_CONFIG,
            )
    keeps = "last-known-good" in given
    return Reference(text, scheme, Item(name, pairs), key, "optional" in given, default, keeps)


def _can_be_asked_for(name: str) -> bool:
    """Whether it can be said to anybody: JSON, where a reference may come from, can hold a NUL and half characters."""
    try:
        return b"\0" not in name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False


def _options(text: str) -> tuple[dict[str, str], str | None]:
    """Options with their values, and the default, which may hold anything."""
    first, mark, default = text.partition("default=")
    if mark and first and not first.endswith("&"):
        first, mark, default = text, "", ""
    given = dict(one.partition("=")[::2] for one in first.split("&") if one)
    return given, default if mark else None


def resolve(texts: Sequence[str], environ: Mapping[str, str], sets: Sequence[str] = ()) -> Resolved:
    """What the references `texts` point to, and the sets that the references `sets` do.

    Each thing is fetched once, all of them at the same time, within LYFTLEARN_FETCH_TIMEOUT seconds (30) together. What
    fails stops the start: the error has a line for each reference, with its source and the reason, and no value.
    """
    if not texts and not sets:
        return NOTHING
    deadline = time.monotonic() + fetch_timeout(environ)
    parsed = {text: parse(_followed(text, environ)) for text in (*texts, *sets)}
    remote = [one for one in parsed.values() if one.scheme != "env"]
    fetched, seconds = _fetch_all(remote, environ, deadline) if remote else ({}, {})
    fetched.update({("env", one.item): _variable(one, environ) for one in parsed.values() if one.scheme == "env"})
    errors: dict[str, ShimError] = {}
    values, found_sets = {}, {}
    for text in texts:
        values[text] = _settled(parsed[text], fetched, errors, text, environ)
    for text in sets:
        found_sets[text] = _settled(parsed[text], fetched, errors, text, environ, is_set=True) or {}
    if errors:
        lines = [f"{text}: {error.message}" for text, error in sorted(errors.items())]
        raise ShimError("\n".join(lines), errors[min(errors)].exit_code)
    return Resolved(values, found_sets, seconds)


def _followed(text: str, environ: Mapping[str, str]) -> str:
    """The reference that `env://NAME` stands for where that variable is one itself."""
    for _ in range(_DEEPEST):
        scheme, _, rest = text.partition("://")
        value = environ.get(rest, "") if scheme == "env" else ""
        if not is_reference(value):
            return text
        text = value
    raise ShimError(f"{text}: variables point to each other in a ring", contract.EXIT_CONFIG)


def _variable(one: Reference, environ: Mapping[str, str]) -> str | ShimError:
    value = environ.get(one.item.name)
    return ShimError(f"there is no variable {one.item.name}", contract.EXIT_CONFIG) if value is None else value


def _fetch_all(
    wanted: Sequence[Reference], environ: Mapping[str, str], deadline: float
) -> tuple[dict[tuple[str, Item], Any], dict[str, float]]:
    """What each scheme's source gave for each item, or its error; and the seconds that each took."""
    from lyftlearn_runtime import parallel  # noqa: PLC0415 - only where there is something to fetch

    by_scheme: dict[str, list[Item]] = {}
    for one in wanted:
        items = by_scheme.setdefault(one.scheme, [])
        if one.item not in items:
            items.append(one.item)
    seconds: dict[str, float] = {}

    def fetch(scheme: str) -> dict[Item, Any]:
        begun = time.monotonic()
        try:
            return _from_source(scheme, by_scheme[scheme], environ, deadline)
        finally:
            seconds[scheme] = time.monotonic() - begun

    answers = parallel.each(sorted(by_scheme), fetch, deadline)
    found: dict[tuple[str, Item], Any] = {}
    for scheme, answer in answers.items():
        for item in by_scheme[scheme]:
            missing = ShimError("its source said nothing of it", contract.EXIT_UNAVAILABLE)
            found[scheme, item] = answer if isinstance(answer, ShimError) else answer.get(item, missing)
    return found, seconds


def _from_source(scheme: str, items: Sequence[Item], environ: Mapping[str, str], deadline: float) -> dict[Item, Any]:
    from lyftlearn_runtime import sources  # noqa: PLC0415 - beside its only use

    module = sources.load(scheme)
    wrong: dict[Item, Any] = {}
    for item in items:
        unknown = [option for option, _ in item.options if option not in module.OPTIONS]
        if unknown:
            expected = ", ".join((*module.OPTIONS, "optional, last-known-good or default"))
            wrong[item] = ShimError(f"{scheme}:// has no option {unknown[0]!r}; expected {expected}", contract.EXIT_CONFIG)
    right = [item for item in items if item not in wrong]
    return {**wrong, **(module.fetch(right, environ, deadline) if right else {})}


def _settled(  # noqa: PLR0913 - one reference, and what is known of it
    one: Reference,
    fetched: Mapping[tuple[str, Item], Any],
    errors: dict[str, ShimError],
    text: str,
    environ: Mapping[str, str],
    *,
    is_set: bool = False,
) -> Any:
    """The value of a reference, or what stands for it; an error goes to `errors`."""
    try:
        found = fetched[one.scheme, one.item]
        value = _pick(one, found, is_set=is_set)
    except ShimError as error:
        if one.keeps and error.exit_code == contract.EXIT_UNAVAILABLE:
            from lyftlearn_runtime import last_known_good  # noqa: PLC0415 - only where a workload asks for it

            kept = last_known_good.recall(text, environ)
            if kept is not None:
                say(f"{text}: the last known value is used: {error.message}")
                return json.loads(kept) if is_set else kept
        if one.is_optional or one.default is not None:
            said = "left out" if one.default is None else "its default is used"
            say(f"{text}: {said}: {error.message}")
            return None if is_set else one.default
        errors[text] = error
        return None
    if one.keeps:
        from lyftlearn_runtime import last_known_good  # noqa: PLC0415 - as above

        last_known_good.keep(text, json.dumps(value) if is_set else value, environ)
    return value


def _pick(reference: Reference, found: Any, *, is_set: bool) -> Any:
    """The part of what was fetched that a reference means: a text, or with `is_set` a dict of texts."""
    if isinstance(found, ShimError):
        raise found
    if not is_set and not reference.key:
        if isinstance(found, dict):
            keys = "one of its keys as #key"
            raise ShimError(f"it is a set of {len(found)} values; name {keys}", contract.EXIT_CONFIG)
        return found
    document = found if isinstance(found, dict) else _object(found)
    if is_set:
        return {str(key): _text(value) for key, value in document.items()}
    if reference.key not in document:
        raise ShimError("the secret has no such key", contract.EXIT_CONFIG)
    return _text(document[reference.key])


def _object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ShimError("the secret is not a JSON object, so it has no key", contract.EXIT_CONFIG)
    return document


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
