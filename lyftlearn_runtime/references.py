"""References as values: `scheme://name?options#key`.

Options, with `&` between them: `optional` leaves the variable or the file out when it cannot be had; `default=text`, the
last one, puts a text in its place; `last-known-good` takes the value of an earlier start, or of an earlier renewal, when its
source does not answer; the others are those of the source. Every other value is taken as it is.
"""

from __future__ import annotations

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.frozen import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# What a source is asked for: a name, and the options that are the source's own as sorted pairs.
Item = namedtuple("Item", ["name", "options"])
# `text` is the whole of it, `default` is None for one without.
Reference = namedtuple("Reference", ["text", "scheme", "item", "key", "is_optional", "default", "keeps_last_known_good"])
# `values` are texts by reference, None for an optional one that cannot be had; `sets` are dicts of texts by reference;
# `seconds` says how long each scheme took.
Resolution = namedtuple("Resolution", ["values", "sets", "seconds"])
NOTHING = Resolution({}, {}, {})

# The options that are not the source's, but for `default`.
_FLAGS = ("optional", "last-known-good")


def is_reference(value: str) -> bool:
    """Whether a value points to something, told by its scheme alone."""
    scheme, mark, _ = value.partition("://")
    return bool(mark) and scheme in contract.CLEAR_SCHEMES


def reference_variables(environ: Mapping[str, str]) -> list[str]:
    """The variables whose values are references: by their scheme, or because LYFTLEARN_REFERENCES names them."""
    named = {name.strip() for name in environ.get(contract.REFERENCES, "").split(",")}
    return [
        name
        for name, value in environ.items()
        if name not in contract.HIDDEN_VARIABLES and (is_reference(value) or (name in named and "://" in value))
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
    for option, value in given.items():
        if bool(value) == (option in _FLAGS):
            raise ShimError(
                f"the reference {text} has the option {option!r}; expected ?optional, ?last-known-good, an option of the"
                " source with a value, or ?default=text as the last one",
                contract.EXIT_CONFIG,
            )
    pairs = tuple(sorted((option, value) for option, value in given.items() if option not in _FLAGS))
    return Reference(text, scheme, Item(name, pairs), key, "optional" in given, default, "last-known-good" in given)


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
