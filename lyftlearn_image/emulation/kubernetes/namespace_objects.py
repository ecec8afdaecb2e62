"""The objects of a namespace that a pod can refer to."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class NamespaceObjects:
    """ConfigMaps and Secrets by name, each a mapping of keys to bytes; the manifests of Services and ServiceAccounts.

    `config_map_texts` leaves `binaryData` out, which cannot become a variable. `service_accounts` are by name.
    """

    config_maps: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    config_map_texts: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    services: tuple[Mapping[str, Any], ...] = ()
    service_accounts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def from_manifests(cls, manifests: Iterable[Mapping[str, Any]]) -> NamespaceObjects:
        """The objects of these manifests; kinds that no pod refers to are left out."""
        config_maps, texts, secrets, services, service_accounts = {}, {}, {}, [], {}
        for manifest in manifests:
            kind, name = manifest["kind"], str(manifest["metadata"]["name"])
            if kind == "ConfigMap":
                texts[name] = _encode(manifest.get("data"))
                config_maps[name] = {**texts[name], **_decode(manifest.get("binaryData"))}
            elif kind == "Secret":
                secrets[name] = {**_decode(manifest.get("data")), **_encode(manifest.get("stringData"))}
            elif kind == "Service":
                services.append(manifest)
            elif kind == "ServiceAccount":
                service_accounts[name] = manifest
        return cls(config_maps, texts, secrets, tuple(services), service_accounts)


def _encode(values: Mapping[str, Any] | None) -> dict[str, bytes]:
    return {key: str(value).encode() for key, value in (values or {}).items()}


def _decode(values: Mapping[str, str] | None) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (values or {}).items()}
