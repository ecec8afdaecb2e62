"""Transform jobs in real containers: what is sent, what comes out, and how a job fails."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.emulation.docker.running_container import ContainerExit, RunningContainer
from lyftlearn_image.emulation.sagemaker.batch import client, transform as batch_transform
from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.retry import every
from lyftlearn_image.run import Run, Status, StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator

    Transform = Callable[..., Run]


@pytest.fixture
def transform(
    emulator: SageMakerEmulator, s3: S3Client, model_request: Callable[..., Any], tmp_path: Path, monkeypatch: Any
) -> Transform:
    """Runs a transform job over these objects; further arguments are merged into the request one level deep."""
    monkeypatch.setattr(client, "RETRIES", every(0.01))

    def run(
        inputs: dict[str, bytes],
        *,
        model: dict[str, Any] | None = None,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
        **changes: Any,
    ) -> Run:
        place = f"transform/{tmp_path.name}"
        for name, data in inputs.items():
            s3.put_object(Bucket="bucket", Key=f"{place}/in/{name}", Body=data)
        request: dict[str, Any] = {
            "TransformJobName": "score-1",
            "ModelName": "m",
            "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://bucket/{place}/in/"}}},
            "TransformOutput": {"S3OutputPath": f"s3://bucket/{place}/out"},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        }
        for name, value in changes.items():
            request[name] = {**request.get(name, {}), **value} if isinstance(value, dict) else value
        documents = (model_request() if model is None else model, request)
        outputs = {"output": f"s3://bucket/{place}/out/"}
        actions = ("CreateModel", "CreateTransformJob")
        compiled = Compiled("sagemaker", "CreateTransformJob", documents, {}, outputs, actions)
        return emulator.run(compiled, workspace=tmp_path, stop=stop, on_line=on_line)

    return run


def files_of(run: Run) -> dict[str, bytes]:
    """What came out, by name."""
    top = run.artifacts["output"]
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def asked(run: Run) -> list[tuple[str, int]]:
    """Beginning and length of the bodies that the server was sent, sorted."""
    return sorted(tuple(json.loads(line)) for line in re.findall(r"^asked (\[.*)$", run.stdout.read_text(), re.MULTILINE))


def test_each_object_becomes_one_with_out_at_its_end(transform: Transform) -> None:
    """In corresponding folders, whole without a split; and the container ends with SIGTERM."""
    run = transform({"a.csv": b"one\ntwo\n", "b/c.csv": b"x", "empty": b""})
    assert (run.status, run.exit_code, run.reason) == (Status.COMPLETED, 0, "")
    assert files_of(run) == {"a.csv.out": b"ONE\nTWO\n", "b/c.csv.out": b"X", "empty.out": b""}
    assert asked(run) == [("", 0), ("one\ntwo\n", 8), ("x", 1)]
    assert run.stdout.read_text().endswith("asked to end\n")


def test_the_container_is_one_of_batch_transform(transform: Transform, model_request: Callable[..., Any]) -> None:
    """The argument serve, root, no terminal, a model that cannot be written, variables and headers as they are documented."""
    run = transform(
        {"a": b"facts"},
        model=model_request(Environment={"NOTE": "model", "NOTE_2": "two\nlines"}),
        Environment={"NOTE": "job"},
        MaxPayloadInMB=3,
        MaxConcurrentTransforms=2,
        BatchStrategy="SingleRecord",
        TransformInput={"ContentType": "text/csv"},
        TransformOutput={"Accept": "application/json"},
    )
    facts = json.loads(files_of(run)["a.out"])
    assert facts.pop("headers").items() >= {("content-type", "text/csv"), ("accept", "application/json")}
    assert facts == {
        "argv": ["serve"],
        "uid": 0,
        "is_terminal": False,
        "model": ["served.py"],
        "written": "Read-only file system",
        "environment": {
            "NOTE": "job",
            "NOTE_2": "two\nlines",
            "SAGEMAKER_BATCH": "true",
            "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD",
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "2",
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": "3",
            "TRANSFORM_JOB_ARN": "arn:aws:sagemaker:us-east-1:000000000000:transform-job/score-1",
        },
    }


def test_what_nobody_chose_is_not_said_to_the_container(transform: Transform) -> None:
    """Of the variables only SAGEMAKER_BATCH is always there; no header is invented."""
    facts = json.loads(files_of(transform({"a": b"facts"}))["a.out"])
    assert set(facts["environment"]) == {"SAGEMAKER_BATCH", "TRANSFORM_JOB_ARN"}
    assert not facts["headers"].keys() & {"content-type", "accept"}


@pytest.mark.parametrize(
    ("strategy", "assemble", "bodies", "answer"),
    [
        ("SingleRecord", "None", [("a", 1), ("b", 1), ("c", 1)], b"ABC"),
        ("SingleRecord", "Line", [("a", 1), ("b", 1), ("c", 1)], b"A\nB\nC\n"),
        ("MultiRecord", "Line", [("a\nb\nc", 5)], b"A\nB\nC\n"),
        ("MultiRecord", "None", [("a\nb\nc", 5)], b"A\nB\nC"),
    ],
)
def test_lines_are_split_and_put_together(
    transform: Transform, strategy: str, assemble: str, bodies: list[tuple[str, int]], answer: bytes
) -> None:
    """In the order of the input, however many are asked at once."""
    run = transform(
        {"a": b"a\nb\nc\n"},
        BatchStrategy=strategy,
        MaxConcurrentTransforms=3,
        TransformInput={"SplitType": "Line"},
        TransformOutput={"AssembleWith": assemble},
    )
    assert (files_of(run), asked(run)) == ({"a.out": answer}, bodies)


def test_a_payload_is_never_larger_than_it_may_be(transform: Transform) -> None:
    """As many lines as fit; a record that does not fit alone fails its object and the job, and the others are kept."""
    lines = [b"x" * 400_000 for _ in range(5)]
    run = transform(
        {"a": b"\n".join(lines), "b": b"y" * (1 << 20), "too-long": b"z" * ((1 << 20) + 1)},
        MaxPayloadInMB=1,
        TransformInput={"SplitType": "Line"},
    )
    assert [size for _, size in asked(run)] == [400_000, 800_001, 800_001, 1 << 20]
    assert (run.status, run.exit_code) == (Status.FAILED, 1)
    assert run.reason == "ClientError: See job logs for more information"
    assert "too-long: ClientError: a record has 1048577 bytes, more than MaxPayloadInMB=1 allows" in run.stderr.read_text()
    assert set(files_of(run)) == {"a.out", "b.out"}


def test_zero_megabytes_are_sent_in_chunks(transform: Transform) -> None:
    """Any length then goes, in HTTP's chunked encoding."""
    run = transform({"a": b"facts" + b" " * (7 << 20)}, MaxPayloadInMB=0)
    headers = json.loads(files_of(run)["a.out"])["headers"]
    assert headers["transfer-encoding"] == "chunked"
    assert "content-length" not in headers


def test_the_container_says_what_the_caller_did_not(transform: Transform, model_request: Callable[..., Any]) -> None:
    """The request first, then /execution-parameters, then 1, MULTI_RECORD and 6; the log says which it became."""
    said = {"BatchStrategy": "SINGLE_RECORD", "MaxConcurrentTransforms": 2, "MaxPayloadInMB": 1}
    model = model_request(Environment={"PARAMETERS": json.dumps(said)})
    run = transform({"a": b"a\nb"}, model=model, TransformInput={"SplitType": "Line"})
    assert len(asked(run)) == 2
    assert run.stderr.read_text() == (
        "[sagemaker logs]: MaxConcurrentTransforms=2, MaxPayloadInMB=1, BatchStrategy=SINGLE_RECORD\n"
    )


def test_the_defaults_are_the_documented_ones(transform: Transform) -> None:
    """Where neither request nor container says anything."""
    run = transform({"a": b"a\nb"}, MaxConcurrentTransforms=0, TransformInput={"SplitType": "Line"})
    assert len(asked(run)) == 1
    assert "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD" in run.stderr.read_text()


def test_gzip_is_unpacked_on_the_way(transform: Transform) -> None:
    """And what is not gzip although it was said fails the job."""
    run = transform({"a.gz": gzip.compress(b"a"), "b.gz": b"b"}, TransformInput={"CompressionType": "Gzip"})
    assert files_of(run) == {"a.gz.out": b"A"}
    assert (run.status, run.reason) == (Status.FAILED, "ClientError: See job logs for more information")
    assert "b.gz: ClientError: the object is not gzip" in run.stderr.read_text()


def test_one_bad_record_costs_its_object_and_the_job(transform: Transform) -> None:
    """The server is asked again as often as it is said, the other objects are processed, the log has the server's words."""
    run = transform(
        {"bad": b"a\nboom\nc", "good": b"a"},
        BatchStrategy="SingleRecord",
        ModelClientConfig={"InvocationsMaxRetries": 2},
        TransformInput={"SplitType": "Line"},
    )
    assert (run.status, run.exit_code) == (Status.FAILED, 1)
    assert run.reason == "AlgorithmError: See job logs for more information"
    assert files_of(run) == {"good.out": b"A"}
    assert asked(run).count(("boom", 4)) == 3
    log = run.stderr.read_text()
    assert "[sagemaker logs]: bad: Bad HTTP status received from algorithm: 500\n" in log
    assert "[sagemaker logs]: bad: it broke\n" in log


def test_a_busy_server_is_asked_again_and_a_refusal_is_final(transform: Transform) -> None:
    """503 is followed by the answer; 400 is the caller's fault and asked once."""
    run = transform({"a": b"once", "b": b"refuse"})
    assert files_of(run) == {"a.out": b"ONCE"}
    assert asked(run) == [("once", 4), ("once", 4), ("refuse", 6)]
    assert run.reason == "ClientError: See job logs for more information"
    assert "[sagemaker logs]: b: ClientError: 400\n" in run.stderr.read_text()


@pytest.mark.parametrize("body", [b"sleep", b"trickle"])
def test_an_answer_that_is_late_fails_the_job(transform: Transform, body: bytes) -> None:
    """Also one that has begun: the time is for the whole of it."""
    client = {"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 0}
    run = transform({"a": body}, ModelClientConfig=client)
    assert run.reason == "AlgorithmError: See job logs for more information"
    assert "a: Unable to get response from algorithm" in run.stderr.read_text()
    assert files_of(run) == {}


def test_a_container_that_dies_fails_the_job(transform: Transform) -> None:
    """With its own exit code."""
    run = transform({"a": b"die", "b": b"b"})
    assert (run.status, run.exit_code) == (Status.FAILED, 9)


def test_an_engine_that_tells_of_a_container_s_end_late_changes_nothing(
    transform: Transform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connections are seen to break before."""
    wait = RunningContainer.wait

    def wait_late(running: RunningContainer, timeout_s: float | None = None) -> ContainerExit | None:
        return None if timeout_s == 0 else wait(running, timeout_s)

    monkeypatch.setattr(RunningContainer, "wait", wait_late)
    run = transform({"a": b"die", "b": b"b"}, ModelClientConfig={"InvocationsMaxRetries": 0})
    assert (run.status, run.exit_code) == (Status.FAILED, 9)


@pytest.mark.parametrize(("environment", "code"), [({"PINGS": "503"}, 1), ({"DIES": "1"}, 5)])
def test_a_container_that_is_never_healthy_fails_the_job(
    transform: Transform,
    model_request: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    code: int,
) -> None:
    """In the service's words, when its time is up; at once when it ends before."""
    monkeypatch.setattr(batch_transform, "START_TIMEOUT_S", 1.0 if code == 1 else 60.0)
    # It may not have come as far as to hear SIGTERM.
    monkeypatch.setattr(batch_transform, "STOP_GRACE_S", 0)
    run = transform({"a": b"a"}, model=model_request(Environment=environment))
    assert (run.status, run.exit_code) == (Status.FAILED, code)
    assert run.reason.startswith("AlgorithmError: Model container failed to respond to ping.")
    assert files_of(run) == {}


def test_a_stopped_job_stores_no_output(transform: Transform, s3: S3Client, tmp_path: Path) -> None:
    """Also of the objects that were done: the container has SIGTERM."""
    run = transform({"a": b"a", "b": b"sleep"}, stop=StopRequest(re.compile("sleep")))
    assert (run.status, run.reason) == (Status.STOPPED, "")
    assert "asked to end" in run.stdout.read_text()
    assert objects.list_keys(s3, f"s3://bucket/transform/{tmp_path.name}/out") == []


def test_ctrl_c_ends_the_containers(transform: Transform) -> None:
    """Also one that is in the middle of an answer, which takes an hour; that none is left, every test here asserts."""

    def interrupt(line: str) -> None:
        if "sleep" in line:
            os.kill(os.getpid(), signal.SIGINT)

    # A shell has it ignored for what it starts in the background, as these tests may be.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            transform({"a": b"sleep"}, on_line=interrupt)
    finally:
        signal.signal(signal.SIGINT, inherited)


def test_a_job_names_its_model(transform: Transform) -> None:
    """Another one is not there, as on the service."""
    with pytest.raises(InvalidInputError, match="ModelName is other, and the model's is m"):
        transform({"a": b"a"}, ModelName="other")


def test_instances_share_the_objects(transform: Transform) -> None:
    """Each object goes to one of them; the result is that of one instance."""
    run = transform(
        {name: name.encode() for name in "abcde"}, TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 2}
    )
    assert files_of(run) == {f"{name}.out": name.upper().encode() for name in "abcde"}
    assert len(asked(run)) == 5
    assert run.stdout.read_text().count("asked to end") == 2


@pytest.mark.parametrize("what", ["text", "tar", "cut"])
def test_model_data_that_is_no_archive_fails_the_job(
    transform: Transform, model_request: Callable[..., Any], archive: Callable[..., bytes], what: str
) -> None:
    """In the service's words, with the URL; nothing was started."""
    data = {"text": b"no archive", "tar": gzip.decompress(archive()), "cut": archive()[:200]}[what]
    run = transform({"a": b"a"}, model=model_request(data))
    assert run.status is Status.FAILED
    assert re.search(r"Failed to extract model data archive .* \"s3://bucket/models/.*/model.tar.gz\"", run.reason)
    assert (run.stdout.read_bytes(), files_of(run)) == (b"", {})


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret", "served.py"])
def test_a_model_with_a_symbolic_link_cannot_be_unpacked(
    transform: Transform, model_request: Callable[..., Any], archive: Callable[..., bytes], target: str
) -> None:
    """As on the service, wherever it leads."""
    run = transform({"a": b"a"}, model=model_request(archive(links={"link": target})))
    assert run.status is Status.FAILED
    assert "(link is neither a file nor a directory)" in run.reason


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_a_member_that_leads_out_of_the_model_is_not_written(
    transform: Transform, model_request: Callable[..., Any], archive: Callable[..., bytes], tmp_path: Path, name: str
) -> None:
    """Nothing is written beside the model's directory."""
    run = transform({"a": b"a"}, model=model_request(archive({name: b"x"})))
    assert run.status is Status.FAILED
    assert "leads out of it" in run.reason
    assert not list(tmp_path.rglob("outside"))


@pytest.mark.parametrize("uri", ["s3://bucket/models/none/model.tar.gz", "s3://bucket/models"])
def test_model_data_that_is_not_there_is_refused(transform: Transform, model_request: Callable[..., Any], uri: str) -> None:
    """As CreateModel refuses it; so is the beginning of other names."""
    with pytest.raises(InvalidInputError, match=f"Could not find model data at {uri}"):
        transform({"a": b"a"}, model=model_request(ModelDataUrl=uri))


def test_uncompressed_model_data_is_a_prefix_or_one_object(
    transform: Transform, model_request: Callable[..., Any], archive: Callable[..., bytes], s3: S3Client, tmp_path: Path
) -> None:
    """Paths below the prefix are those below /opt/ml/model; a folder's marker is no file and fails."""
    import tarfile
    from io import BytesIO

    top = f"plain/{tmp_path.name}"
    with tarfile.open(fileobj=BytesIO(archive())) as packed:
        program = packed.extractfile("served.py")
        assert program
        s3.put_object(Bucket="bucket", Key=f"{top}/served.py", Body=program.read())
    s3.put_object(Bucket="bucket", Key=f"{top}/deep/weights", Body=b"w")

    def source(uri: str, kind: str) -> dict[str, Any]:
        data = {"S3DataSource": {"S3Uri": uri, "S3DataType": kind, "CompressionType": "None"}}
        return {**model_request(ModelDataUrl=None, ModelDataSource=data)}

    run = transform({"a": b"facts"}, model=source(f"s3://bucket/{top}/", "S3Prefix"))
    assert json.loads(files_of(run)["a.out"])["model"] == ["deep", "deep/weights", "served.py"]


def test_a_folder_marker_in_the_model_fails_the_job(
    transform: Transform, model_request: Callable[..., Any], s3: S3Client, tmp_path: Path
) -> None:
    """It is an object whose name ends in a slash, which the service cannot make a file."""
    s3.put_object(Bucket="bucket", Key=f"marked/{tmp_path.name}/folder/", Body=b"")
    data = {
        "S3DataSource": {
            "S3Uri": f"s3://bucket/marked/{tmp_path.name}/", "S3DataType": "S3Prefix", "CompressionType": "None"
        }
    }  # fmt: skip
    run = transform({"a": b"a"}, model=model_request(ModelDataUrl=None, ModelDataSource=data))
    assert run.status is Status.FAILED
    assert "is a folder's marker and no file" in run.reason


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"TransformInput": {"SplitType": "RecordIO"}}, "TransformInput.SplitType = RecordIO"),
        ({"TransformInput": {"SplitType": "TFRecord"}}, "TransformInput.SplitType = TFRecord"),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://b/c"}}, "DataCaptureConfig"),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(transform: Transform, changes: dict[str, Any], named: str) -> None:
    """Before anything is started."""
    with pytest.raises(UnsupportedError, match=named):
        transform({"a": b"a"}, **changes)


@pytest.mark.parametrize(
    ("kind", "processing", "sent", "stored"),
    [
        (
            "text/csv",
            {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
            'a,b\nc,"d,e"',
            '1,B\n2,"D,E"\n',
        ),
        (
            "application/jsonlines",
            {"InputFilter": "$.x", "JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"},
            '"a"\n"b"',
            '{"SageMakerOutput":"A","id":1}\n{"SageMakerOutput":"B","id":2}\n',
        ),
    ],
)
def test_responses_are_associated_with_their_records(
    transform: Transform, kind: str, processing: dict[str, str], sent: str, stored: str
) -> None:
    """Filtered before, joined, filtered after, several records in a request; each by itself: test_association."""
    data = b'1,a,b\n2,c,"d,e"\n' if kind == "text/csv" else b'{"id": 1, "x": "a"}\n{"id": 2, "x": "b"}\n'
    run = transform(
        {"a": data},
        DataProcessing=processing,
        TransformInput={"ContentType": kind, "SplitType": "Line"},
        TransformOutput={"Accept": kind, "AssembleWith": "Line"},
    )
    assert run.status is Status.COMPLETED, run.stderr.read_text()
    assert asked(run) == [(sent, len(sent))]
    assert files_of(run) == {"a.out": stored.encode()}


def test_a_record_that_cannot_be_filtered_fails_its_object(transform: Transform) -> None:
    """As the caller's fault, and with the reason in the log; the other objects are kept, a whole JSON object among them."""
    run = transform(
        {"bad": b'{"x": 1}', "good": b'{"x": [1, 2]}'},
        DataProcessing={"InputFilter": "$.x[1]", "JoinSource": "Input"},
        TransformInput={"ContentType": "application/json"},
        TransformOutput={"Accept": "application/json"},
    )
    assert run.reason == "ClientError: See job logs for more information"
    assert r"bad: ClientError: there is nothing at $.x[1] in the record" in run.stderr.read_text()
    assert files_of(run) == {"good.out": b'{"SageMakerOutput":2,"x":[1,2]}'}


def test_input_that_is_not_there_is_refused(transform: Transform) -> None:
    """A prefix without objects."""
    with pytest.raises(InvalidInputError, match="No S3 objects found"):
        transform({})
