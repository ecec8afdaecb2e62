"""The optional last argument of a handler: what the request, the model and the server are.

Source: awslabs/multi-model-server, mms/context.py (Context and RequestProcessor) and mms/service.py. A request is a batch
of one, so the index that their calls take is not looked at.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from lyftlearn_runtime.cgroup import gpu_count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_runtime.serving.request_metrics import RequestMetrics

# Where a model archive of theirs keeps its manifest (mms/model_loader.py).
_MANIFEST = os.path.join("MAR-INF", "MANIFEST.json")


class ModelFacts:
    """What is the same for every request of a model. `system_properties` is one dictionary, which handlers may write to."""

    def __init__(self, model_dir: str, name: str = "model", worker: int = 0) -> None:
        self.name = name
        self.manifest = _manifest(model_dir)
        self.system_properties: dict[str, Any] = {
            "model_dir": model_dir,
            "gpu_id": _gpu(worker),
            "batch_size": 1,
            "server_name": "LyftLearn",
        }


class RequestHeaders(dict):  # type: ignore[type-arg]  # subscripted it would not start on Python 3.8
    """The headers of a request by their lower-case names, found however a name is spelt."""

    def __getitem__(self, name: str) -> Any:
        return dict.__getitem__(self, name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and dict.__contains__(self, name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """A header, `default` where there is none of that name."""
        return dict.get(self, name.lower(), default)


class RequestProcessor:
    """A request's headers, and the status and headers of its answer, which handlers may set."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = RequestHeaders(headers)
        self.status = 200
        self.phrase: str | None = None
        self.response_headers: dict[str, str] = {}

    def get_request_property(self, key: str) -> str | None:
        """A header of the request, None when it has none of that name."""
        found: str | None = self._headers.get(key)
        return found

    def get_request_properties(self) -> dict[str, str]:
        """All headers of the request."""
        return self._headers

    def report_status(self, code: int, reason_phrase: str | None = None) -> None:
        """Sets the status of the answer. The phrase goes nowhere: HTTP/2 has none, and no client may rely on it."""
        self.status, self.phrase = code, reason_phrase

    def get_response_status_code(self) -> int:
        """The status that the answer is going to have."""
        return self.status

    def get_response_status_phrase(self) -> str | None:
        """The phrase that was set with it."""
        return self.phrase

    def add_response_property(self, key: str, value: str) -> None:
        """Sets a header of the answer."""
        self.response_headers[key.lower()] = value

    def get_response_headers(self) -> dict[str, str]:
        """The headers of the answer that were set; their names in lower case."""
        return self.response_headers

    def get_response_header(self, key: str) -> str | None:
        """One of them."""
        return self.response_headers.get(key.lower())


class RequestContext:
    """One request's context. Without headers it is that of the model's start, which has no `request_processor`."""

    def __init__(self, facts: ModelFacts, headers: Mapping[str, str] | None = None) -> None:
        self._facts = facts
        self._processor = None if headers is None else RequestProcessor(headers)
        self._request_id: str | None = None
        self._metrics: RequestMetrics | None = None

    @property
    def model_name(self) -> str:
        """Its name among several models; `model` where there is one."""
        return self._facts.name

    @property
    def manifest(self) -> Any:
        """MAR-INF/MANIFEST.json of the model's directory, None where it has none."""
        return self._facts.manifest

    @property
    def system_properties(self) -> dict[str, Any]:
        """`model_dir`, `gpu_id` (None without a GPU), `batch_size`, and which server this is."""
        return self._facts.system_properties

    @property
    def request_processor(self) -> list[RequestProcessor] | None:
        """The processor of the one request that is a batch here."""
        return None if self._processor is None else [self._processor]

    @property
    def request_ids(self) -> dict[int, str]:
        """An ID of the server's own, by the request's place in its batch."""
        if self._request_id is None:
            import uuid  # noqa: PLC0415 - most handlers never ask

            self._request_id = str(uuid.uuid4())
        return {0: self._request_id}

    @property
    def metrics(self) -> RequestMetrics:
        """Where a handler puts its own figures: a line of the log each, as the request ends."""
        if self._metrics is None:
            from lyftlearn_runtime.serving.request_metrics import RequestMetrics  # noqa: PLC0415 - as above

            self._metrics = RequestMetrics(self._facts.name, self.request_ids)
        return self._metrics

    def write_metrics(self) -> None:
        """Writes what was put into `metrics`."""
        if self._metrics is not None:
            self._metrics.write()

    def get_request_id(self, _index: int = 0) -> str:
        """The ID of the request."""
        return self.request_ids[0]

    def get_request_header(self, _index: int, name: str) -> str | None:
        """A header of the request, None when it has none of that name."""
        return None if self._processor is None else self._processor.get_request_property(name)

    def get_all_request_header(self, _index: int) -> dict[str, str]:
        """All headers of the request; the names in lower case."""
        return {} if self._processor is None else self._processor.get_request_properties()

    def set_response_header(self, _index: int, name: str, value: str) -> None:
        """Sets a header of the answer."""
        if self._processor is not None:
            self._processor.add_response_property(name, value)

    def get_response_headers(self, _index: int) -> dict[str, str]:
        """The headers of the answer that were set."""
        return {} if self._processor is None else self._processor.response_headers

    def set_response_content_type(self, index: int, value: str) -> None:
        """Sets the type of the answer."""
        self.set_response_header(index, "content-type", value)

    def get_response_content_type(self, _index: int) -> str | None:
        """The type of the answer, where one was set."""
        return None if self._processor is None else self._processor.get_response_header("content-type")

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:  # noqa: ARG002 - one answer
        """Sets the status of the answer."""
        if self._processor is not None:
            self._processor.report_status(code, phrase)

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        """The same: there is one answer."""
        self.set_response_status(code, phrase)

    def get_response_status(self, _index: int) -> tuple[int, str | None]:
        """Status and phrase of the answer."""
        return (200, None) if self._processor is None else (self._processor.status, self._processor.phrase)


def _manifest(model_dir: str) -> Any:
    """A model archive's manifest, None where there is none that can be read."""
    try:
        with open(os.path.join(model_dir, _MANIFEST), encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def _gpu(worker: int) -> int | None:
    """The GPU of a worker, one after the other as the multi-model server hands them out; None where there is none."""
    count = gpu_count()
    return worker % count if count else None
