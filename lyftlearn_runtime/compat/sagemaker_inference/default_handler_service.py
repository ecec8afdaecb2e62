"""The service that the model server calls: `initialize` at its start, `handle` for each request."""

from __future__ import annotations

import os
import sys
from typing import Any

from .transformer import Transformer

PYTHON_PATH_ENV = "PYTHONPATH"


class DefaultHandlerService:
    """Hands requests over to a Transformer. Subclasses give it their own."""

    def __init__(self, transformer: Transformer | None = None) -> None:
        self._service = transformer or Transformer()

    def handle(self, data: Any, context: Any) -> Any:
        """The answers to a batch of requests."""
        return self._service.transform(data, context)

    def initialize(self, context: Any) -> None:
        """Loads the team's module and the model."""
        model_dir = context.system_properties.get("model_dir")
        code_dir = model_dir + "/code"
        os.environ[PYTHON_PATH_ENV] = f"{code_dir}:{os.environ.get(PYTHON_PATH_ENV, '')}"
        if code_dir not in sys.path:
            sys.path.insert(0, code_dir)
        self._service.validate_and_initialize(model_dir=model_dir, context=context)
