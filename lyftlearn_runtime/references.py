"""References as values: `aws-sm://name#key`. Resolved all at once, before the script starts.

`aws-sm://name?optional#key` leaves the variable or the file out when it cannot be had, `?default=text` puts a text in its
place. Every other value is taken as it is.
"""

from __future__ import annotations

import json
import time
from collections import namedtuple

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.log import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Scheme → module of `lyftlearn_runtime.sources`.
SCHEMES = {"aws-sm": "secretsmanager"}
DEADLINE_S = 30.0
# A source stops by itself at the deadline; what still does not answer then (a name server) is left behind.
_PATIENCE_S = 1.0

# `default` is None for a reference without one; `text` is the whole of it.
Reference = namedtuple("Reference", ["text", "scheme", "name", "key", "is_optional", "default"])


def is_reference(value: str) -> bool:
    """Whether a value is to be replaced by what it points to."""
    return value.partition("://")[0] in SCHEMES and "://" in value


def parse(text: str) -> Reference:
    """The parts of a reference; ShimError that shows it when it is malformed."""
    scheme, _, rest = text.partition("://")
    place, _, key = rest.partition("#")
    name, asked, options = place.partition("?")
    if not name:
        raise ShimError(
            f"the reference {text} has no name; expected {scheme}://name or {scheme}://name#key", contract.EXIT_CONFIG
        )
    if not asked or options == "optional":
        return Reference(text, scheme, name, key, is_optional=bool(asked), default=None)
    option, _, default = options.partition("=")
    if option != "default":
        raise ShimError(
            f"the reference {text} has the option {option!r}; expected ?optional or ?default=text", contract.EXIT_CONFIG
        )
    return Reference(text, scheme, name, key, is_optional=False, default=default)


def resolve(texts: Sequence[str], environ: Mapping[str, str]) -> dict[str, str | None]:
    """Reference → value, None for an optional one that cannot be had.

    Each secret is fetched once, all of them at the same time, within LYFTLEARN_FETCH_TIMEOUT seconds (30) together. What
    fails stops the start: the error has a line for each reference, with its source and the reason, and no value.
    """
    parsed = [parse(text) for text in texts]
    wanted = sorted({(one.scheme, one.name) for one in parsed})
    if not wanted:
        return {}
    fetched = _fetch_all(wanted, environ)
    found: dict[str, str | None] = {}
    errors: dict[str, ShimError] = {}
    for one in parsed:
        try:
            found[one.text] = _pick(one, fetched[one.scheme, one.name])
        except ShimError as error:
            if one.is_optional or one.default is not None:
                found[one.text] = one.default
                say(f"{one.text}: {'left out' if one.is_optional else 'its default is used'}: {error.message}")
            else:
                errors[one.text] = error
    if errors:
        lines = [f"{text}: {error.message}" for text, error in sorted(errors.items())]
        raise ShimError("\n".join(lines), errors[min(errors)].exit_code)
    return found


def _fetch_all(wanted: Sequence[tuple[str, str]], environ: Mapping[str, str]) -> dict[tuple[str, str], str | ShimError]:
    import threading  # noqa: PLC0415 - only where there is something to fetch

    seconds = timeout(environ)
    deadline = time.monotonic() + seconds
    late = ShimError(f"no answer within {seconds:g} seconds", contract.EXIT_UNAVAILABLE)
    found: dict[tuple[str, str], str | ShimError] = dict.fromkeys(wanted, late)

    def fetch(scheme: str, name: str) -> None:
        try:
            found[scheme, name] = _source(scheme)(name, environ, deadline)
        except ShimError as error:
            found[scheme, name] = error
        except Exception as error:  # noqa: BLE001 - a fault of ours, told without a text that may hold a value
            found[scheme, name] = ShimError(f"the source failed: {type(error).__name__}", contract.EXIT_UNAVAILABLE)

    threads = [threading.Thread(target=fetch, args=one, daemon=True) for one in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline + _PATIENCE_S - time.monotonic()))
    return dict(found)


def timeout(environ: Mapping[str, str]) -> float:
    """Seconds for everything that is fetched before the script starts, LYFTLEARN_FETCH_TIMEOUT."""
    value = environ.get("LYFTLEARN_FETCH_TIMEOUT")
    try:
        seconds = float(value) if value else DEADLINE_S
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise ShimError(f"LYFTLEARN_FETCH_TIMEOUT is {value!r}; expected seconds", contract.EXIT_CONFIG)
    return seconds


def _source(scheme: str) -> Callable[[str, Mapping[str, str], float], str]:
    if SCHEMES[scheme] == "secretsmanager":
        from lyftlearn_runtime.sources.secretsmanager import fetch  # noqa: PLC0415 - network modules only where needed

        return fetch
    raise AssertionError(scheme)


def _pick(reference: Reference, value: str | ShimError) -> str:
    if isinstance(value, ShimError):
        raise value
    if not reference.key:
        return value
    try:
        found = json.loads(value)[reference.key]
    except (ValueError, TypeError, RecursionError):
        raise ShimError("the secret is not a JSON object, so it has no key", contract.EXIT_CONFIG) from None
    except KeyError:
        raise ShimError("the secret has no such key", contract.EXIT_CONFIG) from None
    return found if isinstance(found, str) else json.dumps(found)
