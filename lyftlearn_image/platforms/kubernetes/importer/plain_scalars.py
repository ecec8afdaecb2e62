"""Unquoted words of a manifest that YAML 1.1 makes something else of than text: `010` is 8, `12:30:45` is 45045, `yes` is true.

Where the API wants a text, `kubectl apply` refuses most of them, and each reader of YAML takes others for text. Here each is
carried as it is written, and told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from lyftlearn_image.platforms.kubernetes.importer.fields import Left
from lyftlearn_image.platforms.serialize import NO_TEXT_TO_KUBECTL

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEXT, _NULL, _MERGE = (f"tag:yaml.org,2002:{name}" for name in ("str", "null", "merge"))
# Fields that are a text, mappings of texts, and lists of them (Kubernetes API reference), as far as the importer reads them.
_FIELDS = frozenset({
    "apiVersion", "claimName", "effect", "fieldPath", "generateName", "image", "key", "kind", "mountPath", "name", "namespace",
    "operator", "path", "resource", "restartPolicy", "secretName", "serviceAccount", "serviceAccountName", "storageClassName",
    "subPath", "value", "workingDir",
})  # fmt: skip
_MAPPINGS = frozenset({"annotations", "binaryData", "data", "labels", "matchLabels", "nodeSelector", "stringData"})
_LISTS = frozenset({"args", "command"})


def keep_as_written(document: yaml.Node) -> list[Left]:
    """Makes texts of what stands unquoted where the API wants a text, each of them told with its line."""
    kinds = (
        [value.value for key, value in document.value if key.value == "kind"] if isinstance(document, yaml.MappingNode) else []
    )
    return list(_keep(document, str(kinds[0]) if kinds else "document", "", set()))


def _keep(node: yaml.Node, place: str, inside: str, seen: set[int]) -> Iterator[Left]:
    """`inside` is the last key above a node: it says whether what is in it are texts."""
    if id(node) in seen:  # an alias, maybe of a node that it is in
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = f"{place}.{key.value}" if isinstance(key, yaml.ScalarNode) else place
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                yield from _keep_scalar(key, below, key.value)
            yield from _keep_value(value, below, str(key.value), seen, inside in _MAPPINGS or key.value in _FIELDS)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _keep_value(item, f"{place}[{number}]", "", seen, inside in _LISTS)


def _keep_value(node: yaml.Node, place: str, key: str, seen: set[int], is_text: bool) -> Iterator[Left]:  # noqa: FBT001
    if not isinstance(node, yaml.ScalarNode):
        yield from _keep(node, place, key, seen)
    elif is_text:
        # The API takes nothing, in words or in none, for the empty text.
        yield from _keep_scalar(node, place, "" if node.tag == _NULL else node.value)


def _keep_scalar(node: yaml.ScalarNode, place: str, text: str) -> Iterator[Left]:
    kind = node.tag.rpartition(":")[2]
    if node.tag == _TEXT and node.style is None and NO_TEXT_TO_KUBECTL.fullmatch(node.value):
        kind = "bool" if node.value.isalpha() else "number"
    is_told = kind != "str" and bool(node.value)
    node.tag, node.value = _TEXT, text
    if is_told:
        # Its value is not repeated: it may be a secret.
        taken = "as it is written" if text else "as an empty one"
        why = f"line {node.start_mark.line + 1} has an unquoted {kind} where the API wants a text; it is taken {taken}"
        yield Left(place, why, "Quote it.")
