"""AWS Secrets Manager: GetSecretValue."""

from __future__ import annotations

import base64
import hashlib
import json
import time

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws import client, credentials, sigv4
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SERVICE = "secretsmanager"


def get(name: str, environ: Mapping[str, str]) -> str:
    """The current text of a secret."""
    found = credentials.find(environ)
    base = client.endpoint(_SERVICE, environ)
    body = json.dumps({"SecretId": name}).encode()
    headers = {
        "Host": base.partition("://")[2].partition("/")[0],
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "secretsmanager.GetSecretValue",
    }
    timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    digest = hashlib.sha256(body).hexdigest()
    signed = sigv4.sign("POST", "/", "", headers, digest, found, client.region(environ), _SERVICE, timestamp)
    try:
        status, answer = client.request("POST", base + "/", signed, body, environ)
    except ShimError as error:
        raise ShimError("aws-sm://%s: %s" % (name, error.message), error.exit_code) from None
    return _value(name, status, answer)


def _value(name: str, status: int, answer: bytes) -> str:
    try:
        document = json.loads(answer.decode("utf-8"))
    except ValueError:
        raise ShimError(
            "aws-sm://%s: Secrets Manager's answer is not JSON (status %d)" % (name, status), contract.EXIT_UNAVAILABLE
        ) from None
    if status == 200:
        text = document.get("SecretString")
        return text if text is not None else base64.b64decode(document["SecretBinary"]).decode("utf-8", "surrogateescape")
    kind = str(document.get("__type", "")).rpartition("#")[2] or "status %d" % status
    if "AccessDenied" in kind or "UnrecognizedClient" in kind or status == 403:
        raise ShimError(
            "aws-sm://%s: %s; the job's role needs secretsmanager:GetSecretValue" % (name, kind), contract.EXIT_ACCESS_DENIED
        )
    raise ShimError("aws-sm://%s: %s; check the name and the region" % (name, kind), contract.EXIT_UNAVAILABLE)
