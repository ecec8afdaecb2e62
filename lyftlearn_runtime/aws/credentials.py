"""AWS identity, found where the AWS SDKs find it, in their order.

Variables, web identity, the container's endpoint, the instance's metadata; names and order as in boto/botocore
(botocore/credentials.py and botocore/utils.py). Files of a profile are not read: a container of a job has none.
"""

from __future__ import annotations

import json
import os
import time

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws.keys import Credentials
from lyftlearn_runtime.aws.request import Request, origin, split_url
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_runtime.aws.request import Response

_CONTAINER_HOST = "http://169.254.170.2"
# The token of the endpoint may go over plain HTTP to these alone (ContainerMetadataFetcher of botocore).
_PLAIN_HTTP = ("localhost", "127.0.0.1", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]")
_STS_VERSION = "2011-06-15"
_INSTANCE = "http://169.254.169.254"
_INSTANCE_ROLES = "/latest/meta-data/iam/security-credentials/"
_INSTANCE_TOKEN_S = "21600"  # noqa: S105 - seconds
# Where there is no such service nobody answers, and botocore waits a second, too.
_INSTANCE_WITHIN_S = 2.0


def find_credentials(environ: Mapping[str, str], deadline: float) -> Credentials:
    """The credentials of this container and where they came from. ShimError when there are none by `deadline`."""
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        token = environ.get("AWS_SESSION_TOKEN") or None
        return _of(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], token, "environment variables")
    if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") and environ.get("AWS_ROLE_ARN"):
        return _of_web_identity(environ, deadline)
    if environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        return _of_container(_CONTAINER_HOST + environ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"], environ, deadline)
    if environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        return _of_container(environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], environ, deadline)
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true":
        found = _of_instance(environ, deadline)
        if found:
            return found
    raise ShimError(
        "there are no AWS credentials here, and something must be fetched from AWS; give the job a role",
        contract.EXIT_ACCESS_DENIED,
    )


def _of(access_key: str, secret_key: str, token: str | None, source: str, expiration: str | None = None) -> Credentials:
    if not all(isinstance(one, str) and one.isascii() and one.isprintable() for one in (access_key, secret_key, token or "")):
        # A line break at the end of a key is a mistake that is made often, and a signature shows nothing of it.
        raise ShimError(f"the AWS keys of the {source} have a character that no key has", contract.EXIT_ACCESS_DENIED)
    try:
        return Credentials(access_key, secret_key, token, source, _seconds(expiration))
    except (ValueError, TypeError):
        message = f"the AWS keys of the {source} have an end that is no time: {expiration!r}"
        raise ShimError(message, contract.EXIT_ACCESS_DENIED) from None


def _seconds(expiration: str | None) -> float | None:
    """time.time() of a timestamp such as 2026-11-23T00:00:00Z; a fraction of a second is left out."""
    if not expiration:
        return None
    import calendar  # noqa: PLC0415 - only for temporary credentials

    return float(calendar.timegm(time.strptime(expiration[:19], "%Y-%m-%dT%H:%M:%S")))


def _of_container(url: str, environ: Mapping[str, str], deadline: float) -> Credentials:
    from lyftlearn_runtime.aws import http  # noqa: PLC0415 - only where an endpoint is asked

    scheme, host, _ = split_url(url)
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if scheme != "https" and name not in _PLAIN_HTTP:
        raise ShimError(
            f"AWS_CONTAINER_CREDENTIALS_FULL_URI names {origin(url)}; plain HTTP is for {', '.join(_PLAIN_HTTP)}",
            contract.EXIT_CONFIG,
        )
    answer = http.get(url, _authorization(environ), environ, deadline)
    return _of_document(answer, f"the credentials endpoint {origin(url)}", "container credentials")


def _of_document(answer: Response, what: str, source: str) -> Credentials:
    try:
        found = json.loads(answer.body.decode("utf-8"))
        return _of(found["AccessKeyId"], found["SecretAccessKey"], found.get("Token"), source, found.get("Expiration"))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ShimError(f"{what} gave no credentials (status {answer.status})", contract.EXIT_ACCESS_DENIED) from None


def _authorization(environ: Mapping[str, str]) -> Mapping[str, str]:
    path = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    token = _token_of(path) if path else environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    return {"Authorization": token} if token else {}


def _of_web_identity(environ: Mapping[str, str], deadline: float) -> Credentials:
    """AssumeRoleWithWebIdentity, which needs no signature (AWS STS API reference)."""
    import xml.etree.ElementTree as ET  # noqa: PLC0415 - only on this way

    from lyftlearn_runtime.aws import endpoints, http, sigv4  # noqa: PLC0415 - as above

    form = sigv4.canonical_query(
        [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", _STS_VERSION),
            ("RoleArn", environ["AWS_ROLE_ARN"]),
            ("RoleSessionName", environ.get("AWS_ROLE_SESSION_NAME") or "lyftlearn"),
            ("WebIdentityToken", _token_of(environ["AWS_WEB_IDENTITY_TOKEN_FILE"])),
        ]
    ).encode()
    base = endpoints.url(endpoints.Service("sts", "STS", "STS"), environ)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = http.send(Request("POST", base + "/", headers, form), environ, deadline)
    try:
        root = ET.fromstring(answer.body)  # noqa: S314 - STS' own answer over a checked channel
    except (ET.ParseError, ValueError, LookupError):  # the latter two for encodings that there are not
        root = ET.Element("none")
    found = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
    if answer.status != 200 or not {"AccessKeyId", "SecretAccessKey"} <= set(found):
        kind = found.get("Code") or f"status {answer.status}"
        raise ShimError(
            f"{base} gives no credentials for the role {environ['AWS_ROLE_ARN']}: {kind}; check its trust policy",
            contract.EXIT_ACCESS_DENIED,
        )
    token, expiration = found.get("SessionToken"), found.get("Expiration")
    return _of(found["AccessKeyId"], found["SecretAccessKey"], token, "web identity", expiration)


def _of_instance(environ: Mapping[str, str], deadline: float) -> Credentials | None:
    """Of the instance's role, by IMDSv2 (EC2 user guide, "Retrieve security credentials from instance metadata")."""
    from lyftlearn_runtime.aws import http  # noqa: PLC0415 - only where an endpoint is asked

    base = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "").rstrip("/") or _INSTANCE
    until = min(deadline, time.monotonic() + _INSTANCE_WITHIN_S)
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": _INSTANCE_TOKEN_S, "Content-Length": "0"}
    try:
        answer = http.send(Request("PUT", base + "/latest/api/token", lifetime, b""), environ, until)
        if answer.status != 200:
            return None
        headers = {"X-aws-ec2-metadata-token": answer.body.decode("ascii").strip()}
        named = http.get(base + _INSTANCE_ROLES, headers, environ, until)
        roles = named.body.decode("ascii").split()
        if named.status != 200 or not roles:
            return None
        found = http.get(base + _INSTANCE_ROLES + roles[0], headers, environ, until)
    except (ShimError, ValueError):  # the latter for an answer that is no token
        return None
    return _of_document(found, f"the instance metadata service {base}", "instance metadata")


def _token_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "it is no text"
        raise ShimError(f"the token file {path} cannot be read: {why}", contract.EXIT_ACCESS_DENIED) from None
