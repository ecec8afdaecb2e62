"""Batch transform's DataProcessing: records are filtered before they are sent, and joined with their responses.

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
_INDEXES = re.compile(r"(?P<path>.*)\[(?P<indexes>-?\d*:?-?\d*(?:,-?\d*:?-?\d*)+)\]")
_OUTPUT, _INPUT = "SageMakerOutput", "SageMakerInput"


class JsonPath:
    """A JSONPath of the operators that the service supports."""

    def __init__(self, text: str) -> None:
        from jsonpath_ng.exceptions import JSONPathError  # noqa: PLC0415 - as above
        from jsonpath_ng.parser import parse  # noqa: PLC0415 - 60 ms, for the few jobs that filter

        match = _INDEXES.fullmatch(text)
        parts = [f"{match['path']}[{index}]" for index in match["indexes"].split(",")] if match else [text]
        if not text.startswith("$") or ".." in text:
            raise InvalidInputError(f"the JSONPath {text} is none that batch transform supports", hint="It begins with `$`.")
        try:
            self._paths = [parse(part) for part in parts]
        except JSONPathError as error:
            raise InvalidInputError(f"the JSONPath {text} is none that batch transform supports: {error}") from None
        self._text = text
        # A slice, a wildcard and several indexes give a list, also of one value.
        self._gives_list = bool(match) or text.endswith("*") or bool(re.search(r"\[[^\]']*[:*][^\]']*\]$", text))

    def select(self, value: Any) -> Any:
        """The part of a record. RecordError where it has none ("you get an error")."""
        from jsonpath_ng.jsonpath import Fields  # noqa: PLC0415 - as above

        matches = []
        for path in self._paths:
            values = path.find(value)
            if not values and not (self._gives_list and len(self._paths) == 1):
                raise RecordError(f"there is nothing at {self._text} in the record")
            matches += values
        if self._gives_list:
            return [match.value for match in matches]
        if len(matches) == 1:
            return matches[0].value
        # Several names of one object give an object with those.
        return {name: match.value for match in matches if isinstance(match.path, Fields) for name in match.path.fields}


@dataclass(frozen=True)
class Association:
    """What a job does with its records. A record is a row of CSV, or a JSON value."""

    is_csv: bool
    input_filter: JsonPath
    output_filter: JsonPath
    is_joined: bool

    def filter_record(self, record: bytes) -> bytes:
        """The part of a record that is sent."""
        return self._write(self.input_filter.select(self._read(record)))

    def join(self, record: bytes, response: bytes) -> bytes:
        """What is stored for a record and its response."""
        output = self._read(response)
        if not self.is_joined:
            return self._write(self.output_filter.select(output))
        source = self._read(record)
        if self.is_csv:
            return self._write(self.output_filter.select([*source, *output]))
        joined = {**source, _OUTPUT: output} if isinstance(source, dict) else {_INPUT: source, _OUTPUT: output}
        return self._write(self.output_filter.select(joined))

    def join_lines(self, records: Sequence[bytes], response: bytes) -> bytes:
        """As `join`, for records that were sent together. RecordError when there is not one line for each."""
        lines = response.removesuffix(b"\n").split(b"\n")
        if len(lines) != len(records):
            raise RecordError(f"the algorithm answered {len(lines)} lines for {len(records)} records")
        return b"\n".join(self.join(record, line) for record, line in zip(records, lines, strict=True))

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


def parse_association(request: Mapping[str, Any]) -> Association | None:
    """The job's association, None for one that keeps records and answers as they are.

    Raises InvalidInputError for formats and splits that do not go together, and for a JSONPath that is not supported.
    """
    declared = request.get("DataProcessing", {})
    input_filter, output_filter = declared.get("InputFilter", "$"), declared.get("OutputFilter", "$")
    is_joined = declared.get("JoinSource", "None") == "Input"
    if (input_filter, output_filter, is_joined) == ("$", "$", False):
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
    return Association(content_type == _CSV, JsonPath(input_filter), JsonPath(output_filter), is_joined)
