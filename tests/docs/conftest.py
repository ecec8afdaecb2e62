"""What pages are typed into: a shell with the toolkit and the AWS CLI, and no variable of whoever runs the tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.emulation.sagemaker.job_plan import Account
from lyftlearn_image.emulation.sagemaker.local_api.api_server import serve
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane
from lyftlearn_image.emulation.sagemaker.local_api.jobs import EmulatedJobs, Publisher
from lyftlearn_image.emulation.session import embedded
from tests.docs.console import Shell
from tests.services.kubernetes.emulated_pods import cluster_with_containers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".cache" / "evidence"
EXAMPLE = ROOT / "examples" / "team-image"
TUTORIAL = "job-to-sagemaker-and-back"
# Of this process' environment: what finds programs and the engine, and the package index and proxies of this machine.
_KEPT = (
    "PATH", "LANG", "DOCKER_HOST", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "PIP_CONFIG_FILE", "PIP_INDEX_URL",
    "UV_INDEX_URL", "UV_DEFAULT_INDEX", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip


@pytest.fixture(scope="session")
def aws_cli() -> Path:
    """The folder with `aws`, as tests/evidence has it."""
    command = [str(ROOT / ".ci" / "peers"), str(PEERS), "awscli"]
    done = subprocess.run(command, env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return PEERS / "awscli" / "bin"


@pytest.fixture
def platforms(engine: None, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Variables that lead to an account of AWS and to a cluster, both of this machine: their jobs run in containers."""
    with embedded(f"docs-{uuid.uuid4().hex[:8]}") as session:
        session.s3.create_bucket(Bucket="ml-runs")
        jobs = EmulatedJobs(session.targets["sagemaker"], session.endpoint, tmp_path / "jobs")  # type: ignore[arg-type]
        with (
            serve(ControlPlane(jobs, Account("us-east-1"), Publisher(session.endpoint))) as url,
            cluster_with_containers(session, tmp_path / "kubelet") as cluster,
        ):
            config = {
                "clusters": [{"name": "blue", "cluster": {"server": cluster.server.url}}],
                "contexts": [{"name": "blue", "context": {"cluster": "blue", "user": "ci", "namespace": "default"}}],
                "users": [{"name": "ci", "user": {"token": "x"}}],
            }
            (tmp_path / "kubeconfig").write_text(json.dumps(config))
            yield {
                **session.endpoint.environment(), "AWS_ENDPOINT_URL_SAGEMAKER": url, "KUBECONFIG": str(tmp_path / "kubeconfig"),
            }  # fmt: skip


@pytest.fixture
def shell_for(
    request: pytest.FixtureRequest, tmp_path: Path, lyftlearn_image_tag: str, docker_cli: Callable[..., str]
) -> Iterator[Callable[[Path], Shell]]:
    """Makes the shell of a page: an empty folder and a home of its own; README's is that of the example it names.

    The images that a page makes have names of this run, and go with it.
    """
    own = f"docs-{uuid.uuid4().hex[:8]}"
    images = {"churn:latest": f"{own}:latest", "team-image:latest": f"{own}:team"}
    on_this = f"sed -i s/lyftlearn:latest/{lyftlearn_image_tag}/"
    names = {
        "lyftlearn-image build lyftlearn": f"lyftlearn-image build lyftlearn --tag {lyftlearn_image_tag}",
        # What `init` has written.
        "lyftlearn-image parity run": f"{on_this} Dockerfile; lyftlearn-image parity run",
        "lyftlearn:latest": lyftlearn_image_tag, "my-team:latest": lyftlearn_image_tag, **images,
    }  # fmt: skip

    def make(page: Path) -> Shell:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        if "aws s3" in page.read_text(encoding="utf-8"):
            kept["PATH"] += f":{request.getfixturevalue('aws_cli')}"
        if page.stem == "run":
            kept |= request.getfixturevalue("platforms")
        directory = tmp_path / own  # `init` names images after it
        if page.stem == "README":
            shutil.copytree(request.getfixturevalue("on_this_image")(EXAMPLE), directory)
            suite = directory / "suite.yaml"
            suite.write_text(suite.read_text().replace("team-image:latest", images["team-image:latest"]))
        (tmp_path / "home").mkdir()
        kept["PATH"] = f"{Path(sys.executable).parent}:{kept['PATH']}"
        variables = {**kept, "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path), "COLUMNS": "100"}
        return Shell(directory, variables, names)

    yield make
    made = docker_cli("image", "ls", "--quiet", "--filter", f"reference={own}:*").split()
    if made:
        docker_cli("image", "rm", "--force", *set(made))
