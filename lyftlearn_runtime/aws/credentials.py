"""AWS identity, found where the AWS SDKs find it: variables, then the container's own endpoint.

Order and names as in boto/botocore (botocore/credentials.py). Web identity and the instance's metadata come later in
the chain and are not there yet.
"""

from __future__ import annotations

import json
import os
from collections import namedtuple

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

Credentials = namedtuple("Credentials", ["access_key", "secret_key", "token", "source"])

_CONTAINER_HOST = "http://169.254.170.2"


def find(environ: Mapping[str, str]) -> Credentials:
    """The credentials of this container and where they came from. ShimError when there are none."""
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        token = environ.get("AWS_SESSION_TOKEN") or None
        return Credentials(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], token, "environment variables")
    if environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        return _of_endpoint(_CONTAINER_HOST + environ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"], environ)
    if environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        return _of_endpoint(environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], environ)
    raise ShimError(
        "there are no AWS credentials here, and something must be fetched from AWS; give the job a role",
        contract.EXIT_ACCESS_DENIED,
    )


def _of_endpoint(url: str, environ: Mapping[str, str]) -> Credentials:
    from lyftlearn_runtime.aws.client import request  # noqa: PLC0415 - only where an endpoint is asked

    status, body = request("GET", url, _authorization(environ), b"", environ)
    if status != 200:
        raise ShimError("the credentials endpoint %s answered %d" % (url, status), contract.EXIT_ACCESS_DENIED)
    try:
        document = json.loads(body.decode("utf-8"))
        return Credentials(document["AccessKeyId"], document["SecretAccessKey"], document.get("Token"), "container credentials")
    except (ValueError, KeyError):
        raise ShimError("the credentials endpoint %s gave no credentials" % url, contract.EXIT_ACCESS_DENIED) from None


def _authorization(environ: Mapping[str, str]) -> Mapping[str, str]:
    path = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    if path:
        with open(os.fspath(path)) as file:
            return {"Authorization": file.read().strip()}
    token = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    return {"Authorization": token} if token else {}
