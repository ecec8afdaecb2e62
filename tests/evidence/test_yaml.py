"""Our manifests as kubectl reads them: as `apply` does, and as kustomize does, which is another reader of YAML."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from lyftlearn_image.platforms.serialize import as_yaml
from tests.platforms.test_serialize import TEXTS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
# Kustomize writes what it has read, and reads that again: it ends in an error of its own over these values, and over keys that
# are no words, such as '1e3'.
_NOT_FOR_KUSTOMIZE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@pytest.fixture(scope="session")
def kubectl(request: pytest.FixtureRequest) -> str:
    """The program: this machine's, else Debian's."""
    return shutil.which("kubectl") or str(request.getfixturevalue("peers") / "bin" / "kubectl")


def manifests(texts: list[str], keys: list[str]) -> list[dict[str, Any]]:
    """Objects with the texts at every kind of place that takes any text."""
    named = dict(zip(keys, texts, strict=True))
    container = {"name": "main", "args": texts, "env": [{"name": "V", "value": text} for text in texts]}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": named},
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "x", "annotations": named},
            "spec": {"template": {"spec": {"containers": [container]}}},
        },
    ]


def read(kubectl: str, path: Path) -> list[dict[str, Any]]:
    """The objects as kubectl understands them, by the decoder of `apply`, without asking a server."""
    command = [kubectl, "annotate", "--local", "--dry-run=client", "--output=json", "--filename", str(path), "seen=yes"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    decoder, objects, rest = json.JSONDecoder(), [], done.stdout.strip()
    while rest:
        found, end = decoder.raw_decode(rest)
        objects.append(found)
        rest = rest[end:].strip()
    return objects


def changed(texts: list[str], keys: list[str], objects: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    """The texts that are others now, each with what it became; None where its key is another."""
    config_map, job = sorted(objects, key=lambda one: one["kind"])
    (container,) = job["spec"]["template"]["spec"]["containers"]
    annotations = job["metadata"]["annotations"]
    places = [
        [config_map.get("data", {}).get(key) for key in keys],
        [annotations.get(key) for key in keys],
        container["args"],
        [entry.get("value", "") for entry in container["env"]],
    ]
    assert all(len(place) == len(texts) for place in places)
    return [(text, found) for place in places for text, found in zip(texts, place, strict=True) if text != found]


LISTS = st.lists(TEXTS, min_size=20, max_size=40, unique=True)
# Shrinking would take minutes of processes; the assertion shows the one text that differs.
FEW = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate))


@FEW
@given(LISTS)
def test_kubectl_reads_every_text_as_it_was(kubectl: str, tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """As `kubectl apply` decodes a file."""
    path = tmp_path_factory.mktemp("apply") / "m.yaml"
    path.write_text(as_yaml(*manifests(texts, texts)))
    assert changed(texts, texts, read(kubectl, path)) == []


@FEW
@given(LISTS)
def test_kustomize_reads_every_text_as_it_was(kubectl: str, tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """As `kubectl kustomize` hands manifests on."""
    texts = [text for text in texts if not _NOT_FOR_KUSTOMIZE.search(text)]
    keys = [f"key-{number}" for number in range(len(texts))]
    directory = tmp_path_factory.mktemp("kustomize")
    (directory / "m.yaml").write_text(as_yaml(*manifests(texts, keys)))
    (directory / "kustomization.yaml").write_text("resources: [m.yaml]\n")
    done = subprocess.run([kubectl, "kustomize", str(directory)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    built = directory / "built.yaml"
    built.write_text(done.stdout)
    assert changed(texts, keys, read(kubectl, built)) == []
