"""The start with 20 secrets from 3 sources, beside the slowest of them alone and beside the same written with boto3.

Every request takes 150 ms here, as one to another machine may: a proxy before moto's server delays it. Goals: at most 1.25
times the slowest single fetch and 100 ms; a fifth of boto3 one after the other, as scripts have it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from benchmarks.peers import peer_image, run
from benchmarks.report import Measurement, show
from lyftlearn_image.build.connection import connect
from lyftlearn_image.emulation.aws.endpoint import aws_endpoint
from lyftlearn_image.emulation.docker.containers import Containers

if TYPE_CHECKING:
    from collections.abc import Iterator

DELAY_S = 0.15
REFERENCES = {
    **{f"S{number}": f"aws-sm://bench/s{number}" for number in range(10)},
    **{f"P{number}": f"aws-ssm:///bench/p{number}" for number in range(9)},
    "OBJECT": "s3://bench/object",
}
BOTO3 = """
import os, boto3
for number in range(10):
    os.environ[f"S{number}"] = boto3.client("secretsmanager").get_secret_value(SecretId=f"bench/s{number}")["SecretString"]
ssm = boto3.client("ssm")
for number in range(9):
    parameter = ssm.get_parameter(Name=f"/bench/p{number}", WithDecryption=True)["Parameter"]
    os.environ[f"P{number}"] = parameter["Value"]
os.environ["OBJECT"] = boto3.client("s3").get_object(Bucket="bench", Key="object")["Body"].read().decode()
os.execvp("true", ["true"])
"""
PROGRAM = """
import json, os, statistics, subprocess, sys, time
references = json.loads(sys.argv[1])
shim = "/opt/lyftlearn/bin/entrypoint"
named = {"LYFTLEARN_REFERENCES": "OBJECT"}
ways = {
    "bare": (["true"], {}),
    "none": ([shim, "true"], {}),
    "all": ([shim, "true"], {**references, **named}),
    "boto3": (["/opt/peer/bin/python", "-c", sys.argv[2]], {}),
    **{name: ([shim, "true"], {name: references[name], **named}) for name in ("S0", "P0", "OBJECT")},
}
times = {name: [] for name in ways}
for turn in range(7):
    for name, (argv, more) in ways.items():
        started = time.perf_counter()
        subprocess.run(argv, check=True, stderr=subprocess.DEVNULL, env={**os.environ, **more})
        times[name].append(1000 * (time.perf_counter() - started))
print(json.dumps({name: statistics.median(found) for name, found in times.items()}))
"""


@contextlib.contextmanager
def delayed(host: str, to: str) -> Iterator[str]:
    """The URL of a proxy of `to` on `host` that keeps every request waiting."""
    target = to.partition("://")[2]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            time.sleep(DELAY_S)
            connection = http.client.HTTPConnection(target)
            connection.request(self.command, self.path, body, dict(self.headers))
            reply = connection.getresponse()
            content = reply.read()
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer((host, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{host}:{server.server_address[1]}"
        server.shutdown()


def main() -> None:
    """Prints both ratios."""
    containers = Containers(connect(), f"bench-{uuid.uuid4().hex[:8]}")
    with peer_image() as image, containers.network() as network, aws_endpoint(network.gateway) as aws:
        aws.put_secrets({f"bench/s{number}": f"secret {number}" for number in range(10)})
        aws.put_parameters({f"/bench/p{number}": f"parameter {number}" for number in range(9)})
        aws.s3().create_bucket(Bucket="bench")
        aws.s3().put_object(Bucket="bench", Key="object", Body=b"content")
        with delayed(network.gateway, aws.url) as url:
            variables = {**aws.environment(), "AWS_ENDPOINT_URL": url}
            options = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
            arguments = ["--network", network.name, image, "python", "-c", PROGRAM, json.dumps(REFERENCES), BOTO3]
            found = json.loads(run("run", "--rm", *options, *arguments))
    slowest = max(found[name] for name in ("S0", "P0", "OBJECT"))
    allowed = 1.25 * slowest + 100
    verdict = "reached" if found["all"] <= allowed else "NOT reached"
    print(f"20 secrets from 3 sources: {found['all']:.0f} ms, the slowest of them alone: {slowest:.0f} ms")
    print(f"  goal ≤ 1.25 times that and 100 ms, {allowed:.0f} ms: {verdict}")
    show(Measurement("20 secrets through the shim", found["all"], found["boto3"], "ms", 0.2, "the same with boto3"))


if __name__ == "__main__":
    main()
