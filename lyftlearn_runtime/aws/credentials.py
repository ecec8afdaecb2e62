"""AWS identity, found where the AWS SDKs find it, in their order: variables, web identity, the container's endpoint.

Names and order as in boto/botocore (botocore/credentials.py and botocore/utils.py). Files of a profile and the instance's
metadata are not asked: a container of a job has neither.
"""

from __future__ import annotations

import json
from collections import namedtuple

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

Credentials = namedtuple("Credentials", ["access_key", "secret_key", "token", "source"])

_CONTAINER_HOST = "http://169.254.170.2"
# The token of the endpoint may go over plain HTTP to these alone (ContainerMetadataFetcher of botocore).
_PLAIN_HTTP = ("localhost", "127.0.0.1", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]")
_STS_VERSION = "2011-06-15"


def find(environ: Mapping[str, str], deadline: float) -> Credentials:
    """The credentials of this container and where they came from. ShimError when there are none by `deadline`."""
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        token = environ.get("AWS_SESSION_TOKEN") or None
        return Credentials(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], token, "environment variables")
    if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") and environ.get("AWS_ROLE_ARN"):
        return _of_web_identity(environ, deadline)
    if environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        return _of_container(_CONTAINER_HOST + environ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"], environ, deadline)
    if environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        return _of_container(environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], environ, deadline)
    raise ShimError(
        "there are no AWS credentials here, and something must be fetched from AWS; give the job a role",
        contract.EXIT_ACCESS_DENIED,
    )


def _of_container(url: str, environ: Mapping[str, str], deadline: float) -> Credentials:
    from lyftlearn_runtime.aws import client  # noqa: PLC0415 - only where an endpoint is asked

    scheme, host, _ = client.split(url)
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if scheme != "https" and name not in _PLAIN_HTTP:
        raise ShimError(
            f"AWS_CONTAINER_CREDENTIALS_FULL_URI names {client.origin(url)}; plain HTTP is for {', '.join(_PLAIN_HTTP)}",
            contract.EXIT_CONFIG,
        )
    answer = client.get(url, _authorization(environ), environ, deadline)
    try:
        document = json.loads(answer.body.decode("utf-8"))
        return Credentials(document["AccessKeyId"], document["SecretAccessKey"], document.get("Token"), "container credentials")
    except (ValueError, KeyError, TypeError):
        raise ShimError(
            f"the credentials endpoint {client.origin(url)} gave no credentials (status {answer.status})",
            contract.EXIT_ACCESS_DENIED,
        ) from None


def _authorization(environ: Mapping[str, str]) -> Mapping[str, str]:
    path = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    token = _token_of(path) if path else environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    return {"Authorization": token} if token else {}


def _of_web_identity(environ: Mapping[str, str], deadline: float) -> Credentials:
    """AssumeRoleWithWebIdentity, which needs no signature (AWS STS API reference)."""
    import xml.etree.ElementTree as ET  # noqa: PLC0415 - only on this way

    from lyftlearn_runtime.aws import client, sigv4  # noqa: PLC0415 - as above

    service = client.Service("sts", "STS")
    query = sigv4.canonical_query(
        [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", _STS_VERSION),
            ("RoleArn", environ["AWS_ROLE_ARN"]),
            ("RoleSessionName", environ.get("AWS_ROLE_SESSION_NAME") or "lyftlearn"),
            ("WebIdentityToken", _token_of(environ["AWS_WEB_IDENTITY_TOKEN_FILE"])),
        ]
    )
    base = client.endpoint(service, environ)
    answer = client.post_form(base + "/", query, environ, deadline)
    try:
        root = ET.fromstring(answer.body)  # noqa: S314 - STS' own answer over a checked channel
    except ET.ParseError:
        root = ET.Element("none")
    found = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
    if answer.status != 200 or "SecretAccessKey" not in found:
        kind = found.get("Code") or f"status {answer.status}"
        raise ShimError(
            f"{base} gives no credentials for the role {environ['AWS_ROLE_ARN']}: {kind}; check its trust policy",
            contract.EXIT_ACCESS_DENIED,
        )
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found.get("SessionToken"), "web identity")


def _token_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except (OSError, ValueError) as error:
        raise ShimError(f"the token file {path} cannot be read: {error}", contract.EXIT_ACCESS_DENIED) from None
