"""What data costs on its way to and from S3: the shim beside boto3, s5cmd and rclone, and the packing of archives beside gzip.

The server is `rclone serve s3` on this machine, over TLS as S3 is. What counts is the CPU time of the client, not the server's.
More or larger files: LYFTLEARN_BENCH_SMALL (number of files of 10 KiB), LYFTLEARN_BENCH_LARGE_MIB.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import Measurement, show
from tests.evidence import s3_servers
from tests.evidence.s3_servers import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / ".cache" / "evidence"
SMALL_FILES = int(os.environ.get("LYFTLEARN_BENCH_SMALL", "2000"))
LARGE_MIB = int(os.environ.get("LYFTLEARN_BENCH_LARGE_MIB", "512"))
SMALL_BYTES = 10 << 10
GOAL_UPLOAD = 0.3
GOAL_PACKING = 0.15
GOAL_SMALL = 1.5
SHIM = """
import os, sys
from lyftlearn_runtime import transfer
from lyftlearn_runtime.bundle import Transfer
getattr(transfer, sys.argv[1])([Transfer(sys.argv[2], sys.argv[3])], os.environ)
"""
BOTO3 = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import boto3
from botocore.config import Config
s3 = boto3.client("s3", config=Config(
    max_pool_connections=32, s3={"addressing_style": "path"},
    request_checksum_calculation="when_required", response_checksum_validation="when_required",  # rclone takes no other
))
what, directory, prefix = sys.argv[1], Path(sys.argv[2]), sys.argv[3].removeprefix("s3://bucket/")
with ThreadPoolExecutor(8) as pool:
    if what == "upload":
        work = [pool.submit(s3.upload_file, str(path), "bucket", prefix + path.name) for path in directory.iterdir()]
    else:
        directory.mkdir()
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="bucket", Prefix=prefix)
        keys = [one["Key"] for page in pages for one in page["Contents"]]
        work = [pool.submit(s3.download_file, "bucket", key, str(directory / key.rpartition("/")[2])) for key in keys]
    for one in work:
        one.result()
"""
PACK = """
import sys
from lyftlearn_runtime.archive import write_archive
with open(sys.argv[2], "wb") as file:
    write_archive(sys.argv[1], file)
"""
# What packed archives before.
LEVEL_3 = """
import os, sys, tarfile
with tarfile.open(sys.argv[2], mode="w:gz", compresslevel=3) as tar:
    for name in sorted(os.listdir(sys.argv[1])):
        tar.add(os.path.join(sys.argv[1], name), name)
"""


@dataclass(frozen=True)
class Client:
    """A program that moves a directory, and how it is told to."""

    name: str
    upload: Callable[[Path, str], list[str]]
    download: Callable[[str, Path], list[str]]


def cpu_s(command: list[str], environ: Mapping[str, str]) -> float:
    """The CPU seconds that a command takes, its children's included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[:2]} failed:\n{done.stdout[-500:]}{done.stderr[-1500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def program(text: str) -> Callable[[str], Callable[..., list[str]]]:
    """Commands of a Python program that takes a verb, a directory and a URI."""

    def of(verb: str) -> Callable[..., list[str]]:
        def command(one: object, other: object) -> list[str]:
            directory, uri = (one, other) if verb == "upload" else (other, one)
            return [sys.executable, "-c", text, verb, str(directory), str(uri)]

        return command

    return of


def clients(certificate: Path) -> list[Client]:
    """The shim first."""
    s5cmd, rclone = str(PEERS / "s3" / "bin" / "s5cmd"), str(PEERS / "s3" / "bin" / "rclone")
    tuned = [rclone, "--config", "/dev/null", "copy", "--transfers", "8", "--ca-cert", str(certificate)]

    def remote(uri: str) -> str:
        return ":s3:" + uri.removeprefix("s3://")

    shim, boto3 = program(SHIM), program(BOTO3)
    return [
        Client("shim", shim("upload"), shim("download")),
        Client("boto3", boto3("upload"), boto3("download")),
        Client(
            "s5cmd",
            lambda directory, uri: [s5cmd, "--no-verify-ssl", "cp", f"{directory}/", uri],
            lambda uri, directory: [s5cmd, "--no-verify-ssl", "cp", f"{uri}*", f"{directory}/"],
        ),
        Client(
            "rclone",
            lambda directory, uri: [*tuned, str(directory), remote(uri)],
            lambda uri, directory: [*tuned, remote(uri), str(directory)],
        ),
    ]


def fill(directory: Path, number: int, size: int) -> None:
    """Files of noise: the weights of a model look like it."""
    directory.mkdir()
    for index in range(number):
        with (directory / f"{index:05}").open("wb") as file:
            for start in range(0, size, 16 << 20):
                file.write(os.urandom(min(16 << 20, size - start)))


def measure_transfers(top: Path, sources: Mapping[str, Path]) -> dict[tuple[str, str, str], float]:
    """CPU seconds by work, direction and client."""
    key, certificate = top / "key.pem", top / "cert.pem"
    command = [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    certificate.write_text(key.read_text() + certificate.read_text())
    (top / "served").mkdir()
    took = {}
    with s3_servers.rclone(PEERS / "s3" / "bin" / "rclone", top / "served", certificate) as server:
        environ = {
            **os.environ, **server.environ, "PYTHONPATH": str(ROOT), "S3_ENDPOINT_URL": server.url,
            "RCLONE_S3_PROVIDER": "Rclone", "RCLONE_S3_ENDPOINT": server.url, "RCLONE_S3_ENV_AUTH": "true",
        }  # fmt: skip
        for work, source in sources.items():
            for client in clients(certificate):
                uri = f"s3://{BUCKET}/{source.name}-{client.name}/"
                took[work, "up", client.name] = cpu_s(client.upload(source, uri), environ)
                back = top / "back"
                took[work, "down", client.name] = cpu_s(client.download(uri, back), environ)
                if sum(1 for one in back.rglob("*") if one.is_file()) != sum(1 for _ in source.iterdir()):
                    sys.exit(f"{client.name} lost files of {work}")
                shutil.rmtree(back)
                shutil.rmtree(top / "served" / BUCKET / f"{source.name}-{client.name}")
    return took


def packing(source: Path, target: Path) -> Measurement:
    """The archive of content that cannot be compressed, beside what packed it before."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    took = [cpu_s([sys.executable, "-c", text, str(source), str(target)], environ) for text in (PACK, LEVEL_3)]
    subprocess.run(["tar", "tzf", str(target)], check=True, capture_output=True)
    return Measurement(
        f"packing {LARGE_MIB} MiB that cannot be compressed", took[0], took[1], "CPU s", GOAL_PACKING, "gzip at level 3"
    )


def main() -> None:
    """Moves the same files by each client, and prints the ratios."""
    subprocess.run([str(ROOT / ".ci" / "peers"), str(PEERS), "s3"], env={**os.environ, "PYTHON": sys.executable}, check=True)
    small, large = f"{SMALL_FILES:,} files of 10 KiB", f"one file of {LARGE_MIB} MiB"
    with tempfile.TemporaryDirectory() as directory:
        top = Path(directory)
        fill(top / "small", SMALL_FILES, SMALL_BYTES)
        fill(top / "large", 1, LARGE_MIB << 20)
        rows = [packing(top / "large", top / "packed.tar.gz")]
        (top / "packed.tar.gz").unlink()
        took = measure_transfers(top, {small: top / "small", large: top / "large"})
        for (work, way, client), seconds in took.items():
            print(f"  {work} {way}, {client}: {seconds:.2f} CPU s")
        for work, way, other, goal in (
            (large, "up", "boto3", GOAL_UPLOAD),
            (large, "down", "boto3", 1.0),
            (small, "up", "boto3", GOAL_UPLOAD),
            (small, "down", "boto3", GOAL_UPLOAD),
            (small, "up", "s5cmd", GOAL_SMALL),
            (small, "down", "s5cmd", GOAL_SMALL),
        ):
            ours, theirs = took[work, way, "shim"], took[work, way, other]
            rows.append(Measurement(f"{work} {way} by the shim", ours, theirs, "CPU s", goal, other))
        show(*rows)


if __name__ == "__main__":
    main()
