"""Jobs run by the SageMaker Python SDK's local mode, and the requests that the same program would send to the service."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HERE = Path(__file__).parent
ROLE = "arn:aws:iam::000000000000:role/lyftlearn"
BUCKET = "evidence"
# Both SDKs read it: the SDK's guide, "Configuring and using defaults". The bucket has a name, for else STS is asked for one.
DEFAULTS = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True, "Session": {"DefaultS3Bucket": BUCKET}}}},
}
PREFIX = "evidence-"  # of the projects that are made here
PROJECT = "com.docker.compose.project"
# Of one program, which runs some twenty jobs, on a loaded machine.
LAST_S = 1500


@dataclass(frozen=True)
class Sdk:
    """An environment with one of the SDKs, and the program that uses it. `project` names what compose makes."""

    python: Path
    program: Path
    tools: Path
    endpoint: Mapping[str, str]
    project: str
    proxy: str

    def run(self, workspace: Path, *, local: bool, **order: Any) -> Path:
        """Carries out an order; gives the directory with its answer (and its request, if it was not local)."""
        place = workspace / ("local" if local else "service")
        (place / "root").mkdir(parents=True)
        (place / "defaults.yaml").write_text(json.dumps(DEFAULTS))
        told = {
            "local": local,
            "role": ROLE,
            "bucket": BUCKET,
            "root": str(place / "root"),
            "answer": str(place / "answer.json"),
            "request": str(place / "request.json"),
            **order,
        }
        (place / "order.json").write_text(json.dumps(told))
        command = [str(self.python), str(self.program), str(place / "order.json")]
        with (place / "log").open("wb") as log:
            done = subprocess.run(
                command, env=self._environment(place), cwd=place, stdout=log, stderr=log, check=False, timeout=LAST_S
            )
        assert done.returncode == 0, (place / "log").read_text(errors="replace")[-4000:]
        return place

    def _environment(self, place: Path) -> dict[str, str]:
        """Nothing of this machine's own configuration, and nothing that leads outside of it."""
        kept = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
        return {
            **kept,
            **self.endpoint,
            "PATH": f"{self.tools}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(place),
            "TMPDIR": str(place / "root"),
            "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": str(place / "defaults.yaml"),
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(place / "defaults.yaml"),
            "SAGEMAKER_VALIDATE_ROLE": "false",  # v3 else asks IAM, which is not here
            "COMPOSE_PROJECT_NAME": self.project,
            "http_proxy": self.proxy,
            "https_proxy": self.proxy,
            "no_proxy": self.endpoint["AWS_ENDPOINT_URL"].removeprefix("http://").partition(":")[0],
        }


@contextlib.contextmanager
def outside() -> Iterator[tuple[str, list[str]]]:
    """A proxy that lets nothing out: its URL, and what was asked of it."""
    asked: list[str] = []

    class Refusing(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_error(403)

        do_CONNECT = do_GET = do_POST = do_PUT = do_HEAD = refuse  # noqa: N815 - the server's names

        def log_message(self, *_: Any) -> None:
            """Nothing: what was asked is kept."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def remove(client: docker.DockerClient, project: str) -> None:
    """Takes away what compose leaves of a project: `up` stops its containers and removes nothing."""
    label = {"label": f"{PROJECT}={project}"}
    for container in client.containers.list(all=True, filters=label):
        container.remove(force=True, v=True)
    for network in client.networks.list(names=["sagemaker-local"]):
        # Every local mode on an engine uses this one network: while another is in it, it stays, and goes with a later run's.
        if network.attrs["Labels"].get(PROJECT, "").startswith(PREFIX):
            with contextlib.suppress(docker.errors.APIError):
                network.remove()
