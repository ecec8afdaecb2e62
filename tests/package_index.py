"""An index of Python packages (PEP 503) on this machine: the wheels that a test gives it, and a password where it says one."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import threading
import zipfile
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def wheel(name: str, version: str, files: Mapping[str, str], *, requires: tuple[str, ...] = (), scripts: str = "") -> bytes:
    """A pure wheel with these files. `scripts` are the lines of its console scripts."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    content = {
        **files,
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {one}\n" for one in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **({f"{info}/entry_points.txt": f"[console_scripts]\n{scripts}\n"} if scripts else {}),
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in content.items())
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in {**content, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return packed.getvalue()


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class Index:
    """What it has, who may ask, and the paths that it was asked for."""

    def __init__(self, wheels: Mapping[str, bytes], user: str) -> None:
        self.wheels = {f"{name}-py3-none-any.whl": data for name, data in wheels.items()}
        self.asked: list[str] = []
        self.address = ""
        self._user = user

    @property
    def url(self) -> str:
        """Its address as pip takes it, with the user and password that it asks for."""
        return f"http://{self._user}@{self.address}/simple" if self._user else f"http://{self.address}/simple"

    def answer(self, path: str, authorization: str) -> tuple[HTTPStatus, bytes]:
        """A project's page, or a wheel."""
        self.asked.append(path)
        if self._user and authorization != "Basic " + base64.b64encode(self._user.encode()).decode():
            return HTTPStatus.UNAUTHORIZED, b"who are you?"
        last = path.rstrip("/").rpartition("/")[2]
        if last in self.wheels:
            return HTTPStatus.OK, self.wheels[last]
        links = [f'<a href="/files/{one}">{one}</a>' for one in self.wheels if one.startswith(last.replace("-", "_") + "-")]
        return (HTTPStatus.OK, b"<!DOCTYPE html>" + "".join(links).encode()) if links else (HTTPStatus.NOT_FOUND, b"")


@contextlib.contextmanager
def package_index(host: str, wheels: Mapping[str, bytes], user: str = "") -> Iterator[Index]:
    """An index at `host`, a port of which is free. `wheels` are by `name-version`; `user` is `name:password`."""
    index = Index(wheels, user)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = index.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header(
                "Content-Type", "text/html" if b"<a" in body[:20] or body.startswith(b"<!") else "application/octet-stream"
            )
            self.send_header("Content-Length", str(len(body)))
            if status == HTTPStatus.UNAUTHORIZED:
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing: what was asked for is kept."""

    server = ThreadingHTTPServer((host, 0), Handler)
    index.address = f"{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
