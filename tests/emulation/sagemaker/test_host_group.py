"""Jobs on several hosts: they find each other, get their share of the data, and end together."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.emulation.sagemaker.job_plan import host_names, ranks
from lyftlearn_image.run import Status, StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.run import Run

    RunRequest = Callable[..., Run]

THREE = {"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 1}
WHO = "import json; me = json.load(open('/opt/ml/input/config/resourceconfig.json')); host = me['current_host']\n"

# `ready()` on the others: their handlers stand. `all_ready(...)` on the host that ends them waits for it.
MEETING = """
import signal, socket, sys, time
def ready():
    globals()['door'] = socket.create_server(('', 5000))
def all_ready(*others):
    for other in others:
        while True:
            try:
                socket.create_connection((other, 5000)).close()
                break
            except OSError:
                time.sleep(0.05)
"""


def sharded(name: str, uri: str) -> dict[str, Any]:
    """A channel of which every host gets its share."""
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "ShardedByS3Key"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def test_the_hosts_talk_to_each_other_by_their_names(train: RunRequest) -> None:
    """Each greets all the others over TCP; the ranks are by `hosts`, and the group's own list is in another order."""
    program = (
        WHO
        + """
import socket, time
server = socket.create_server(('', 7777))
for other in me['hosts']:
    while True:
        try: line = socket.create_connection((other, 7777)); break
        except OSError: time.sleep(0.1)
    line.sendall(host.encode())
heard = sorted(server.accept()[0].recv(100).decode() for _ in me['hosts'])
open('/opt/ml/output/data/' + host, 'w').write(json.dumps([heard, me['hosts'], me['instance_groups'][0]['hosts']]))
"""
    )
    run = train(program, ResourceConfig=THREE)
    names = ["algo-1", "algo-2", "algo-3"]
    assert (run.status, run.exit_code) == (Status.COMPLETED, 0), run.stderr.read_text()
    for name in names:
        assert json.loads((run.artifacts["output"] / name).read_text()) == [names, names, names[::-1]]


def test_every_host_has_its_share_of_a_sharded_channel(train: RunRequest, s3: S3Client, tmp_path: Path) -> None:
    """Every object is at exactly one host; a replicated channel is whole at each, and one host may have nothing."""
    for number in range(5):
        s3.put_object(Bucket="bucket", Key=f"shard/{tmp_path.name}/{number}", Body=b"x")
    s3.put_object(Bucket="bucket", Key=f"single/{tmp_path.name}/only", Body=b"x")
    program = (
        WHO
        + """
import os
seen = [sorted(os.listdir('/opt/ml/input/data/' + name)) for name in ('parts', 'one', 'whole')]
kind = json.load(open('/opt/ml/input/config/inputdataconfig.json'))['parts']['S3DistributionType']
open('/opt/ml/output/data/' + host, 'w').write(json.dumps([*seen, kind]))
"""
    )
    whole = {"S3DataType": "S3Prefix", "S3Uri": f"s3://bucket/shard/{tmp_path.name}/"}
    run = train(
        program,
        ResourceConfig=THREE,
        InputDataConfig=[
            sharded("parts", f"s3://bucket/shard/{tmp_path.name}/"),
            sharded("one", f"s3://bucket/single/{tmp_path.name}/"),
            {"ChannelName": "whole", "DataSource": {"S3DataSource": whole}},
        ],
    )
    seen = [json.loads((run.artifacts["output"] / name).read_text()) for name in host_names(3)]
    parts = [part for host in seen for part in host[0]]
    assert sorted(parts) == ["0", "1", "2", "3", "4"]
    assert sorted(len(host[0]) for host in seen) == [1, 2, 2]
    assert sorted(host[1] for host in seen) == [[], [], ["only"]]
    assert all(host[2:] == [["0", "1", "2", "3", "4"], "ShardedByS3Key"] for host in seen)


def test_the_archives_have_the_files_of_all_hosts(train: RunRequest, s3: S3Client, tmp_path: Path) -> None:
    """One archive each, merged; of files with one name, one is there. Every host's output is kept apart."""
    program = (
        WHO
        + """
import os
os.makedirs('/opt/ml/model/deep')
open('/opt/ml/model/deep/' + host, 'w').write(host)
open('/opt/ml/model/same', 'w').write(host)
print('I am', host)
"""
    )
    run = train(program, ResourceConfig=THREE)
    place = f"out/{tmp_path.name}/job-1/output"
    assert objects.list_keys(s3, f"s3://bucket/{place}") == [f"{place}/model.tar.gz"]
    found = {path.name: path.read_text() for path in run.artifacts["model"].rglob("*") if path.is_file()}
    assert found == {"algo-1": "algo-1", "algo-2": "algo-2", "algo-3": "algo-3", "same": "algo-1"}
    said = [run.stdout, *(tmp_path / "hosts" / name / "stdout" for name in ("algo-2", "algo-3"))]
    assert [path.read_text() for path in said] == ["I am algo-1\n", "I am algo-2\n", "I am algo-3\n"]


def test_a_host_that_fails_ends_the_others_and_the_job(train: RunRequest) -> None:
    """The first failure is the job's, with its host's reason and output; the others would take an hour, and may save."""
    program = (
        WHO
        + MEETING
        + """
def save(*_):
    open('/opt/ml/model/' + host, 'w').write('saved')
    sys.exit(9)
signal.signal(signal.SIGTERM, save)
ready()
if host == 'algo-2':
    all_ready('algo-1', 'algo-3')
    print('going down')
    open('/opt/ml/output/failure', 'w').write('the disk of ' + host)
    sys.exit(3)
time.sleep(3600)
"""
    )
    run = train(program, ResourceConfig=THREE)
    assert (run.status, run.exit_code) == (Status.FAILED, 3)
    assert run.reason == "AlgorithmError: the disk of algo-2, exit code: 3"
    assert run.stdout.read_text() == "going down\n"
    assert {path.name for path in run.artifacts["model"].iterdir()} == {"algo-1", "algo-3"}


def test_a_stop_and_the_end_of_the_time_reach_every_host(train: RunRequest, tmp_path: Path) -> None:
    """Whichever host says the word; all have the window to save."""
    program = (
        WHO
        + MEETING
        + """
signal.signal(signal.SIGTERM, lambda *_: (open('/opt/ml/model/' + host, 'w').write('saved'), sys.exit(0)))
ready()
if host == 'algo-3':
    all_ready('algo-1', 'algo-2')
    print('ready', flush=True)
time.sleep(60)
"""
    )
    run = train(program, ResourceConfig=THREE, stop=StopRequest(re.compile("ready")))
    assert (run.status, run.reason) == (Status.STOPPED, "")
    assert {path.name for path in run.artifacts["model"].iterdir()} == set(host_names(3))
    late = tmp_path / "late"
    late.mkdir()
    run = train(program, ResourceConfig=THREE, workspace=late, StoppingCondition={"MaxRuntimeInSeconds": 8})
    assert run.status is Status.STOPPED
    assert run.reason.startswith("MaxRuntimeExceeded")
    assert {path.name for path in run.artifacts["model"].iterdir()} == set(host_names(3))


def test_the_last_hosts_metric_counts(train: RunRequest) -> None:
    """The last value that the expression finds in the log; of several hosts the last one's; what has none is not there."""
    program = (
        WHO
        + """
import sys
print('loss=9;'); print('loss=' + host[-1] + ';', file=sys.stderr); print('loss=none;')
"""
    )
    definitions = [{"Name": "loss", "Regex": "loss=(.*?);"}, {"Name": "other", "Regex": "other=(.*?);"}]
    algorithm = {
        "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/p.py"], "MetricDefinitions": definitions,
    }  # fmt: skip
    assert train(program, algorithm=algorithm, ResourceConfig=THREE).final_metrics == {"loss": 3.0}


def test_processing_on_several_hosts(process: RunRequest, s3: S3Client, tmp_path: Path) -> None:
    """Shares of an input, one prefix for all outputs, the exit messages one after the other."""
    for number in range(4):
        s3.put_object(Bucket="bucket", Key=f"pshard/{tmp_path.name}/{number}", Body=str(number).encode())
    program = """
import json, os, shutil
me = json.load(open('/opt/ml/config/resourceconfig.json'))
for name in os.listdir('/opt/ml/processing/input/parts'):
    shutil.copy('/opt/ml/processing/input/parts/' + name, '/opt/ml/processing/output/' + name)
open('/opt/ml/processing/output/same', 'w').write(me['current_host'])
open('/opt/ml/output/message', 'w').write(me['current_host'] + ' is done. ')
"""
    source = {
        "S3Uri": f"s3://bucket/pshard/{tmp_path.name}/", "LocalPath": "/opt/ml/processing/input/parts",
        "S3DataType": "S3Prefix", "S3InputMode": "File", "S3DataDistributionType": "ShardedByS3Key",
    }  # fmt: skip
    cluster = {"InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    run = process(
        program,
        inputs=[{"InputName": "parts", "S3Input": source}],
        outputs={"out": "/opt/ml/processing/output"},
        ProcessingResources={"ClusterConfig": cluster},
    )
    assert (run.status, run.reason) == (Status.COMPLETED, "algo-1 is done. algo-2 is done. ")
    found = {path.name: path.read_text() for path in run.artifacts["out"].iterdir()}
    assert found == {"0": "0", "1": "1", "2": "2", "3": "3", "same": "algo-1"}


def test_one_host_of_a_processing_job_that_fails_fails_it(process: RunRequest) -> None:
    """Completed only if every container exits 0 (developer guide, build-your-own-processing-container)."""
    program = """
import json, sys
sys.exit(4 if json.load(open('/opt/ml/config/resourceconfig.json'))['current_host'] == 'algo-2' else 0)
"""
    cluster = {"InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    run = process(program, ProcessingResources={"ClusterConfig": cluster})
    assert (run.status, run.exit_code) == (Status.FAILED, 4)


@pytest.mark.parametrize("count", [1, 2, 11])
def test_every_rank_has_its_name(count: int) -> None:
    """`algo-1` and so on."""
    assert [rank.name for rank in ranks(count)] == list(host_names(count)) == [f"algo-{n + 1}" for n in range(count)]
