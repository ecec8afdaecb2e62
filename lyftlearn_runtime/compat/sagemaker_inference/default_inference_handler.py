"""Handlers for what a team has not written; frameworks derive theirs from it."""

from __future__ import annotations

from typing import Any

from . import decoder, encoder, errors, utils

_MISSING = "Please provide a {0} implementation.\nSee documentation for {0} at https://sagemaker.readthedocs.io/en/stable/"


class DefaultInferenceHandler:
    """Decodes, encodes, and asks for the other two."""

    def default_model_fn(self, model_dir: str, context: Any = None) -> Any:
        """NotImplementedError: only a team knows how to load its model."""
        raise NotImplementedError(_MISSING.format("model_fn"))

    def default_input_fn(self, input_data: Any, content_type: str | None, context: Any = None) -> Any:  # noqa: ARG002
        """The body as an array."""
        return decoder.decode(input_data, content_type)

    def default_predict_fn(self, data: Any, model: Any, context: Any = None) -> Any:
        """NotImplementedError: likewise."""
        raise NotImplementedError(_MISSING.format("predict_fn"))

    def default_output_fn(self, prediction: Any, accept: str, context: Any = None) -> Any:  # noqa: ARG002
        """The prediction's body in the first accepted type that can be written, and that type."""
        for content_type in utils.parse_accept(accept):
            if content_type in encoder.SUPPORTED_CONTENT_TYPES:
                return encoder.encode(prediction, content_type), content_type
        raise errors.UnsupportedFormatError(accept)
