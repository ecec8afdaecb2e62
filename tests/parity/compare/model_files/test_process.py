"""Model files are compared in a process of their own, whose limits hold whatever a file makes of itself."""

from __future__ import annotations

import bz2
import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lyftlearn_image.parity.compare.model_files import process, source
from lyftlearn_image.parity.compare.model_files.process import compare_here, compare_models
from lyftlearn_image.parity.compare.options import Options
from lyftlearn_image.parity.compare.registry import COMPARATORS
from lyftlearn_image.parity.compare.rule import Rule

if TYPE_CHECKING:
    from pathlib import Path


def written(directory: Path, left: Any, right: Any) -> tuple[Path, Path]:
    """Two files of these bytes, or with pickles of these values."""
    paths = directory / "left.pkl", directory / "right.pkl"
    for path, value in zip(paths, (left, right), strict=True):
        path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value))
    return paths


@pytest.mark.parametrize("options", [Options(), Options(rtol=1e-9, ignore=("/c*",)), Rule(compare="model", inputs="output/X")])
def test_the_process_finds_what_is_found_here(options: Options, tmp_path: Path) -> None:
    """By the same options, also those of a rule; texts that no file could hold come through escaped."""
    left = {"a": np.arange(3.0), "b": {1: "é\ud800", "\udfff": "\x1b"}, "c1": 1}
    right = {"a": np.array([0.0, 1.0, 2.5]), "b": {1: "é\ud801", "\udfff": "\x1b"}, "c1": 2}
    paths = written(tmp_path, left, right)
    found = compare_models(*paths, options)
    assert [each.place for each in found] == [each.place for each in compare_here(*paths, options)]
    assert {each.place for each in found} >= {"/a[2]", "/b/[1]"}
    assert any("\\ud801" in str(each.right) for each in found)
    assert compare_models(paths[0], paths[0], options) == ()


@pytest.mark.parametrize("name", [name for name, module in COMPARATORS.items() if module.endswith(".models")])
def test_every_option_of_the_comparator_reaches_the_process(name: str, tmp_path: Path) -> None:
    """A rule with all of them is understood."""
    paths = written(tmp_path, 1.0, 1.0 + 1e-12)
    rule = Rule.model_validate({"compare": name, "rtol": 1e-9, "ignore": ["/x"], "inputs": "a/b", "equal_nan": True})
    assert compare_models(*paths, rule) == ()


BOMBS = {
    "text of an exbibyte": b"\x80\x04\x8d" + (1 << 60).to_bytes(8, "little") + b"x.",
    "bytes of an exbibyte": b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little") + b"x.",
    "bytearray of four": b"\x80\x05\x96" + (1 << 62).to_bytes(8, "little") + b".",
    "zeros": bz2.compress(bytes(64 << 20)),
    "array of a tebibyte": pickle.dumps(np.zeros(7), 4).replace(b"K\x07\x85", b"J\xff\xff\xff\x7f\x85"),
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_a_file_that_claims_to_be_huge_is_never_the_same(content: bytes, tmp_path: Path) -> None:
    """Nothing is allocated for what is not in the file."""
    assert len(compare_models(*written(tmp_path, 1, content), Options())) == 1


def test_what_unpacks_to_too_much_is_not_comparable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not unpacked any further."""
    monkeypatch.setattr(source, "MAX_UNPACKED_BYTES", 1 << 20)
    (found,) = compare_here(*written(tmp_path, 1, bz2.compress(pickle.dumps(bytes(2 << 20)))), Options())
    assert "unpacks to more than" in found.detail
    assert compare_here(*written(tmp_path, 1, bz2.compress(pickle.dumps(1))), Options()) == ()


def test_a_comparison_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time."""
    monkeypatch.setattr(process, "_TIMEOUT_S", 0.001)
    (found,) = compare_models(*written(tmp_path, 1, 2), Options())
    assert found.detail == "not comparable: reading them takes longer than 0.001 s"


def test_the_limits_hold_in_the_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It limits itself before it reads anything."""
    limits: list[Any] = []
    monkeypatch.setattr(process.resource, "setrlimit", lambda kind, values: limits.append((kind, values)))
    left, right = written(tmp_path, 1, 2)
    monkeypatch.setattr(process.sys, "argv", ["", str(left), str(right), Options().model_dump_json()])
    process.main()
    assert json.loads(capsys.readouterr().out)[0]["right"] == "2"
    assert dict(limits) == {
        process.resource.RLIMIT_DATA: (2 << 30, 2 << 30), process.resource.RLIMIT_CORE: (0, 0),
    }  # fmt: skip
