"""The optional last argument of a handler: what the request and the server are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class RequestContext:
    """The part of the multi-model server's Context that handlers use.

    Source: awslabs/multi-model-server, mms/context.py (Context and RequestProcessor). A request is a batch of one, so the
    index that their calls take is not looked at. model_fn gets one without headers.
    """

    def __init__(self, model_dir: str, headers: Mapping[str, str] | None = None) -> None:
        self.system_properties: dict[str, Any] = {"model_dir": model_dir, "gpu_id": None}
        self.response_headers: dict[str, str] = {}
        self._headers = headers or {}

    def get_request_header(self, _index: int, name: str) -> str | None:
        """A header of the request, None when it has none of that name."""
        return self._headers.get(name.lower())

    def get_all_request_header(self, _index: int) -> dict[str, str]:
        """All headers of the request; the names in lower case."""
        return dict(self._headers)

    def set_response_header(self, _index: int, name: str, value: str) -> None:
        """Sets a header of the answer."""
        self.response_headers[name.lower()] = value

    def set_response_content_type(self, index: int, value: str) -> None:
        """Sets the type of the answer."""
        self.set_response_header(index, "content-type", value)
