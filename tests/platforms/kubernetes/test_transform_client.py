"""The client of batch transform, against a real server: what it sends, and what it makes of the answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lyftlearn_image
from lyftlearn_image.platforms.kubernetes import transform_client

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(lyftlearn_image.__file__).parent / "platforms" / "kubernetes" / "transform_client.py"


class Server(ThreadingHTTPServer):
    """A model server that answers with the request in capitals, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, str | None, str | None]] = []
        self.failures: list[int] = []
        self.parameters: dict[str, Any] | None = None
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_GET(self) -> None:
        """/execution-parameters, where the server has them."""
        self._answer(404 if self.server.parameters is None else 200, json.dumps(self.server.parameters).encode())

    def do_POST(self) -> None:
        """/invocations."""
        body = self.rfile.read(int(self.headers["Content-Length"])) if "Content-Length" in self.headers else self._chunks()
        self.server.asked.append((body, self.headers["Content-Type"], self.headers["Accept"]))
        if self.server.failures:
            self._answer(self.server.failures.pop(), b"not now")
        else:
            self._answer(200, body.upper())

    def _chunks(self) -> bytes:
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        return b"".join(pieces)

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that runs, and the client beside it."""
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setattr(transform_client, "SERVER", f"http://127.0.0.1:{made.server_port}")
        yield made
        made.shutdown()
        thread.join()


def transform(tmp_path: Path, files: dict[str, bytes], **options: Any) -> dict[str, bytes]:
    """The files that come out of these."""
    for name, data in files.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    assert transform_client.main(options, str(tmp_path / "in"), str(tmp_path / "out")) == 0
    return {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }


def test_each_object_becomes_one_with_out_at_its_end(server: Server, tmp_path: Path) -> None:
    """As the service names them, folders included; whole objects without a split."""
    found = transform(tmp_path, {"a.csv": b"one\ntwo\n", "b/c.csv": b"x"}, content_type="text/csv", accept="text/plain")
    assert found == {"a.csv.out": b"ONE\nTWO\n", "b/c.csv.out": b"X"}
    assert server.asked == [(b"one\ntwo\n", "text/csv", "text/plain"), (b"x", "text/csv", "text/plain")]


@pytest.mark.parametrize(
    ("options", "bodies", "answer"),
    [
        ({"split": "Line", "batch": "SingleRecord"}, [b"a", b"b", b"c"], b"ABC"),
        ({"split": "Line", "batch": "SingleRecord", "assemble": "Line"}, [b"a", b"b", b"c"], b"A\nB\nC\n"),
        ({"split": "Line", "batch": "MultiRecord", "assemble": "Line"}, [b"a\nb\nc"], b"A\nB\nC\n"),
        ({"split": "Line", "assemble": "Line", "max_concurrent": 3, "batch": "SingleRecord"}, [b"a", b"b", b"c"], b"A\nB\nC\n"),
    ],
)
def test_records_are_split_and_put_together(
    options: dict[str, Any], bodies: list[bytes], answer: bytes, server: Server, tmp_path: Path
) -> None:
    """In the order of the input, however many are asked at once."""
    assert transform(tmp_path, {"a": b"a\nb\nc\n"}, **options) == {"a.out": answer}
    assert sorted(body for body, _, _ in server.asked) == bodies


def test_a_payload_is_never_larger_than_it_may_be(server: Server, tmp_path: Path) -> None:
    """As many lines as fit; a line that does not fit alone fails the job."""
    lines = [b"x" * 400_000 for _ in range(5)]
    transform(tmp_path, {"a": b"\n".join(lines)}, split="Line", max_payload_mb=1)
    assert [len(body) for body, _, _ in server.asked] == [800_001, 800_001, 400_000]
    server.asked.clear()
    transform(tmp_path, {"a": b"y" * (1 << 19) + b"\n" + b"y" * ((1 << 19) - 1)}, split="Line", max_payload_mb=1)
    assert [len(body) for body, _, _ in server.asked] == [1 << 20]
    (tmp_path / "in" / "a").write_bytes(b"x" * (1 << 21))
    assert transform_client.main({"max_payload_mb": 1}, str(tmp_path / "in"), str(tmp_path / "out")) == 1
    assert transform_client.main({"max_payload_mb": 0}, str(tmp_path / "in"), str(tmp_path / "out")) == 0


def test_the_server_says_what_the_caller_did_not(server: Server, tmp_path: Path) -> None:
    """The request first, then /execution-parameters, then the defaults."""
    server.parameters = {"BatchStrategy": "SINGLE_RECORD", "MaxConcurrentTransforms": 2, "MaxPayloadInMB": 1}
    transform(tmp_path, {"a": b"a\nb"}, split="Line")
    assert len(server.asked) == 2
    transform(tmp_path, {"a": b"a\nb"}, split="Line", batch="MultiRecord")
    assert len(server.asked) == 3


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it refuses for good is not, and fails the job with its reason."""
    monkeypatch.setattr(transform_client.time, "sleep", lambda _: None)
    server.failures = [503, 503]
    assert transform(tmp_path, {"a": b"x"}) == {"a.out": b"X"}
    server.failures, before = [400], len(server.asked)
    assert transform_client.main({}, str(tmp_path / "in"), str(tmp_path / "out")) == 1
    assert len(server.asked) == before + 1


def test_hosts_share_the_objects(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each object is transformed by one of them."""
    files = {name: name.encode() for name in "abcde"}
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    assert set(transform(tmp_path, files, nodes=2)) == {"b.out", "d.out"}
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    assert set(transform(tmp_path, files, nodes=2)) == {"a.out", "b.out", "c.out", "d.out", "e.out"}


def test_the_other_objects_are_transformed_when_one_fails(server: Server, tmp_path: Path) -> None:
    """And the job fails: its exit code says so."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(b"x" * (1 << 21))
    (tmp_path / "in" / "b").write_bytes(b"b")
    assert transform_client.main({"max_payload_mb": 1}, str(tmp_path / "in"), str(tmp_path / "out")) == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.out"]


def test_only_newlines_end_records_and_no_header_is_invented(server: Server, tmp_path: Path) -> None:
    """A carriage return is part of its record, and a type that nobody said is not sent."""
    transform(tmp_path, {"a": b"a\rb\r\nc"}, split="Line", batch="SingleRecord")
    assert server.asked == [(b"a\rb\r", None, None), (b"c", None, None)]


def test_a_proxy_of_the_pod_is_not_asked(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is in the same pod."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert transform(tmp_path, {"a": b"a"}) == {"a.out": b"A"}


def test_it_runs_alone(tmp_path: Path) -> None:
    """With the standard library only: nothing of the toolkit is in a pod. Without objects there is nothing to do."""
    environment = {"LYFTLEARN_TRANSFORM": "{}", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-I", "-S", str(PROGRAM), str(tmp_path), str(tmp_path / "out")]
    assert subprocess.run(command, env=environment, check=False).returncode == 0
