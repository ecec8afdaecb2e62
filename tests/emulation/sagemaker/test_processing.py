"""Processing jobs with real containers: their data, their description, their message, their stop."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.emulation.sagemaker import host_group
from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.run import Status, StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.run import Run

    RunRequest = Callable[..., Run]

OUT = "/opt/ml/processing/out"
MESSAGE = "/opt/ml/output/message"


def data_input(name: str, path: str, uri: str = "s3://bucket/data/train/") -> dict[str, Any]:
    """A ProcessingInput."""
    return {"InputName": name, "S3Input": {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"}}


def test_data_is_at_its_local_paths_and_goes_to_its_prefixes(process: RunRequest) -> None:
    """Inputs and outputs of any depth; an output's directory is there before the program; links are not uploaded."""
    program = f"""
import os
assert os.listdir('{OUT}') == os.listdir('/opt/ml/processing/other') == []
open('{OUT}/r', 'w').write(open('/opt/ml/processing/in/deep/a.csv').read())
os.makedirs('/opt/ml/processing/other/d')
open('/opt/ml/processing/other/d/x', 'w').write('x')
os.symlink('{OUT}/r', '{OUT}/link')
"""
    run = process(
        program,
        inputs=[data_input("raw", "/opt/ml/processing/in/deep")],
        outputs={"report": OUT, "more": "/opt/ml/processing/other"},
    )
    assert (run.status, run.exit_code, run.reason) == (Status.COMPLETED, 0, ""), run.stderr.read_text()
    assert [path.name for path in run.artifacts["report"].iterdir()] == ["r"]
    assert (run.artifacts["report"] / "r").read_text() == "1,2\n"
    assert (run.artifacts["more"] / "d" / "x").read_text() == "x"


def test_the_description_has_its_documented_shape(process: RunRequest, probe_image: str) -> None:
    """processingjobconfig.json is the request with the ARN, with null where the guide has null, and S3 URIs."""
    program = """
import json, os
config = '/opt/ml/config/'
print(json.dumps([json.load(open(config + 'processingjobconfig.json')), json.load(open(config + 'resourceconfig.json')),
                  sorted(os.listdir(config)), os.environ['MODE'], 'TRAINING_JOB_NAME' in os.environ, os.getuid()]))
"""
    run = process(program, outputs={"report": OUT}, Environment={"MODE": "full"}, StoppingCondition={"MaxRuntimeInSeconds": 60})
    described, resources, files, mode, has_training_name, uid = json.loads(run.stdout.read_text())
    assert (files, mode, has_training_name, uid) == (["processingjobconfig.json", "resourceconfig.json"], "full", False, 0)
    assert (resources["current_host"], resources["hosts"], resources["current_instance_type"]) == (
        "algo-1",
        ["algo-1"],
        "ml.m5.large",
    )
    (output,) = described["ProcessingOutputConfig"]["Outputs"]
    assert output["OutputName"] == "report"
    assert output["S3Output"]["LocalPath"] == OUT
    assert output["S3Output"]["S3Uri"].startswith("s3://bucket/processed/")
    described["ProcessingOutputConfig"]["Outputs"].clear()
    assert described == {
        "ProcessingJobArn": "arn:aws:sagemaker:us-east-1:000000000000:processing-job/prep-1",
        "ProcessingJobName": "prep-1",
        "AppSpecification": {
            "ImageUri": probe_image,
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/p.py"],
            "ContainerArguments": None,
        },
        "Environment": {"MODE": "full"},
        "ProcessingInputs": [data_input("code", "/opt/ml/processing/code", "s3://bucket/pcode/")],
        "ProcessingOutputConfig": {"Outputs": [], "KmsKeyId": None},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1, "VolumeKmsKeyId": None}
        },
        "RoleArn": "arn:aws:iam::000000000000:role/lyftlearn",
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


@pytest.mark.parametrize(
    ("app", "argv"),
    [
        ({}, "image's cmd"),
        ({"ContainerEntrypoint": ["echo", "mine"]}, "mine"),
        ({"ContainerArguments": ["a"]}, "image's a"),
        ({"ContainerEntrypoint": ["echo", "mine"], "ContainerArguments": ["a"]}, "mine a"),
    ],
    ids=["neither", "entrypoint", "arguments", "both"],
)
def test_the_command_is_docker_runs(
    process: RunRequest, make_image: Callable[[str], str], app: dict[str, Any], argv: str
) -> None:
    """Nothing is appended; an entrypoint drops the image's CMD too, arguments alone replace it."""
    image = make_image('ENTRYPOINT ["echo", "image\'s"]\nCMD ["cmd"]')
    assert process("", app={"ImageUri": image, **app}).stdout.read_text() == f"{argv}\n"


@pytest.mark.parametrize(
    ("write", "code", "status", "message"),
    [
        ("b'all good'", 0, Status.COMPLETED, "all good"),
        ("b'row 7 is bad'", 4, Status.FAILED, "row 7 is bad"),
        ("'é'.encode() * 3000", 0, Status.COMPLETED, "é" * 1024),
        ("b'a' + '😀'.encode() * 3000", 0, Status.COMPLETED, "a" + "😀" * 1023),
        ("b'\\xff'", 0, Status.FAILED, "ClientError: /opt/ml/output/message is not UTF-8"),
        ("'é'.encode()[:1]", 0, Status.FAILED, "ClientError: /opt/ml/output/message is not UTF-8"),
    ],
    ids=["text", "text of a failure", "long", "cut within a character", "not UTF-8", "half a character"],
)
def test_the_message_is_told(process: RunRequest, write: str, code: int, status: Status, message: str) -> None:
    """ExitMessage is the file's first 1,024 characters, for success and failure; what is not UTF-8 fails the job."""
    run = process(f"import sys; open('{MESSAGE}', 'wb').write({write}); sys.exit({code})")
    assert (run.status, run.exit_code, run.reason) == (status, code, message)


def test_a_failed_job_still_exports(process: RunRequest) -> None:
    """Its outputs reach their prefixes, and its status is its exit code's."""
    run = process(f"import sys; open('{OUT}/r', 'w').write('half'); sys.exit(2)", outputs={"report": OUT})
    assert (run.status, run.exit_code, run.reason) == (Status.FAILED, 2, "")
    assert (run.artifacts["report"] / "r").read_text() == "half"


def test_a_stop_begins_with_an_interrupt(process: RunRequest) -> None:
    """The guide names SIGINT for processing jobs, where training jobs get SIGTERM."""
    program = f"""
import signal, time
signal.signal(signal.SIGTERM, lambda *_: open('{OUT}/term', 'w'))
print('ready', flush=True)
try:
    while True: time.sleep(1)
except KeyboardInterrupt:
    open('{OUT}/int', 'w')
    open('{MESSAGE}', 'w').write('interrupted')
"""
    run = process(program, outputs={"report": OUT}, stop=StopRequest(re.compile("ready")))
    assert (run.status, run.exit_code, run.reason) == (Status.STOPPED, 0, "interrupted")
    assert [path.name for path in run.artifacts["report"].iterdir()] == ["int"]


def test_a_deaf_job_is_killed_at_the_end_of_its_time(process: RunRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """MaxRuntimeInSeconds, then the window, then SIGKILL, and the reason says which."""
    monkeypatch.setattr(host_group, "STOP_GRACE_S", 1)
    program = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True: time.sleep(1)
"""
    run = process(program, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (run.status, run.exit_code) == (Status.STOPPED, 137)
    assert run.reason.startswith("MaxRuntimeExceeded")


@pytest.mark.parametrize(
    ("request_part", "told"),
    [
        ({"inputs": [data_input("raw", "/data")]}, "raw: LocalPath /data does not begin with /opt/ml/processing/"),
        ({"inputs": [data_input("raw", "/opt/ml/processing/../../etc")]}, "does not begin with"),
        ({"outputs": {"report": "/opt/ml/processing"}}, "report: LocalPath /opt/ml/processing does not begin"),
        ({"inputs": [data_input("code", "/opt/ml/processing/x")]}, "InputName code stands twice"),
        ({"outputs": {"report": "/opt/ml/processing/code"}}, "LocalPath /opt/ml/processing/code stands twice"),
        ({"inputs": [data_input("raw", "/opt/ml/processing/in", "s3://bucket/no/")]}, "input raw: No S3 objects found"),
        ({"inputs": [data_input(f"i{n}", f"/opt/ml/processing/{n}") for n in range(10)]}, "ProcessingInputs: 11 items"),
        ({"Environment": {"A": "x" * 257}}, "Environment.A: 257 characters, at most 256"),
    ],
)
def test_what_the_service_would_refuse_is_refused(process: RunRequest, request_part: dict[str, Any], told: str) -> None:
    """Before any container starts, with the part of the request that is wrong."""
    with pytest.raises(InvalidInputError, match=re.escape(told)):
        process("", **request_part)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            {
                "inputs": [
                    {
                        "InputName": "p",
                        "S3Input": {**data_input("p", "/opt/ml/processing/p")["S3Input"], "S3InputMode": "Pipe"},
                    }
                ]
            },
            "ProcessingInputs[0].S3Input.S3InputMode = Pipe",
        ),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(process: RunRequest, change: dict[str, Any], named: str) -> None:
    """A value that would change what the script sees is never ignored."""
    with pytest.raises(UnsupportedError, match=re.escape(named)):
        process("", **change)


def test_names_of_inputs_and_outputs_are_no_paths_on_this_machine(process: RunRequest, s3: S3Client) -> None:
    """The API takes any characters in a name; they do not lead out of the job's directory."""
    uri = "s3://bucket/strange/"
    output = {
        "OutputName": "../../up",
        "S3Output": {"S3Uri": uri, "LocalPath": OUT, "S3UploadMode": "EndOfJob"},
    }
    program = f"open('{OUT}/r', 'w').write(open('/opt/ml/processing/in/a.csv').read())"
    run = process(
        program, inputs=[data_input("../../in", "/opt/ml/processing/in")], ProcessingOutputConfig={"Outputs": [output]}
    )
    assert run.status is Status.COMPLETED, run.stderr.read_text()
    assert objects.list_keys(s3, uri) == ["strange/r"]
    assert {path.name for path in run.stdout.parent.iterdir()} == {"stdout", "stderr", "opt-ml"}
