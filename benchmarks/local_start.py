"""How soon `lyftlearn-image local` gives its first answer, and the memory that it has then, beside moto's own server alone.

The client is boto3 in this process, ready before the command starts. Memory is the processes' own share of what is resident
(proc(5), smaps_rollup, Pss), and that of all together. CPU time is given, too: on a busy machine the wall says little.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from benchmarks.report import Measurement, show

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = 5
GOAL_S = 1.0
GOAL_MIB = 150.0
_MOTO = "from moto.server import main; import sys; main(sys.argv[1:])"
_CLIENT = boto3.Session("AKIA", "secret", region_name="us-east-1")


def client(service: str, url: str, key: str = "AKIA", secret: str = "secret") -> Any:  # noqa: S107 - moto takes any
    """A client that tries once; the models are read already."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    return _CLIENT.client(service, endpoint_url=url, config=config, aws_access_key_id=key, aws_secret_access_key=secret)


def family(pid: int) -> list[int]:
    """A process and its children."""
    found = subprocess.run(["pgrep", "-P", str(pid)], check=False, capture_output=True, text=True).stdout.split()
    return [pid, *(one for child in map(int, found) for one in family(child))]


def memory_mib(pid: int) -> float:
    """What all processes of a family have of the machine's memory."""
    texts = [Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii") for one in family(pid)]
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("Pss:")) / 1024


def cpu_s(pid: int) -> float:
    """The CPU time of all processes of a family so far."""
    fields = [Path(f"/proc/{one}/stat").read_text(encoding="ascii").rpartition(")")[2].split() for one in family(pid)]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A process, ended afterwards."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def ours() -> tuple[float, float, float]:
    """Seconds to the first answer, CPU seconds, MiB then."""
    began = time.perf_counter()
    with running(str(Path(sys.executable).parent / "lyftlearn-image"), "local", "--export", "json") as process:
        told = json.loads(process.stdout.readline() if process.stdout else "")
        sagemaker = client("sagemaker", told["AWS_ENDPOINT_URL"], told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"])
        sagemaker.list_training_jobs()
        return time.perf_counter() - began, cpu_s(process.pid), memory_mib(process.pid)


def motos(port: int) -> tuple[float, float, float]:
    """The same of moto's server, which runs no jobs."""
    began = time.perf_counter()
    with running(sys.executable, "-c", _MOTO, "-p", str(port)) as process:
        sagemaker = client("sagemaker", f"http://127.0.0.1:{port}")
        while True:
            with contextlib.suppress(Exception):  # it does not listen yet
                sagemaker.list_training_jobs()
                return time.perf_counter() - began, cpu_s(process.pid), memory_mib(process.pid)


def main() -> None:
    """Prints the medians, run in turn."""
    client("sagemaker", "http://127.0.0.1:1")
    both = [(ours(), motos(49_000 + os.getpid() % 10_000)) for _ in range(RUNS)]
    (wall, cpu, memory), (moto_wall, moto_cpu, moto_memory) = (
        [statistics.median(column) for column in zip(*side, strict=True)] for side in zip(*both, strict=True)
    )
    show(
        Measurement("first answer of `local`, wall", wall, moto_wall, "s", GOAL_S / moto_wall, "moto's server alone"),
        Measurement("CPU time until then", cpu, moto_cpu, "s", 2.0, "moto's server alone"),
        Measurement("memory then", memory, moto_memory, "MiB", GOAL_MIB / moto_memory, "moto's server alone"),
    )


if __name__ == "__main__":
    main()
