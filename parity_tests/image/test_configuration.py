"""The image's configuration and history: what an orchestrator and anybody with the image can read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import docker

SHIM = "/opt/lyftlearn/bin/entrypoint"
# What a credential looks like in a build step: a URL with a password, a key, a certificate, a token.
CREDENTIALS = re.compile(
    r"://[^/\s:@]+:[^/\s@]+@"
    r"|BEGIN [A-Z ]*(PRIVATE KEY|CERTIFICATE)"
    r"|AKIA[0-9A-Z]{16}"
    r"|(password|passwd|token|api_?key|secret)\s*=\s*\S",
    re.IGNORECASE,
)


def test_the_entrypoint_is_in_exec_form_and_the_command_is_empty(configuration: Mapping[str, Any]) -> None:
    """A shell as PID 1 would swallow signals; a default command would hide that none was given."""
    assert configuration["Entrypoint"] == [SHIM]
    assert not configuration.get("Cmd")


def test_the_image_names_no_user(configuration: Mapping[str, Any]) -> None:
    """SageMaker wants root and a restricted pod wants its own UID; a USER would break one of them."""
    assert not configuration.get("User")


def test_the_image_declares_no_volume_and_no_port(configuration: Mapping[str, Any]) -> None:
    """A VOLUME would hide what a team's image puts there; a port is the workload's business."""
    assert not configuration.get("Volumes")
    assert not configuration.get("ExposedPorts")


def test_scripts_start_where_a_team_copies_them(configuration: Mapping[str, Any]) -> None:
    """A relative program or command is found below /opt/ml/code."""
    assert configuration["WorkingDir"] == "/opt/ml/code"


def test_the_environment_is_the_contracts_and_nothing_more(configuration: Mapping[str, Any]) -> None:
    """Venv first, then the shim, then Debian's default; locale and time as the contract has them; no build variable left."""
    assert dict(variable.split("=", 1) for variable in configuration["Env"]) == {
        "PATH": "/opt/venv/bin:/opt/lyftlearn/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/home/lyftlearn",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.mark.parametrize("name", ["title", "description", "version", "licenses", "base.name"])
def test_the_image_carries_the_oci_label(configuration: Mapping[str, Any], name: str) -> None:
    """A registry and a scanner show what the image is without starting it."""
    assert configuration["Labels"].get(f"org.opencontainers.image.{name}")


def test_labels_and_manifest_agree(configuration: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Class, version and base are told once, in two places."""
    labels = configuration["Labels"]
    assert labels["dev.lyftlearn.class"] == manifest["class"]
    assert labels["org.opencontainers.image.version"] == manifest["version"]
    assert labels["org.opencontainers.image.base.name"] == manifest["base"]["image"]


def test_a_digest_of_the_base_is_told_only_when_that_base_was_used(
    configuration: Mapping[str, Any], manifest: Mapping[str, Any]
) -> None:
    """A base that was bootstrapped from packages is not the image with the registry's digest, and must not say so."""
    if "dev.lyftlearn.bootstrapped-from" in configuration["Labels"]:
        assert "org.opencontainers.image.base.digest" not in configuration["Labels"]
        assert "digest" not in manifest["base"]
    else:
        assert configuration["Labels"]["org.opencontainers.image.base.digest"] == manifest["base"]["digest"]


def test_no_step_of_the_history_carries_a_credential(engine_client: docker.DockerClient, lyftlearn_image_tag: str) -> None:
    """Everybody who can pull the image can read its history."""
    steps = [layer["CreatedBy"] for layer in engine_client.images.get(lyftlearn_image_tag).history()]
    assert len(steps) > 5
    assert [step for step in steps if CREDENTIALS.search(step)] == []


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("pip install --index-url https://user:hunter2@index.example/simple x", id="index credential"),
        pytest.param("ENV API_TOKEN=abc", id="variable"),
        pytest.param("|1 DB_PASSWORD=abc /bin/sh -c make", id="build argument"),
        pytest.param("echo '-----BEGIN CERTIFICATE-----' > ca.pem", id="certificate"),
    ],
)
def test_a_credential_in_a_step_would_be_noticed(step: str) -> None:
    """The check of the history is not blind."""
    assert CREDENTIALS.search(step)
