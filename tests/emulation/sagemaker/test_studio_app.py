"""Studio apps in real containers: the image's JupyterLab in a space, and what a wrong image is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.sagemaker import studio_app
from lyftlearn_image.emulation.sagemaker.studio_app import AppFailedError
from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Compiled, Launch
from lyftlearn_image.workload import Notebook

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator
    from lyftlearn_image.emulation.sagemaker.studio_app import JupyterLabApp

    RunApp = Callable[..., AbstractContextManager[JupyterLabApp]]

ACTIONS = ("CreateImage", "CreateImageVersion", "CreateAppImageConfig")
# Serves what it sees of itself, and of the API that Studio asks for its health.
PROGRAM = """
import json, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        home = os.stat('/home/sagemaker-user')
        facts = {'argv': sys.argv[1:], 'user': [os.getuid(), os.getgid()], 'home': [home.st_uid, home.st_gid],
                 'in_home': os.listdir('/home/sagemaker-user'), 'terminal': os.isatty(1),
                 'environment': {k: v for k, v in os.environ.items() if k.startswith(('SAGEMAKER_', 'AWS_', 'MY_'))},
                 'metadata': json.load(open('/opt/ml/metadata/resource-metadata.json'))}
        found = self.path.startswith('/jupyterlab/default/')
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(json.dumps(facts).encode())
HTTPServer(('', 8888), Handler).serve_forever()
"""


@pytest.fixture
def app_image(make_image: Callable[[str], str], emulator: SageMakerEmulator) -> str:
    """An image whose home has a file, and whose entrypoint is the program; its id as a name that the API takes."""
    program = json.dumps(["python3", "-c", PROGRAM])
    image = make_image(
        f'RUN mkdir -p /home/sagemaker-user && touch /home/sagemaker-user/hidden\nENTRYPOINT {program}\nCMD ["cmd"]'
    )
    return image.removeprefix("sha256:")


@pytest.fixture
def run_app(emulator: SageMakerEmulator, tmp_path: Path) -> RunApp:
    """Runs the JupyterLab app of an image; `app` goes into its JupyterLabAppImageConfig."""

    def start(image: str, app: dict[str, Any] | None = None) -> AbstractContextManager[JupyterLabApp]:
        return studio_app.run_app(emulator.context, spec_of(image, app), tmp_path)

    return start


def spec_of(image: str, app: dict[str, Any] | None = None, **changes: Any) -> studio_app.AppSpec:
    """The app of an image; `app` is its JupyterLabAppImageConfig, `changes` are further fields of CreateAppImageConfig."""
    documents = (
        {"ImageName": "lab", "RoleArn": "arn:aws:iam::000000000000:role/lyftlearn"},
        {"ImageName": "lab", "BaseImage": image, "ClientToken": "t"},
        {"AppImageConfigName": "lab", "JupyterLabAppImageConfig": app or {}, **changes},
    )
    return studio_app.app_spec(Compiled("sagemaker", ACTIONS[-1], documents, actions=ACTIONS))


def facts_of(app: JupyterLabApp) -> dict[str, Any]:
    """What the program sees."""
    return dict(json.loads(app.get("/facts").body))


def test_an_app_is_started_as_studio_starts_it(run_app: RunApp, app_image: str) -> None:
    """User, home, variables and metadata; the space's volume hides what the image has in its home."""
    variables = {"MY_OWN": "mine", "SAGEMAKER_APP_TYPE": "other", "AWS_REGION": "mars"}
    with run_app(app_image, {"ContainerConfig": {"ContainerEnvironmentVariables": variables}}) as app:
        facts = facts_of(app)
    assert (facts["argv"], facts["terminal"]) == (["cmd"], False)
    assert (facts["user"], facts["home"], facts["in_home"]) == ([1000, 100], [1000, 100], [])
    environment = facts["environment"]
    assert environment["MY_OWN"] == "mine"
    assert environment["SAGEMAKER_APP_TYPE"] == "JupyterLab"
    assert environment["SAGEMAKER_SPACE_NAME"] == "lab"
    assert (environment["AWS_REGION"], environment["AWS_DEFAULT_REGION"]) == ("us-east-1", "us-east-1")
    assert environment["AWS_ACCOUNT_ID"] == "000000000000"
    metadata = facts["metadata"]
    assert (metadata["AppType"], metadata["SpaceName"], metadata["ResourceName"]) == ("JupyterLab", "lab", "default")
    assert metadata["ResourceArn"].startswith("arn:aws:sagemaker:us-east-1:000000000000:app/")


def test_the_request_says_the_user_and_the_command(run_app: RunApp, app_image: str) -> None:
    """Arguments replace CMD and keep the ENTRYPOINT; both IDs are the file system's configuration."""
    config = {
        "FileSystemConfig": {"DefaultUid": 1500, "DefaultGid": 3000},
        "ContainerConfig": {"ContainerArguments": ["a", "b c"]},
    }
    with run_app(app_image, config) as app:
        facts = facts_of(app)
    assert (facts["argv"], facts["user"], facts["home"]) == (["a", "b c"], [1500, 3000], [1500, 3000])


def test_an_entrypoint_drops_the_images_own(run_app: RunApp, app_image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And its CMD, as `docker run` does: this one ends at once, which fails the app."""
    with (
        pytest.raises(AppFailedError, match="InternalFailure: the app of lab: exit code 1"),
        run_app(app_image, {"ContainerConfig": {"ContainerEntrypoint": ["/bin/false"]}}),
    ):
        pass


def test_an_app_at_another_address_fails(run_app: RunApp, app_image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server on the right port that does not know the base URL is not healthy."""
    monkeypatch.setattr(studio_app, "START_TIMEOUT_S", 2.0)
    monkeypatch.setattr(studio_app, "_STOP_GRACE_S", 0)
    config = {"ContainerConfig": {"ContainerEntrypoint": ["python3"], "ContainerArguments": ["-m", "http.server", "8888"]}}
    with (
        pytest.raises(AppFailedError, match="nothing answers 200 at /jupyterlab/default/api/status"),
        run_app(app_image, config),
    ):
        pass


def test_the_images_notebook_comes_up_in_a_space(emulator: SageMakerEmulator, notebook_image: str, tmp_path: Path) -> None:
    """A compiled notebook of the real image: JupyterLab answers below the base URL, and the space's files outlive the app."""
    workload = Notebook(name="lab", image=notebook_image, environment={"TEAM": "growth"})
    compiled = compile_for(emulator.name, workload, Launch("lab", "s3://bucket/lab"))
    with studio_app.run_app(emulator.context, studio_app.app_spec(compiled), tmp_path) as app:
        assert json.loads(app.get("/api/status").body)["kernels"] == 0
        assert app.get("/lab").status == 200
        (app.home / "mine.ipynb").write_text("{}")
    with studio_app.run_app(emulator.context, studio_app.app_spec(compiled), tmp_path) as app:
        content = json.loads(app.get("/api/contents").body)["content"]
        assert [one["name"] for one in content] == ["mine.ipynb"]


def test_an_image_without_jupyterlab_fails_with_its_words(
    emulator: SageMakerEmulator, lyftlearn_image_tag: str, tmp_path: Path
) -> None:
    """At once, not after a quarter of an hour: the reason has what the container said."""
    compiled = compile_for(emulator.name, Notebook(name="lab", image=lyftlearn_image_tag), Launch("lab", "s3://bucket/lab"))
    said = "exit code 64; it said: lyftlearn: notebook is not in this version of the image: add `jupyterlab`"
    with (
        pytest.raises(AppFailedError, match=said),
        studio_app.run_app(emulator.context, studio_app.app_spec(compiled), tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("app", "changes", "named"),
    [
        ({"FileSystemConfig": {"MountPath": "/work"}}, {}, "JupyterLabAppImageConfig.FileSystemConfig.MountPath = /work"),
        ({}, {"CodeEditorAppImageConfig": {"FileSystemConfig": {"DefaultUid": 0}}}, "CodeEditorAppImageConfig"),
        ({}, {"KernelGatewayImageConfig": {"KernelSpecs": [{"Name": "p"}]}}, "KernelGatewayImageConfig"),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(app: dict[str, Any], changes: dict[str, Any], named: str) -> None:
    """Before anything is started."""
    with pytest.raises(UnsupportedError, match=named):
        spec_of("image", app, **changes)


def test_more_than_one_entrypoint_item_is_refused() -> None:
    """As the API refuses it."""
    with pytest.raises(InvalidInputError, match="ContainerEntrypoint"):
        spec_of("image", {"ContainerConfig": {"ContainerEntrypoint": ["a", "b"]}})


def test_what_does_not_end_is_no_run(emulator: SageMakerEmulator, tmp_path: Path) -> None:
    """An endpoint and a notebook are told apart from a job, with what opens them."""
    workload = Notebook(name="lab", image="image")
    with pytest.raises(UnsupportedError, match="CreateAppImageConfig starts what does not end") as caught:
        emulator.run(compile_for(emulator.name, workload, Launch("lab", "s3://bucket/lab")), workspace=tmp_path)
    assert "--here" in caught.value.hint
