"""The AWS session of whoever runs the toolkit: their profile, their region."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lyftlearn_image.aws.errors import translate_errors

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config

_TRIES = 10


def open_session() -> boto3.Session:
    """A session by boto3's own rules, and by AWS_REGION. Raises InvalidInputError for a profile that there is not."""
    import boto3  # noqa: PLC0415 - 300 ms, for the verbs that talk to AWS

    with translate_errors("connecting to AWS"):
        # boto3 alone of the AWS SDKs reads only AWS_DEFAULT_REGION.
        return boto3.Session(region_name=os.environ.get("AWS_REGION") or None)


def retrying() -> Config:
    """For a client that asks often: throttled and failed requests are repeated, and it slows down by itself."""
    from botocore.config import Config  # noqa: PLC0415 - see open_session

    return Config(retries={"mode": "adaptive", "max_attempts": _TRIES})
