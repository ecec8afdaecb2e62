"""aws-ssm-path://PATH: every parameter below a path (AWS Systems Manager API reference, GetParametersByPath), as a set."""

from __future__ import annotations

from lyftlearn_runtime import contract, parallel
from lyftlearn_runtime.aws import client
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.sources.ssm import SERVICE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lyftlearn_runtime.references import Item

OPTIONS = ()


def fetch(items: Sequence[Item], environ: Mapping[str, str], deadline: float) -> dict[Item, dict[str, str] | ShimError]:
    """For each path the values of its parameters, by the part of their name that follows the path."""
    signer = client.Signer(SERVICE, environ, deadline)
    return parallel.map_items(items, lambda item: _below(signer, "/" + item.name.strip("/"), deadline), deadline)


def _below(signer: client.Signer, path: str, deadline: float) -> dict[str, str]:
    found: dict[str, str] = {}
    token = None
    while True:
        document = {"Path": path, "Recursive": True, "WithDecryption": True, **({"NextToken": token} if token else {})}
        answer = client.call_json(signer, SERVICE, "AmazonSSM.GetParametersByPath", document, deadline)
        for one in client.object_list(answer, "Parameters"):
            found[str(one.get("Name", ""))[len(path) :].lstrip("/")] = str(one.get("Value", ""))
        before, token = token, answer.get("NextToken")
        if not token:
            break
        if token == before:
            raise ShimError(f"{SERVICE.title} gives the same page of {path} again and again", contract.EXIT_UNAVAILABLE)
    if not found:
        raise ShimError(f"there is no parameter below {path}; check the path and the region", contract.EXIT_UNAVAILABLE)
    return found
