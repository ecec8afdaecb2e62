"""The SageMaker emulator with a local endpoint, and programs run through it as jobs."""

from __future__ import annotations

import base64
import io
import tarfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.aws.credentials import container_credentials
from lyftlearn_image.emulation.aws.endpoint import aws_endpoint
from lyftlearn_image.emulation.docker.containers import RUN_LABEL
from lyftlearn_image.emulation.machine import Machine
from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator
from lyftlearn_image.platforms.launch import Compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network
    from lyftlearn_image.run import Run, StopRequest


@pytest.fixture(scope="module")
def endpoint(network: Network) -> Iterator[AwsEndpoint]:
    """A local AWS endpoint on the network's gateway."""
    with aws_endpoint(network.gateway) as started:
        yield started


@pytest.fixture(scope="module")
def s3(endpoint: AwsEndpoint) -> Iterator[S3Client]:
    """A client of the endpoint, with a bucket and one object for a channel."""
    client = endpoint.s3()
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="data/train/a.csv", Body=b"1,2\n")
    yield client
    client.close()


@pytest.fixture(scope="module")
def emulator(containers: Containers, network: Network, endpoint: AwsEndpoint, s3: S3Client) -> Iterator[SageMakerEmulator]:
    """The emulator."""
    with container_credentials(containers, network, endpoint) as served:
        yield SageMakerEmulator(Machine(containers, network, s3, endpoint.region_environment(), served))


@pytest.fixture(autouse=True)
def no_leftovers(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test with containers there is none of this run, whatever happened in it."""
    if "containers" not in request.fixturenames:
        yield
        return
    containers: Containers = request.getfixturevalue("containers")
    yield
    left = containers.client.containers.list(all=True, filters={"label": f"{RUN_LABEL}={containers.run_id}"})
    assert not left, [container.name for container in left]


@pytest.fixture
def train(emulator: SageMakerEmulator, s3: S3Client, probe_image: str, tmp_path: Path) -> Callable[..., Run]:
    """Runs a Python program as a training job; `changes` are merged into the request, `algorithm` into its specification.

    An argument has at most 256 characters, so the program comes as the channel `code`.
    """

    def run(
        program: str,
        *,
        algorithm: dict[str, Any] | None = None,
        stop: StopRequest | None = None,
        workspace: Path = tmp_path,
        **changes: Any,
    ) -> Run:
        name = changes.get("TrainingJobName", "job-1")
        s3.put_object(Bucket="bucket", Key=f"code/{name}/p.py", Body=program.encode())
        request = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": probe_image,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/p.py"],
            }
            if algorithm is None
            else {"TrainingImage": probe_image, "TrainingInputMode": "File", **algorithm},
            "RoleArn": "arn:aws:iam::000000000000:role/lyftlearn",
            "OutputDataConfig": {"S3OutputPath": f"s3://bucket/out/{workspace.name}/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **changes,
        }
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://bucket/code/{name}/"}
        code = {"ChannelName": "code", "DataSource": {"S3DataSource": source}, "InputMode": "File"}
        request["InputDataConfig"] = [*changes.get("InputDataConfig", []), code]
        place = f"s3://bucket/out/{workspace.name}/{name}/output"
        outputs = {"model": f"{place}/model.tar.gz", "output": f"{place}/output.tar.gz"}
        return emulator.run(Compiled("sagemaker", "CreateTrainingJob", (request,), {}, outputs), workspace=workspace, stop=stop)

    return run


@pytest.fixture
def process(emulator: SageMakerEmulator, s3: S3Client, probe_image: str, tmp_path: Path) -> Callable[..., Run]:
    """Runs a Python program as a processing job with the outputs that are given as `name: LocalPath`."""

    def run(
        program: str,
        *,
        outputs: dict[str, str] | None = None,
        inputs: list[dict[str, Any]] | None = None,
        app: dict[str, Any] | None = None,
        stop: StopRequest | None = None,
        **changes: Any,
    ) -> Run:
        s3.put_object(Bucket="bucket", Key="pcode/p.py", Body=program.encode())
        code = {
            "S3Uri": "s3://bucket/pcode/",
            "LocalPath": "/opt/ml/processing/code",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
        }
        uris = {name: f"s3://bucket/processed/{tmp_path.name}/{name}" for name in outputs or {}}
        request = {
            "ProcessingJobName": "prep-1",
            "AppSpecification": {"ImageUri": probe_image, "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/p.py"]}
            if app is None
            else {"ImageUri": probe_image, **app},
            "RoleArn": "arn:aws:iam::000000000000:role/lyftlearn",
            "ProcessingInputs": [*(inputs or []), {"InputName": "code", "S3Input": code}],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {"OutputName": name, "S3Output": {"S3Uri": uris[name], "LocalPath": path, "S3UploadMode": "EndOfJob"}}
                    for name, path in (outputs or {}).items()
                ]
            },
            "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
            **changes,
        }
        collected = {name: f"{uri}/" for name, uri in uris.items()}
        compiled = Compiled("sagemaker", "CreateProcessingJob", (request,), {}, collected)
        return emulator.run(compiled, workspace=tmp_path, stop=stop)

    return run


@pytest.fixture
def make_image(containers: Containers, probe_image: str) -> Iterator[Callable[[str], str]]:
    """Makes an image of the probe's and some more lines of a Dockerfile; it is gone after the test.

    The label makes it another one than that of a test which runs beside it and has the same lines.
    """
    made: list[str] = []

    def make(lines: str) -> str:
        dockerfile = f"FROM {probe_image}\nLABEL dev.lyftlearn.test={uuid.uuid4().hex}\n{lines}\n"
        image, _ = containers.client.images.build(fileobj=io.BytesIO(dockerfile.encode()), rm=True)
        made.append(str(image.id))
        return str(image.id)

    yield make
    for image in made:
        containers.client.images.remove(image)


@pytest.fixture(scope="session")
def model_image(containers: Containers, probe_image: str) -> str:
    """An image whose entrypoint is the program in the model; it stays, as the probe's does."""
    dockerfile = f'FROM {probe_image}\nLABEL test=model\nENTRYPOINT ["python3", "/opt/ml/model/served.py"]\n'.encode()
    image, _ = containers.client.images.build(fileobj=io.BytesIO(dockerfile), tag="lyftlearn-test-model:1", rm=True)
    return str(image.id)


@pytest.fixture(scope="session")
def served_image(containers: Containers, probe_image: str) -> str:
    """An image that has the program in it, for a container without a model of its own; it stays, as the probe's does."""
    program = base64.b64encode(Path(__file__).with_name("served.py").read_bytes()).decode()
    dockerfile = f'FROM {probe_image}\nRUN echo {program} | base64 -d >/served.py\nENTRYPOINT ["python3", "/served.py"]\n'
    image, _ = containers.client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag="lyftlearn-test-served:1", rm=True)
    return str(image.id)


@pytest.fixture
def archive() -> Callable[..., bytes]:
    """A model.tar.gz of the given files, with the server in it; `links` are symbolic links by name and target."""
    program = Path(__file__).with_name("served.py").read_bytes()

    def pack(files: dict[str, bytes] | None = None, links: dict[str, str] | None = None) -> bytes:
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as packed:
            for name, content in {"served.py": program, **(files or {})}.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o755
                packed.addfile(member, io.BytesIO(content))
            for name, target in (links or {}).items():
                member = tarfile.TarInfo(name)
                member.type, member.linkname = tarfile.SYMTYPE, target
                packed.addfile(member)
        return data.getvalue()

    return pack


@pytest.fixture
def model_request(model_image: str, s3: S3Client, archive: Callable[..., bytes], tmp_path: Path) -> Callable[..., Any]:
    """A CreateModel request; `data` is its model.tar.gz, and what else is given goes into its container."""

    def make(data: bytes | None = None, **container: Any) -> dict[str, Any]:
        key = f"models/{tmp_path.name}/model.tar.gz"
        s3.put_object(Bucket="bucket", Key=key, Body=archive() if data is None else data)
        given = {"Image": model_image, "ModelDataUrl": f"s3://bucket/{key}", **container}
        primary = {name: value for name, value in given.items() if value is not None}
        return {"ModelName": "m", "PrimaryContainer": primary, "ExecutionRoleArn": "arn:aws:iam::000000000000:role/lyftlearn"}

    return make
