"""aws-ssm://NAME: a parameter of AWS Systems Manager (API reference, GetParameters), decrypted.

NAME is `name`, `/a/path`, an ARN, or one of them with `:version` or `:label`.
"""

from __future__ import annotations

from lyftlearn_runtime import contract, parallel
from lyftlearn_runtime.aws import client, endpoints
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from lyftlearn_runtime.references import Item

OPTIONS = ()
SERVICE = endpoints.Service("ssm", "SSM", "Parameter Store")
# Names of GetParameters has at most so many.
_BATCH = 10


def fetch(items: Sequence[Item], environ: Mapping[str, str], deadline: float) -> dict[Item, str | ShimError]:
    """The parameters' values, ten with one request, the requests at the same time."""
    signer = client.Signer(SERVICE, environ, deadline)
    chunks = [tuple(items[start : start + _BATCH]) for start in range(0, len(items), _BATCH)]
    answers = parallel.map_items(chunks, lambda chunk: _batch(signer, chunk, deadline), deadline)
    found: dict[Item, str | ShimError] = {}
    for chunk, answer in answers.items():
        found.update(dict.fromkeys(chunk, answer) if isinstance(answer, ShimError) else answer)
    return found


def _batch(signer: client.Signer, items: Sequence[Item], deadline: float) -> dict[Item, str | ShimError]:
    document = {"Names": [item.name for item in items], "WithDecryption": True}
    answer = client.call_json(signer, SERVICE, "AmazonSSM.GetParameters", document, deadline)
    parameters = client.object_list(answer, "Parameters")
    return {item: _value(item.name, parameters) for item in items}


def _value(wanted: str, parameters: Sequence[Mapping[str, Any]]) -> str | ShimError:
    # An answer names the version or label that was asked for as Selector; some endpoints only the version's number.
    spelt = [
        (f"{one.get(name)}{selector}", one)
        for one in parameters
        for name in ("Name", "ARN")
        for selector in {str(one.get("Selector") or ""), f":{one.get('Version')}"}
    ]
    found = [one for text, one in spelt if text == wanted]
    if not found:
        return ShimError("there is no such parameter; check the name and the region", contract.EXIT_UNAVAILABLE)
    return str(max(found, key=_version).get("Value", ""))


def _version(one: Mapping[str, Any]) -> int:
    version = one.get("Version")
    return version if isinstance(version, int) else 0
