"""The text of a suite for workloads that stand in files of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity import stored_secrets
from lyftlearn_image.platforms.serialize import as_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lyftlearn_image.workload import Workload

_LONGEST_NAME = 20


@dataclass(frozen=True)
class SuiteCase:
    """A workload and its file, relative to the suite."""

    file: str
    workload: Workload


@dataclass(frozen=True)
class SuiteText:
    """A suite. `build` is the directory of its Dockerfile, relative to it; `data` are copies of what is read from S3."""

    name: str
    image: str
    build: str | None
    cases: Sequence[SuiteCase]
    data: Mapping[str, str] = field(default_factory=dict)

    def text(self, command: str) -> str:
        """The file: a first line with the command that runs it, and placeholders for all secrets that a case reads."""
        document: dict[str, Any] = {"name": suite_name(self.name), "image": self.image}
        if self.build is not None:
            document["build"] = self.build
        if self.data:
            document["data"] = dict(self.data)
        document["cases"] = [_case(one) for one in self.cases]
        lines = [f"# {command}"]
        for line in as_yaml(document).splitlines():
            if line.strip() == "secret_values:":
                lines.append(f"{line} # test values: what scripts get here, never those of production")
            else:
                lines.append(line)
        return "\n".join(lines) + "\n"


def suite_name(name: str) -> str:
    """A workload's or a directory's name as that of a suite, which has fewer characters."""
    return name[:_LONGEST_NAME].strip("-") or "team"


def _case(case: SuiteCase) -> dict[str, Any]:
    needed = stored_secrets.find_missing(case.workload, {})
    document: dict[str, Any] = {"workload": case.file}
    if needed:
        document["secret_values"] = stored_secrets.placeholders(needed, {})
    return document
