"""What runs the pages: it sees a page that tells an untruth."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.retry import Clock, every, wait_until
from tests.docs.console import Shell, blocks, even, pattern, type_in

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = """
```text title="sub/a.txt"
one
```

1. In a list:

    <!-- not run: it would fail -->
    ```console
    $ false
    ```

```console
$ cat sub/a.txt  # a comment
one
$ x=3; cd sub
$ echo "$x" \\
    and more
3 and more
```

```console
$ ls
a.txt
$ false || echo "exit code $?"
exit code 1
```

<!-- a new shell -->
```console
$ echo "${x-none}"; ls
none
sub
```
"""


def typed(directory: Path, text: str) -> Sequence[str]:
    """What is wrong with a page."""
    page = directory / "page.md"
    page.write_text(text)
    return type_in(page, Shell(directory / "here", {"PATH": os.environ["PATH"]}, {"team:1": "team-4711:1"}))


def test_a_page_that_is_true_has_nothing_wrong(tmp_path: Path) -> None:
    """Files, variables, directories, blocks in lists, a new shell; and what is not run is not."""
    assert typed(tmp_path, PAGE) == []
    assert [block.not_run for block in blocks(tmp_path / "page.md")] == ["", "it would fail", "", "", ""]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("one\n$ x", "two\n$ x", "$ cat sub/a.txt  # a comment\nprinted:\none"),
        ("one\n$ x", "one\none\n$ x", "$ cat sub/a.txt"),
        ("$ x=3; cd sub", "$ exit 3", "ended with"),
        ("$ x=3; cd sub", "$ cat gone", "ended with 1:\ncat: gone"),
        ("exit code 1", "exit code 2", "exit code 1"),
        ("none\nsub", "3\nsub", "printed:\nnone"),
        ("<!-- not run: it would fail -->", "", "$ false\nended with 1"),
    ],
)
def test_a_page_that_is_not_is_found(tmp_path: Path, old: str, new: str, told: str) -> None:
    """Output that is otherwise, a command that fails, and one that ends the shell."""
    (wrong,) = typed(tmp_path, PAGE.replace(old, new, 1))
    assert told in wrong or "was never reached" in wrong


def test_a_name_of_the_page_is_one_of_the_run(tmp_path: Path) -> None:
    """In commands, files and outputs."""
    page = '```text title="f"\nteam:1\n```\n```console\n$ grep -c 4711 f; echo team:1\n1\nteam:1\n```\n'
    assert typed(tmp_path, page) == []


@pytest.mark.parametrize(
    ("shown", "printed", "is_same"),
    [
        ("a … c", "a b c\n", True),
        ("a … c", "a\nc\n", False),
        ("a\n…\nc", "a\nc\n", True),
        ("a\n…\nc", "a\n1\n2\nc\n", True),
        ("…", "", True),
        ("a | b", " a  |   b \n\n", True),
        ("a.c", "abc\n", False),
        ("a", "a\nb\n", False),
    ],
)
def test_an_ellipsis_is_what_it_says(shown: str, printed: str, is_same: bool) -> None:  # noqa: FBT001 - a table of cases
    """Text within a line, or lines where it is alone; blanks and empty lines do not count."""
    assert bool(pattern(tuple(shown.splitlines())).fullmatch(even(printed))) == is_same


def test_a_block_begins_with_a_command(tmp_path: Path) -> None:
    """An output without one is a mistake of the page."""
    (tmp_path / "page.md").write_text("```console\nlyftlearn-image list\n```\n")
    with pytest.raises(ValueError, match="begins with"):
        list(blocks(tmp_path / "page.md"))


def test_what_a_page_leaves_running_is_ended(tmp_path: Path) -> None:
    """A server in the background does not outlive its page."""
    assert typed(tmp_path, "```console\n$ sleep 600 & echo $! > pid\n```\n") == []
    pid = (tmp_path / "here" / "pid").read_text().strip()
    stat = Path(f"/proc/{pid}/stat")
    assert wait_until(lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] in "ZX", every(0.05), Clock())
