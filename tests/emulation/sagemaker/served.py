"""A model server that does what its requests say. It runs in a container, alone; the model's archive brings it there."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LOADED: dict[str, str] = {}
RELEASED = threading.Event()
PINGS = os.environ.get("PINGS", "200")


class Handler(BaseHTTPRequestHandler):
    """Answers with the request in capitals, or with the failure that stands in it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """/ping and, where a variable has them, /execution-parameters."""
        if self.path == "/ping":
            self.answer(int(PINGS), b"")
        elif self.path == "/execution-parameters" and "PARAMETERS" in os.environ:
            self.answer(200, os.environ["PARAMETERS"].encode())
        else:
            self.answer(404, b"")

    def do_DELETE(self) -> None:
        """/models/<name> of a multi-model server."""
        del LOADED[self.path.rpartition("/")[2]]
        self.answer(200, b"")

    def do_POST(self) -> None:
        """/invocations, and of a multi-model server /models."""
        body = self.body()
        if self.path.startswith("/models"):
            self.many(body)
        else:
            self.invocation(body)

    def invocation(self, body: bytes) -> None:
        """An answer, or the failure that stands in the body."""
        print("asked", json.dumps([body.decode("utf-8", "replace")[:40], len(body)]), flush=True)
        if b"boom" in body:
            self.answer(500, b"it broke")
        elif b"refuse" in body:
            self.answer(400, b"not like this")
        elif b"once" in body and not Path("/tmp/asked-once").exists():
            Path("/tmp/asked-once").touch()
            self.answer(503, b"not yet")
        elif b"sleep" in body:
            time.sleep(3600)
        elif b"trickle" in body:
            self.trickle()
        elif b"pieces" in body:
            self.pieces(is_whole=b"broken" not in body)
        elif b"release" in body:
            RELEASED.set()
            self.answer(200, b"")
        elif b"die" in body:
            os._exit(9)
        elif b"facts" in body:
            self.answer(200, json.dumps(self.facts()).encode(), {"X-Amzn-SageMaker-Custom-Attributes": "told"})
        else:
            self.answer(200, body.upper())

    def many(self, body: bytes) -> None:
        """A multi-model server that has room for two models: what a model answers is what its file `says`."""
        if self.path == "/models":
            told = json.loads(body)
            says = (Path(told["url"]) / "says").read_text()
            if says == "refuse":
                self.answer(500, b"no such framework")
            elif len(LOADED) == 2:
                self.answer(507, b"no room")
            else:
                print("loads", says, flush=True)
                LOADED[told["model_name"]] = says
                self.answer(200, b"")
        else:
            named = self.headers["X-Amzn-SageMaker-Target-Model"]
            self.answer(200, f"{LOADED[self.path.split('/')[2]]} {named} {body.decode()}".encode())

    def body(self) -> bytes:
        """The request's, chunked too."""
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def facts(self) -> dict[str, object]:
        """What a container of the service sees."""
        model = Path("/opt/ml/model")
        try:
            (model / "new").touch()
        except OSError as error:
            written = error.strerror
        else:
            written = "writable"
        return {
            "argv": sys.argv[1:],
            "uid": os.getuid(),
            "is_terminal": os.isatty(1),
            "environment": {
                name: value for name, value in os.environ.items() if name.startswith(("SAGEMAKER_", "TRANSFORM_", "NOTE"))
            },
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "model": sorted(path.relative_to(model).as_posix() for path in model.rglob("*")),
            "written": written,
        }

    def trickle(self) -> None:
        """An answer that comes byte by byte."""
        self.send_response(200)
        self.send_header("Content-Length", "10000")
        self.end_headers()
        for _ in range(10_000):
            self.wfile.write(b".")
            self.wfile.flush()
            time.sleep(0.3)

    def pieces(self, *, is_whole: bool) -> None:
        """An answer in two chunks, the second one when somebody else asks for it; or one that breaks off after the first."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"3\r\none\r\n")
        self.wfile.flush()
        if is_whole:
            RELEASED.wait()
            self.wfile.write(b"3\r\ntwo\r\n0\r\n\r\n")
        self.close_connection = True

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """A whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", self.headers.get("Accept") or "text/plain")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def ended(*_: object) -> None:
    """SIGTERM: says so, and ends."""
    print("asked to end", flush=True)
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, ended)
    if os.environ.get("DIES"):
        sys.exit(5)
    ThreadingHTTPServer(("", 8080), Handler).serve_forever()
