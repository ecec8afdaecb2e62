"""Every link of the project's Markdown leads to a file that is there, and to a heading that is in it."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# Of GitHub's own: the folder of a link may be one, and code in a heading counts without its backticks.
_NO_SLUG = re.compile(r"[^\w\- ]")


def pages() -> list[Path]:
    """All Markdown of the project."""
    folders = ("docs", "examples", "parity_tests", "tests", "benchmarks")
    return sorted([*ROOT.glob("*.md"), *(path for folder in folders for path in (ROOT / folder).rglob("*.md"))])


def links(text: str) -> Iterator[str]:
    """Where the links and pictures of a page lead."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for inner in token.children or ():
            target = inner.attrGet("href") or inner.attrGet("src")
            if target:
                yield str(target)


def anchors(text: str) -> set[str]:
    """The names by which headings are reached, as GitHub and the site make them: a second one of a name has a number."""
    found: dict[str, int] = {}
    tokens = MarkdownIt("commonmark").parse(text)
    for heading, content in itertools.pairwise(tokens):
        if heading.type == "heading_open":
            words = "".join(one.content for one in content.children or () if one.type in {"text", "code_inline"})
            slug = _NO_SLUG.sub("", words.lower()).strip().replace(" ", "-")
            found[slug] = found.get(slug, -1) + 1
    return {slug if number == 0 else f"{slug}-{number}" for slug, last in found.items() for number in range(last + 1)}


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere. Those to other machines are not fetched."""
    wrong = []
    for link in links(page.read_text(encoding="utf-8")):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.exists() or not target.is_relative_to(ROOT):
            wrong.append(f"{link}: there is no {target}")
        elif parts.fragment and parts.fragment not in anchors(target.read_text(encoding="utf-8")):
            wrong.append(f"{link}: {target.name} has no such heading")
        elif page.is_relative_to(DOCS) and not target.is_relative_to(DOCS):
            wrong.append(f"{link}: the site has docs/ alone; name the file as code")
    return wrong


@pytest.mark.parametrize("page", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """Within the repository; and from the site to nothing that is not on it."""
    assert broken(page) == []


def test_a_broken_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not there, a heading that is not there, and neither where both are."""
    monkeypatch.setattr("tests.docs.test_links.ROOT", tmp_path)
    (tmp_path / "there.md").write_text("# A `verb` & more\n\n## Twice\n\n## Twice\n")
    good = "[a](there.md#a-verb--more) [b](#here) [c](there.md#twice-1) [d](https://example.org/x)"
    (tmp_path / "page.md").write_text(
        f"# Here\n\n{good}\n\n| [e](gone.md) | ![f](gone.png) |\n| --- | --- |\n\n[g](there.md#gone)\n"
    )
    assert [one.partition(":")[0] for one in broken(tmp_path / "page.md")] == ["gone.md", "gone.png", "there.md#gone"]


def test_every_page_of_the_site_is_in_its_table_of_contents() -> None:
    """Both in docs/README.md, or linked from what is, and in mkdocs.yml."""
    told = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        name = str(page.relative_to(DOCS))
        assert re.search(rf"[\s\[]{re.escape(name)}", told), f"{name} is not in mkdocs.yml"
        assert name == "README.md" or f"({name})" in index, f"{name} is not in docs/README.md"
