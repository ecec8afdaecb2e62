"""Checkpoints in containers, with a real S3 endpoint: what a killed pod has left is where the next one finds it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from lyftlearn_runtime.aws.s3 import split_uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.docker.network import Network
    from tests.runtime.conftest import Files, Shim

WITHIN_S = 120.0
JOB = {"name": "job", "kind": "training"}
# Goes on from the last step, and writes the next one as careful scripts do: under another name first.
SCRIPT = """
import os, signal, sys, time
place = '/opt/ml/checkpoints/deep/'
os.makedirs(place, exist_ok=True)
steps = sorted(os.listdir(place))
print('found', steps, flush=True)
def write(name):
    open(place + 'tmp', 'w').write(name)
    os.rename(place + 'tmp', place + name)
write(f'step-{len(steps)}')
def term(*_):
    write('last')
    sys.exit(3)
signal.signal(signal.SIGTERM, term)
print('ready', flush=True)
time.sleep(60)
"""


@pytest.fixture
def options(
    aws: AwsEndpoint, network: Network, files: Files, bucket_prefix: str, variables_of: Callable[..., tuple[str, ...]]
) -> tuple[str, ...]:
    """A pod with checkpoints in a prefix."""
    kept = {"path": "/opt/ml/checkpoints", "uri": f"{bucket_prefix}/", "every_s": 0.5}
    bundle = files.bundle(job=JOB, checkpoints=kept)
    variables = variables_of({**aws.environment(), "LYFTLEARN_CONTEXT": "kubernetes"})
    return (*bundle, *variables, "--network", network.name)


def kept(aws: AwsEndpoint, bucket_prefix: str) -> dict[str, bytes]:
    """What S3 has: name → content."""
    bucket, prefix = split_uri(bucket_prefix)
    s3 = aws.s3()
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
    return {key.rpartition("/")[2]: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def test_a_killed_pod_loses_no_settled_checkpoint(
    shim: Shim, aws: AwsEndpoint, options: tuple[str, ...], bucket_prefix: str
) -> None:
    """SIGKILL leaves no time for anything: what was written is in S3 by then, and the next pod goes on from it."""
    name = shim.start("python3", "-c", SCRIPT, options=options)
    assert "found []" in shim.logs(name)
    deadline = time.monotonic() + WITHIN_S
    while "step-0" not in kept(aws, bucket_prefix):
        assert time.monotonic() < deadline, shim.logs(name)
        time.sleep(0.1)
    shim.signal(name, "KILL")
    assert shim.wait(name) == 137
    assert kept(aws, bucket_prefix) == {"step-0": b"step-0"}
    assert "found ['step-0']" in shim.logs(shim.start("python3", "-c", SCRIPT, options=options))


def test_a_stopped_pod_keeps_its_last_checkpoint(
    shim: Shim, aws: AwsEndpoint, options: tuple[str, ...], bucket_prefix: str
) -> None:
    """What the script writes in its handler of SIGTERM is carried after its end, whatever its exit status."""
    name = shim.start("python3", "-c", SCRIPT, options=options)
    shim.signal(name, "TERM")
    assert shim.wait(name) == 3
    assert kept(aws, bucket_prefix) == {"step-0": b"step-0", "last": b"last"}


def test_what_a_script_removes_is_removed(shim: Shim, aws: AwsEndpoint, options: tuple[str, ...], bucket_prefix: str) -> None:
    """As SageMaker does it: what the job had and no longer has; what somebody else put there stays."""
    bucket, prefix = split_uri(bucket_prefix)
    for name in ("old", "keep"):
        aws.s3().put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=b"x")
    program = (
        "import os, sys\n"
        "assert sorted(os.listdir('/opt/ml/checkpoints')) == ['keep', 'old']\n"
        "os.remove('/opt/ml/checkpoints/old'); print('ready', flush=True); sys.stdin.read()\n"
    )
    name = shim.start("python3", "-c", program, options=("-i", *options))
    aws.s3().put_object(Bucket=bucket, Key=f"{prefix}/others", Body=b"x")
    shim.signal(name, "TERM")
    shim.wait(name)
    assert set(kept(aws, bucket_prefix)) == {"keep", "others"}


def test_checkpoints_are_kept_where_the_model_cannot_be(
    shim: Shim, aws: AwsEndpoint, options: tuple[str, ...], files: Files, bucket_prefix: str
) -> None:
    """A failed upload of the model is exit code 69, and the checkpoints are in S3."""
    kept_at = {"path": "/opt/ml/checkpoints", "uri": f"{bucket_prefix}/"}
    lost = [{"path": "/opt/ml/model", "uri": "s3://no-such-bucket-here/m.tar.gz"}]
    bundle = files.bundle(job=JOB, checkpoints=kept_at, uploads=lost)
    # The first bundle's options come first, and docker takes the last value of a variable.
    others = options[options.index("-e", 4) :]
    program = "open('/opt/ml/checkpoints/a', 'w').write('a')"
    done = shim.run("python3", "-c", program, options=(*others, *bundle))
    assert done.returncode == 69, done.stderr
    assert "no-such-bucket-here" in done.stderr
    assert kept(aws, bucket_prefix) == {"a": b"a"}


@pytest.mark.parametrize("every_s", [0, -1, "x"])
def test_a_wrong_interval_is_told(shim: Shim, files: Files, every_s: object) -> None:
    """Before the script runs."""
    wrong = {"path": "/opt/ml/checkpoints", "uri": "s3://bucket/x/", "every_s": every_s}
    done = shim.run("true", options=files.bundle(job=JOB, checkpoints=wrong))
    assert done.returncode == 78
    assert "is malformed" in done.stderr
