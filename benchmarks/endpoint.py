"""What the AWS endpoint of a run makes of a large object: the time of the ways in and out, and the most memory of its process.

The client is boto3 in this process, on the same machine: a good part of the time is its own.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import Measurement, show
from lyftlearn_image.emulation.aws.endpoint import aws_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE_MIB = 512
GOAL_MIB = 300.0
GOAL_RATIO = 4.0
BUCKET = "bucket"


def peak_mib() -> float:
    """The most memory that a process of the endpoint has had (proc(5), VmHWM)."""
    command = ["pgrep", "--newest", "--full", "lyftlearn_image.emulation.aws.server"]
    pid = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def hash_file(path: str) -> None:
    """What S3 asks of a client, and of a server, at least."""
    for algorithm in ("sha256", "md5"):
        with Path(path).open("rb") as file:
            hashlib.file_digest(file, algorithm)


def seconds(step: Callable[[], Any]) -> float:
    """How long a step takes."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def main() -> None:
    """Puts an object whole and in parts, gets and copies it, and prints what that took."""
    with (
        tempfile.NamedTemporaryFile() as source,
        tempfile.NamedTemporaryFile() as target,
        aws_endpoint("127.0.0.1") as endpoint,
    ):
        source.truncate(SIZE_MIB << 20)
        s3 = endpoint.s3()
        s3.create_bucket(Bucket=BUCKET)
        copy_source: Any = {"Bucket": BUCKET, "Key": "parts"}
        steps: dict[str, Callable[[], Any]] = {
            "put in parts": lambda: s3.upload_file(source.name, BUCKET, "parts"),
            "put in one piece": lambda: s3.put_object(Bucket=BUCKET, Key="whole", Body=source),  # type: ignore[arg-type]
            "got in ranges": lambda: s3.download_file(BUCKET, "parts", target.name),
            "got in one piece": lambda: sum(map(len, s3.get_object(Bucket=BUCKET, Key="whole")["Body"].iter_chunks(1 << 20))),
            "copied": lambda: s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=copy_source),
            "copied in parts": lambda: s3.copy(copy_source, BUCKET, "copied parts"),
        }
        took = {name: seconds(step) for name, step in steps.items()}
        for name, one in took.items():
            print(f"  {name}: {one:.1f} s")
        hashing = seconds(lambda: hash_file(source.name))
        show(
            Measurement(
                f"an object of {SIZE_MIB} MiB, {len(steps)} ways in and out",
                sum(took.values()) / len(steps),
                hashing,
                "s",
                GOAL_RATIO,
                "a SHA-256 and an MD5 of it",
            ),
            Measurement("peak memory of the endpoint over it", peak_mib(), GOAL_MIB, "MiB", 1, "allowed"),
        )


if __name__ == "__main__":
    main()
