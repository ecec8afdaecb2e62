"""Every manifest and request that we make, against the schemas that the platforms publish.

For manifests that is `lightkube-models`, which is made of Kubernetes' own OpenAPI; for requests, botocore's service model.
The checks are themselves held: at every place of every golden document a field is added, and a value is spoilt.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.parity.suite import load_suite
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.platforms.sagemaker import api_model
from tests.platforms.test_compile import model_of, unknown_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PLATFORMS = ROOT / "tests" / "platforms"
MANIFESTS = sorted((*PLATFORMS.glob("golden/*.kubernetes.yaml"), *(PLATFORMS / "kubernetes" / "golden").glob("*ing.yaml")))
REQUESTS = sorted((*PLATFORMS.glob("golden/*.sagemaker.json"), *(PLATFORMS / "sagemaker" / "golden").glob("*.json")))
SUITES = (ROOT / "parity_tests" / "suite.yaml", ROOT / "examples" / "team-image" / "suite.yaml")
# Objects of a manifest, and maps of a request, whose keys are the user's own.
ANY_KEY = {"data", "binaryData", "stringData", "labels", "annotations", "matchLabels", "limits", "requests", "nodeSelector"}
ANY_KEY_OF_A_REQUEST = {"HyperParameters", "StaticHyperParameters", "Environment", "ContainerEnvironmentVariables"}
LAUNCH = Launch("schemas-1", "s3://bucket/runs", statsd="10.0.0.1:9125", observe_key="00" * 16)


def faults_of_manifest(manifest: dict[str, Any]) -> list[str]:
    """What the published schema says against a manifest: an unknown field, or a value of another type."""
    model = model_of(manifest["kind"])
    try:
        msgspec.convert(manifest, model)
    except msgspec.ValidationError as error:
        return [str(error)]
    return [*unknown_fields(manifest, model, manifest["kind"]), *untyped_values(manifest)]


def is_map(manifest: dict[str, Any], path: tuple[str | int, ...]) -> bool:
    """Whether the keys of the object at a path are the user's own. A Service's selector is a map; others' are objects."""
    return path[-1] in ANY_KEY or (manifest["kind"] == "Service" and path == ("spec", "selector"))


def untyped_values(manifest: dict[str, Any]) -> Iterator[str]:
    """Every value of a map that is no string: `additionalProperties: {type: string}`, which the models do not have.

    A quantity may be a number too: apimachinery, pkg/api/resource/quantity.go, UnmarshalJSON.
    """
    for path, value in walk(manifest):
        if isinstance(value, dict) and is_map(manifest, path):
            allowed = (str, int, float) if path[-1] in {"limits", "requests"} else (str,)
            yield from (f"{path}: {name}" for name, inner in value.items() if type(inner) not in allowed)


def walk(document: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every object, list and value below a document, each with its path."""
    pending: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while pending:
        path, here = pending.pop()
        inner = here.items() if isinstance(here, dict) else enumerate(here) if isinstance(here, list) else ()
        below = [((*path, key), value) for key, value in inner]
        yield from below
        pending += below


def places(document: Any) -> list[tuple[str | int, ...]]:
    """The paths of all of them."""
    return [path for path, _ in walk(document)]


def at(document: Any, path: tuple[str | int, ...]) -> Any:
    """What is there."""
    for key in path:
        document = document[key]
    return document


def with_a_field(document: Any, path: tuple[str | int, ...]) -> Any:
    """A copy with a field that no schema has in the object at a path."""
    changed = copy.deepcopy(document)
    at(changed, path)["notAFieldOfAnything"] = "x"
    return changed


def with_another_type(document: Any, path: tuple[str | int, ...]) -> Any:
    """A copy in which the value at a path is an object in a list, which no field is as a value."""
    changed = copy.deepcopy(document)
    at(changed, path[:-1])[path[-1]] = [[{"not": "a value"}]]
    return changed


def refuses(action: str, document: dict[str, Any]) -> bool:
    """Whether the API's model has something against a request."""
    try:
        api_model.validate_request(action, document)
    except InvalidInputError:
        return True
    return False


def manifests(path: Path) -> list[dict[str, Any]]:
    """The manifests of a golden file."""
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def requests(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The requests of a golden file, each with its action."""
    document = json.loads(path.read_text())
    if all(key.startswith("Create") for key in document):
        return list(document.items())
    return [("CreateTrainingJob" if "TrainingJobName" in document else "CreateProcessingJob", document)]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_every_golden_manifest_is_what_kubernetes_publishes(path: Path) -> None:
    """No field that a server would drop or refuse, and every value of its type."""
    for manifest in manifests(path):
        assert faults_of_manifest(manifest) == []


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_fault_anywhere_in_a_manifest_is_found(path: Path) -> None:
    """Planted at every place: a field that is none in each object, and another type for each value."""
    planted = 0
    for manifest in manifests(path):
        for place in places(manifest):
            value = at(manifest, place)
            if isinstance(value, dict) and not is_map(manifest, place):
                assert faults_of_manifest(with_a_field(manifest, place)), place
                planted += 1
            if not isinstance(value, dict | list) and place != ("kind",):
                assert faults_of_manifest(with_another_type(manifest, place)), place
                planted += 1
    assert planted > 5


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.name)
def test_every_golden_request_is_what_the_api_takes(path: Path) -> None:
    """Names, types, lengths, patterns and what is required."""
    for action, document in requests(path):
        api_model.validate_request(action, document)


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.name)
def test_a_fault_anywhere_in_a_request_is_found(path: Path) -> None:
    """Planted at every place: a parameter that is none in each structure, and another type for each value."""
    planted = 0
    for action, document in requests(path):
        for place in ((), *places(document)):
            value = at(document, place)
            if isinstance(value, dict) and not (place and place[-1] in ANY_KEY_OF_A_REQUEST):
                assert refuses(action, with_a_field(document, place)), place
                planted += 1
            elif not isinstance(value, dict | list):
                assert refuses(action, with_another_type(document, place)), place
                planted += 1
    assert planted > 5


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.parent.name)
def test_every_case_of_a_suite_is_what_both_platforms_take(suite: Path) -> None:
    """Of our own suite and of the examples, compiled as a run compiles them."""
    cases = load_suite(suite).cases
    assert cases
    for case in cases:
        for target in ("sagemaker", "kubernetes"):
            workload = case.workload_for(target)  # type: ignore[arg-type] # the two names
            staged = workload.with_(channels=dict.fromkeys(workload.channels, "s3://bucket/staged/"))
            compiled = compile_for(target, staged, LAUNCH)  # type: ignore[arg-type] # as above
            for action, document in zip(compiled.actions or (compiled.action,) * 9, compiled.documents, strict=False):
                if target == "sagemaker":
                    api_model.validate_request(action, document)
                else:
                    assert faults_of_manifest(document) == []
