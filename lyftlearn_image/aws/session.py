"""The AWS session of whoever runs the toolkit: their profile, their region."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from lyftlearn_image.aws.errors import translate_errors

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from botocore.loaders import Loader

_TRIES = 10


def open_session() -> boto3.Session:
    """A session by boto3's own rules, and by AWS_REGION. Raises InvalidInputError for a profile that there is not."""
    with translate_errors("connecting to AWS"):
        # boto3 alone of the AWS SDKs reads only AWS_DEFAULT_REGION.
        return make_session(region_name=os.environ.get("AWS_REGION") or None)


def make_session(**arguments: str | None) -> boto3.Session:
    """`boto3.Session(**arguments)`, with one reader of the services' models for all sessions of this process.

    A session that reads them anew takes 100 to 150 ms of CPU for its first client, and 20 ms so. Raises botocore's own errors.
    """
    import boto3  # noqa: PLC0415 - 300 ms, for the verbs that talk to AWS
    import botocore.session  # noqa: PLC0415 - likewise

    core = botocore.session.get_session()
    loader = _loader(core.get_config_variable("data_path"))
    core.register_component("data_loader", loader)
    made = boto3.Session(botocore_session=core, **arguments)
    # boto3 adds its own directory each time.
    loader.search_paths[:] = dict.fromkeys(loader.search_paths)
    return made


@functools.cache
def _loader(data_path: str | None) -> Loader:
    from botocore.loaders import create_loader  # noqa: PLC0415 - see make_session

    return create_loader(data_path)


def retrying() -> Config:
    """For a client that asks often: throttled and failed requests are repeated, and it slows down by itself."""
    from botocore.config import Config  # noqa: PLC0415 - see open_session

    return Config(retries={"mode": "adaptive", "max_attempts": _TRIES})
