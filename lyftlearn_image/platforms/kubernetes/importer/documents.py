"""The documents of a file of manifests, by kind and name."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image import yaml_loader
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.kubernetes.importer.live import is_made_by_the_cluster, without_server_fields
from lyftlearn_image.platforms.kubernetes.importer.plain_scalars import keep_as_written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.platforms.kubernetes.importer.fields import Left

RUNNING = ("Job", "CronJob", "Deployment", "Pod")


@dataclass(frozen=True)
class Documents:
    """The one manifest that runs something, and what stands beside it.

    `unquoted` are scalars that YAML would not take for the text that they are; `used` the others that were read, by kind
    and name.
    """

    main: Mapping[str, Any]
    others: tuple[Mapping[str, Any], ...]
    unquoted: tuple[Left, ...] = ()
    used: set[tuple[str, str]] = field(default_factory=set)

    def all_of(self, kind: str) -> Iterator[Mapping[str, Any]]:
        """Every other document of a kind; none counts as used by that."""
        return (document for document in self.others if document.get("kind") == kind)

    def get(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """The document of a kind and a name, which counts as used then."""
        for document in self.others:
            if document.get("kind") == kind and name_of(document) == name:
                self.used.add((kind, name))
                return document
        return None


def read(text: str, name: str, main_name: str | None) -> Documents:
    """The documents of a text. `main_name` is the name of the manifest to read where there are several.

    Raises InvalidInputError with the line for what is no YAML, and for a text with nothing, or too much, that runs.
    """
    unquoted: list[Left] = []
    loaded = yaml_loader.load_manifests(text, name, lambda node: unquoted.extend(keep_as_written(node)))
    documents = [one for document in loaded if document is not None for one in _members(document, name)]
    documents = [one for one in documents if not is_made_by_the_cluster(one)]
    running = [document for document in documents if document["kind"] in RUNNING and main_name in (None, name_of(document))]
    if len(running) != 1:
        names = ", ".join(f"{document['kind']} {name_of(document)}" for document in running)
        what = (
            f"{name} has {names}" if running else f"{name} has no {' or '.join(RUNNING)}{f' {main_name}' if main_name else ''}"
        )
        raise InvalidInputError(what, where=name, hint="Say which one with --name." if running else "")
    others = tuple(without_server_fields(document) for document in documents if document is not running[0])
    return Documents(without_server_fields(running[0]), others, tuple(unquoted))


def _members(document: Any, name: str) -> Iterator[Mapping[str, Any]]:
    """A document, or those in it when it is a List, which may hold Lists."""
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        raise InvalidInputError(f"{name} has a document without a `kind`", where=name, hint="Is it a manifest?")
    if document["kind"] != "List":
        yield document
        return
    items = document.get("items") or []
    if not isinstance(items, list):
        raise InvalidInputError(f"{name} has a List whose `items` are no list", where=name, hint="Is it a manifest?")
    for item in items:
        yield from _members(item, name)


def name_of(document: Mapping[str, Any]) -> str:
    """The name of a document, or the beginning of a generated one."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        return ""
    return str(metadata.get("name") or str(metadata.get("generateName") or "").rstrip("-"))


def texts_of(config_map: Mapping[str, Any]) -> dict[str, str | None]:
    """The values of a ConfigMap by key; None for one that is no text."""
    texts: dict[str, str | None] = {str(key): str(value) for key, value in (config_map.get("data") or {}).items()}
    for key, value in (config_map.get("binaryData") or {}).items():
        try:
            texts[key] = base64.b64decode(str(value), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            texts[key] = None
    return texts


def keys_of(secret: Mapping[str, Any]) -> list[str]:
    """The keys of a Secret. Its values are never looked at."""
    return sorted({**(secret.get("data") or {}), **(secret.get("stringData") or {})})
