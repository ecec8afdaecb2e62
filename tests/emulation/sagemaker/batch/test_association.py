"""DataProcessing of batch transform: which part of a record is sent, and what is stored for it and its response."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.sagemaker.batch.association import Association, parse_association
from lyftlearn_image.emulation.sagemaker.batch.records import RecordError
from lyftlearn_image.errors import InvalidInputError

CSV, JSON, LINES = "text/csv", "application/json", "application/jsonlines"
CELLS = st.lists(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"])), min_size=1, max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def association(kind: str, **processing: str) -> Association:
    """The association of a request whose records are lines, but for a whole JSON object."""
    split = "None" if kind == JSON else "Line"
    request = {
        "DataProcessing": processing,
        "TransformInput": {"ContentType": kind, "SplitType": split},
        "TransformOutput": {"Accept": kind, "AssembleWith": split},
    }
    parsed = parse_association(request)
    assert parsed is not None
    return parsed


def row(*cells: str) -> bytes:
    """A row of CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue().encode()


@pytest.mark.parametrize(
    ("kind", "processing", "record", "sent", "stored"),
    [
        (CSV, {"InputFilter": "$[1:]"}, '2,c,"d,e"', 'c,"d,e"', 'C,"D,E"'),
        (CSV, {"JoinSource": "Input"}, '2,c,"d,e"', '2,c,"d,e"', '2,c,"d,e",2,C,"D,E"'),
        (CSV, {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}, "1,a,b", "a,b", "1,B"),
        (CSV, {"JoinSource": "Input", "OutputFilter": "$[0,4:]"}, "1,a,b", "1,a,b", "1,A,B"),
        (LINES, {"InputFilter": "$.x"}, '{"id": 1, "x": "a"}', '"a"', '"A"'),
        (
            LINES, {"InputFilter": "$.x", "JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"},
            '{"id": 1, "x": "a"}', '"a"', '{"SageMakerOutput":"A","id":1}',
        ),
        (
            LINES, {"InputFilter": "$.x", "JoinSource": "Input"},
            '{"id": 1, "x": "a"}', '"a"', '{"SageMakerOutput":"A","id":1,"x":"a"}',
        ),
        (JSON, {"JoinSource": "Input"}, '{"x": [1, 2]}', '{"x":[1,2]}', '{"SageMakerOutput":{"X":[1,2]},"x":[1,2]}'),
        (JSON, {"JoinSource": "Input"}, "[1]", "[1]", '{"SageMakerInput":[1],"SageMakerOutput":[1]}'),
    ],
)  # fmt: skip
def test_the_examples_of_the_developer_guide(
    kind: str, processing: dict[str, str], record: str, sent: str, stored: str
) -> None:
    """By column in CSV, by name in JSON; the response here is what was sent, in capitals."""
    job = association(kind, **processing)
    assert job.filter_record(record.encode()) == sent.encode()
    assert job.join(record.encode(), sent.upper().encode()) == stored.encode()


@given(CELLS, CELLS)
def test_a_joined_row_is_the_record_and_then_the_response(record: list[str], response: list[str]) -> None:
    """Whatever is in the cells."""
    assert association(CSV, JoinSource="Input").join(row(*record), row(*response)) == row(*record, *response)


@given(CELLS, st.data())
def test_an_index_and_a_slice_are_pythons(cells: list[str], data: st.DataObject) -> None:
    """Negative ones, too."""
    index = data.draw(st.integers(-len(cells), len(cells) - 1))
    start = data.draw(st.integers(0, len(cells)))
    assert association(CSV, InputFilter=f"$[{index}]").filter_record(row(*cells)) == row(cells[index])
    assert association(CSV, InputFilter=f"$[{start}:]").filter_record(row(*cells)) == row(*cells[start:])


@given(VALUES, VALUES)
def test_a_joined_value_has_the_record_and_the_response(record: Any, response: Any) -> None:
    """An object gets the response as a member; any other value stands beside it."""
    joined = json.loads(association(LINES, JoinSource="Input").join(json.dumps(record).encode(), json.dumps(response).encode()))
    assert joined.pop("SageMakerOutput") == response
    expected = (
        {name: value for name, value in record.items() if name != "SageMakerOutput"} if isinstance(record, dict) else None
    )
    assert joined == ({"SageMakerInput": record} if expected is None else expected)


@given(st.lists(CELLS, min_size=1, max_size=4), st.integers(-2, 2))
def test_there_is_one_line_for_each_record(records: list[list[str]], more: int) -> None:
    """A server that answers another number of lines has failed."""
    job = association(CSV, JoinSource="Input")
    rows, lines = [row(*record) for record in records], [b"x"] * max(1, len(records) + more)
    if len(lines) != len(rows):
        with pytest.raises(RecordError, match=f"answered {len(lines)} lines for {len(rows)} records"):
            job.join_lines(rows, b"\n".join(lines))
    else:
        assert job.join_lines(rows, b"\n".join(lines) + b"\n") == b"\n".join(job.join(one, b"x") for one in rows)


@pytest.mark.parametrize(
    ("record", "path", "why"),
    [
        (b"1,2", "$[5]", "there is nothing at $[5] in the record"),
        (b"1,2", "$[0,5]", "there is nothing at $[0,5] in the record"),
        (b'1,"2', "$[0]", "a record or an answer is not CSV"),
    ],
)
def test_a_record_that_cannot_be_filtered_is_an_error(record: bytes, path: str, why: str) -> None:
    """With the path or the format in it."""
    with pytest.raises(RecordError, match=re.escape(why)):
        association(CSV, InputFilter=path).filter_record(record)


@pytest.mark.parametrize(
    ("processing", "changes", "why"),
    [
        ({"InputFilter": "$..x"}, {}, "the JSONPath"),
        ({"InputFilter": "x"}, {}, "the JSONPath"),
        ({"InputFilter": "$[?(@.a)]"}, {}, "the JSONPath"),
        ({"InputFilter": "$[0]"}, {"ContentType": "text/plain"}, "ContentType is text/plain"),
        ({"JoinSource": "Input"}, {"Accept": "application/json"}, "Accept is application/json"),
        ({"JoinSource": "Input"}, {"AssembleWith": "None"}, "AssembleWith is None"),
        ({"JoinSource": "Input"}, {"SplitType": "None", "AssembleWith": "None"}, "SplitType is None"),
    ],
)
def test_an_association_that_cannot_be_is_refused(processing: dict[str, str], changes: dict[str, str], why: str) -> None:
    """Before anything is started."""
    fields = {"ContentType": CSV, "SplitType": "Line", "Accept": CSV, "AssembleWith": "Line", **changes}
    request = {
        "DataProcessing": processing,
        "TransformInput": {name: fields[name] for name in ("ContentType", "SplitType")},
        "TransformOutput": {name: fields[name] for name in ("Accept", "AssembleWith")},
    }
    with pytest.raises(InvalidInputError, match=re.escape(why)):
        parse_association(request)
