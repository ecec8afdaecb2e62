"""aws-sm://NAME: AWS Secrets Manager (API reference, GetSecretValue and BatchGetSecretValue), `version` and `stage` too."""

from __future__ import annotations

import base64

from lyftlearn_runtime import contract, parallel
from lyftlearn_runtime.aws import client, endpoints
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from lyftlearn_runtime.references import Item

OPTIONS = ("stage", "version")
SERVICE = endpoints.Service("secretsmanager", "SECRETS_MANAGER", "Secrets Manager")
# SecretIdList of BatchGetSecretValue has at most so many.
_BATCH = 20


def fetch(items: Sequence[Item], environ: Mapping[str, str], deadline: float) -> dict[Item, str | ShimError]:
    """The texts of secrets by name or ARN; of those with two or more current ones, twenty with one request."""
    signer = client.Signer(SERVICE, environ, deadline)
    current = [item for item in items if not item.options]
    found = _in_batches(signer, current, deadline) if len(current) > 1 else {}
    rest = [item for item in items if item not in found]
    return {**found, **parallel.map_items(rest, lambda item: _one(signer, item, deadline), deadline)}


def _in_batches(signer: client.Signer, items: Sequence[Item], deadline: float) -> dict[Item, str | ShimError]:
    """What batches bring. What they do not is asked for one by one, which also tells why it cannot be had."""
    chunks = [tuple(items[start : start + _BATCH]) for start in range(0, len(items), _BATCH)]
    answers = parallel.map_items(chunks, lambda chunk: _batch(signer, chunk, deadline), deadline)
    return {item: text for answer in answers.values() if isinstance(answer, dict) for item, text in answer.items()}


def _batch(signer: client.Signer, items: Sequence[Item], deadline: float) -> dict[Item, str]:
    document = {"SecretIdList": [item.name for item in items]}
    # A role may have GetSecretValue alone, an old endpoint not the action: then its error is no reason to stop.
    answer = client.call_json(signer, SERVICE, "secretsmanager.BatchGetSecretValue", document, deadline)
    values = client.object_list(answer, "SecretValues")
    found = {}
    for item in items:
        match = next((one for one in values if _is(item.name, one)), None)
        if match is not None:
            found[item] = _text(match, signer)
    return found


def _is(wanted: str, secret: Mapping[str, Any]) -> bool:
    """Whether an answer is for this name, ARN, or ARN without the six random characters at its end."""
    arn = str(secret.get("ARN", ""))
    return wanted in (secret.get("Name"), arn) or (wanted.startswith("arn:") and arn[: -len("-123456")] == wanted)


def _one(signer: client.Signer, item: Item, deadline: float) -> str:
    options = dict(item.options)
    document = {"SecretId": item.name}
    if "version" in options:
        document["VersionId"] = options["version"]
    if "stage" in options:
        document["VersionStage"] = options["stage"]
    return _text(client.call_json(signer, SERVICE, "secretsmanager.GetSecretValue", document, deadline), signer)


def _text(secret: Mapping[str, Any], signer: client.Signer) -> str:
    try:
        text = secret.get("SecretString")
        if text is None:
            text = base64.b64decode(secret["SecretBinary"]).decode("utf-8", "surrogateescape")
        return str(text)
    except (KeyError, TypeError, ValueError):
        base = endpoints.url(SERVICE, signer.environ)
        raise ShimError(f"Secrets Manager at {base} gave neither text nor bytes", contract.EXIT_UNAVAILABLE) from None
