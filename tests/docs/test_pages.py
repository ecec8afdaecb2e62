"""The pages that a reader follows: every command is typed into a real shell, and prints what the page shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.console import blocks, type_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.docs.console import Shell

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def pages() -> list[Path]:
    """The README, and what of docs/ has a command that is run."""
    found = (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
    return [page for page in found if any(block.commands and not block.not_run for block in blocks(page))]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", pages(), ids=lambda path: path.stem)
def test_a_page_is_what_happens(page: Path, shell_for: Callable[[Path], Shell]) -> None:
    """From its first command to its last one; one shell, in a folder that has nothing but what the page says."""
    assert type_in(page, shell_for(page)) == []
