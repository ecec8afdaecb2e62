"""The logger that the original's users share."""

from __future__ import annotations

import logging


def configure_logger() -> None:
    """Lets its lines go to stderr, with a time each."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"))
    get_logger().addHandler(handler)


def get_logger() -> logging.Logger:
    """The logger `sagemaker-inference`."""
    return logging.getLogger("sagemaker-inference")
