"""What the kernel takes when it starts a program, and which of our own words stay out where they do not fit.

A string of argv or of the environment has at most 131,072 bytes with its NUL (MAX_ARG_STRLEN); all strings and their
pointers together have at most a quarter of the stack's limit and never more than 6 MiB (execve(2), "Limits on size of
arguments and environment"). What a workload says itself must fit. What the shim derives from hyperparameters is also in
the files, so it stays out where it does not fit, the largest first: half a MiB for arguments, half a MiB for variables.
"""

from __future__ import annotations

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_STRING = 131072
ARGUMENTS_BYTES = 1 << 19
VARIABLES_BYTES = 1 << 19
# What the script may add for its own children.
_RESERVE_BYTES = 1 << 17
_LARGEST_BYTES = 6 << 20
_POINTER_BYTES = 8


def size_of(text: str) -> int | None:
    """Bytes that a string takes, None where it cannot be one: too long, a NUL in it, or not encodable."""
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None
    return None if len(data) + 1 > LONGEST_STRING or b"\0" in data else len(data) + 1 + _POINTER_BYTES


def fit_arguments(names: Sequence[str], groups: Sequence[Sequence[str]]) -> tuple[list[str], list[str]]:
    """The words of the groups that fit, in their order, and the names of the groups that do not."""
    sizes = [_total(group) for group in groups]
    kept = _smallest(sizes, ARGUMENTS_BYTES)
    words = [word for number, group in enumerate(groups) if number in kept for word in group]
    return words, [name for number, name in enumerate(names[: len(groups)]) if number not in kept]


def fit_variables(own: Mapping[str, str], derived: Mapping[str, str], used: int) -> tuple[dict[str, str], list[str]]:
    """All of `own` and what fits of `derived`, and the names of what does not. `used` is what argv takes.

    ShimError that names the variable of `own` that cannot be one, or says by how much they are too many.
    """
    total = used
    for name, value in own.items():
        size = _of_variable(name, value)
        if size is None:
            raise ShimError(f"{name!r} cannot be a variable: {_why(name, value)}; pass it as a file", contract.EXIT_CONFIG)
        total += size
    room = _room() - total
    if room < 0:
        raise ShimError(
            f"the variables and arguments of the workload are {-room} bytes more than Linux takes; pass some as files",
            contract.EXIT_CONFIG,
        )
    names = list(derived)
    kept = _smallest([_of_variable(name, derived[name]) for name in names], min(room, VARIABLES_BYTES))
    found = dict(own)
    found.update({name: derived[name] for number, name in enumerate(names) if number in kept})
    return found, [name for number, name in enumerate(names) if number not in kept]


def _of_variable(name: str, value: str) -> int | None:
    return size_of(f"{name}={value}") if name and "=" not in name else None


def _why(name: str, value: str) -> str:
    if not name or "=" in name:
        return "its name is empty or has a `=` in it"
    if "\0" in name + value:
        return "there is a NUL in it"
    return f"Linux takes at most {LONGEST_STRING} bytes"


def _total(words: Sequence[str]) -> int | None:
    sizes = [size_of(word) for word in words]
    return None if None in sizes else sum(size for size in sizes if size)


def _smallest(sizes: Sequence[int | None], room: int) -> set[int]:
    """The numbers of the things that have room together, taken from the smallest on."""
    kept = set()
    for size, number in sorted((size, number) for number, size in enumerate(sizes) if size is not None):
        room -= size
        if room < 0:
            break
        kept.add(number)
    return kept


def _room() -> int:
    import resource  # noqa: PLC0415 - a module in C; at the top it would be one more search of every start

    stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
    limit = _LARGEST_BYTES if stack == resource.RLIM_INFINITY else min(_LARGEST_BYTES, stack // 4)
    return limit - _RESERVE_BYTES
