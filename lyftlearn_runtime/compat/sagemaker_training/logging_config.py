"""The toolkit's logger."""

from __future__ import annotations

import logging

_FORMAT = "%(asctime)s %(name)-12s %(levelname)-8s %(message)s"


def get_logger() -> logging.Logger:
    """The logger that the toolkit writes to."""
    return logging.getLogger("sagemaker-training-toolkit")


def configure_logger(level: int, log_format: str = _FORMAT) -> None:
    """Logs from this level on, in the toolkit's form; the AWS SDK's own lines are as important."""
    logging.basicConfig(format=log_format, level=level)
    if level >= logging.INFO:
        for name in ("boto3", "s3transfer", "botocore"):
            logging.getLogger(name).setLevel(level)
