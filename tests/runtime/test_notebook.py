"""`notebook` in real containers: without JupyterLab, and with a team's image that has it."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
import uuid
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

WITHIN_S = 120.0
TOKEN = "planted-7d03ab-token"


@pytest.fixture(scope="module")
def client() -> str:
    """The docker client."""
    from lyftlearn_image.build.engine import build_client

    return str(build_client())


class Notebook:
    """A container that was told `notebook`."""

    def __init__(self, client: str, image: str, options: tuple[str, ...]) -> None:
        self._client = client
        self.name = f"lyftlearn-test-{uuid.uuid4().hex[:12]}"
        command = [client, "run", "-d", "--name", self.name, *options, image, "notebook"]
        subprocess.run(command, check=True, capture_output=True)

    def docker(self, *arguments: str) -> str:
        """Both streams of a docker command."""
        done = subprocess.run([self._client, *arguments], capture_output=True, text=True, check=True, timeout=120)
        return done.stdout + done.stderr

    def ask(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body of a GET."""
        host = self.docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", self.name).strip()
        connection = http.client.HTTPConnection(host, 8888, timeout=WITHIN_S)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def ready(self, path: str) -> None:
        """Waits until a path is answered with something other than an error of the server's."""
        deadline = time.monotonic() + WITHIN_S
        while True:
            assert time.monotonic() < deadline, self.docker("logs", self.name)
            try:
                if self.ask(path)[0] < 500:
                    return
            except OSError:
                time.sleep(0.05)

    def stop(self) -> int:
        """The exit code after SIGTERM."""
        self.docker("kill", "-s", "TERM", self.name)
        return int(self.docker("wait", self.name))


@pytest.fixture
def start(client: str, notebook_image: str) -> Iterator[Callable[..., Notebook]]:
    """Starts notebooks, which are gone at the end of the test."""
    started: list[Notebook] = []

    def run(*options: str) -> Notebook:
        started.append(Notebook(client, notebook_image, options))
        return started[-1]

    yield run
    for one in started:
        subprocess.run([client, "rm", "-f", "-v", one.name], capture_output=True, check=False)


def test_an_image_without_jupyterlab_says_what_to_add(lyftlearn_image_tag: str, client: str) -> None:
    """`notebook` in the base image is exit code 64 and one line that names the package."""
    command = [client, "run", "--rm", lyftlearn_image_tag, "notebook"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith("lyftlearn: notebook is not in this version of the image: add `jupyterlab` to it")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("user", ["1000:100", "0"])
def test_studio_finds_jupyterlab_where_it_looks(start: Callable[..., Notebook], user: str, tmp_path: Path) -> None:
    """In Studio it answers on 8888 below /jupyterlab/default, without a token, with the space's files; SIGTERM ends it."""
    space = tmp_path / "space"
    space.mkdir()
    space.chmod(0o777)
    (space / "mine.ipynb").write_text("{}")
    notebook = start("--user", user, "-e", "SAGEMAKER_APP_TYPE=JupyterLab", "-v", f"{space}:/home/sagemaker-user")
    notebook.ready("/jupyterlab/default/api/status")
    status, body = notebook.ask("/jupyterlab/default/api/status")
    assert status == 200
    assert json.loads(body)["kernels"] == 0
    assert notebook.ask("/jupyterlab/default/lab")[0] == 200
    content = json.loads(notebook.ask("/jupyterlab/default/api/contents")[1])["content"]
    assert [one["name"] for one in content] == ["mine.ipynb"]
    assert notebook.stop() == 0


def test_studio_is_known_by_its_file_too(start: Callable[..., Notebook], tmp_path: Path) -> None:
    """The metadata file of an app makes it a Studio notebook without any variable."""
    (tmp_path / "resource-metadata.json").write_text('{"AppType": "JupyterLab"}')
    notebook = start("-v", f"{tmp_path / 'resource-metadata.json'}:/opt/ml/metadata/resource-metadata.json:ro")
    notebook.ready("/jupyterlab/default/api/status")
    assert notebook.ask("/jupyterlab/default/api/contents")[0] == 200


def test_a_pod_with_a_variable_of_studio_is_not_open(start: Callable[..., Notebook]) -> None:
    """On Kubernetes there is no proxy that says who may come in, so a token is asked for whatever else is set."""
    notebook = start("-e", "SAGEMAKER_APP_TYPE=JupyterLab", "-e", "KUBERNETES_SERVICE_HOST=10.0.0.1")
    notebook.ready("/api")
    assert notebook.ask("/api/contents")[0] == 403


@pytest.mark.parametrize("user", ["1000530000:0", "0"])
def test_elsewhere_the_token_is_the_one_that_was_given(start: Callable[..., Notebook], user: str) -> None:
    """Outside Studio JUPYTER_TOKEN opens the notebook and nothing else does; it is in no log and no process list."""
    notebook = start("--user", user, "-e", f"JUPYTER_TOKEN={TOKEN}")
    notebook.ready("/api")
    assert notebook.ask("/api/contents")[0] == 403
    assert notebook.ask("/api/contents", {"Authorization": "token wrong"})[0] == 403
    assert notebook.ask("/api/contents", {"Authorization": f"token {TOKEN}"})[0] == 200
    assert TOKEN not in notebook.docker("logs", notebook.name)
    assert TOKEN not in notebook.docker("top", notebook.name, "-ef")
    assert notebook.stop() == 0


def test_without_a_token_jupyter_makes_one(start: Callable[..., Notebook]) -> None:
    """A notebook that was given no token is not open to everybody."""
    notebook = start()
    notebook.ready("/api")
    assert notebook.ask("/api/contents")[0] == 403
