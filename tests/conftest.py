"""What the tests stand on: a real engine, containers that are removed again, and images built on demand."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from filelock import FileLock

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK_DOCKERFILE = """
ARG BASE
FROM ${BASE}
RUN --mount=type=secret,id=ca-bundle --mount=type=secret,id=pip-conf --mount=type=cache,target=/root/.cache/pip \\
    if [ -s /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi; \\
    if [ -s /run/secrets/pip-conf ]; then export PIP_CONFIG_FILE=/run/secrets/pip-conf; fi; \\
    pip install -q --root-user-action=ignore jupyterlab
"""
# For `make mutants`, which runs the same tests thousands of times: the same examples each time, and a failure is enough.
settings.register_profile(
    "mutants",
    derandomize=True,
    max_examples=25,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
_CONTROL_PLANE = "lyftlearn_image.emulation.sagemaker.local_api.control_plane"
PROBE_CONTEXT = ROOT / "tests" / "emulation" / "kubernetes" / "pods" / "probe"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The one flag that rewrites the golden files, so that a change is reviewed as a diff."""
    parser.addoption("--update-golden", action="store_true", help="write the golden files instead of comparing with them")


@pytest.fixture(scope="session", autouse=True)
def one_reader_of_models() -> None:
    """The models of AWS's services are read once a process: a session takes 100 ms of CPU for that."""
    import botocore.session

    botocore.session.create_loader = functools.cache(botocore.session.create_loader)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with `golden/<name>` beside the test, or writes it there with --update-golden."""

    def check(name: str, text: str) -> None:
        path = Path(request.path).parent / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"there is no {path}; write it with --update-golden and read it"
        assert text == path.read_text(encoding="utf-8")

    return check


@pytest.fixture(scope="session")
def faults() -> Iterator[list[str]]:
    """What was wrong with the local API's answers so far, where a test of this session has it at hand."""
    found: list[str] = []
    if _CONTROL_PLANE not in sys.modules:
        yield found
        return
    from tests.emulation.sagemaker.answers import all_answers_checked

    with all_answers_checked(found.append):
        yield found


@pytest.fixture(autouse=True)
def complete_answers(faults: list[str]) -> Iterator[None]:
    """Every answer of the local API is as botocore's model has it, in whatever test it is given."""
    faults.clear()
    yield
    assert not faults, "\n".join(faults)


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """All of moto, for the services that the endpoint of a run does not serve; it takes any keys."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def containers(engine: None) -> Iterator[Containers]:
    """The engine, with a run id of this test session; it ends with no container left."""
    from lyftlearn_image.build.connection import connect
    from lyftlearn_image.emulation.docker.containers import RUN_LABEL, Containers

    run_id = f"test-{uuid.uuid4().hex[:8]}"
    client = connect()
    yield Containers(client, run_id)
    left = client.containers.list(all=True, filters={"label": f"{RUN_LABEL}={run_id}"})
    for container in left:
        container.remove(force=True, v=True)
    client.close()
    assert not left, f"containers were left behind: {[container.name for container in left]}"


@pytest.fixture(scope="session")
def network(containers: Containers) -> Iterator[Network]:
    """One bridge network for the session."""
    with containers.network() as created:
        yield created


@pytest.fixture(scope="session")
def debian_image(engine: None, setup_lock: FileLock) -> str:
    """`debian:bookworm-slim`, as the builder makes sure of it."""
    from lyftlearn_image.build.base_image import ensure_base
    from lyftlearn_image.build.engine import ensure_engine
    from lyftlearn_image.build.spec import load_spec

    with setup_lock:
        ensure_base(load_spec("lyftlearn", ROOT / "images").base, ensure_engine(print), print)
    return "debian:bookworm-slim"


@pytest.fixture(scope="session")
def probe_image(debian_image: str, setup_lock: FileLock) -> str:
    """The image of the recorded observations: Debian 12, Python 3.11, and a probe that prints what it sees."""
    from lyftlearn_image.build.builder import build_directory
    from lyftlearn_image.build.context import build_key

    content = {path.name: path.read_bytes() for path in PROBE_CONTEXT.iterdir() if path.is_file()}
    with setup_lock:
        return build_directory(PROBE_CONTEXT, f"lyftlearn-test-probe:{build_key(content, debian_image)[:12]}").image


@pytest.fixture(scope="session")
def notebook_image(lyftlearn_image_tag: str, docker_cli: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A team's image: the base and JupyterLab."""
    from lyftlearn_image.build.secrets import build_secrets

    directory: Path = tmp_path_factory.mktemp("notebook")
    (directory / "Dockerfile").write_text(NOTEBOOK_DOCKERFILE)
    tag = f"{lyftlearn_image_tag.replace(':', '-')}-notebook:test"
    with build_secrets(None, os.environ) as secrets:
        docker_cli("build", "-q", "-t", tag, "--build-arg", f"BASE={lyftlearn_image_tag}", *secrets.arguments, str(directory))
    return tag


@pytest.fixture(scope="session")
def docker_cli(engine: None) -> Callable[..., str]:
    """Runs the docker client that can do BuildKit builds and gives its output."""
    from lyftlearn_image.build.engine import build_client

    client = build_client()

    def run(*arguments: str) -> str:
        environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
        done = subprocess.run([str(client), *arguments], capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
