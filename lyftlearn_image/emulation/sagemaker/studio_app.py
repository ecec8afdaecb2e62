"""A Studio space on this machine: a JupyterLab app of a custom image, as CreateAppImageConfig describes it.

Sources: SageMaker developer guide, studio-updated-byoi-specs (user, home, reserved directories, variables) and
studio-updated-jl-admin-guide-custom-images (port, base URL, health); API reference, ContainerConfig and FileSystemConfig; the
metadata file as aws-samples/sagemaker-ssh-helper reads it.
"""

from __future__ import annotations

import contextlib
import http
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.docker.container_spec import ContainerSpec, Mount
from lyftlearn_image.emulation.sagemaker import fields, opt_ml
from lyftlearn_image.emulation.sagemaker.job_plan import argument_list
from lyftlearn_image.emulation.sagemaker.serving.http_client import Answer, NoAnswerError, Patience, exchange, wait_until
from lyftlearn_image.errors import InvalidInputError, LyftlearnError, UnsupportedError
from lyftlearn_image.platforms.sagemaker.actions import APP_CONFIG, IMAGE, IMAGE_VERSION
from lyftlearn_image.platforms.sagemaker.api_model import validate_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.docker.running_container import RunningContainer
    from lyftlearn_image.emulation.sagemaker.context import Machine
    from lyftlearn_image.platforms.launch import Compiled

PORT = 8888
BASE_URL = "/jupyterlab/default"
HEALTH = f"{BASE_URL}/api/status"
HOME = "/home/sagemaker-user"
METADATA = "/opt/ml/metadata/resource-metadata.json"
# The user that Studio starts apps as, unless FileSystemConfig says another (API reference).
_UID, _GID = 1000, 100
# An app that does not answer fails after about a quarter of an hour (seen in aws/sagemaker-distribution#538).
START_TIMEOUT_S = 15 * 60
_HEALTH_TIMEOUT_S = 10.0
# "docker stop" (developer guide, studio-byoi-specs); its seconds are not documented.
_STOP_GRACE_S = 30
_DOMAIN = "d-lyftlearn"
_SHOWN_CHARACTERS = 500
_TABLES = {IMAGE: fields.IMAGE, IMAGE_VERSION: fields.IMAGE_VERSION, APP_CONFIG: fields.APP_IMAGE_CONFIG}


class SpaceFailedError(LyftlearnError):
    """The app did not come up; Studio says `InternalFailure` and no more, and the rest is here what the container said."""


@dataclass(frozen=True)
class Space:
    """An app in service. `home` is the directory of this machine that is the space's volume."""

    host: str
    home: Path
    running: RunningContainer

    def ask(self, path: str) -> Answer:
        """The answer to a GET below the base URL, such as `/api/contents`."""
        patience = Patience(_HEALTH_TIMEOUT_S, _HEALTH_TIMEOUT_S)
        return exchange((self.host, PORT), ("GET", f"{BASE_URL}{path}"), patience)

    def is_healthy(self) -> bool:
        """Whether the app's health check is answered with 200."""
        try:
            return self.ask(HEALTH.removeprefix(BASE_URL)).status == http.HTTPStatus.OK
        except NoAnswerError:
            return False


@contextlib.contextmanager
def opened(
    machine: Machine,
    compiled: Compiled,
    workspace: Path,
    *,
    instance_type: str = "ml.t3.medium",
    on_line: Callable[[str], None] | None = None,
) -> Iterator[Space]:
    """The JupyterLab app of a compiled notebook, healthy; stopped with SIGTERM at the end.

    `workspace` has the container's `stdout` and `stderr`, and `home`, which outlives the app as the space's volume does.
    Raises SpaceFailedError when it does not come up, UnsupportedError and InvalidInputError for what is not implemented or
    would be refused.
    """
    image, version, app = _checked(compiled)
    home = workspace / "home"
    spec = _spec(machine, version["BaseImage"], app, workspace, instance_type)
    stdout, stderr = workspace / "stdout", workspace / "stderr"
    with machine.containers.start(spec, stdout=stdout, stderr=stderr, on_line=on_line) as running:
        space = Space(str(spec.ip), home, running)
        try:
            if not wait_until(space.is_healthy, running, START_TIMEOUT_S, lambda: False):
                raise SpaceFailedError(f"InternalFailure: {_why(image['ImageName'], running, workspace)}")
            yield space
        finally:
            running.stop(_STOP_GRACE_S)
            running.wait()


def _checked(compiled: Compiled) -> tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]:
    """The three requests, refused where the service or this emulator would."""
    if compiled.actions != tuple(_TABLES):
        raise UnsupportedError(f"a space is opened from {', '.join(_TABLES)}", where=f"got {', '.join(compiled.actions)}")
    for (action, table), request in zip(_TABLES.items(), compiled.documents, strict=True):
        validate_request(action, request)
        fields.refuse_unknown(request, table)
    image, version, app = compiled.documents
    if version["ImageName"] != image["ImageName"]:
        raise InvalidInputError(f"CreateImageVersion is of {version['ImageName']}, CreateImage of {image['ImageName']}")
    if "JupyterLabAppImageConfig" not in app:
        raise UnsupportedError("the embedded target opens JupyterLab apps only", hint="Add a JupyterLabAppImageConfig.")
    return image, version, app


def _spec(machine: Machine, image: str, app: Mapping[str, Any], workspace: Path, instance_type: str) -> ContainerSpec:
    said = app["JupyterLabAppImageConfig"]
    user, container = said.get("FileSystemConfig", {}), said.get("ContainerConfig", {})
    uid, gid = int(user.get("DefaultUid", _UID)), int(user.get("DefaultGid", _GID))
    name = app["AppImageConfigName"]
    metadata = workspace / "metadata" / "resource-metadata.json"
    opt_ml.write_json(metadata, _metadata(machine, name))
    metadata.chmod(0o644)
    cpus, memory_bytes = machine.share(instance_type)
    environment = {
        **container.get("ContainerEnvironmentVariables", {}),
        # "AWS_* and SAGEMAKER_* variables of the service override yours" (studio-updated-byoi-specs).
        **machine.environment(_role(machine)),
        "AWS_ACCOUNT_ID": machine.account.number,
        "AWS_DEFAULT_REGION": machine.account.region,
        "SAGEMAKER_SPACE_NAME": name,
        "SAGEMAKER_APP_TYPE": "JupyterLab",
        # What start scripts of AWS read beside the documented ones (aws/sagemaker-distribution).
        "SAGEMAKER_INTERNAL_IMAGE_URI": image,
    }
    return ContainerSpec(
        image=image,
        name=f"{machine.containers.run_id}-sagemaker-space-{name}",
        environment=tuple(environment.items()),
        # Both replace the image's own as `docker run` does; without them its ENTRYPOINT and CMD run.
        entrypoint=argument_list(container, "ContainerEntrypoint"),
        command=argument_list(container, "ContainerArguments"),
        user=f"{uid}:{gid}",
        mounts=(Mount(HOME, _home(workspace, uid, gid)), Mount(METADATA, metadata, read_only=True)),
        network=machine.network.name,
        ip=machine.network.allocate_ip(),
        cpus=cpus,
        memory_bytes=memory_bytes,
    )


def _home(workspace: Path, uid: int, gid: int) -> Path:
    """The space's volume, which its user can write; what the image has there is hidden by it."""
    home = workspace / "home"
    home.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        os.chown(home, uid, gid)
    else:
        home.chmod(0o777)
    return home


def _role(machine: Machine) -> str:
    """The space's: an app image's configuration names none."""
    return f"arn:aws:iam::{machine.account.number}:role/lyftlearn"


def _metadata(machine: Machine, name: str) -> dict[str, str]:
    return {
        "AppType": "JupyterLab",
        "DomainId": _DOMAIN,
        "SpaceName": name,
        "ExecutionRoleArn": _role(machine),
        # An app of JupyterLab "is always named default" (studio-updated-jl-admin-guide-custom-images).
        "ResourceArn": machine.account.arn("app", f"{_DOMAIN}/{name}/jupyterlab/default"),
        "ResourceName": "default",
        "AppImageVersion": "1",
    }


def _why(image: str, running: RunningContainer, workspace: Path) -> str:
    ended = running.wait(0)
    what = f"exit code {ended.exit_code}" if ended else f"nothing answers 200 at {HEALTH} on {PORT}"
    said = (workspace / "stderr").read_text(encoding="utf-8", errors="replace").strip()
    return f"the app of {image}: {what}; it said: {said[-_SHOWN_CHARACTERS:]}"
