"""confidant://SERVICE: the credentials of a service in Lyft's Confidant, as a set; `#key` picks one.

The request carries a token of lyft/python-kmsauth, version 2: a period of validity that only somebody with the right to
use the KMS key, as this service, can have encrypted. What must be said: CONFIDANT_URL, CONFIDANT_AUTH_KEY (the key's
alias or ARN), CONFIDANT_FROM (who asks; the service itself where it is not set), CONFIDANT_TO (`confidant-production`).
Sources: lyft/python-kmsauth README ("Token formats"), lyft/confidant documentation (service-to-service authentication).
"""

from __future__ import annotations

import base64
import json
import time

from lyftlearn_runtime import contract, parallel
from lyftlearn_runtime.aws import client, endpoints, http, sigv4
from lyftlearn_runtime.aws.request import origin
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lyftlearn_runtime.references import Item

OPTIONS = ()
_KMS = endpoints.Service("kms", "KMS", "KMS")
_TO = "confidant-production"
# Ten minutes, as the client has it; three for clocks that differ (kmsauth's TOKEN_SKEW).
_LIFETIME_S = 600
_SKEW_S = 180


def fetch(items: Sequence[Item], environ: Mapping[str, str], deadline: float) -> dict[Item, dict[str, str] | ShimError]:
    """For each service the pairs of all its credentials; where two have one name, the last credential's wins."""
    for name in ("CONFIDANT_URL", "CONFIDANT_AUTH_KEY"):
        if not environ.get(name):
            raise ShimError(f"{name} is not set, and a reference to Confidant needs it", contract.EXIT_CONFIG)
    signer = client.Signer(_KMS, environ, deadline)
    return parallel.map_items(items, lambda item: _of(signer, item.name, environ, deadline), deadline)


def _of(signer: client.Signer, service: str, environ: Mapping[str, str], deadline: float) -> dict[str, str]:
    who = environ.get("CONFIDANT_FROM") or service
    account = f"2/service/{who}:{_token(signer, who, environ, deadline)}"
    headers = {"Authorization": "Basic " + base64.b64encode(account.encode("utf-8", "surrogateescape")).decode()}
    base = environ["CONFIDANT_URL"].rstrip("/")
    answer = http.get(f"{base}/v1/services/{sigv4.quote(service)}", headers, environ, deadline)
    where = origin(base)
    if answer.status in (401, 403):
        raise ShimError(
            f"Confidant at {where} refuses {who} (status {answer.status}); check its grant on the key",
            contract.EXIT_ACCESS_DENIED,
        )
    if answer.status == 404:
        raise ShimError(f"Confidant at {where} has no service {service}", contract.EXIT_UNAVAILABLE)
    try:
        credentials = json.loads(answer.body.decode("utf-8"))["credentials"]
        return {str(key): str(value) for one in credentials for key, value in one["credential_pairs"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ShimError(
            f"Confidant at {where} gave no answer that can be read (status {answer.status})", contract.EXIT_UNAVAILABLE
        ) from None


def _token(signer: client.Signer, who: str, environ: Mapping[str, str], deadline: float) -> str:
    now = time.time()
    period = {"not_before": _timestamp(now - _SKEW_S), "not_after": _timestamp(now + _LIFETIME_S - _SKEW_S)}
    document = {
        "KeyId": environ["CONFIDANT_AUTH_KEY"],
        "Plaintext": base64.b64encode(json.dumps(period).encode()).decode(),
        "EncryptionContext": {"from": who, "to": environ.get("CONFIDANT_TO") or _TO, "user_type": "service"},
    }
    return str(client.call_json(signer, _KMS, "TrentService.Encrypt", document, deadline).get("CiphertextBlob", ""))


def _timestamp(seconds: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))
