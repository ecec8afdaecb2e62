"""aws-sm://NAME: AWS Secrets Manager (API reference, GetSecretValue)."""

from __future__ import annotations

import base64
import json

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws import client, credentials
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SERVICE = client.Service("secretsmanager", "SECRETS_MANAGER")
_DENIED = ("AccessDenied", "UnrecognizedClient", "InvalidSignature", "ExpiredToken", "InvalidClientTokenId")


def fetch(name: str, environ: Mapping[str, str], deadline: float) -> str:
    """The current text of a secret, by its name or ARN."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager.GetSecretValue"}
    body = json.dumps({"SecretId": name}).encode()
    base = client.endpoint(_SERVICE, environ)
    signer = client.Signer(_SERVICE, environ, credentials.find(environ, deadline))
    answer = client.call(signer, "POST", base + "/", headers, body, deadline)
    return _value(answer, base)


def _value(answer: client.Answer, base: str) -> str:
    try:
        document = json.loads(answer.body.decode("utf-8"))
        if answer.status == 200:
            text = document.get("SecretString")
            return text if text is not None else base64.b64decode(document["SecretBinary"]).decode("utf-8", "surrogateescape")
        kind = str(document.get("__type", "")).rpartition("#")[2] or f"status {answer.status}"
    except (ValueError, AttributeError, KeyError):
        raise ShimError(
            f"Secrets Manager at {base} gave no answer that can be read (status {answer.status})", contract.EXIT_UNAVAILABLE
        ) from None
    if any(word in kind for word in _DENIED) or answer.status == 403:
        raise ShimError(
            f"Secrets Manager at {base} says {kind}; the job's role needs secretsmanager:GetSecretValue",
            contract.EXIT_ACCESS_DENIED,
        )
    raise ShimError(f"Secrets Manager at {base} says {kind}; check the name and the region", contract.EXIT_UNAVAILABLE)
