"""The secrets of a run on this machine: what `secret_values` has is the Secrets Manager's, and the cluster's Secrets too.

A workload that was imported from a Job reads one secret in two ways: on SageMaker by a reference (`aws-sm://db#password`), on
Kubernetes from the Secret `db` with the key `password`. Here both come from one value. Where it is missing, somebody is
told what to add before anything is built or started.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lyftlearn_image.parity.suite import Case
    from lyftlearn_image.workload import Workload

PLACEHOLDER = "put-a-test-value-here"
_SCHEME = "aws-sm"
# An entry that has a value whose text stays where it is.
_KEPT = "as-it-is"


@dataclass(frozen=True)
class Need:
    """A secret that a workload reads: its name, the key (empty for all of it), and by whom."""

    secret: str
    key: str
    used_by: str
    is_set: bool = False


def needs(workload: Workload) -> tuple[Need, ...]:
    """What a workload reads of Secrets Manager and of the cluster's Secrets, and cannot do without."""
    return tuple(dict.fromkeys(_needs(workload)))


def _needs(workload: Workload) -> Iterator[Need]:
    for variable, text in workload.kubernetes.secrets.items():
        secret, _, key = text.partition("#")
        yield Need(secret, key, f"the variable {variable}")
    for variable, text in workload.secrets.items():
        yield from _of_reference(text, f"the variable {variable}")
    for text in workload.secret_sets:
        yield from _of_reference(text, "the set of variables", is_set=True)
    for path, file in workload.files.items():
        yield from _of_reference(file.secret or "", f"the file {path}")


def _of_reference(text: str, used_by: str, *, is_set: bool = False) -> Iterator[Need]:
    """What a reference needs; nothing where it says what to do without it, or which version it means."""
    match = re.fullmatch(rf"{_SCHEME}://([^?#]+)(?:#(.*))?", text, re.DOTALL)
    if match:
        yield Need(match[1], match[2] or "", used_by, is_set)


def cluster_secrets(workload: Workload, stored: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The Secrets of the cluster that a workload reads, each with its keys, of the values that are stored."""
    names = {text.partition("#")[0] for text in workload.kubernetes.secrets.values()}
    return {name: _keys(stored[name]) for name in sorted(names & stored.keys())}


def find_missing(workload: Workload, stored: Mapping[str, str]) -> tuple[Need, ...]:
    """What the workload needs and nothing is stored for."""
    return tuple(need for need in needs(workload) if not _is_stored(need, stored))


def _is_stored(need: Need, stored: Mapping[str, str]) -> bool:
    if need.secret not in stored:
        return False
    return not (need.key or need.is_set) or (need.key in _keys(stored[need.secret]) if need.key else _is_object(need, stored))


def _is_object(need: Need, stored: Mapping[str, str]) -> bool:
    return stored[need.secret].lstrip().startswith("{")


def _keys(text: str) -> dict[str, str]:
    """The keys of a JSON secret, as the shim gives them to a script; none of another text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}


def placeholders(missing: Iterable[Need], stored: Mapping[str, str]) -> dict[str, str]:
    """An entry of `secret_values` for each missing secret, with all its keys and with no value of what is there."""
    keys: dict[str, list[str]] = {}
    for need in missing:
        keys.setdefault(need.secret, []).extend([need.key] if need.key else ["A_VARIABLE"] if need.is_set else [])
    return {
        name: json.dumps({**dict.fromkeys(_keys(stored.get(name, "")), _KEPT), **dict.fromkeys(found, PLACEHOLDER)})
        if found
        else PLACEHOLDER
        for name, found in keys.items()
    }


def as_lines(values: Mapping[str, str], indent: int = 0) -> str:
    """The lines of `secret_values` with these values."""
    text = yaml.safe_dump({"secret_values": dict(values)}, sort_keys=False, allow_unicode=True, width=10_000)
    return "".join(f"{' ' * indent}{line}\n" for line in text.splitlines())


def check_cases(cases: Iterable[Case], suite_name: str) -> None:
    """InvalidInputError for the secrets that cases read and that are nowhere, each with the lines to add.

    A case that is to fail, or to differ, may be about just that.
    """
    for case in cases:
        if case.exit_code or case.expect == "different":
            continue
        workloads = (case.workload, *case.overrides.values())
        missing = tuple(dict.fromkeys(need for one in workloads for need in find_missing(one, case.secret_values)))
        if missing:
            verb = "Change these" if case.secret_values.keys() & {need.secret for need in missing} else "Add these"
            lines = as_lines(placeholders(missing, case.secret_values), indent=4)
            raise InvalidInputError(
                f"case {case.name}: {_told(missing)}",
                where=f"{suite_name}, case {case.name}",
                hint=f"{verb} lines in the case, with values for the test:\n{lines}".rstrip(),
            )


def check_workload(workload: Workload, stored: Mapping[str, str]) -> None:
    """The same for a workload that runs alone: its values come from the file of `--secrets`."""
    missing = find_missing(workload, stored)
    if missing:
        raise InvalidInputError(
            _told(missing),
            where=f"the workload {workload.name}",
            hint=f"Give a file with these lines, and values for the test: --secrets FILE\n"
            f"{as_lines(placeholders(missing, stored), indent=4)}".rstrip(),
        )


def _told(missing: Iterable[Need]) -> str:
    told = dict.fromkeys(
        f"{need.used_by} reads {f'the key {need.key} of ' if need.key else ''}the secret {need.secret}" for need in missing
    )
    return f"{'; '.join(told)}; a run on this machine has no value for that"
