"""Spot capacity that is taken away: the job starts again from its checkpoints, or has waited too long."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.run import Status, StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.run import Run

    RunRequest = Callable[..., Run]

# Counts to four, a checkpoint each; whoever takes the host away at two finds it at work.
COUNTING = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
path = '/opt/ml/checkpoints/step'
step = int(open(path).read()) if os.path.exists(path) else 0
print('begins at', step, 'with', sorted(os.listdir('/opt/ml/model')), flush=True)
while step < 4:
    step += 1
    open(path + '.new', 'w').write(str(step))
    os.replace(path + '.new', path)
    open('/opt/ml/model/at-%d' % step, 'w').close()
    print('step', step, flush=True)
    time.sleep(TICK)
"""
TAKEN = StopRequest(re.compile("^step 2$"), is_interruption=True)


def spot(tmp_path: Path, max_wait_s: int = 120, max_runtime_s: int = 60) -> dict[str, object]:
    """The fields of a job on spot capacity."""
    return {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": max_runtime_s, "MaxWaitTimeInSeconds": max_wait_s},
        "CheckpointConfig": {"S3Uri": f"s3://bucket/spot/{tmp_path.name}"},
    }


def test_an_interrupted_job_goes_on_from_its_checkpoint(train: RunRequest, s3: S3Client, tmp_path: Path) -> None:
    """On a new host, which has the checkpoints and nothing else; the log goes on, and the job completes once."""
    stop = StopRequest(re.compile("^step 2$"), is_interruption=True)
    run = train(COUNTING.replace("TICK", "1"), stop=stop, **spot(tmp_path))
    assert (run.status, run.exit_code, run.reason) == (Status.COMPLETED, 0, "")
    lines = run.stdout.read_text().splitlines()
    assert lines == ["begins at 0 with []", "step 1", "step 2", "begins at 2 with []", "step 3", "step 4"]
    assert {path.name for path in run.artifacts["model"].iterdir()} == {"at-3", "at-4"}
    assert objects.list_keys(s3, f"s3://bucket/spot/{tmp_path.name}") == [f"spot/{tmp_path.name}/step"]
    assert s3.get_object(Bucket="bucket", Key=f"spot/{tmp_path.name}/step")["Body"].read() == b"4"


def test_a_job_that_waits_too_long_is_stopped_for_that_reason(train: RunRequest, tmp_path: Path) -> None:
    """MaxWaitTimeInSeconds counts from the beginning, whatever ran; it is not begun again after that."""
    slow = COUNTING.replace("sys.exit(143)", "(time.sleep(3), sys.exit(0))").replace("TICK", "20")
    stop = StopRequest(re.compile("^step 1$"), is_interruption=True)
    run = train(slow, stop=stop, **spot(tmp_path, max_wait_s=2, max_runtime_s=2))
    assert run.status is Status.STOPPED
    assert run.reason.startswith("MaxWaitTimeExceeded")
    assert run.stdout.read_text().splitlines() == ["begins at 0 with []", "step 1"]


def test_only_spot_capacity_is_taken_away(train: RunRequest) -> None:
    """A job on hosts of its own cannot be interrupted: who asks for it is told what is missing."""
    with pytest.raises(InvalidInputError, match="no spot capacity") as refused:
        train("", stop=TAKEN)
    assert "`spot`" in refused.value.hint
