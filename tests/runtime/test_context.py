"""Which service started us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lyftlearn_runtime import context
from lyftlearn_runtime.errors import ShimError

if TYPE_CHECKING:
    from pathlib import Path

PROCESSING, RESOURCES = context.PROCESSING_CONFIG, context.RESOURCE_CONFIG
METADATA = context.STUDIO_METADATA
NAME = {"TRAINING_JOB_NAME": "x"}
POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}


@pytest.mark.parametrize(
    ("environ", "argv", "paths", "expected"),
    [
        pytest.param({}, [], [], "docker", id="nothing"),
        pytest.param({"TRAINING_JOB_ARN": "arn", **NAME}, ["train"], [RESOURCES], "sagemaker-training", id="training"),
        pytest.param(NAME, ["train"], [RESOURCES], "sagemaker-training", id="local mode"),
        pytest.param({}, ["train"], [RESOURCES], "sagemaker-training", id="local mode without a name"),
        pytest.param({}, [], [PROCESSING], "sagemaker-processing", id="processing"),
        pytest.param({"SAGEMAKER_BATCH": "true"}, ["serve"], [], "sagemaker-transform", id="batch transform"),
        pytest.param({"SAGEMAKER_BATCH": "True"}, ["serve"], [], "sagemaker-transform", id="batch transform in local mode"),
        pytest.param({}, ["serve"], [], "sagemaker-hosting", id="hosting"),
        pytest.param({"SAGEMAKER_APP_TYPE": "JupyterLab"}, [], [], "sagemaker-studio", id="Studio"),
        pytest.param({"SM_APP_TYPE": "CodeEditor"}, [], [], "sagemaker-studio", id="Studio by its newer name"),
        pytest.param(NAME, ["train"], [METADATA], "sagemaker-training", id="local mode in Studio"),
        pytest.param(POD, ["train"], [], "kubernetes", id="a pod with the argument train"),
        pytest.param(POD, ["serve"], [], "kubernetes", id="a pod with the argument serve"),
        pytest.param(POD, [], [PROCESSING], "kubernetes", id="a restarted pod finds the files that the shim wrote"),
        pytest.param({}, ["serve"], [context.SERVICE_ACCOUNT], "kubernetes", id="a pod by its token alone"),
        pytest.param({"AWS_EXECUTION_ENV": "AWS_ECS_EC2"}, [], [], "docker", id="what ECS sets too proves nothing"),
        pytest.param({"LYFTLEARN_CONTEXT": "docker", "TRAINING_JOB_ARN": "arn"}, [], [], "docker", id="override"),
    ],
)  # fmt: skip
def test_the_context_follows_documented_signals(
    environ: dict[str, str], argv: list[str], paths: list[str], expected: str
) -> None:
    """By what only one service sets, and never by what several have."""
    found = context.detect(environ, argv, paths.__contains__)
    assert found.name == expected
    assert found.because


def test_an_unknown_override_names_the_known_contexts() -> None:
    """A typing error is no context."""
    with pytest.raises(ShimError, match="expected one of sagemaker-training") as caught:
        context.detect({"LYFTLEARN_CONTEXT": "sagemaker"}, [], lambda _: False)
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    ("text", "expected"),
    [('{"AppType": "JupyterLab"}', True), ('{"ResourceArn": "arn"}', False), ("no JSON", False), ("3", False)],
)
def test_only_metadata_with_an_app_is_studio(tmp_path: Path, text: str, expected: bool) -> None:  # noqa: FBT001 - a case
    """A classic notebook instance has the same file without AppType."""
    path = tmp_path / "resource-metadata.json"
    path.write_text(text)
    assert context._names_an_app(str(path)) is expected
