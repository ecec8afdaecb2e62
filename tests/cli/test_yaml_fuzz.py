"""Files that people write, mutated: whatever stands in one, a verb ends in order, with one clear error or none.

The mutations are of the data (a value of a kind that nobody expects there, a key gone, doubled, renamed, moved) and of the
text (what YAML has beside data: tags, aliases, merges, indentation, characters).
"""

from __future__ import annotations

import copy
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings, strategies as st

from lyftlearn_image.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Node = dict[Any, Any] | list[Any]

ROOT = Path(__file__).parents[2]
WORKLOADS = sorted((ROOT / "tests/platforms/workloads").glob("*.yaml"))
MANIFESTS = sorted((ROOT / "tests/platforms/kubernetes/manifests").glob("*.yaml"))
SUITES = [ROOT / "parity_tests/suite.yaml", ROOT / "examples/team-image/suite.yaml"]
IMAGES = [ROOT / "images/lyftlearn/image.yaml"]
VALUES: list[Any] = [
    None, True, False, 0, -1, 2**31, 2**63, 2**200, 10**400, -0.0, 3.7, 5e-324, 1e308, float("inf"), float("nan"), "", " ",
    "\n", "a\nb", "\x00", "\x1b[2J", "é", "ü" * 300, "\U0001f600", "\u202ex", "\ud800", "../../etc/passwd", "/", "~",
    "$(id)", "{{ 7*7 }}", "s3://", "s3://b", "s3://b/../x", "aws-sm://", "aws-sm://x#", "aws-sm://x?default=", "file://",
    "env://", "downward://x", "downward://limits.cpu", "2026-01-01", "1e3", "0x10", "arn:aws:iam::1:role/x", "arn:::::",
    "x" * 5000, "x" * 300_000, [], {}, [[]], [None], {"": None}, {"a": {"b": {"c": []}}}, {1: 2}, {None: 1}, {True: 1},
    [1, "a", None, {}], dt.date(2026, 1, 1), dt.datetime(2026, 1, 1, 1, 1, tzinfo=dt.UTC), b"bytes", {1, 2}, "[", "(", "*",
    "(?P<x>", "(" * 5000, "a{99999999999}", "a:b:c", "1Gi", "-1Gi", "999999999999999Ei", "1e", "100m", "1Kk", "Infinity",
    "nan", "٣", "-", "--", "sha256:" + "0" * 64, "public.ecr.aws/x/y@sha256:" + "0" * 64, "a" * 64, "A", "a.b", "a_b",
]  # fmt: skip
KEYS: list[Any] = [1, 1.5, None, True, "", "é", "x", "a" * 300, "<<", "\n", "\x1b[2J", "../x", dt.date(2026, 1, 1)]
SCALARS = [
    "!!int x", "!!float x", "!!timestamp x", "!!bool x", "!!binary x", "!!null x", "!!set {a}", "!!omap [a: 1]", "!x y",
    "2001-99-99", "!!python/object:os.system x", "2001-01-01T99:99:99Z", "9" * 5000, "0o9", "1_000", "190:20:30",
    "1:2:3.4e99999", "=", "<<", ".inf", "-.INF", ".nan", "0x", "+.e1", '"\\ud800"', '"\\UFFFFFFFF"', '"\\ud83d\\ude00"',
    "&a [*a]", "&a {k: *a}", "*nowhere", "[" * 70,
]  # fmt: skip
ENDS = [" {", " [", " '", ' "', " |", " >", " &x", " *x", ": :", "\x01", "\x85", "\u2028", "\U0010ffff", "\ufeff", "\t"]


def nodes(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value in a document."""
    yield path
    below = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, value in below:
        yield from nodes(value, (*path, key))


def at(document: Any, path: tuple[Any, ...]) -> Any:
    """What stands at a place."""
    for part in path:
        document = document[part]
    return document


def put(_: st.DrawFn, parent: Node, key: Any, __: Any, value: Any) -> None:
    """Another value."""
    parent[key] = value


def remove(_: st.DrawFn, parent: Node, key: Any, *__: Any) -> None:
    """Nothing."""
    del parent[key]


def wrap(draw: st.DrawFn, parent: Node, key: Any, *_: Any) -> None:
    """The value in a list, or under a key."""
    parent[key] = draw(st.sampled_from([[parent[key]], {"x": parent[key]}]))


def rename(draw: st.DrawFn, parent: Node, key: Any, *_: Any) -> None:
    """The value under another key, or twice in a list."""
    if isinstance(parent, dict):
        parent[draw(st.sampled_from(KEYS))] = parent.pop(key)
    else:
        parent.append(copy.deepcopy(parent[key]))


def move(draw: st.DrawFn, parent: Node, key: Any, document: Any, _: Any) -> None:
    """Another part of the document."""
    parent[key] = copy.deepcopy(at(document, draw(st.sampled_from(list(nodes(document))))))


CHANGES: list[Callable[..., None]] = [put, put, put, remove, wrap, rename, move]


@st.composite
def changed_data(draw: st.DrawFn, text: str) -> str:
    """The text of a file with one to three changes of its data."""
    documents = list(yaml.safe_load_all(text))
    for _ in range(draw(st.integers(1, 3))):
        number = draw(st.integers(0, len(documents) - 1))
        value = copy.deepcopy(draw(st.sampled_from(VALUES)))
        path = draw(st.sampled_from(list(nodes(documents[number]))))
        if path:
            draw(st.sampled_from(CHANGES))(draw, at(documents[number], path[:-1]), path[-1], documents[number], value)
        else:
            documents[number] = value
    return str(yaml.dump_all(documents, allow_unicode=draw(st.booleans())))


@st.composite
def changed_text(draw: st.DrawFn, text: str) -> str:
    """The text of a file with one change that only YAML knows."""
    lines = text.split("\n")
    number = draw(st.integers(0, len(lines) - 1))
    place = draw(st.integers(0, len(text) - 1))
    key = lines[number].partition(": ")[0]
    return draw(
        st.sampled_from([
            text[:place],
            "\ufeff" + text,
            text[:place] + chr(draw(st.integers(1, 0x300))) + text[place + 1 :],
            "\n".join([*lines[:number], "\t" + lines[number], *lines[number + 1 :]]),
            "\n".join([*lines[:number], lines[number], *lines[number:]]),
            "\n".join([*lines[:number], lines[number] + draw(st.sampled_from(ENDS)), *lines[number + 1 :]]),
            "\n".join([*lines[:number], f"{key}: {draw(st.sampled_from(SCALARS))} #", *lines[number + 1 :]]),
            "\n".join([*lines[:number], lines[number].replace(": ", ": &a ", 1), *lines[number + 1 :], "zz: *a"]),
        ])
    )  # fmt: skip


def lint(path: Path) -> list[list[str]]:
    """The verbs that read a workload."""
    compiled = [["compile", str(path), "--target", target] for target in ("sagemaker", "kubernetes")]
    return [["lint", str(path)], *compiled, ["permissions", str(path)]]


def import_(path: Path) -> list[list[str]]:
    """The verb that reads a manifest."""
    return [["import", str(path)], ["import", str(path), "--kind", "processing", "--json"]]


def run(path: Path) -> list[list[str]]:
    """The verb that reads a suite, which ends before it runs anything."""
    return [["parity", "run", str(path), "--case", "zz-none", "--quiet", "--report", str(path.parent / "report")]]


def render(path: Path) -> list[list[str]]:
    """The verbs that read an image class."""
    folder = path.parent / "images"
    (folder / "lyftlearn").mkdir(parents=True, exist_ok=True)
    (folder / "Dockerfile.j2").write_text((ROOT / "images/Dockerfile.j2").read_text())
    (folder / "lyftlearn/image.yaml").write_bytes(path.read_bytes())
    return [["render", "lyftlearn", "--images", str(folder)], ["list", "--images", str(folder)]]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the log of a fault would be."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sources", "verbs", "examples"),
    [(WORKLOADS, lint, 150), (MANIFESTS, import_, 150), (SUITES, run, 40), (IMAGES, render, 60)],
    ids=["workload", "manifest", "suite", "image"],
)
def test_no_file_brings_a_verb_down(
    sources: list[Path],
    verbs: Callable[[Path], list[list[str]]],
    examples: int,
    state: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """An exit code that the program documents, an error where it is not 0, never a fault of its own."""
    path = state.parent / "in.yaml"

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(sources).flatmap(lambda source: changed_data(source.read_text()) | changed_text(source.read_text())))
    def check(text: str) -> None:
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        for arguments in verbs(path):
            capfd.readouterr()
            code = main(arguments)
            shown = capfd.readouterr()
            faults = list(state.rglob("fault-*"))
            assert not faults, faults[0].read_text()
            assert code in {0, 1, 2, 78}, shown
            is_told = any(line.startswith("Error: ") for line in shown.err.splitlines())
            assert code == 0 or is_told or (arguments[0] == "lint" and shown.out), shown

    check()
