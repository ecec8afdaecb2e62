"""Errors that choose the answer of a request."""

from __future__ import annotations


class UnsupportedFormatError(Exception):
    """A content type that cannot be read or written."""

    def __init__(self, content_type: object, **_: object) -> None:
        self._message = (
            f"Content type {content_type} is not supported by this framework.\n\n"
            "Please implement input_fn to to deserialize the request data or an output_fn to\n"
            "serialize the response. For more information, see the SageMaker Python SDK README."
        )
        Exception.__init__(self, self._message)


class BaseInferenceToolkitError(Exception):
    """A failure with the status and the message that the client gets."""

    def __init__(self, status_code: int, message: str | None, phrase: str | None) -> None:
        self.status_code = status_code
        self.message = message
        self.phrase = phrase
        Exception.__init__(self, status_code, message, phrase)


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    """The same with defaults."""

    def __init__(self, status_code: int, message: str | None = None, phrase: str | None = None) -> None:
        message = message or "Invalid Request"
        BaseInferenceToolkitError.__init__(self, status_code, message, phrase or message)
