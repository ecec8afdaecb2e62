"""`local`: a process that is AWS and SageMaker for any SDK of this machine, and that leaves nothing when it is ended."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import docker
import pytest
from botocore.exceptions import ClientError

from lyftlearn_image.emulation.docker.ownership import OWNER_LABEL
from tests.archives import tar_gz

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROLE = "arn:aws:iam::000000000000:role/lyftlearn"
COMMAND = [sys.executable, "-m", "lyftlearn_image", "local"]
SERVER = (Path(__file__).parent.parent / "emulation" / "sagemaker" / "served.py").read_bytes()
TRAIN = "import json; print('hello from', json.load(open('/opt/ml/input/config/hyperparameters.json'))['name'], flush=True)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('begun', flush=True); time.sleep(600)"
# Serves JupyterLab's health check, as the image of a Studio app does.
APP = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == '/jupyterlab/default/api/status' else 404)
        self.end_headers()
HTTPServer(('', 8888), Handler).serve_forever()
"""


@dataclass(frozen=True)
class Local:
    """A running `local`: its process, its variables, the folder of its temporary files, and what it has shown on stderr."""

    process: subprocess.Popen[str]
    environment: Mapping[str, str]
    directory: Path
    log: Path

    def client(self, service: str) -> Any:
        """A client that knows nothing but the variables."""
        variables = {
            name: f"AWS_ENDPOINT_URL_{name.upper().replace('-', '_')}"
            for name in ("sagemaker", "sagemaker-runtime", "s3", "sts")
        } | {
            "logs": "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
            "cloudwatch": "AWS_ENDPOINT_URL_CLOUDWATCH",
            "ecr": "AWS_ENDPOINT_URL_ECR",
        }
        session = boto3.Session(
            self.environment["AWS_ACCESS_KEY_ID"], self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self.environment["AWS_DEFAULT_REGION"],
        )  # fmt: skip
        return session.client(service, endpoint_url=self.environment[variables.get(service, "AWS_ENDPOINT_URL")])

    def requests(self) -> list[list[str]]:
        """Service, operation and status of each line on stderr."""
        return [line.split()[1:] for line in self.log.read_text().splitlines()]

    def interfaces(self) -> list[str]:
        """The bridges of its networks."""
        return [f"br-{network.id[:12]}" for network in self._owned("networks")]

    def leftovers(self) -> list[str]:
        """What there is of it on the engine and in its folder."""
        owned = [thing.name for kind in ("containers", "networks", "volumes") for thing in self._owned(kind)]
        return [*owned, *(path.name for path in self.directory.iterdir())]

    def _owned(self, kind: str) -> list[Any]:
        filters = {"label": OWNER_LABEL}
        with contextlib.closing(docker.from_env()) as client:
            listed = getattr(client, kind).list(
                filters=filters, **({"all": True, "ignore_removed": True} if kind == "containers" else {})
            )
            return [thing for thing in listed if f"/{self.process.pid}/" in _labels(thing)[OWNER_LABEL]]


def _labels(thing: Any) -> Mapping[str, str]:
    return thing.labels if hasattr(thing, "labels") else thing.attrs["Labels"]


def evaluated(exports: str) -> dict[str, str]:
    """The variables that a shell has after it has evaluated the exports."""
    shown = subprocess.run(["/bin/sh", "-c", 'eval "$1"; env -0', "sh", exports], capture_output=True, text=True, check=True)
    return dict(item.split("=", 1) for item in shown.stdout.split("\0") if item)


@contextlib.contextmanager
def started(directory: Path, *arguments: str) -> Iterator[Local]:
    """`local` as a process for which Ctrl-C is ignored, as a shell has it that starts one in the background."""
    temporary, log = directory / "tmp", directory / "local.err"
    temporary.mkdir()
    command = ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *COMMAND, *arguments]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with (
        log.open("w") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment) as process,
    ):
        try:
            assert process.stdout is not None
            # To its end: a `$(…)` would wait for that.
            printed = process.stdout.read()
            assert printed, log.read_text()
            variables = json.loads(printed) if "json" in arguments else evaluated(printed)
            yield Local(process, variables, temporary, log)
        finally:
            process.kill()


@pytest.fixture
def local(engine: None, tmp_path: Path) -> Iterator[Local]:
    """A running `local`."""
    with started(tmp_path) as running:
        yield running


def training_request(name: str, image: str, program: str) -> dict[str, Any]:
    """A CreateTrainingJob request for a Python program."""
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": image, "TrainingInputMode": "File", "ContainerEntrypoint": ["python3", "-c", program],
        },
        "HyperParameters": {"name": name},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://data/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }  # fmt: skip


def until(is_so: Callable[[], bool]) -> None:
    """Waits for a condition."""
    while not is_so():
        time.sleep(0.1)


@pytest.fixture
def program_image(engine: None, probe_image: str) -> Iterator[Callable[[list[str]], str]]:
    """Makes an image with an ENTRYPOINT; it is gone after the test."""
    with contextlib.closing(docker.from_env()) as client:
        made: list[str] = []

        def make(entrypoint: list[str]) -> str:
            dockerfile = f"FROM {probe_image}\nLABEL test={os.getpid()}\nENTRYPOINT {json.dumps(entrypoint)}\n"
            image, _ = client.images.build(fileobj=io.BytesIO(dockerfile.encode()), rm=True)
            made.append(str(image.id))
            return str(image.id).removeprefix("sha256:")

        yield make
        for image in made:
            client.images.remove(image)


def test_boto3_runs_a_job_an_endpoint_and_an_app_and_ctrl_c_leaves_nothing(
    local: Local, probe_image: str, program_image: Callable[[list[str]], str]
) -> None:
    """With no more than the printed variables; every request is a line, and what runs at Ctrl-C is ended, too."""
    s3, sagemaker = local.client("s3"), local.client("sagemaker")
    s3.create_bucket(Bucket="data")
    request = training_request("job-1", probe_image, TRAIN)
    account = local.client("sts").get_caller_identity()["Account"]
    assert (
        sagemaker.create_training_job(**request)["TrainingJobArn"]
        == f"arn:aws:sagemaker:us-east-1:{account}:training-job/job-1"
    )
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="job-1", WaiterConfig={"Delay": 1})
    described = sagemaker.describe_training_job(TrainingJobName="job-1")
    assert described["TrainingJobStatus"] == "Completed"
    assert described["ModelArtifacts"]["S3ModelArtifacts"] == "s3://data/out/job-1/output/model.tar.gz"
    logs = local.client("logs").filter_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix="job-1/algo-1"
    )
    assert [event["message"] for event in logs["events"]] == ["hello from job-1"]

    s3.put_object(Bucket="data", Key="model.tar.gz", Body=tar_gz({"served.py": SERVER}, {"served.py"}))
    image = program_image(["python3", "/opt/ml/model/served.py"])
    container = {"Image": image, "ModelDataUrl": "s3://data/model.tar.gz"}
    sagemaker.create_model(ModelName="m", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "all", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="e", WaiterConfig={"Delay": 1})
    invoked = local.client("sagemaker-runtime").invoke_endpoint(EndpointName="e", Body=b"hello", ContentType="text/csv")
    assert (invoked["Body"].read(), invoked["InvokedProductionVariant"]) == (b"HELLO", "all")

    url = app_url(sagemaker, program_image(["python3", "-c", APP]))
    with urllib.request.urlopen(f"{url}/api/status") as answer:  # noqa: S310 - of our own server
        assert answer.status == 200

    with pytest.raises(ClientError, match="Requested resource not found"):
        sagemaker.describe_training_job(TrainingJobName="none")
    sagemaker.create_training_job(**training_request("deaf", probe_image, DEAF))
    until(lambda: local.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix="deaf"
    )["logStreams"] != [])  # fmt: skip

    interfaces = local.interfaces()
    assert interfaces
    local.process.send_signal(signal.SIGINT)
    assert local.process.wait() == 0
    assert local.leftovers() == []
    assert not set(interfaces) & rules_interfaces()
    requests = local.requests()
    for line in (
        ["s3", "CreateBucket", "200"], ["s3", "PutObject", "200"], ["sagemaker", "CreateTrainingJob", "200"],
        ["logs", "FilterLogEvents", "200"], ["sagemaker", "InvokeEndpoint", "200"], ["sagemaker", "CreateApp", "200"],
        ["sagemaker", "DescribeTrainingJob", "400"],
    ):  # fmt: skip
        assert line in requests
    # Nothing else, no traceback above all.
    assert {len(line) for line in requests} == {3}


def app_url(sagemaker: Any, image: str) -> str:
    """Where a Studio app of an image is, once it is in service."""
    image_arn = sagemaker.create_image(ImageName="lab", RoleArn=ROLE)["ImageArn"]
    sagemaker.create_image_version(ImageName="lab", BaseImage=image, ClientToken="t")
    sagemaker.create_app_image_config(AppImageConfigName="lab", JupyterLabAppImageConfig={})
    custom = {"ImageName": "lab", "AppImageConfigName": "lab"}
    domain = sagemaker.create_domain(
        DomainName="team", AuthMode="IAM", VpcId="vpc-1", SubnetIds=["subnet-1"],
        DefaultUserSettings={"ExecutionRole": ROLE, "JupyterLabAppSettings": {"CustomImages": [custom]}},
    )["DomainId"]  # fmt: skip
    sagemaker.create_space(DomainId=domain, SpaceName="mine")
    app = {"DomainId": domain, "SpaceName": "mine", "AppType": "JupyterLab", "AppName": "default"}
    sagemaker.create_app(**app, ResourceSpec={"SageMakerImageArn": image_arn, "InstanceType": "ml.t3.medium"})
    until(lambda: sagemaker.describe_app(**app)["Status"] != "Pending")
    assert sagemaker.describe_app(**app)["Status"] == "InService"
    return str(sagemaker.describe_space(DomainId=domain, SpaceName="mine")["Url"])


def rules_interfaces() -> set[str]:
    """The bridges that the rules of the agents' addresses name."""
    listed = subprocess.run(["iptables", "-w", "-t", "nat", "-S", "PREROUTING"], capture_output=True, text=True, check=False)
    return {word for line in listed.stdout.splitlines() for word in line.split() if word.startswith("br-")}


def test_sigterm_ends_it_in_the_same_way(engine: None, probe_image: str, tmp_path: Path) -> None:
    """With a job that hears no signal; the variables as JSON, at the port that was asked for."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with started(tmp_path, "--export", "json", "--port", str(port)) as local:
        assert local.environment["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{port}"
        assert int(local.environment["LYFTLEARN_LOCAL_PID"]) == local.process.pid
        local.client("sagemaker").create_training_job(**training_request("deaf", probe_image, DEAF))
        until(lambda: any("sagemaker" in name for name in local.leftovers()))
        local.process.terminate()
        assert local.process.wait() == 0
        assert local.leftovers() == []


def test_a_shell_has_it_in_the_background(engine: None, tmp_path: Path) -> None:
    """As the help says: its variables are evaluated while it runs on, and its number ends it."""
    script = """
        eval "$("$@" 2>"$LOG" &)"
        "$PYTHON" -c "$CALL"
        kill $LYFTLEARN_LOCAL_PID
        echo $LYFTLEARN_LOCAL_PID
    """
    call = "import boto3; print(boto3.client('s3').list_buckets()['ResponseMetadata']['HTTPStatusCode'])"
    environment = {**os.environ, "LOG": str(tmp_path / "err"), "CALL": call, "PYTHON": sys.executable}
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *COMMAND], capture_output=True, text=True, check=True, env=environment
    )
    status, pid = done.stdout.split()
    assert (status, done.stderr) == ("200", "")
    until(lambda: not Path(f"/proc/{pid}").exists())
    assert (tmp_path / "err").read_text().split()[1:] == ["s3", "ListBuckets", "200"]


def test_a_port_that_is_taken_is_one_error() -> None:
    """Before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert (
        done.stderr
        == f"Error: port {port} is taken\n  at: 127.0.0.1\n  try: Give another one with --port, or none for any free one.\n"
    )
    assert done.stdout == ""
