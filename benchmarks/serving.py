"""How fast `serve` answers: beside plain uvicorn, and beside sagemaker-inference on its server in Java.

Each server has one process and the first CPU, the load generator (wrk) the second. All are asked one after the other in each
round, and what is printed are medians of the rounds' ratios: the machine may have other work.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import statistics
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import SERVER_DOCKERFILE, peer_image, run
from benchmarks.report import Measurement, show
from lyftlearn_image.build.builder import build
from lyftlearn_image.build.spec import find_images_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROUNDS = 5
SECONDS = 2
CLIENTS = (1, 8, 64)
NOTHING = """
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return body
def predict_fn(data, model):
    return data
def output_fn(prediction, accept):
    return prediction
"""
# What a team writes that has only uvicorn: the whole body in, the same out.
PLAIN = """
import uvicorn
async def app(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
uvicorn.run(app, host="0.0.0.0", port=8080, access_log=False, log_level="warning", lifespan="off", server_header=False)
"""
PEER = "from sagemaker_inference import model_server; model_server.start_model_server()"
LUA = 'wrk.method = "POST"; wrk.headers["Content-Type"] = "application/json"; wrk.body = "{}"'
MODEL = """
import sys
import joblib, numpy
from sklearn.ensemble import RandomForestClassifier
from lightgbm import LGBMClassifier
rows = numpy.random.default_rng(0).normal(size=(2000, 20))
wanted = rows[:, 0] + rows[:, 1] > 0
kinds = {"lightgbm": LGBMClassifier(n_estimators=200, verbose=-1), "forest": RandomForestClassifier(100, random_state=0)}
joblib.dump(kinds[sys.argv[1]].fit(rows, wanted), "/opt/ml/model/model.joblib")
"""


@dataclass(frozen=True)
class Load:
    """What one client or many got in a while: requests a second, the 99th percentile in ms, the server's CPU us a request."""

    rate: float
    p99_ms: float
    cpu_us: float


@dataclass(frozen=True)
class Server:
    """A container that answers POST /invocations, and how long it took to the first answer."""

    name: str
    address: str
    cold_start_s: float

    def inside(self, *command: str) -> str:
        """The output of a command in it."""
        return run("exec", self.name, *command)

    def cpu_s(self) -> float:
        """What its cgroup has used."""
        text = self.inside("sh", "-c", "cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || cat /sys/fs/cgroup/cpu.stat")
        found = re.search(r"usage_usec (\d+)", text)
        return int(found[1]) / 1e6 if found else int(text) / 1e9

    def memory_mib(self) -> float:
        """What its cgroup holds, without the cache of files."""
        text = self.inside("sh", "-c", "cat /sys/fs/cgroup/memory/memory.stat 2>/dev/null || cat /sys/fs/cgroup/memory.stat")
        found = re.search(r"^(?:total_rss|anon) (\d+)", text, re.MULTILINE)
        if not found:
            raise SystemExit("the container's cgroup does not tell its memory")
        return int(found[1]) / (1 << 20)

    def load(self, tool: str, clients: int, directory: Path, seconds: int = SECONDS) -> Load:
        """Asks it for some seconds. SystemExit when an answer is none."""
        before = self.cpu_s()
        mount = f"{directory}/post.lua:/post.lua:ro"
        words = ["run", "--rm", "--cpuset-cpus=1", f"--network=container:{self.name}", "-v", mount, tool]
        wrk = [
            "wrk",
            "-t1",
            f"-c{clients}",
            f"-d{seconds}s",
            "--latency",
            "-s",
            "/post.lua",
            "http://127.0.0.1:8080/invocations",
        ]
        text = run(*words, *wrk)
        after = self.cpu_s()
        if "Non-2xx" in text or "Socket errors" in text:
            raise SystemExit(f"{self.name} did not answer all:\n{text}")
        count = int(re.findall(r"(\d+) requests in", text)[0])
        value, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)", text)[0]
        p99 = float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]
        return Load(float(re.findall(r"Requests/sec:\s+([\d.]+)", text)[0]), p99, 1e6 * (after - before) / count)


@contextlib.contextmanager
def served(image: str, *words: str, options: Sequence[str] = (), body: str = "[]") -> Iterator[Server]:
    """A server on the first CPU, from its first answer on."""
    name = f"lyftlearn-benchmark-{uuid.uuid4().hex[:8]}"
    began = time.perf_counter()
    run("run", "-d", "--name", name, "--cpuset-cpus=0", *options, image, *words)
    try:
        address = run("inspect", "-f", "{{.NetworkSettings.IPAddress}}", name).strip()
        while not answers(address, body):
            if time.perf_counter() - began > 180:  # noqa: PLR2004 - seconds
                raise SystemExit(f"{image} does not answer:\n{run('logs', name)}")
            time.sleep(0.01)
        yield Server(name, address, time.perf_counter() - began)
    finally:
        run("rm", "-f", "-v", name, check=False)


def answers(address: str, body: str) -> bool:
    """Whether an invocation is answered with 200."""
    connection = http.client.HTTPConnection(address, 8080, timeout=60)
    try:
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        return connection.getresponse().status == 200  # noqa: PLR2004 - the status
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def ratio(rounds: list[dict[str, Load]], figure: Callable[[Load], float], ours: str, other: str) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(figure(one[ours]) / figure(one[other]) for one in rounds)


def middle(rounds: list[dict[str, Load]], figure: Callable[[Load], float], name: str) -> float:
    """The median of a figure."""
    return statistics.median(figure(one[name]) for one in rounds)


def compare(image: str, tool: str, directory: Path) -> None:
    """A handler that does nothing, in all servers."""
    (directory / "model/code").mkdir(parents=True)
    (directory / "model/code/inference.py").write_text(NOTHING)
    (directory / "post.lua").write_text(LUA.format("[[1.0, 2.0, 3.0]]"))
    model = ("-v", f"{directory}/model:/opt/ml/model")
    # Two threads are what a server on two CPUs has.
    ours_has = (*model, "-e", "LYFTLEARN_SERVE_CONCURRENCY=2", "-e", "LYFTLEARN_SERVE_QUEUE=1000")
    peer_has = (*model, "-e", "SAGEMAKER_MODEL_SERVER_WORKERS=1", "-e", "LOG_LEVEL=40")
    starts: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(3):
        with served(image, "serve", options=ours_has) as one:
            starts["ours"].append(one.cold_start_s)
        with served(tool, "python", "-c", PEER, options=peer_has) as one:
            starts["peer"].append(one.cold_start_s)
    plain = ("--entrypoint", "/opt/venv/bin/python")
    with (
        served(image, "serve", options=ours_has) as ours,
        served(image, "-c", PLAIN, options=plain) as uvicorn,
        served(tool, "python", "-c", PEER, options=peer_has) as peer,
    ):
        servers = {"ours": ours, "uvicorn": uvicorn, "peer": peer}
        for server in servers.values():
            server.load(tool, 8, directory, 1)
        for clients in CLIENTS:
            rounds = [{name: server.load(tool, clients, directory) for name, server in servers.items()} for _ in range(ROUNDS)]
            table(clients, rounds)
        print(f"  memory: ours {ours.memory_mib():.0f} MiB, plain uvicorn {uvicorn.memory_mib():.0f} MiB")
        show(Measurement("memory", ours.memory_mib(), peer.memory_mib(), "MiB", 0.5, "sagemaker-inference"))
    cold = {name: statistics.median(times) for name, times in starts.items()}
    show(Measurement("from `docker run` to the first answer", cold["ours"], cold["peer"], "s", 1, "sagemaker-inference"))


def table(clients: int, rounds: list[dict[str, Load]]) -> None:
    """The figures of so many clients."""
    print(f"-- {clients} client{'s' if clients > 1 else ''}, a handler that does nothing")
    for name in rounds[0]:
        figures = [
            middle(rounds, figure, name) for figure in (lambda one: one.rate, lambda one: one.p99_ms, lambda one: one.cpu_us)
        ]
        print(f"  {name}: {figures[0]:.0f} requests/s, p99 {figures[1]:.1f} ms, {figures[2]:.0f} CPU us a request")
    for other, figure, what, goal in (
        ("uvicorn", lambda one: one.rate, "requests/s", 0.9),
        ("peer", lambda one: one.rate, "requests/s", 1.0),
        ("peer", lambda one: 1 / one.p99_ms, "1 / p99", 1.0),
    ):
        judge(f"{what}, ours over {other}", ratio(rounds, figure, "ours", other), goal)


def batches(image: str, tool: str, directory: Path, kind: str, goal: float) -> None:
    """A model of that kind at 64 clients, one by one and in micro-batches."""
    place = directory / kind
    place.mkdir()
    run("run", "--rm", "-v", f"{place}:/opt/ml/model", image, "python", "-c", MODEL, kind)
    row = json.dumps([[number / 10 for number in range(20)]])
    (directory / "post.lua").write_text(LUA.format(row))
    has = ("-v", f"{place}:/opt/ml/model", "-e", "LYFTLEARN_SERVE_QUEUE=1000", "-e", "LYFTLEARN_SERVE_CONCURRENCY=2")
    with (
        served(image, "serve", options=has, body=row) as single,
        served(image, "serve", options=(*has, "-e", "LYFTLEARN_SERVE_BATCH=64"), body=row) as batched,
    ):
        servers = {"one by one": single, "in batches": batched}
        rounds = [{name: server.load(tool, 64, directory) for name, server in servers.items()} for _ in range(ROUNDS)]
    print(f"-- {kind}, 64 clients")
    for name in servers:
        rate, cpu = middle(rounds, lambda one: one.rate, name), middle(rounds, lambda one: one.cpu_us, name)
        print(f"  {name}: {rate:.0f} requests/s, {cpu:.0f} CPU us a request")
    found = ratio(rounds, lambda one: one.rate, "in batches", "one by one")
    judge("requests/s in batches over one by one", found, goal)


def judge(what: str, found: float, goal: float) -> None:
    """Prints a ratio beside the least that was promised."""
    print(f"  {what}: {found:.2f}, goal ≥ {goal:g}: {'reached' if found >= goal else 'NOT reached'}")


def main() -> None:
    """Prints all of it."""
    if (os.cpu_count() or 1) < 2:  # noqa: PLR2004 - one for the server, one for the load
        sys.exit("serving is measured on two CPUs at least")
    image = build("lyftlearn", images_dir=find_images_dir()).image
    with peer_image(SERVER_DOCKERFILE) as tool, tempfile.TemporaryDirectory() as directory:
        compare(image, tool, Path(directory))
        batches(image, tool, Path(directory), "lightgbm", 4)
        batches(image, tool, Path(directory), "forest", 4)


if __name__ == "__main__":
    main()
