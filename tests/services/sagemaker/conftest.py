"""The client of SageMaker's API meets the local one: the emulator's own fixtures serve here."""

from __future__ import annotations

from tests.emulation.sagemaker.conftest import (
    archive,
    emulator,
    endpoint,
    make_image,
    model_image,
    model_request,
    no_leftovers,
    s3,
)

__all__ = ["archive", "emulator", "endpoint", "make_image", "model_image", "model_request", "no_leftovers", "s3"]
