"""What the tests stand on: a real engine, containers that are removed again, and images built on demand."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
PROBE_CONTEXT = ROOT / "tests" / "emulation" / "kubernetes" / "pods" / "probe"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The one flag that rewrites the golden files, so that a change is reviewed as a diff."""
    parser.addoption("--update-golden", action="store_true", help="write the golden files instead of comparing with them")


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
def engine() -> None:
    """A Docker engine that answers: the one that runs, or one that is started as `make engine` does."""
    from lyftlearn_image.build.engine import ensure_engine

    ensure_engine(print)


@pytest.fixture(scope="session")
def containers(engine: None) -> Iterator[Containers]:
    """The engine, with a run id of this test session; it ends with no container left."""
    from lyftlearn_image.emulation.docker.containers import RUN_LABEL, Containers, connect

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
def probe_image(engine: None) -> str:
    """The image of the recorded observations: Debian 12, Python 3.11, and a probe that prints what it sees."""
    from lyftlearn_image.build.builder import build_directory

    ensure_debian()
    return build_directory(PROBE_CONTEXT, "lyftlearn-test-probe:1").image


def ensure_debian() -> None:
    """Makes sure that `debian:bookworm-slim` is on the engine, as the builder does it."""
    from lyftlearn_image.build.base_image import ensure_base
    from lyftlearn_image.build.engine import ensure_engine
    from lyftlearn_image.build.spec import load_spec

    ensure_base(load_spec("lyftlearn", ROOT / "images").base, ensure_engine(print), print)


@pytest.fixture(scope="session")
def lyftlearn_image_tag(engine: None) -> str:
    """The built `lyftlearn` image; building it again with nothing changed builds nothing.

    LYFTLEARN_TEST_TAG gives it another tag, so that two checkouts can be tested on one engine at the same time.
    """
    from lyftlearn_image.build.builder import BuildOptions, build

    tag = os.environ.get("LYFTLEARN_TEST_TAG")
    return build("lyftlearn", images_dir=ROOT / "images", options=BuildOptions((tag,) if tag else ())).image


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
def docker_cli() -> Callable[..., str]:
    """Runs the docker client that can do BuildKit builds and gives its output."""
    from lyftlearn_image.build.engine import build_client

    client = build_client()

    def run(*arguments: str) -> str:
        environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
        done = subprocess.run([str(client), *arguments], capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
