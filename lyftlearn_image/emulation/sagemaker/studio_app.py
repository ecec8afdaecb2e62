"""A JupyterLab app of SageMaker Studio on this machine: a custom image in a space, as CreateAppImageConfig describes it.

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
from lyftlearn_image.emulation.sagemaker.serving.http_client import (
    HttpResponse,
    NoResponseError,
    Timeouts,
    send_request,
    wait_until,
)
from lyftlearn_image.errors import InvalidInputError, LyftlearnError, UnsupportedError
from lyftlearn_image.platforms.sagemaker.actions import APP_CONFIG, IMAGE, IMAGE_VERSION
from lyftlearn_image.platforms.sagemaker.api_model import validate_request
from lyftlearn_image.runs.log_lines import read_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.docker.running_container import RunningContainer
    from lyftlearn_image.emulation.sagemaker.context import Context
    from lyftlearn_image.platforms.launch import Compiled

PORT = 8888
BASE_URL = "/jupyterlab/default"
HEALTH = f"{BASE_URL}/api/status"
HOME = "/home/sagemaker-user"
METADATA = "/opt/ml/metadata/resource-metadata.json"
DEFAULT_INSTANCE_TYPE = "ml.t3.medium"
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


class AppFailedError(LyftlearnError):
    """The app did not start. Studio says `InternalFailure` and no more; what follows is the end of the container's stderr."""


@dataclass(frozen=True)
class AppSpec:
    """What CreateApp starts: a version of an image, with the JupyterLabAppImageConfig that is attached to it, in a space."""

    image_name: str
    base_image: str
    config: Mapping[str, Any]
    space: str
    domain_id: str = _DOMAIN
    instance_type: str = DEFAULT_INSTANCE_TYPE


@dataclass(frozen=True)
class JupyterLabApp:
    """An app in service. `home` is the directory of this machine that is the space's volume."""

    host: str
    home: Path
    running: RunningContainer

    @property
    def url(self) -> str:
        """Where JupyterLab is, for a browser of this machine."""
        return f"http://{self.host}:{PORT}{BASE_URL}"

    def get(self, path: str) -> HttpResponse:
        """The response to a GET below the base URL, such as `/api/contents`."""
        timeouts = Timeouts(_HEALTH_TIMEOUT_S, _HEALTH_TIMEOUT_S)
        return send_request((self.host, PORT), ("GET", f"{BASE_URL}{path}"), timeouts)

    def is_healthy(self) -> bool:
        """Whether the app's health check is answered with 200."""
        try:
            return self.get(HEALTH.removeprefix(BASE_URL)).status == http.HTTPStatus.OK
        except NoResponseError:
            return False


@contextlib.contextmanager
def run_app(
    context: Context,
    spec: AppSpec,
    workspace: Path,
    *,
    on_line: Callable[[str], None] | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator[JupyterLabApp]:
    """The JupyterLab app, healthy; stopped with SIGTERM at the end.

    `workspace` has the container's `stdout` and `stderr`, and `home`, which outlives the app as the space's volume does.
    `is_over` ends the wait for health. Raises AppFailedError when the app does not start.
    """
    home = workspace / "home"
    container = _container_spec(context, spec, workspace)
    stdout, stderr = workspace / "stdout", workspace / "stderr"
    with context.containers.start(container, stdout=stdout, stderr=stderr, on_line=on_line) as running:
        app = JupyterLabApp(str(container.ip), home, running)
        try:
            if not wait_until(app.is_healthy, running, START_TIMEOUT_S, is_over):
                raise AppFailedError(f"InternalFailure: {_failure_reason(spec.image_name, running, workspace)}")
            yield app
        finally:
            running.stop(_STOP_GRACE_S)
            running.wait()


def app_spec(compiled: Compiled) -> AppSpec:
    """The app of a compiled notebook, in a space of the notebook's name.

    Raises UnsupportedError and InvalidInputError for what is not implemented or would be refused.
    """
    if compiled.actions != tuple(_TABLES):
        raise UnsupportedError(f"an app is started from {', '.join(_TABLES)}", where=f"got {', '.join(compiled.actions)}")
    for action, request in zip(compiled.actions, compiled.documents, strict=True):
        validate(action, request)
    image, version, config = compiled.documents
    if version["ImageName"] != image["ImageName"]:
        raise InvalidInputError(f"CreateImageVersion is of {version['ImageName']}, CreateImage of {image['ImageName']}")
    return AppSpec(image["ImageName"], version["BaseImage"], config, space=config["AppImageConfigName"])


def validate(action: str, request: Mapping[str, Any]) -> None:
    """Refuses what CreateImage, CreateImageVersion or CreateAppImageConfig would refuse, and what is not implemented here."""
    validate_request(action, request)
    fields.refuse_unknown(request, _TABLES[action])
    if action == APP_CONFIG and "JupyterLabAppImageConfig" not in request:
        raise UnsupportedError("the embedded target starts JupyterLab apps only", hint="Add a JupyterLabAppImageConfig.")


def _container_spec(context: Context, spec: AppSpec, workspace: Path) -> ContainerSpec:
    config = spec.config["JupyterLabAppImageConfig"]
    user, container = config.get("FileSystemConfig", {}), config.get("ContainerConfig", {})
    uid, gid = int(user.get("DefaultUid", _UID)), int(user.get("DefaultGid", _GID))
    metadata = workspace / "metadata" / "resource-metadata.json"
    opt_ml.write_json(metadata, _metadata(context, spec))
    metadata.chmod(0o644)
    cpus, memory_bytes = context.limits(spec.instance_type)
    environment = {
        **container.get("ContainerEnvironmentVariables", {}),
        # "AWS_* and SAGEMAKER_* variables of the service override yours" (studio-updated-byoi-specs).
        **context.container_environment(_role_arn(context)),
        "AWS_ACCOUNT_ID": context.account.number,
        "AWS_DEFAULT_REGION": context.account.region,
        "SAGEMAKER_SPACE_NAME": spec.space,
        "SAGEMAKER_APP_TYPE": "JupyterLab",
        # What start scripts of AWS read beside the documented ones (aws/sagemaker-distribution).
        "SAGEMAKER_INTERNAL_IMAGE_URI": spec.base_image,
    }
    return ContainerSpec(
        image=spec.base_image,
        name=f"{context.containers.run_id}-sagemaker-space-{spec.space}",
        environment=tuple(environment.items()),
        # Both replace the image's own as `docker run` does; without them its ENTRYPOINT and CMD run.
        entrypoint=argument_list(container, "ContainerEntrypoint"),
        command=argument_list(container, "ContainerArguments"),
        user=f"{uid}:{gid}",
        mounts=(Mount(HOME, _home(workspace, uid, gid)), Mount(METADATA, metadata, read_only=True)),
        network=context.network.name,
        ip=context.network.allocate_ip(),
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


def _role_arn(context: Context) -> str:
    """The space's: an app image's configuration names none."""
    return f"arn:aws:iam::{context.account.number}:role/lyftlearn"


def _metadata(context: Context, spec: AppSpec) -> dict[str, str]:
    return {
        "AppType": "JupyterLab",
        "DomainId": spec.domain_id,
        "SpaceName": spec.space,
        "ExecutionRoleArn": _role_arn(context),
        # An app of JupyterLab "is always named default" (studio-updated-jl-admin-guide-custom-images).
        "ResourceArn": context.account.arn("app", f"{spec.domain_id}/{spec.space}/jupyterlab/default"),
        "ResourceName": "default",
        "AppImageVersion": "1",
    }


def _failure_reason(image: str, running: RunningContainer, workspace: Path) -> str:
    ended = running.wait(0)
    what = f"exit code {ended.exit_code}" if ended else f"nothing answers 200 at {HEALTH} on {PORT}"
    stderr = read_end(workspace / "stderr", 4 * _SHOWN_CHARACTERS).decode("utf-8", "replace").strip()
    return f"the app of {image}: {what}; it said: {stderr[-_SHOWN_CHARACTERS:]}"
