"""References as values: `aws-sm://name#key`. Resolved all at once, before the script starts."""

from __future__ import annotations

import json
from collections import namedtuple

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCHEME = "aws-sm://"

Reference = namedtuple("Reference", ["text", "name", "key"])


def is_reference(value: str) -> bool:
    """Whether a value is to be replaced by what it points to."""
    return value.startswith(SCHEME)


def parse(text: str) -> Reference:
    """The parts of a reference; ShimError that shows it when it has no name."""
    name, _, key = text[len(SCHEME) :].partition("#")
    if not name:
        raise ShimError(
            "the reference %s has no name; expected %sname or %sname#key" % (text, SCHEME, SCHEME), contract.EXIT_CONFIG
        )
    return Reference(text, name, key)


def resolve(texts: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Reference → value. Each secret is fetched once, all of them at the same time.

    The first one that fails stops the start; its error names the reference, the source and the reason.
    """
    parsed = [parse(text) for text in texts]
    names = sorted({reference.name for reference in parsed})
    if not names:
        return {}
    fetched = _fetch_all(names, environ)
    return {reference.text: _pick(reference, fetched[reference.name]) for reference in parsed}


def _fetch_all(names: list[str], environ: Mapping[str, str]) -> dict[str, str]:
    import threading  # noqa: PLC0415 - only where there is something to fetch

    from lyftlearn_runtime.aws.secretsmanager import get  # noqa: PLC0415 - see above

    values: dict[str, str] = {}
    errors: list[ShimError] = []

    def fetch(name: str) -> None:
        try:
            values[name] = get(name, environ)
        except ShimError as error:
            errors.append(error)

    threads = [threading.Thread(target=fetch, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return values


def _pick(reference: Reference, value: str) -> str:
    if not reference.key:
        return value
    try:
        found = json.loads(value)[reference.key]
    except (ValueError, TypeError):
        raise ShimError(
            "%s: the secret is not a JSON object, so it has no key" % reference.text, contract.EXIT_CONFIG
        ) from None
    except KeyError:
        raise ShimError("%s: the secret has no such key" % reference.text, contract.EXIT_CONFIG) from None
    return found if isinstance(found, str) else json.dumps(found)
