"""Files that are broken, huge in what they say, or strange: made from a seed, so that each can be made again."""

from __future__ import annotations

import bz2
import contextlib
import datetime as dt
import decimal
import gzip
import io
import json
import random
import sqlite3
import struct
import tarfile
import warnings
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

if TYPE_CHECKING:
    from collections.abc import Callable

# What a file of this suffix is compared by, and rules that ask for much of it.
RULES: dict[str, list[dict[str, Any]]] = {
    "array": [{}, {"rtol": 0.1, "atol": 1}, {"ulp": 4, "equal_nan": False}, {"atol_time": "1d"}],
    "table": [
        {}, {"rtol": 0.1, "atol_time": "1h"}, {"sort_by": ["a"]}, {"unordered": True, "ulp": 4}, {"equal_nan": False},
        {"types": {"a": "number", "b": "datetime", "c": "text", "d": "nullable-text"}, "atol": 1, "ignore": ["e"]},
    ],
    "json": [{}, {"rtol": 0.1}, {"ulp": 4, "equal_nan": False}, {"unordered": True}, {"ignore": ["/a/*", "/*/b"]}],
    "text": [{}, {"normalise": ["timestamps", "durations", "addresses", "pids", "temporary-paths"]}],
    "bytes": [{}],
    "archive": [{}, {"members": {"*.csv": {"compare": "table", "rtol": 0.1}}}],
    "png": [{}],
    "pdf": [{}],
    "sqlite": [{}],
}  # fmt: skip
SUFFIXES = {
    "array": (".npy", ".npz"),
    "table": (".csv", ".parquet"),
    "json": (".json", ".jsonl"),
    "text": (".txt",),
    "bytes": ("",),
    "archive": (".zip", ".tar"),
    "png": (".png",),
    "pdf": (".pdf",),
    "sqlite": (".sqlite",),
}
_TOKENS = [
    b"9" * 400, b"1e999", b"-0.0", b"NaN", b"Infinity", b"-1", b"null", b"\xff\xfe", b"\x00", b'"', b"\r", b"\n\n", b",,", b"{",
    b"[", b"}" * 9, b"'", b"\xed\xa0\x80", b"\\ud800", b"99999-01-01T00:00:00", b"2" * 5000, b"(", b"PAR1", b"PK\x03\x04",
]  # fmt: skip


def hostile_pair(seed: int) -> tuple[str, str, dict[str, Any], bytes, bytes]:
    """A comparator, a suffix, a rule for it, and the bytes of two files: one well-formed, or both broken."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    comparator = chance.choice(sorted(RULES))
    suffix = chance.choice(SUFFIXES[comparator])
    # One in ten files is of another kind than its name says.
    writers = WRITERS[suffix] if chance.random() < 0.9 else [write for each in WRITERS.values() for write in each]
    left = chance.choice(writers)(chance)
    right = mutate(left if chance.random() < 0.9 else chance.choice(writers)(chance), chance)
    if chance.random() < 0.3:
        left = mutate(left, chance)
    return comparator, suffix, chance.choice(RULES[comparator]), left, right


def mutate(data: bytes, chance: random.Random) -> bytes:
    """The data with one to four changes: bits, bytes, pieces that are cut, doubled, moved, or replaced by a token."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        end = min(len(changed), at + chance.choice([1, 1, 4, 8, 100]))
        match chance.randrange(7):
            case 0:
                del changed[at:]
            case 1:
                changed[at:end] = bytes(byte ^ (1 << chance.randrange(8)) for byte in changed[at:end])
            case 2:
                changed[at:end] = chance.randbytes(end - at)
            case 3:
                changed[at:at] = changed[at:end] * chance.randint(1, 20)
            case 4:
                changed[at:end] = b""
            case 5:
                changed[at:end] = chance.choice(_TOKENS)
            case _:
                changed[at:end] = chance.choice([b"\0", b"\xff", b"\x7f"]) * (end - at)
    return bytes(changed)


def _npy(chance: random.Random) -> bytes:
    size = chance.choice([0, 1, 7, 300])
    array = np.arange(size).astype(
        chance.choice(["f8", "f2", "i8", "u1", "c16", "M8[s]", "m8[D]", "S5", "U3", "?", ">f4", "V3"])
    )
    if chance.random() < 0.2:
        array = np.zeros(size, [("id", "i4"), ("v", "f8", (2,)), ("k", "U3")])
    if chance.random() < 0.3 and size:
        array = array[: size // 2 * 2].reshape(-1, max(1, size // 2), order=chance.choice("CF"))
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _npz(chance: random.Random) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])) as archive:
        for _ in range(chance.randint(0, 3)):
            with warnings.catch_warnings(action="ignore"):  # a name may stand twice
                # Of the time that a ZipInfo has, so that the file can be made again.
                archive.writestr(
                    zipfile.ZipInfo(chance.choice(["a.npy", "b.npy", "c", "../d.npy"])), _npy(chance), archive.compression
                )
    return file.getvalue()


COLUMNS: dict[str, tuple[pa.DataType, Callable[[random.Random], Any]]] = {
    "a": (pa.int64(), lambda chance: chance.randrange(-9, 9)),
    "b": (pa.timestamp("us", "Europe/Berlin"), lambda chance: dt.datetime(2026, 1, 1, chance.randrange(24), tzinfo=dt.UTC)),
    "c": (pa.string(), lambda chance: chance.choice(["x", "é", "", "n/a"])),
    "d": (pa.float64(), lambda chance: chance.choice([0.5, float("nan"), 1e300])),
    "e": (pa.decimal128(9, 2), lambda chance: decimal.Decimal(chance.randrange(100)) / 4),
    "f": (pa.list_(pa.float32()), lambda chance: [chance.random()] * chance.randrange(3)),
    "g": (pa.struct([("x", pa.float64()), ("y", pa.list_(pa.int8()))]), lambda chance: {"x": chance.random(), "y": [1]}),
    "h": (pa.map_(pa.string(), pa.float64()), lambda chance: [("k", chance.random())]),
    "i": (pa.dictionary(pa.int32(), pa.string()), lambda chance: chance.choice(["red", "blue"])),
    "j": (pa.binary(), lambda chance: chance.randbytes(3)),
    "k": (pa.date32(), lambda chance: dt.date(2026, 1, chance.randint(1, 28))),
    "l": (pa.bool_(), lambda chance: chance.random() < 0.5),
    "m": (pa.time64("us"), lambda chance: dt.time(chance.randrange(24))),
    "n": (pa.duration("ms"), lambda chance: dt.timedelta(hours=chance.randrange(24))),
}


def _parquet(chance: random.Random) -> bytes:
    rows = chance.choice([0, 1, 5, 200])
    names = chance.choices(sorted(COLUMNS), k=chance.randint(0, 6))
    cells = [[None if chance.random() < 0.1 else COLUMNS[name][1](chance) for _ in range(rows)] for name in names]
    arrays = [pa.array(values, COLUMNS[name][0]) for name, values in zip(names, cells, strict=True)]
    file = io.BytesIO()
    parquet.write_table(
        pa.table(arrays, names=names),
        file,
        compression=chance.choice(["none", "snappy", "zstd", "gzip"]),
        use_dictionary=chance.random() < 0.5,
        data_page_version=chance.choice(["1.0", "2.0"]),
        row_group_size=chance.choice([1, 50, 1000]),
        store_schema=chance.random() < 0.7,
    )
    return file.getvalue()


def _csv(chance: random.Random) -> bytes:
    cells = [
        "1",
        "0.5",
        "007",
        "1e5",
        "100000",
        "NULL",
        "n/a",
        "",
        '"x,""y"',
        '"a\nb"',
        "é",
        "9" * 20,
        "2026-01-01T10:00:00",
        "nan",
        "1.10",
    ]
    width = chance.randint(1, 6)
    header = ",".join(chance.choices("abcde", k=width))
    lines = [",".join(chance.choices(cells, k=width)) for _ in range(chance.choice([0, 1, 30]))]
    return (
        chance.choice(["\n", "\r\n", "\r"])
        .join([header, *lines, ""])
        .encode(chance.choice(["utf-8", "utf-8-sig", "latin-1", "utf-16"]))
    )


def _json_value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(8 if depth < 4 else 6)
    if kind >= 6:
        items = [_json_value(chance, depth + 1) for _ in range(chance.randrange(4))]
        return items if kind == 6 else dict(zip("abcd", items, strict=False))
    return [None, True, chance.randrange(10 ** chance.choice([1, 20, 400])), chance.random(), "x\ud800é", float("nan")][kind]


def _json(chance: random.Random) -> bytes:
    text = json.dumps(_json_value(chance), indent=chance.choice([None, 2]))
    return text.encode(chance.choice(["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"]))


def _jsonl(chance: random.Random) -> bytes:
    return b"".join(json.dumps(_json_value(chance)).encode() + b"\n" for _ in range(chance.randrange(5)))


def _text(chance: random.Random) -> bytes:
    words = [
        "epoch 1",
        "loss 0.5",
        "2026-01-01 10:00:00",
        "pid 77",
        "0xdeadbeef",
        "/tmp/x",
        "took 3 ms",
        "é",
        "\x1b[0m",
        "\r 50 %",
    ]
    return "\n".join(chance.choices(words, k=chance.choice([0, 1, 40]))).encode(chance.choice(["utf-8", "utf-16"]))


def _zip(chance: random.Random) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for name, write in chance.sample(MEMBERS, chance.randint(0, 3)):
            archive.writestr(zipfile.ZipInfo(name), write(chance), archive.compression)
    return file.getvalue()


def _tar(chance: random.Random) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, write in chance.sample(MEMBERS, chance.randint(0, 3)):
            data = write(chance)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    packed = file.getvalue()
    return chance.choice([packed, gzip.compress(packed, mtime=0), bz2.compress(packed)])


def _png(chance: random.Random) -> bytes:
    side = chance.randint(1, 20)
    pixels = b"".join(b"\0" + chance.randbytes(side) for _ in range(side))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)),
        (b"tEXt", b"date\0" + chance.randbytes(4)),
        (b"IDAT", zlib.compress(pixels)),
        (b"IEND", b""),
    ]
    lengths = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(lengths)


def _pdf(chance: random.Random) -> bytes:
    stream = zlib.compress(chance.randbytes(30))
    parts = [
        b"%PDF-1.4",
        f"1 0 obj << /Type /Catalog /CreationDate (D:2026010{chance.randint(1, 9)}000000Z) >> endobj".encode(),
        f"2 0 obj << /Length {len(stream)} /Filter /FlateDecode >> stream".encode(),
        stream,
        b"endstream endobj",
        b"trailer << /Root 1 0 R /ID [<01><02>] >>",
        b"startxref\n0\n%%EOF\n",
    ]
    return b"\n".join(parts)


def _sqlite(chance: random.Random) -> bytes:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a INTEGER, b TEXT, c BLOB)")
        rows = ((number, chance.choice("xyz"), chance.randbytes(3)) for number in range(chance.choice([0, 5, 200])))
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        connection.commit()
        return connection.serialize()


MEMBERS: list[tuple[str, Callable[[random.Random], bytes]]] = [
    ("a.csv", _csv),
    ("b.json", _json),
    ("c/d.npy", _npy),
    ("../e", _text),
]
WRITERS: dict[str, list[Callable[[random.Random], bytes]]] = {
    ".npy": [_npy], ".npz": [_npz], ".csv": [_csv], ".parquet": [_parquet], ".json": [_json], ".jsonl": [_jsonl],
    ".txt": [_text], "": [_text], ".zip": [_zip], ".tar": [_tar], ".png": [_png], ".pdf": [_pdf], ".sqlite": [_sqlite],
}  # fmt: skip
