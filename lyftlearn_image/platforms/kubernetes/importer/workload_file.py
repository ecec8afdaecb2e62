"""From a file of manifests to the text of a workload file, and a list of everything that it does not carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image import clear_secrets, yamlfile
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.kubernetes.importer import documents
from lyftlearn_image.platforms.kubernetes.importer.fields import Left
from lyftlearn_image.platforms.kubernetes.importer.reader import Reader
from lyftlearn_image.platforms.serialize import as_yaml
from lyftlearn_image.workload import Kubernetes, Workload

if TYPE_CHECKING:
    from lyftlearn_image.platforms.kubernetes.importer.documents import Documents

_REMOVED = "removed, because it looked like a secret"
_SHOWN = ("kind", "cpus", "memory_mib")
_FIRST = ("name", "kind", "image", "output", "role_arn", "program", "command", "model")


@dataclass(frozen=True)
class Imported:
    """A workload, its text as YAML, and what it does not carry."""

    workload: Workload
    text: str
    left: tuple[Left, ...]


def read(text: str, name: str, *, main_name: str | None = None, kind: str = "training") -> Imported:
    """The workload of a file of manifests. `kind` is what a Job becomes that does not say it itself.

    Raises InvalidInputError for what are no manifests, and for a manifest that no workload can be made of.
    """
    manifests = documents.read(text, name, main_name)
    left = list(manifests.unquoted)
    try:
        fields = Reader(manifests, left).read(kind)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Anything may stand in a file; what the API would refuse is not looked at one by one.
        raise InvalidInputError(
            f"{documents.name_of(manifests.main)} is no manifest that the API takes: {type(error).__name__}",
            where=name,
            hint="`kubectl apply --dry-run=server -f` says what is wrong with it.",
        ) from None
    _leave_unused(manifests, left)
    return imported_workload(fields, left, name)


def imported_workload(fields: dict[str, Any], left: list[Left], name: str) -> Imported:
    """The workload of these fields, which were read from the file `name`; what looks like a secret is taken out.

    Raises InvalidInputError for fields that are no workload.
    """
    _remove_secrets(fields, left)
    written = as_yaml(_tidy(fields))
    return Imported(yamlfile.parse(written, Workload, name=f"the workload of {name}"), written, tuple(left))


def _tidy(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields as somebody would write them: the first ones first, and no defaults but the resources."""
    member = Workload.concrete(fields) or Workload
    defaults = {key: field.get_default() for key, field in member.model_fields.items()}
    own = {key: field.get_default() for key, field in Kubernetes.model_fields.items()}
    kubernetes = {key: value for key, value in fields.get("kubernetes", {}).items() if value != own.get(key)}
    fields_set = {key: value for key, value in fields.items() if key in _SHOWN or value != defaults.get(key)}
    order = [key for key in _FIRST if key in fields_set] + [key for key in fields_set if key not in (*_FIRST, "kubernetes")]
    return {**{key: fields_set[key] for key in order}, **({"kubernetes": kubernetes} if kubernetes else {})}


def _remove_secrets(fields: dict[str, Any], left: list[Left]) -> None:
    """Takes out every clear text that looks like a secret: a file becomes a reference, any other text is replaced."""
    for path, what in list(clear_secrets.find_secrets(fields)):
        at: Any = fields
        for part in path[:-1]:
            at = at[part]
        if path[0] == "files":
            del at["content"]
            at["secret"] = f"aws-sm://{fields['name']}/{str(path[1]).rpartition('/')[2]}"
        else:
            at[path[-1]] = _REMOVED
        why = f"it looks like {what}, and is not repeated"
        left.append(Left(".".join(map(str, path)), why, "Put it into Secrets Manager, and its reference under `secrets`."))


def _leave_unused(manifests: Documents, left: list[Left]) -> None:
    """Everything beside the manifest that it does not mention."""
    main = documents.name_of(manifests.main)
    for document in manifests.others:
        kind, name = str(document["kind"]), documents.name_of(document)
        if (kind, name) in manifests.used:
            continue
        if kind == "Service" and name == main:
            continue  # every compiled Deployment and Indexed Job has one of its own
        reason = (
            "a workload is one Job or one server" if kind in documents.RUNNING else "nothing of the imported manifest names it"
        )
        left.append(Left(f"{kind} {name}", reason, "Keep it beside the workload where it is needed."))
