"""The SageMaker emulator with real containers: what a job sees, and what is left of it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.targets import objects
from lyftlearn_image.targets.aws_endpoint import aws_endpoint
from lyftlearn_image.targets.sagemaker.emulator import SageMakerEmulator
from lyftlearn_image.targets.target import Compiled, Status, StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lyftlearn_image.targets.containers import Containers, Network
    from lyftlearn_image.targets.target import Run

    RunRequest = Callable[..., Run]


@pytest.fixture(scope="module")
def emulator(containers: Containers, network: Network) -> Iterator[SageMakerEmulator]:
    """The emulator with a local endpoint and one object in a channel's prefix."""
    with aws_endpoint(network.gateway) as endpoint:
        s3 = endpoint.s3()
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="data/train/a.csv", Body=b"1,2\n")
        yield SageMakerEmulator(containers, network, s3, endpoint.environment())


@pytest.fixture
def train(emulator: SageMakerEmulator, probe_image: str, tmp_path: Path) -> RunRequest:
    """Runs a Python program as a training job; `changes` are merged into the request."""

    def run(program: str, *, stop: StopRequest | None = None, **changes: Any) -> Run:
        request: dict[str, Any] = {
            "TrainingJobName": "job-1",
            "AlgorithmSpecification": {
                "TrainingImage": probe_image,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/p.py"],
            },
            "RoleArn": "arn:aws:iam::000000000000:role/lyftlearn",
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **changes,
        }
        # An argument has at most 256 characters: the program comes as a channel.
        emulator._s3.put_object(Bucket="bucket", Key="code/p.py", Body=program.encode())
        request.setdefault("InputDataConfig", []).append(channel("code", "s3://bucket/code/"))
        place = "s3://bucket/out/job-1/output"
        outputs = {"model": f"{place}/model.tar.gz", "output": f"{place}/output.tar.gz"}
        return emulator.run(Compiled("sagemaker", "CreateTrainingJob", (request,), {}, outputs), workspace=tmp_path, stop=stop)

    return run


def channel(name: str, uri: str, **more: Any) -> dict[str, Any]:
    """A channel of an S3 prefix."""
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **more}


def test_a_job_finds_its_files_and_leaves_its_artifacts(train: RunRequest) -> None:
    """Config files in their documented shapes, the channel's data, root, and both archives in S3 and back."""
    program = (
        "import json, os, socket\nc = '/opt/ml/input/config/'\n"
        "print(json.dumps([json.load(open(c + n + '.json')) for n in ('hyperparameters', 'inputdataconfig', 'resourceconfig')]"
        " + [open('/opt/ml/input/data/train/a.csv').read(), os.getuid(), os.environ['TRAINING_JOB_ARN'], socket.gethostbyname('algo-1')"  # noqa: E501 - a program, line by line
        " == socket.gethostbyname(socket.gethostname())]))\n"
        "open('/opt/ml/model/m.txt', 'w').write('model'); os.makedirs('/opt/ml/output/data/d'); open('/opt/ml/output/data/d/o', 'w').write('o')\n"  # noqa: E501 - a program, line by line
    )
    run = train(
        program,
        HyperParameters={"lr": "0.1"},
        InputDataConfig=[channel("train", "s3://bucket/data/train/", ContentType="text/csv")],
    )
    assert (run.status, run.exit_code, run.reason) == (Status.COMPLETED, 0, "")
    hyperparameters, inputs, resources, data, uid, arn, resolves = json.loads(run.stdout.read_text())
    assert hyperparameters == {"lr": "0.1"}
    assert inputs["train"] == {
        "ContentType": "text/csv", "TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None",  # noqa: E501 - a program, line by line
    }  # fmt: skip
    assert (resources["current_host"], resources["hosts"], resources["current_instance_type"]) == (
        "algo-1",
        ["algo-1"],
        "ml.m5.large",
    )
    assert (data, uid, resolves) == ("1,2\n", 0, True)
    assert re.fullmatch(r"arn:aws:sagemaker:[a-z0-9-]+:\d{12}:training-job/job-1", arn)
    assert (run.artifacts["model"] / "m.txt").read_text() == "model"
    assert (run.artifacts["output"] / "d" / "o").read_text() == "o"


def test_a_failed_job_has_its_reason_and_its_artifacts(train: RunRequest) -> None:
    """FailureReason is the failure file's beginning; model and output are exported all the same."""
    program = "import sys\nopen('/opt/ml/output/failure','w').write('the data is bad ' + 'x' * 2000)\nopen('/opt/ml/model/m','w').write('1')\nsys.exit(3)\n"  # noqa: E501 - a program, line by line
    run = train(program)
    assert (run.status, run.exit_code) == (Status.FAILED, 3)
    assert run.reason.startswith("AlgorithmError: the data is bad")
    assert len(run.reason) <= 1024
    assert (run.artifacts["model"] / "m").read_text() == "1"


def test_a_stop_lets_the_script_checkpoint(train: RunRequest) -> None:
    """SIGTERM at the matching line, status Stopped whatever the exit code, artifacts kept."""
    program = (
        "import signal, sys, time\n"
        "def stop(*_): open('/opt/ml/model/checkpoint','w').write('3'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('epoch 3', flush=True)\nwhile True: time.sleep(1)\n"
    )
    run = train(program, stop=StopRequest(re.compile("epoch 3")))
    assert (run.status, run.exit_code) == (Status.STOPPED, 0)
    assert (run.artifacts["model"] / "checkpoint").read_text() == "3"


def test_a_job_that_takes_too_long_is_stopped(train: RunRequest) -> None:
    """MaxRuntimeInSeconds is SIGTERM too."""
    program = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\ntime.sleep(60)\n"
    run = train(program, StoppingCondition={"MaxRuntimeInSeconds": 2})
    assert (run.status, run.exit_code) == (Status.STOPPED, 7)


def test_fast_file_is_read_only(train: RunRequest) -> None:
    """A FastFile channel can be read and not written, and shows as File."""
    program = (
        "import json\nprint(open('/opt/ml/input/data/train/a.csv').read())\n"
        "print(json.load(open('/opt/ml/input/config/inputdataconfig.json'))['train']['TrainingInputMode'])\n"
        "try: open('/opt/ml/input/data/train/b', 'w')\nexcept OSError as e: print(e.strerror)\n"
    )
    run = train(program, InputDataConfig=[channel("train", "s3://bucket/data/train/", InputMode="FastFile")])
    assert run.stdout.read_text().split("\n")[2:4] == ["File", "Read-only file system"]


def test_checkpoints_come_and_go(train: RunRequest, emulator: SageMakerEmulator, tmp_path: Path) -> None:
    """What is below S3Uri is there at the start; what is new is there afterwards."""
    emulator._s3.put_object(Bucket="bucket", Key="ck/old", Body=b"1")
    program = "print(open('/opt/ml/checkpoints/old').read()); open('/opt/ml/checkpoints/new','w').write('2')"
    run = train(program, CheckpointConfig={"S3Uri": "s3://bucket/ck/"})
    assert run.stdout.read_text() == "1\n"
    assert objects.download_prefix(emulator._s3, "s3://bucket/ck/", tmp_path / "back") == 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}}, "VpcConfig.SecurityGroupIds[0]"),
        ({"EnableManagedSpotTraining": True}, "EnableManagedSpotTraining"),
        (
            {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}},
            "ResourceConfig.InstanceCount = 2",
        ),
        ({"ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}}, "ml.p4d.24xlarge"),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(train: RunRequest, change: dict[str, Any], named: str) -> None:
    """A field that the emulator does not know is never ignored."""
    with pytest.raises(UnsupportedError, match=re.escape(named)):
        train("pass", **change)


def test_what_the_service_would_refuse_is_refused(train: RunRequest) -> None:
    """Before any container starts."""
    with pytest.raises(InvalidInputError, match=r"Environment\.A: 513 characters"):
        train("pass", Environment={"A": "x" * 513})


@pytest.mark.parametrize(
    ("write", "message"),
    [("b'all good'", "all good"), (r"b'\xff'", "ClientError: /opt/ml/output/message is not UTF-8")],
)
def test_a_processing_job_moves_its_data_and_has_its_message(
    emulator: SageMakerEmulator, probe_image: str, tmp_path: Path, write: str, message: str
) -> None:
    """Inputs and outputs at their LocalPath, the job's description in its file, the exit message."""
    program = (
        "import json; d = json.load(open('/opt/ml/config/processingjobconfig.json')); "
        "open('/opt/ml/processing/out/r','w').write(d['ProcessingJobName'] + open('/opt/ml/processing/in/a.csv').read());"
        f"open('/opt/ml/output/message','wb').write({write})"
    )
    source = {
        "S3Uri": "s3://bucket/data/train/",
        "LocalPath": "/opt/ml/processing/in",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    emulator._s3.put_object(Bucket="bucket", Key="pcode/p.py", Body=program.encode())
    code = {**source, "S3Uri": "s3://bucket/pcode/", "LocalPath": "/opt/ml/processing/code"}
    request = {
        "ProcessingJobName": "prep-1",
        "AppSpecification": {"ImageUri": probe_image, "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/p.py"]},
        "RoleArn": "arn:aws:iam::000000000000:role/lyftlearn",
        "ProcessingInputs": [{"InputName": "raw", "S3Input": source}, {"InputName": "code", "S3Input": code}],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "report",
                    "S3Output": {
                        "S3Uri": "s3://bucket/rep/",
                        "LocalPath": "/opt/ml/processing/out",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
        "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
    }
    compiled = Compiled("sagemaker", "CreateProcessingJob", (request,), {}, {"report": "s3://bucket/rep/"})
    run = emulator.run(compiled, workspace=tmp_path)
    assert run.exit_code == 0, run.stderr.read_text()
    assert (run.artifacts["report"] / "r").read_text() == "prep-11,2\n"
    assert run.reason == message
    assert run.status == (Status.FAILED if "ClientError" in message else Status.COMPLETED)
