"""The objects that manifests give to a namespace."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import given, strategies as st

from lyftlearn_image.emulation.kubernetes.namespace_objects import NamespaceObjects

KEYS = st.text("abc.-_", min_size=1, max_size=3)
BINARY = st.dictionaries(KEYS, st.binary(max_size=8), max_size=3)
TEXT = st.dictionaries(KEYS, st.text(max_size=8), max_size=3)


def manifest(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    """An object of a kind."""
    return {"kind": kind, "metadata": {"name": name}, **fields}


def encoded(values: dict[str, bytes]) -> dict[str, str]:
    """Values as they are in a manifest."""
    return {key: base64.b64encode(value).decode() for key, value in values.items()}


@given(TEXT, BINARY)
def test_a_config_map_has_text_and_bytes_and_a_secret_prefers_text(text: dict[str, str], binary: dict[str, bytes]) -> None:
    """`binaryData` is in a ConfigMap's files but not in its variables; `stringData` overrides the `data` of a Secret."""
    objects = NamespaceObjects.from_manifests(
        [
            manifest("ConfigMap", "map", data=text, binaryData=encoded(binary)),
            manifest("Secret", "secret", data=encoded(binary), stringData=text),
            manifest("ConfigMap", "empty"),
        ]
    )
    plain = {key: value.encode() for key, value in text.items()}
    assert objects.config_map_texts == {"map": plain, "empty": {}}
    assert objects.config_maps == {"map": {**plain, **binary}, "empty": {}}
    assert objects.secrets == {"secret": {**binary, **plain}}


def test_services_and_service_accounts_stay_manifests() -> None:
    """Services in their order, ServiceAccounts by name; any other kind is left out."""
    services = [manifest("Service", "b"), manifest("Service", "a")]
    account = manifest("ServiceAccount", "etl")
    objects = NamespaceObjects.from_manifests([*services, account, manifest("Job", "job")])
    assert objects == NamespaceObjects(services=tuple(services), service_accounts={"etl": account})
