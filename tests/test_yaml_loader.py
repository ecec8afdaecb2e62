"""Files that people write: whatever stands in one, it is read within bounds or refused with its line, in one error."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given, strategies as st

from lyftlearn_image import yaml_loader, yamlfile
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.workload import Workload
from lyftlearn_image.yaml_loader import MAX_DEPTH, MAX_EXPANDED, MAX_VALUES, compose_mapping, load_manifests, read_text
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable

JOB = "name: job\nimage: team:1\nprogram: train.py\n"
BOMB = "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(12))
MERGES = "".join(f"  a{n}: &a{n} {{{', '.join([f'<<: *a{n - 1}'] * 2) if n else 'k: x'}}}\n" for n in range(40))
CHAIN = "".join(f"  a{n}: &a{n} [{f'*a{n - 1}' if n else 'x'}]\n" for n in range(MAX_DEPTH + 1))
DEEP = f"hyperparameters: {'{a: ' * 5000}1{'}' * 5000}\n"
DEEP_BLOCK = "hyperparameters:\n" + "".join(f"{' ' * n}- \n" if n % 2 else f"{' ' * n}k:\n" for n in range(1, 200))
# Reading as many values as are taken needs a second: most tests have a loader that takes so many.
FEW_VALUES = 2_000


def many_keys(values: int) -> str:
    """A mapping with more than so many values."""
    return "environment:\n" + "".join(f"  K{number}: v\n" for number in range(2 * values))


def many_items(values: int) -> str:
    """A list with more than so many values."""
    return f"command: [{'a, ' * values}]\n"


REFUSED = {
    "bomb of aliases": (f"hyperparameters:\n{BOMB}", "values", 11),
    "bomb of merges": (f"hyperparameters:\n{MERGES}", "values", None),
    "chain of aliases": (f"hyperparameters:\n{CHAIN}", "deep", None),
    "list in itself": ("hyperparameters: {a: &l [*l]}\n", "within what it names", 4),
    "mapping in itself": ("hyperparameters: &l {a: {b: *l}}\n", "within what it names", 4),
    "merge of itself": ("hyperparameters: &l\n  <<: *l\n", "within what it names", 5),
    "depth": (DEEP, "deep", 4),
    "depth of brackets": ("hyperparameters: " + "[" * 100_000, "deep", 4),
    "depth of lines": (DEEP_BLOCK, "deep", None),
    "many keys": (many_keys(FEW_VALUES), f"{FEW_VALUES:,} values", None),
    "many items": (many_items(FEW_VALUES), f"{FEW_VALUES:,} values", 4),
    "Python's tag": ("cpus: !!python/object/apply:os.system [id]\n", "python/object/apply:os.system` is not taken", 4),
    "tag of one's own": ("cpus: !me 1\n", "`!me` is not taken", 4),
    "binary": ("environment: {A: !!binary aGVsbG8=}\n", "binary` is not taken", 4),
    "set": ("environment: !!set {a, b}\n", "set` is not taken", 4),
    "ordered mapping": ("environment: !!omap [a: b]\n", "omap` is not taken", 4),
    "pairs": ("environment: !!pairs [a: b]\n", "pairs` is not taken", 4),
    "no number": ("cpus: !!int x\n", "no int", 4),
    "no number at all": ("cpus: !!float ''\n", "no float", 4),
    "no truth": ("spot: !!bool x\n", "no bool", 4),
    "no date": ("cpus: 2001-99-99\n", "no timestamp", 4),
    "no time": ("cpus: 2001-01-01T99:99:99Z\n", "no timestamp", 4),
    "date": ("environment: {A: 2026-01-01}\n", "is a date", 4),
    "time": ("environment: {A: 2026-01-01T00:00:00Z}\n", "is a date", 4),
    "infinity": ("cpus: .inf\n", "finite", 4),
    "minus infinity": ("hyperparameters: {lr: -.INF}\n", "finite", 4),
    "not a number": ("cpus: .nan\n", "finite", 4),
    "beyond a double": ("cpus: 1.0e+999\n", "finite", 4),
    "in sixties": ("hyperparameters: {a: 1:2:3.4e99999}\n", None, None),
    "number of 5,000 digits": (f"cpus: {'9' * 5000}\n", "no int", 4),
    "lone surrogate": ('environment: {A: "\\ud800"}\n', "lone surrogate", 4),
    "lone surrogate as a key": ('environment: {"\\udfff": a}\n', "lone surrogate", 4),
    "character beyond Unicode": ('environment: {A: "\\UFFFFFFFF"}\n', "escape for no character", 4),
    "control": ("environment: {A: \x01}\n", "U+0001", 4),
    "null as a key": ("environment: {~: a}\n", "a key is no text", 4),
    "number as a key": ("environment: {1: a}\n", "a key is no text", 4),
    "mapping as a key": ("environment:\n  ? {a: b}\n  : c\n", "a key is no text", 5),
    "unknown alias": ("cpus: *x\n", "undefined alias", 4),
    "merge of a number": ("environment:\n  <<: 5\n", "for merging", 5),
    "two documents": ("---\nname: x\n", "another document", 4),
    "tab": ("environment:\n\tA: b\n", "cannot start any token", 5),
    "open bracket": ("command: [a\n", "expected ',' or ']'", 5),
}


@pytest.fixture
def few_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loader that takes only so many."""
    monkeypatch.setattr(yaml_loader, "MAX_VALUES", FEW_VALUES)


@pytest.mark.usefixtures("few_values")
@pytest.mark.parametrize("name", list(REFUSED))
def test_what_is_not_taken_is_one_error_with_its_line(name: str) -> None:
    """It says what, the file and the line, and what to do."""
    text, told, line = REFUSED[name]
    if told is None:  # a text that only looks like a number
        assert yamlfile.parse(JOB + text, Workload, name="job.yaml")
        return
    with pytest.raises(InvalidInputError, match=r"^job\.yaml ") as caught:
        yamlfile.parse(JOB + text, Workload, name="job.yaml")
    assert told in caught.value.what
    assert "\n" not in caught.value.what
    assert caught.value.where.startswith(f"job.yaml, line {line or ''}")


@pytest.mark.usefixtures("few_values")
@pytest.mark.parametrize("name", list(REFUSED))
def test_a_manifest_is_read_within_the_same_bounds(name: str) -> None:
    """By the same loader: a date and a key are texts there, all else is refused alike."""
    text, told, _ = REFUSED[name]
    texts = (None, "is a date", "no timestamp", "a key is no text", "another document")
    if told in texts and name != "mapping as a key":
        assert load_manifests(JOB + text, "job.yaml")
        return
    with pytest.raises(InvalidInputError, match=r"^job\.yaml "):
        load_manifests(JOB + text, "job.yaml")


def test_many_mistakes_are_counted_and_the_first_are_told() -> None:
    """A file of another kind has thousands: nobody reads them, and nothing is looked up for each."""
    text = JOB + "".join(f"key{number}: 1\n" for number in range(2_000))
    with pytest.raises(InvalidInputError, match=r"2,000 errors") as caught:
        yamlfile.parse(text, Workload, name="job.yaml")
    assert caught.value.what.count("unknown key") == yamlfile.MAX_PROBLEMS
    assert caught.value.what.endswith("and 1,900 more")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
)


@examples(50)
@given(st.dictionaries(st.text(max_size=20), VALUES))
def test_what_is_json_is_taken_as_it_is(data: dict[str, object]) -> None:
    """JSON is YAML: a pair of surrogates is the character that it stands for."""
    text = json.dumps(data).replace("\\u007f", "\x7f").replace("\x7f", "\\u007f")
    assert compose_mapping(text, "x.json").construct() == yaml.safe_load(
        json.dumps(data, ensure_ascii=True, default=str)
    ) or any(ord(one) > 0xFFFF for one in json.dumps(data, ensure_ascii=False))
    assert compose_mapping(yaml.safe_dump(data), "x.yaml").construct() == data


def test_a_pair_of_surrogates_is_a_character() -> None:
    """As `json.dumps` writes it."""
    assert compose_mapping(json.dumps({"🔑": "🔑"}), "x").construct() == {"🔑": "🔑"}


def test_an_alias_is_what_it_names() -> None:
    """Aliases and merges within bounds work as ever, and own keys win."""
    text = "a: &a {k: 1, l: [1, 2]}\nb: {<<: *a, k: 2}\nc: [*a, *a]\n"
    a = {"k": 1, "l": [1, 2]}
    assert compose_mapping(text, "x").construct() == {"a": a, "b": {**a, "k": 2}, "c": [a, a]}


def test_kubernetes_makes_texts_of_dates_and_keys() -> None:
    """As its own reader of YAML does."""
    text = "metadata: {creationTimestamp: 2026-01-01T00:00:00Z, annotations: {1: a, 2026-01-01: b}}\n---\nkind: Job\n"
    first, second = load_manifests(text, "x")
    assert first["metadata"] == {"creationTimestamp": "2026-01-01T00:00:00Z", "annotations": {"1": "a", "2026-01-01": "b"}}
    assert second == {"kind": "Job"}


def a_fifo(path: Path) -> None:
    """Whoever opens it to read waits for a writer."""
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    """Nothing can be read from its name."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def a_device(path: Path) -> None:
    """One without an end."""
    path.symlink_to("/dev/zero")


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "directory": (Path.mkdir, "is a directory"),
    "FIFO": (a_fifo, "is a FIFO"),
    "socket": (a_socket, "is a socket"),
    "device": (a_device, "is a device"),
    "circle of links": (lambda path: path.symlink_to(path), "cannot be read"),
    "nothing": (lambda _: None, "there is no file"),
    "binary": (lambda path: path.write_bytes(b"name: x\n\x80\xff\x00"), "is no text in UTF-8"),
    "UTF-16": (lambda path: path.write_bytes(JOB.encode("utf-16")), "is no text in UTF-8"),
    "zero bytes": (lambda path: path.write_bytes(bytes(100)), "the character U\\+0000 is not allowed"),
    "empty": (lambda path: path.touch(), "is not a mapping"),
    "9 MiB": (lambda path: path.write_bytes(b"#" * (9 << 20)), "has more than 8 MiB"),
    "4 GiB": (lambda path: path.touch() or os.truncate(path, 4 << 30), "has more than 8 MiB"),
}


@pytest.mark.parametrize("kind", list(NO_FILES))
def test_what_is_no_file_of_text_is_told_at_once(kind: str, tmp_path: Path) -> None:
    """It is not waited for, and not read to its end."""
    make, told = NO_FILES[kind]
    path = tmp_path / "job.yaml"
    make(path)
    with pytest.raises(InvalidInputError, match=told):
        yamlfile.load(path, Workload)


def test_a_path_that_no_system_has_is_told() -> None:
    """A zero byte, as a variable of CI may bring it."""
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_text(Path("a\0b"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        *(REFUSED[name][:2] for name in ("bomb of aliases", "bomb of merges", "depth of brackets")),
        *((many(MAX_VALUES), f"{MAX_VALUES:,} values") for many in (many_keys, many_items)),
    ],
    ids=["bomb of aliases", "bomb of merges", "depth of brackets", "many keys", "many items"],
)
def test_what_is_too_much_takes_little_memory(text: str, told: str, tmp_path: Path) -> None:
    """It is refused before anything is made of it: with 512 MiB of addresses the program can still say what is wrong."""
    path = tmp_path / "job.yaml"
    path.write_text(JOB + text)
    done = subprocess.run(
        [sys.executable, "-m", "lyftlearn_image", "lint", str(path)], capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20)),
    )  # fmt: skip
    assert done.returncode == 78, done.stderr
    assert told in done.stderr


def test_the_bounds_are_those_of_people() -> None:
    """The largest files that this project has are far below them."""
    root = Path(__file__).parents[1]
    for path in [root / "parity_tests/suite.yaml", *root.glob("tests/platforms/**/*.yaml")]:
        documents = list(yaml.safe_load_all(path.read_text()))
        assert sum(map(_size, documents)) * 3 < MAX_EXPANDED
        assert yaml_loader.load_manifests(path.read_text(), "x") is not None


def _size(value: object) -> int:
    below = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + sum(map(_size, below))
