"""Batch transform's DataProcessing: records are filtered before they are sent, and joined with their answers.

Source: SageMaker developer guide, batch-transform-data-processing (the operators, the examples, which formats go together);
API reference, DataProcessing. How JSON is written is not documented: as seen in public results, compact and with sorted keys.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.batch.records import RecordError
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CSV = "text/csv"
_FORMATS = (_CSV, "application/json", "application/jsonlines")
# "an index or array of indexes", with a slice among them (API reference: "$[0,5:]"), at the end of a path.
_INDEXES = re.compile(r"(?P<before>.*)\[(?P<listed>-?\d*:?-?\d*(?:,-?\d*:?-?\d*)+)\]")
_OUTPUT, _INPUT = "SageMakerOutput", "SageMakerInput"


class Selection:
    """A JSONPath of the operators that the service supports."""

    def __init__(self, text: str) -> None:
        from jsonpath_ng.exceptions import JSONPathError  # noqa: PLC0415 - as above
        from jsonpath_ng.parser import parse  # noqa: PLC0415 - 60 ms, for the few jobs that filter

        found = _INDEXES.fullmatch(text)
        parts = [f"{found['before']}[{one}]" for one in found["listed"].split(",")] if found else [text]
        if not text.startswith("$") or ".." in text:
            raise InvalidInputError(f"the JSONPath {text} is none that batch transform supports", hint="It begins with `$`.")
        try:
            self._paths = [parse(part) for part in parts]
        except JSONPathError as error:
            raise InvalidInputError(f"the JSONPath {text} is none that batch transform supports: {error}") from None
        self._text = text
        # A slice, a wildcard and several indexes give a list, also of one value.
        self._gives_list = bool(found) or text.endswith("*") or bool(re.search(r"\[[^\]']*[:*][^\]']*\]$", text))

    def of(self, value: Any) -> Any:
        """The part of a record. RecordError where it has none ("you get an error")."""
        from jsonpath_ng.jsonpath import Fields  # noqa: PLC0415 - as above

        found = []
        for path in self._paths:
            values = path.find(value)
            if not values and not (self._gives_list and len(self._paths) == 1):
                raise RecordError(f"there is nothing at {self._text} in the record")
            found += values
        if self._gives_list:
            return [one.value for one in found]
        if len(found) == 1:
            return found[0].value
        # Several names of one object give an object with those.
        return {name: one.value for one in found if isinstance(one.path, Fields) for name in one.path.fields}


@dataclass(frozen=True)
class Association:
    """What a job does with its records. A record is a row of CSV, or a JSON value."""

    is_csv: bool
    before: Selection
    after: Selection
    is_joined: bool

    def filtered(self, record: bytes) -> bytes:
        """What of a record is sent."""
        return self._write(self.before.of(self._read(record)))

    def joined(self, record: bytes, answer: bytes) -> bytes:
        """What is stored for a record and its answer."""
        told = self._read(answer)
        if not self.is_joined:
            return self._write(self.after.of(told))
        said = self._read(record)
        if self.is_csv:
            return self._write(self.after.of([*said, *told]))
        whole = {**said, _OUTPUT: told} if isinstance(said, dict) else {_INPUT: said, _OUTPUT: told}
        return self._write(self.after.of(whole))

    def joined_lines(self, records: Sequence[bytes], answer: bytes) -> bytes:
        """As `joined`, for records that were sent together. RecordError when there is not one line for each."""
        lines = answer.removesuffix(b"\n").split(b"\n")
        if len(lines) != len(records):
            raise RecordError(f"the algorithm answered {len(lines)} lines for {len(records)} records")
        return b"\n".join(self.joined(record, line) for record, line in zip(records, lines, strict=True))

    def _read(self, text: bytes) -> Any:
        try:
            if not self.is_csv:
                return json.loads(text)
            (row,) = csv.reader([text.decode().removesuffix("\n").removesuffix("\r")], strict=True)
        except (ValueError, csv.Error) as error:
            raise RecordError(f"a record or an answer is not {'CSV' if self.is_csv else 'JSON'}: {error}") from None
        return row

    def _write(self, value: Any) -> bytes:
        if not self.is_csv:
            return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(value if isinstance(value, list) else [value])
        return text.getvalue().encode()


def association_of(request: Mapping[str, Any]) -> Association | None:
    """The job's association, None for one that keeps records and answers as they are.

    Raises InvalidInputError for formats and splits that do not go together, and for a JSONPath that is not supported.
    """
    said = request.get("DataProcessing", {})
    before, after = said.get("InputFilter", "$"), said.get("OutputFilter", "$")
    is_joined = said.get("JoinSource", "None") == "Input"
    if (before, after, is_joined) == ("$", "$", False):
        return None
    source, output = request["TransformInput"], request["TransformOutput"]
    content_type, accept = source.get("ContentType"), output.get("Accept")
    if content_type not in _FORMATS or (is_joined and accept != content_type):
        raise InvalidInputError(
            f"DataProcessing: ContentType is {content_type}, Accept is {accept}",
            hint=f"Set both to the same of {', '.join(_FORMATS)}.",
        )
    split, assemble = source.get("SplitType", "None"), output.get("AssembleWith", "None")
    if split != assemble or (content_type == _CSV and split != "Line"):
        raise InvalidInputError(
            f"DataProcessing: SplitType is {split}, AssembleWith is {assemble}",
            hint="They must match, and be Line for text/csv.",
        )
    return Association(content_type == _CSV, Selection(before), Selection(after), is_joined)
