"""What references point to: all of them are fetched at once, before the script starts, and again for a renewal."""

from __future__ import annotations

import json
import time

from lyftlearn_runtime import contract, parallel, secret_forms, sources
from lyftlearn_runtime.deadline import fetch_timeout
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.frozen import namedtuple
from lyftlearn_runtime.log import log_line
from lyftlearn_runtime.references import NOTHING, Resolution, is_reference, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from lyftlearn_runtime.references import Item, Reference

# How often a variable may point to another one.
_MOST_HOPS = 8

# A reference as it was written, its parts, and whether it stands for a set of values.
_Wanted = namedtuple("_Wanted", ["text", "reference", "is_set"])


def resolve(texts: Sequence[str], environ: Mapping[str, str], sets: Sequence[str] = ()) -> Resolution:
    """What the references `texts` point to, and the sets that the references `sets` do.

    Each thing is fetched once, all of them at the same time, within LYFTLEARN_FETCH_TIMEOUT seconds (30) together. What
    fails stops the start: the error has a line for each reference, with its source and the reason, and no value.
    """
    if not texts and not sets:
        return NOTHING
    deadline = time.monotonic() + fetch_timeout(environ)
    parsed = {text: parse(_follow(text, environ)) for text in (*texts, *sets)}
    remote = [one for one in parsed.values() if one.scheme != "env"]
    fetched, seconds = _fetch_all(remote, environ, deadline) if remote else ({}, {})
    fetched.update({("env", one.item): _variable(one, environ) for one in parsed.values() if one.scheme == "env"})
    errors: dict[str, ShimError] = {}

    def value_of(text: str, *, is_set: bool) -> Any:
        reference = parsed[text]
        try:
            return _value_of(_Wanted(text, reference, is_set), fetched[reference.scheme, reference.item], environ)
        except ShimError as error:
            errors[text] = error
            return None

    values = {text: value_of(text, is_set=False) for text in texts}
    members = {text: value_of(text, is_set=True) or {} for text in sets}
    if errors:
        lines = [f"{text}: {error.message}" for text, error in sorted(errors.items())]
        raise ShimError("\n".join(lines), errors[min(errors)].exit_code)
    return Resolution(values, members, seconds)


def secret_values(resolution: Resolution) -> set[str]:
    """Every text that must not be shown: the values of sources that hold secrets, and the texts inside them."""
    values = [value for text, value in resolution.values.items() if value and not text.startswith(contract.OPEN_SCHEMES)]
    values += [value for members in resolution.sets.values() for value in members.values()]
    return {text for value in values for text in secret_forms.values_within(value)}


def _follow(text: str, environ: Mapping[str, str]) -> str:
    """The reference that `env://NAME` stands for where that variable is one itself."""
    for _ in range(_MOST_HOPS):
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

    answers = parallel.map_items(sorted(by_scheme), fetch, deadline)
    found: dict[tuple[str, Item], Any] = {}
    for scheme, answer in answers.items():
        for item in by_scheme[scheme]:
            missing = ShimError("its source said nothing of it", contract.EXIT_UNAVAILABLE)
            found[scheme, item] = answer if isinstance(answer, ShimError) else answer.get(item, missing)
    return found, seconds


def _from_source(scheme: str, items: Sequence[Item], environ: Mapping[str, str], deadline: float) -> dict[Item, Any]:
    module = sources.load(scheme)
    wrong: dict[Item, Any] = {}
    for item in items:
        unknown = [option for option, _ in item.options if option not in module.OPTIONS]
        if unknown:
            expected = ", ".join((*module.OPTIONS, "optional, last-known-good or default"))
            wrong[item] = ShimError(f"{scheme}:// has no option {unknown[0]!r}; expected {expected}", contract.EXIT_CONFIG)
    right = [item for item in items if item not in wrong]
    return {**wrong, **(module.fetch(right, environ, deadline) if right else {})}


def _value_of(wanted: _Wanted, answer: Any, environ: Mapping[str, str]) -> Any:
    """The value of a reference, or what stands for it; ShimError where it cannot be had and nothing does."""
    try:
        value = _pick(wanted, answer)
    except ShimError as error:
        return _stand_in(wanted, error, environ)
    if wanted.reference.keeps_last_known_good:
        from lyftlearn_runtime import last_known_good  # noqa: PLC0415 - only where a workload asks for it

        last_known_good.save(wanted.text, json.dumps(value) if wanted.is_set else value, environ)
    return value


def _stand_in(wanted: _Wanted, error: ShimError, environ: Mapping[str, str]) -> Any:
    """The last known value, the default, or None for what is left out; else raises the error."""
    text, reference = wanted.text, wanted.reference
    if reference.keeps_last_known_good and error.exit_code == contract.EXIT_UNAVAILABLE:
        from lyftlearn_runtime import last_known_good  # noqa: PLC0415 - as above

        kept = last_known_good.load(text, environ)
        if kept is not None:
            log_line(f"{text}: the last known value is used: {error.message}")
            return json.loads(kept) if wanted.is_set else kept
    if not reference.is_optional and reference.default is None:
        raise error
    log_line(f"{text}: {'left out' if reference.default is None else 'its default is used'}: {error.message}")
    return None if wanted.is_set else reference.default


def _pick(wanted: _Wanted, answer: Any) -> Any:
    """The part of what was fetched that a reference means: a text, or a dict of texts for a set."""
    if isinstance(answer, ShimError):
        raise answer
    key = wanted.reference.key
    if not wanted.is_set and not key:
        if isinstance(answer, dict):
            message = f"it is a set of {len(answer)} values; name one of its keys as #key"
            raise ShimError(message, contract.EXIT_CONFIG)
        return answer
    document = answer if isinstance(answer, dict) else _object(answer)
    if wanted.is_set:
        return {str(name): _text(value) for name, value in document.items()}
    if key not in document:
        raise ShimError("the secret has no such key", contract.EXIT_CONFIG)
    return _text(document[key])


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
