"""The programs that others wrote, installed; and the emulators, which run what those run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from lyftlearn_image.build.context import build_key
from lyftlearn_image.build.engine import apt_install
from lyftlearn_image.emulation.session import Embedded, embedded
from tests.evidence.local_service import LocalService, local_service
from tests.evidence.sdk import BUCKET, HERE, PREFIX, Sdk, outside, remove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = HERE.parents[1]
PEERS = ROOT / ".cache" / "evidence"


@pytest.fixture(scope="session")
def peers() -> Path:
    """Where docker-compose, kubectl and both SDKs are. Installs what is missing, or says what to install."""
    return _installed("compose", "kubectl", "sdk2", "sdk3")


@pytest.fixture(scope="session")
def inference_toolkit() -> Path:
    """The interpreter of an environment with sagemaker-inference and the multi-model server, which is a Java program."""
    if shutil.which("java") is None:
        apt_install(("default-jre-headless",), wanted_for="for the evidence of sagemaker-inference")
    return _installed("inference") / "inference" / "bin" / "python"


def _installed(*names: str) -> Path:
    command = [str(ROOT / ".ci" / "peers"), str(PEERS), *names]
    done = subprocess.run(command, env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"tests/evidence has nothing to compare with:\n{done.stdout}{done.stderr}", pytrace=False)
    return PEERS


@pytest.fixture(scope="session")
def services(engine: None) -> Iterator[Embedded]:
    """Both emulators and an S3 with a bucket for what the SDKs send."""
    with embedded(f"evidence-{uuid.uuid4().hex[:8]}") as started:
        started.s3.create_bucket(Bucket=BUCKET)
        yield started


@pytest.fixture(scope="session")
def team_image(lyftlearn_image_tag: str, docker_cli: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A team's image: the witness, and a script of the parity suite, as they are, where scripts lie."""
    context = tmp_path_factory.mktemp("team")
    for source in (*(HERE / "team").iterdir(), ROOT / "parity_tests" / "scripts" / "iris_forest.py"):
        (context / source.name).write_bytes(source.read_bytes())
    tag = f"{lyftlearn_image_tag.replace(':', '-')}-evidence:test"
    docker_cli("build", "-q", "--build-arg", f"BASE={lyftlearn_image_tag}", "-t", tag, str(context))
    return tag


@pytest.fixture(scope="session")
def local(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """`lyftlearn-image local`, one process for all clients, with a bucket for what they send."""
    with local_service(tmp_path_factory.mktemp("local")) as started:
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
        key, secret, region = (started.environment[name] for name in keys)
        session = boto3.Session(key, secret, region_name=region)
        session.client("s3", endpoint_url=started.environment["AWS_ENDPOINT_URL"]).create_bucket(Bucket=BUCKET)
        yield started


@pytest.fixture(scope="session")
def plain_image(probe_image: str, docker_cli: Callable[..., str]) -> str:
    """A team's image with `train` and `serve`, and no toolkit in it. Its tag says what is in it, as other checkouts' do."""
    content = {path.name: path.read_bytes() for path in (HERE / "remote").iterdir()}
    tag = f"{probe_image.replace(':', '-')}-remote:{build_key(content, probe_image)[:12]}"
    docker_cli("build", "-q", "--build-arg", f"BASE={probe_image}", "-t", tag, str(HERE / "remote"))
    return tag


@pytest.fixture
def remote(local: LocalService) -> Iterator[Callable[[str], Sdk]]:
    """A client that talks to `local`: by the name of its environment; its program is in `<name>_remote.py`."""
    with outside() as (proxy, asked):

        def make(name: str) -> Sdk:
            return Sdk(
                python=_installed(name) / name / "bin" / "python",
                program=HERE / f"{name}_remote.py",
                tools=PEERS / "bin",
                endpoint=local.environment,
                project=f"{PREFIX}{uuid.uuid4().hex[:8]}",
                proxy=proxy,
            )

        yield make
    assert not asked, f"the SDK wanted to leave this machine: {asked}"


@pytest.fixture
def sdk2(peers: Path, services: Embedded) -> Iterator[Sdk]:
    """The SageMaker Python SDK v2."""
    yield from _sdk(peers, services, "sdk2")


@pytest.fixture
def sdk3(peers: Path, services: Embedded) -> Iterator[Sdk]:
    """The SageMaker Python SDK v3."""
    yield from _sdk(peers, services, "sdk3")


def _sdk(peers: Path, services: Embedded, name: str) -> Iterator[Sdk]:
    """An SDK that talks to the local endpoint alone; nothing of it is left on the engine."""
    with outside() as (proxy, asked):
        sdk = Sdk(
            python=peers / name / "bin" / "python",
            program=HERE / f"{name}.py",
            tools=peers / "bin",
            endpoint=services.endpoint.environment(),
            project=f"{PREFIX}{uuid.uuid4().hex[:8]}",
            proxy=proxy,
        )
        try:
            yield sdk
        finally:
            remove(services.containers.client, sdk.project)
    assert not asked, f"the SDK wanted to leave this machine: {asked}"


@pytest.fixture
def channel(tmp_path: Path, services: Embedded) -> tuple[Path, str]:
    """The data of a channel: a directory of this machine, and the same as a prefix in S3."""
    import sklearn.datasets

    directory = tmp_path / "channel"
    (directory / "nested").mkdir(parents=True)
    iris = Path(sklearn.datasets.__file__).parent / "data" / "iris.csv"
    (directory / "iris.csv").write_bytes(iris.read_bytes())
    (directory / "nested" / "deep.txt").write_text("deep\n")
    prefix = f"channels/{uuid.uuid4().hex[:8]}"
    for path in directory.rglob("*.*"):
        key = f"{prefix}/{path.relative_to(directory).as_posix()}"
        services.s3.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
    return directory, f"s3://{BUCKET}/{prefix}/"
