"""The quick codecs give what the standard library gives, to the bit, or leave it alone."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, strategies as st

from lyftlearn_runtime.serving import codec, fast_codec
from lyftlearn_runtime.serving.errors import RequestError

JSON, CSV = "application/json", "text/csv"
ODD = (
    *("-0", "-0.0", "1e400", "1E5", "0.1e-7", "18446744073709551615", "18446744073709551616", "9223372036854775808"),
    *("-9223372036854775809", "true", "null", "NaN", "01", '"a"', "1.", ".5", "0x1", "1_0", "+1", "inf", "nan", "infinity"),
    *("#", ""),
)
CELLS = st.one_of(st.integers().map(str), st.floats().map(repr), st.integers(-5, 5).map(str), st.sampled_from(ODD))
ROWS = st.lists(st.lists(CELLS, max_size=3).map(",".join), max_size=4)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """`codec` as it is where neither orjson nor numpy's reader takes what there is."""
    for name in ("from_json", "from_csv", "to_json"):
        monkeypatch.setattr(codec.fast_codec, name, lambda _: None)


QUICK = {JSON: fast_codec.from_json, CSV: fast_codec.from_csv}
WRITE = fast_codec.to_json


def check(kind: str, text: str) -> None:
    """What the quick one reads is what the other one reads."""
    quick = QUICK[kind](text)
    if quick is None or not quick.size:
        return
    try:
        other = codec.decode(text, kind)
    except RequestError as error:
        raise AssertionError(f"{text!r} is refused: {error.message}") from None
    assert (quick.dtype, quick.shape, quick.tobytes()) == (other.dtype, other.shape, other.tobytes())


@pytest.mark.usefixtures("slow")
def test_json_is_read_alike() -> None:
    """Rows of numbers and of what looks like them; and any text of JSON's letters."""

    @given(
        text=ROWS.map(lambda rows: "[" + ",".join(f"[{row}]" for row in rows) + "]") | st.text("[]1,.e-+0 9\nE", max_size=14)
    )
    def alike(text: str) -> None:
        check(JSON, text)

    alike()


@pytest.mark.usefixtures("slow")
def test_csv_is_read_alike() -> None:
    """Likewise, with line ends and blanks of all kinds."""

    @given(text=ROWS.map("\n".join) | ROWS.map("\r\n".join) | st.text("1,.\n\r e-x\t\x0b\x0c\x1c\x00", max_size=12))
    def alike(text: str) -> None:
        check(CSV, text)

    alike()


@pytest.mark.usefixtures("slow")
def test_json_is_written_alike() -> None:
    """Arrays of every shape, with values of every size: the same bytes."""
    shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)

    @given(array=arrays.arrays(st.sampled_from([np.float64, np.int64, np.float32]), shapes))
    def alike(array: Any) -> None:
        written = WRITE(array)
        assert written is None or written == codec.to_json(array)

    alike()


def test_plain_numbers_go_the_quick_way() -> None:
    """What most requests are made of is not left to the slow one."""
    rows = [[1.5, -2.0, 0.0], [3.25, 1e6, 7.0]]
    for kind, text in ((JSON, json.dumps(rows)), (CSV, "1.5,-2,0\r\n3.25,1e6,7\r\n")):
        assert QUICK[kind](text).tolist() == rows
    assert WRITE(np.array(rows)) == b"[[1.5, -2.0, 0.0], [3.25, 1000000.0, 7.0]]"
