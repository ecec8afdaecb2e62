"""Training jobs with real containers: what a job sees, how it is stopped, and what is left of it."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.emulation.sagemaker import host_group
from lyftlearn_image.errors import InvalidInputError, RunError, UnsupportedError
from lyftlearn_image.run import Status, StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.run import Run

    RunRequest = Callable[..., Run]

CONFIG = "/opt/ml/input/config"


def channel(name: str, uri: str, **more: Any) -> dict[str, Any]:
    """A channel of an S3 prefix."""
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **more}


def test_the_config_files_have_their_documented_shapes(train: RunRequest) -> None:
    """Strings in hyperparameters.json, no S3 URI in inputdataconfig.json, one host in resourceconfig.json; no more files."""
    program = f"""
import json, os
print(json.dumps({{name: json.load(open('{CONFIG}/' + name)) for name in os.listdir('{CONFIG}')}}))
"""
    run = train(
        program,
        HyperParameters={"lr": "0.1", "layers": "[1,2]"},
        InputDataConfig=[channel("train.v1", "s3://bucket/data/train/", ContentType="text/csv")],
    )
    entry = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    assert json.loads(run.stdout.read_text()) == {
        "hyperparameters.json": {"lr": "0.1", "layers": "[1,2]"},
        "inputdataconfig.json": {"train.v1": {"ContentType": "text/csv", **entry}, "code": entry},
        "resourceconfig.json": {
            "current_host": "algo-1",
            "current_instance_type": "ml.m5.large",
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1"],
            "instance_groups": [
                {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": ["algo-1"]}
            ],
            "network_interface_name": "eth0",
            "topology": None,
        },
    }


def test_a_job_runs_as_root_on_a_named_host(train: RunRequest) -> None:
    """The job's name and ARN, the region, a host name of an instance, and algo-1 as an address of its own interface."""
    program = """
import json, os, socket
names = ('TRAINING_JOB_NAME', 'TRAINING_JOB_ARN', 'AWS_REGION', 'AWS_EXECUTION_ENV', 'HOSTNAME', 'NOTE')
print(json.dumps([os.getuid(), {n: os.environ[n] for n in names}, os.isatty(1), os.path.exists('/sys/class/net/eth0'),
                  socket.gethostbyname('algo-1') == socket.gethostbyname(socket.gethostname())]))
"""
    uid, environment, has_terminal, has_eth0, resolves = json.loads(
        train(program, Environment={"NOTE": "two\nlines"}).stdout.read_text()
    )
    assert (uid, has_terminal, has_eth0, resolves) == (0, False, True, True)
    assert re.fullmatch(r"ip-\d+-\d+-\d+-\d+\.ec2\.internal", environment.pop("HOSTNAME"))
    assert environment == {
        "TRAINING_JOB_NAME": "job-1",
        "TRAINING_JOB_ARN": "arn:aws:sagemaker:us-east-1:000000000000:training-job/job-1",
        "AWS_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": "AWS_ECS_EC2",
        "NOTE": "two\nlines",
    }


@pytest.mark.parametrize(
    ("algorithm", "argv"),
    [
        ({}, "image's train"),
        ({"ContainerEntrypoint": ["echo", "mine"]}, "mine"),
        ({"ContainerArguments": ["a", "$HOME; b"]}, "image's a $HOME; b"),
        ({"ContainerEntrypoint": ["echo", "mine"], "ContainerArguments": ["a"]}, "mine a"),
    ],
    ids=["neither", "entrypoint", "arguments", "both"],
)
def test_train_is_passed_only_when_the_request_gives_no_command(
    train: RunRequest, make_image: Callable[[str], str], algorithm: dict[str, Any], argv: str
) -> None:
    """The four commands of the developer guide; the image's CMD never runs."""
    image = make_image('ENTRYPOINT ["echo", "image\'s"]\nCMD ["cmd"]')
    assert train("", algorithm={"TrainingImage": image, **algorithm}).stdout.read_text() == f"{argv}\n"


def test_an_instance_has_its_cpus_and_memory_and_no_more_than_this_machine(train: RunRequest, containers: Containers) -> None:
    """The container's limits are the instance type's, capped at what is here; there is no swap."""
    program = """
import json
def first(*paths):
    for path in paths:
        try: return open('/sys/fs/cgroup/' + path).read().split()
        except OSError: pass
quota = first('cpu.max') or first('cpu/cpu.cfs_quota_us') + first('cpu/cpu.cfs_period_us')
print(json.dumps([int(quota[0]) / int(quota[1]), int(first('memory.max', 'memory/memory.limit_in_bytes')[0])]))
"""
    info = containers.client.info()
    small = {"InstanceType": "ml.t3.medium", "InstanceCount": 1, "VolumeSizeInGB": 1}
    cpus, memory_bytes = json.loads(train(program, ResourceConfig=small).stdout.read_text())
    assert (cpus, memory_bytes) == (min(2, info["NCPU"]), min(4 << 30, info["MemTotal"] // 4096 * 4096))


def test_the_archives_are_where_the_service_puts_them(train: RunRequest, s3: S3Client, tmp_path: Path) -> None:
    """`<S3OutputPath>/<job>/output/{model,output}.tar.gz`: model/ and output/data/, and nothing else of output/."""
    program = """
import os
open('/opt/ml/model/m.bin', 'wb').write(bytes(range(256)))
os.makedirs('/opt/ml/output/data/deep/er')
open('/opt/ml/output/data/deep/er/o', 'w').write('o')
open('/opt/ml/output/not-data', 'w').write('stays')
"""
    run = train(program)
    assert (run.status, run.exit_code, run.reason) == (Status.COMPLETED, 0, "")
    place = f"out/{tmp_path.name}/job-1/output"
    assert objects.list_keys(s3, f"s3://bucket/{place}") == [f"{place}/model.tar.gz", f"{place}/output.tar.gz"]
    assert (run.artifacts["model"] / "m.bin").read_bytes() == bytes(range(256))
    found = [path.relative_to(run.artifacts["output"]).as_posix() for path in run.artifacts["output"].rglob("*")]
    assert sorted(found) == ["deep", "deep/er", "deep/er/o"]
    assert {path.name for path in tmp_path.iterdir()} == {"stdout", "stderr", "artifacts", "opt-ml"}


def test_a_failed_job_has_its_reason_and_its_artifacts(train: RunRequest) -> None:
    """FailureReason is the failure file's beginning with the exit code; model and output are exported all the same."""
    program = """
import sys
open('/opt/ml/output/failure', 'w').write('the data is bad: ' + 'ä' * 2000)
open('/opt/ml/model/m', 'w').write('1')
sys.exit(3)
"""
    run = train(program)
    assert (run.status, run.exit_code) == (Status.FAILED, 3)
    assert run.reason.startswith("AlgorithmError: the data is bad: ää")
    assert run.reason.endswith("ää, exit code: 3")
    assert len(run.reason) == 1024
    assert (run.artifacts["model"] / "m").read_text() == "1"


def test_limits_that_nothing_enforces_are_told(train: RunRequest) -> None:
    """By the names that they have in the request: the disk, and an instance that is larger than this machine."""
    run = train("", ResourceConfig={"InstanceType": "ml.m5.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 7})
    assert [note for note in run.notes if note.startswith("VolumeSizeInGB=7 is not enforced")]
    assert [note for note in run.notes if note.startswith("InstanceType=ml.m5.24xlarge allows 384.0 GiB")]
    assert [note for note in run.notes if note.startswith("InstanceType=ml.m5.24xlarge has 96 CPUs")]


def test_a_channel_brings_whole_names_and_no_namesakes(train: RunRequest, s3: S3Client, tmp_path: Path) -> None:
    """A folder without its slash, an object, and the beginning of names."""
    top = f"named/{tmp_path.name}"
    for key in ("train/a.csv", "train-old/b.csv", "train.csv", "one.csv", "one.csv.bak", "part-1", "part-2"):
        s3.put_object(Bucket="bucket", Key=f"{top}/{key}", Body=b"")
    program = """
import os
for channel in ('folder', 'object', 'parts'):
    print(channel, *sorted(os.listdir('/opt/ml/input/data/' + channel)))
"""
    uris = {"folder": "train", "object": "one.csv", "parts": "part-"}
    run = train(program, InputDataConfig=[channel(name, f"s3://bucket/{top}/{key}") for name, key in uris.items()])
    assert run.stdout.read_text() == "folder a.csv\nobject one.csv\nparts part-1 part-2\n"


def test_a_failure_without_a_file_has_the_exit_code_alone(train: RunRequest) -> None:
    """As jobs of today say it."""
    assert train("import os, signal; os._exit(139)").reason == "AlgorithmError: , exit code: 139"


def test_a_failure_file_of_a_successful_job_is_no_reason(train: RunRequest) -> None:
    """The exit code decides, not the file."""
    run = train("open('/opt/ml/output/failure', 'w').write('not so bad')")
    assert (run.status, run.reason) == (Status.COMPLETED, "")


def test_files_of_this_machine_are_not_read_through_links(train: RunRequest, tmp_path: Path) -> None:
    """A script that puts links in place of its failure file and its output directory gets nothing of the host."""
    planted = tmp_path / "private"
    planted.mkdir()
    (planted / "key").write_text("private")
    program = f"""
import os, shutil, sys
os.symlink('{planted}/key', '/opt/ml/output/failure')
shutil.rmtree('/opt/ml/output/data')
os.symlink('{planted}', '/opt/ml/output/data')
sys.exit(1)
"""
    run = train(program)
    assert run.reason == "AlgorithmError: , exit code: 1"
    assert list(run.artifacts["output"].iterdir()) == []


def test_an_image_with_a_user_runs_as_that_user(train: RunRequest, make_image: Callable[[str], str]) -> None:
    """It reads its data, and cannot write its model or even its failure: as on the service, where root is expected."""
    program = """
import os
config = open('/opt/ml/input/config/resourceconfig.json').read()
print(os.getuid(), open('/opt/ml/input/data/train/a.csv').read().strip(), config[0])
open('/opt/ml/output/failure', 'w')
"""
    run = train(
        program,
        algorithm={
            "TrainingImage": make_image("USER 1000:100"),
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/p.py"],
        },
        InputDataConfig=[channel("train", "s3://bucket/data/train/")],
    )
    assert run.stdout.read_text() == "1000 1,2 {\n"
    assert "PermissionError" in run.stderr.read_text()
    assert run.reason == "AlgorithmError: , exit code: 1"


@pytest.mark.parametrize("code", [0, 5])
def test_a_stop_lets_the_script_checkpoint(train: RunRequest, code: int) -> None:
    """SIGTERM at the matching line, status Stopped whatever the exit code, no reason, artifacts kept."""
    program = f"""
import signal, sys, time
def stop(*_):
    open('/opt/ml/model/checkpoint', 'w').write('3')
    sys.exit({code})
signal.signal(signal.SIGTERM, stop)
print('epoch 3', flush=True)
while True: time.sleep(1)
"""
    run = train(program, stop=StopRequest(re.compile("epoch 3")))
    assert (run.status, run.exit_code, run.reason) == (Status.STOPPED, code, "")
    assert (run.artifacts["model"] / "checkpoint").read_text() == "3"


DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open('/opt/ml/model/m', 'w').write('1')
print('ready', flush=True)
while True: time.sleep(1)
"""


def test_a_script_that_does_not_stop_is_killed(train: RunRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the window, which is 120 s, comes SIGKILL; what was written is still exported."""
    assert host_group.STOP_GRACE_S == 120
    monkeypatch.setattr(host_group, "STOP_GRACE_S", 1)
    run = train(DEAF, stop=StopRequest(re.compile("ready")))
    assert (run.status, run.exit_code) == (Status.STOPPED, 137)
    assert (run.artifacts["model"] / "m").read_text() == "1"


def test_a_job_that_takes_too_long_is_stopped_for_that_reason(train: RunRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """MaxRuntimeInSeconds is SIGTERM too, with the same window, and its own reason."""
    monkeypatch.setattr(host_group, "STOP_GRACE_S", 1)
    run = train(DEAF, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (run.status, run.exit_code) == (Status.STOPPED, 137)
    assert run.reason.startswith("MaxRuntimeExceeded")


@pytest.mark.parametrize("place", ["channel", "specification"])
def test_fast_file_is_read_only(train: RunRequest, place: str) -> None:
    """A FastFile channel can be read and not written, shows as File, and leaves the others writable."""
    program = f"""
import json
print(open('/opt/ml/input/data/train/a.csv').read().strip())
print(json.load(open('{CONFIG}/inputdataconfig.json'))['train']['TrainingInputMode'])
for name in ('train', 'code'):
    try: open('/opt/ml/input/data/' + name + '/new', 'w')
    except OSError as error: print(name, error.strerror)
"""
    mode = {"InputMode": "FastFile"} if place == "channel" else {}
    entrypoint = {"ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/p.py"]}
    algorithm = {"TrainingInputMode": "FastFile", **entrypoint} if place == "specification" else None
    run = train(program, algorithm=algorithm, InputDataConfig=[channel("train", "s3://bucket/data/train/", **mode)])
    assert run.stdout.read_text() == "1,2\nFile\ntrain Read-only file system\n"


@pytest.mark.parametrize("path", [None, "/checkpoints/here"])
def test_checkpoints_come_and_go(train: RunRequest, s3: S3Client, tmp_path: Path, path: str | None) -> None:
    """What is below S3Uri is there at the start; what is new or gone afterwards is so there too."""
    prefix = f"s3://bucket/ck/{tmp_path.name}"
    for name in ("old", "done"):
        s3.put_object(Bucket="bucket", Key=f"ck/{tmp_path.name}/{name}", Body=b"1")
    s3.put_object(Bucket="bucket", Key=f"ck/{tmp_path.name}-sibling", Body=b"1")
    directory = path or "/opt/ml/checkpoints"
    program = f"""
import json, os
print(sorted(os.listdir('{directory}')), json.load(open('{CONFIG}/checkpointconfig.json'))['LocalPath'])
os.remove('{directory}/done')
open('{directory}/new', 'w').write('2')
"""
    run = train(program, CheckpointConfig={"S3Uri": prefix} | ({"LocalPath": path} if path else {}))
    assert run.stdout.read_text() == f"['done', 'old'] {directory}\n"
    expected = [f"ck/{tmp_path.name}{name}" for name in ("-sibling", "/new", "/old")]
    assert objects.list_keys(s3, prefix) == expected


@pytest.mark.parametrize(
    ("channels", "told"),
    [
        ([("train", "s3://bucket/nothing/")], "channel train: No S3 objects found under S3 URL s3://bucket/nothing/"),
        ([("train", "s3://no-such-bucket/x/")], "NoSuchBucket"),
        ([("..", "s3://bucket/data/train/")], "no directory's name"),
        ([("a", "s3://bucket/data/train/"), ("a", "s3://bucket/data/train/")], "a second channel a"),
    ],
)
def test_a_channel_without_usable_data_is_refused(train: RunRequest, channels: list[tuple[str, str]], told: str) -> None:
    """No container starts on data that the service would not deliver."""
    with pytest.raises(InvalidInputError, match=re.escape(told)):
        train("", InputDataConfig=[channel(name, uri) for name, uri in channels])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"OutputDataConfig": {"S3OutputPath": "s3://b/p", "CompressionType": "NONE"}}, "CompressionType = NONE"),
        ({"RemoteDebugConfig": {"EnableRemoteDebug": True}}, "RemoteDebugConfig.EnableRemoteDebug"),
        (
            {"ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}},
            "the instance type ml.p4d.24xlarge",
        ),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(train: RunRequest, change: dict[str, Any], named: str) -> None:
    """A field or value that the emulator does not know is never ignored."""
    with pytest.raises(UnsupportedError, match=re.escape(named)):
        train("", **change)


@pytest.mark.parametrize(("regex", "told"), [("loss=(", "is none"), ("loss=.*", "no group in parentheses")])
def test_a_metric_that_cannot_be_read_is_refused(train: RunRequest, regex: str, told: str) -> None:
    """Before any container starts."""
    algorithm = {"MetricDefinitions": [{"Name": "loss", "Regex": regex}]}
    with pytest.raises(InvalidInputError, match=told):
        train("", algorithm=algorithm)


def test_a_warm_pools_cache_is_there_and_empty(train: RunRequest) -> None:
    """The variable names a directory that can be written (developer guide, train-warm-pools); without a pool there is none."""
    program = """
import os
place = os.environ.get('SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY')
if place: open(place + '/kept', 'w').write('1')
print(place, place and os.listdir(place))
"""
    pool = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1, "KeepAlivePeriodInSeconds": 60}
    assert train(program, ResourceConfig=pool).stdout.read_text() == "/opt/ml/sagemaker/warmpoolcache ['kept']\n"


def test_what_the_service_would_refuse_is_refused(train: RunRequest) -> None:
    """Before any container starts."""
    with pytest.raises(InvalidInputError, match=r"Environment\.A: 513 characters"):
        train("", Environment={"A": "x" * 513})


def test_jobs_run_side_by_side(train: RunRequest, tmp_path: Path) -> None:
    """One emulator serves several threads, and no job sees another's files."""

    def one(number: int) -> str:
        workspace = tmp_path / f"w{number}"
        workspace.mkdir()
        run = train(f"open('/opt/ml/model/m', 'w').write('{number}')", workspace=workspace, TrainingJobName=f"job-{number}")
        return (run.artifacts["model"] / "m").read_text()

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(one, range(3))) == ["0", "1", "2"]


OBSERVED = "/opt/ml/output/data/.lyftlearn"


def test_the_phases_are_told_apart_by_the_observation(train: RunRequest) -> None:
    """From the container's start to the observation is start-up; the rest is the script's."""
    program = f"""
import json, os, time
os.makedirs('{OBSERVED}')
json.dump({{'observed_at': time.time(), 'argv': ['x']}}, open('{OBSERVED}/observation.json', 'w'))
time.sleep(1)
"""
    run = train(program)
    assert run.observation is not None
    assert run.observation["argv"] == ["x"]
    timings = run.timings
    assert timings.startup_s is not None
    assert 0 < timings.startup_s < timings.startup_s + 1 <= timings.startup_s + timings.script_s
    assert min(timings.prepare_s, timings.collect_s) > 0


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"observed_at": "now"}'])
def test_an_observation_that_the_script_changed_is_an_error(train: RunRequest, text: str) -> None:
    """It is no evidence any more, and the user reads so."""
    program = f"import os; os.makedirs('{OBSERVED}'); open('{OBSERVED}/observation.json', 'w').write({text!r})"
    with pytest.raises(RunError, match="the script changed it"):
        train(program)


def test_a_harness_that_is_not_root_owns_what_root_wrote(
    train: RunRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Files that only root could read or remove are handed over, and the archives have them."""
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    monkeypatch.setattr("os.getegid", lambda: 54321)
    program = """
import os
os.makedirs('/opt/ml/model/deep', mode=0o000)
open('/opt/ml/model/deep/m', 'w').write('1')
os.chmod('/opt/ml/model/deep/m', 0o000)
os.symlink('/etc/hostname', '/opt/ml/model/link')
"""
    run = train(program)
    owned = [tmp_path / "opt-ml" / "algo-1" / "model" / name for name in ("", "deep", "deep/m", "link")]
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in owned} == {(12345, 54321)}
    assert owned[1].stat().st_mode & 0o700 == 0o700
    assert owned[2].stat().st_mode & 0o600 == 0o600
    assert (run.artifacts["model"] / "deep" / "m").read_text() == "1"
