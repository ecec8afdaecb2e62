"""Output on its way to a file: masked before it is on the disk, and cut where it is too long."""

from __future__ import annotations

import base64
import itertools
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.distinct_masks import plain_masks, without_distinct_masks
from lyftlearn_image.emulation.docker.output import OutputPolicy, OutputReader
from lyftlearn_image.limits import Limits
from lyftlearn_runtime.secret_forms import MASK, Finder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRETS = ("planted-secret-447123", "another&secret/8852")
FORMS = [SECRETS[0].encode(), SECRETS[1].encode(), base64.b64encode(SECRETS[0].encode()), SECRETS[1].encode().hex().encode()]
TEXT = st.binary(max_size=30) | st.sampled_from([*FORMS, b"[secret ", b"[", b"\n"])
DISTINCT = re.compile(rb"\[secret [0-9a-f]{16}\]")


def cut_at(data: bytes, places: list[int]) -> list[bytes]:
    """The data in pieces."""
    borders = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(borders)]


@given(st.lists(TEXT).map(b"".join), st.lists(st.integers(0, 1000), max_size=8))
def test_no_secret_is_on_the_disk_at_any_time(tmp_path_factory: pytest.TempPathFactory, data: bytes, places: list[int]) -> None:
    """Wherever a chunk ends; and what is written does not depend on it."""
    place = tmp_path_factory.mktemp("output")
    policy = OutputPolicy(Limits())
    policy.mask_below(place, SECRETS)
    finder = Finder(SECRETS)
    written = []
    file = policy.open(place / "stdout")
    for piece in cut_at(data, places):
        written.append(file.write(piece))
        on_disk = (place / "stdout").read_bytes()
        assert finder.find(on_disk) is None
        assert on_disk == b"".join(written)
    written.append(file.close())
    whole = policy.open(place / "whole")
    whole.write(data)
    whole.close()
    assert (place / "stdout").read_bytes() == (place / "whole").read_bytes() == b"".join(written)
    # With one mask for all it is what the reports would show.
    shown = b"".join(without_distinct_masks(cut_at(b"".join(written), places)))
    assert shown == DISTINCT.sub(MASK.encode(), finder_masked(finder, data))
    assert not DISTINCT.search(shown)


def finder_masked(finder: Finder, data: bytes) -> bytes:
    """The whole data, masked at once."""
    return finder.mask(data)


@given(st.permutations(FORMS), st.permutations(FORMS))
def test_masks_differ_as_what_they_mask(
    tmp_path_factory: pytest.TempPathFactory, left: list[bytes], right: list[bytes]
) -> None:
    """Two runs that print other secrets, or one in other forms, are not made alike by their masks; other runs' masks are."""
    place = tmp_path_factory.mktemp("output")
    policy = OutputPolicy(Limits())
    policy.mask_below(place, SECRETS)
    texts = []
    for name, forms in (("left", left), ("right", right)):
        file = policy.open(place / name)
        file.write(b" ".join(forms))
        file.close()
        texts.append((place / name).read_text())
    assert (texts[0] == texts[1]) == (left == right)
    assert plain_masks(texts[0]) == plain_masks(texts[1]) == " ".join([MASK] * len(FORMS))


def test_only_what_is_below_a_directory_is_masked(tmp_path: Path) -> None:
    """Each case has its own secrets, and they end with it."""
    policy = OutputPolicy(Limits())
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    policy.mask_below(tmp_path / "one", SECRETS)
    for name, masked in (("one", True), ("two", False)):
        file = policy.open(tmp_path / name / "stdout")
        file.write(SECRETS[0].encode())
        file.close()
        assert (SECRETS[0] not in (tmp_path / name / "stdout").read_text()) is masked
    policy.forget(tmp_path / "one")
    file = policy.open(tmp_path / "one" / "later")
    file.write(SECRETS[0].encode())
    file.close()
    assert (tmp_path / "one" / "later").read_text() == SECRETS[0]


@pytest.mark.parametrize(
    ("sizes", "is_cut"), [([99], False), ([100], False), ([101], True), ([60, 41], True), ([60, 40], False)]
)
def test_a_log_is_cut_at_its_limit_and_says_so(tmp_path: Path, sizes: list[int], *, is_cut: bool) -> None:
    """Also where several containers write to one file. Who asks is told which file it was."""
    policy = OutputPolicy(Limits(log_bytes=100))
    for size in sizes:
        file = policy.open(tmp_path / "stdout")
        file.write(b"x" * size)
        file.close()
    text = (tmp_path / "stdout").read_text()
    assert text == "x" * min(100, sum(sizes)) + ("\n[cut here, after 100 B]\n" if is_cut else "")
    assert policy.cut_below(tmp_path) == (("stdout after 100 B",) if is_cut else ())
    assert policy.cut_below(tmp_path / "other") == ()
    policy.forget(tmp_path)
    assert policy.cut_below(tmp_path) == ()


def test_all_of_a_long_output_is_looked_through(tmp_path: Path) -> None:
    """What is not kept may still ask for the job's stop; and the engine's pipe is read to its end."""
    policy = OutputPolicy(Limits(log_bytes=1 << 20))
    lines: list[str] = []
    read = []

    def stream() -> Iterator[tuple[bytes, None]]:
        for number in range(64):
            read.append(number)
            yield b"x" * (1 << 20) + b"\n", None
        yield b"stop here", None

    reader = OutputReader(stream(), (tmp_path / "stdout", tmp_path / "stderr"), policy, lines.append, None)
    reader.start()
    reader.join()
    reader.raise_error()
    assert len(read) == 64
    assert lines[-1] == "stop here"
    assert (tmp_path / "stdout").stat().st_size < (1 << 20) + 100
