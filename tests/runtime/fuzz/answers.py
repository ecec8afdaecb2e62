"""Laws of what services answer, over real connections: whatever they say, a start goes on or ends with ShimError."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from typing import TYPE_CHECKING

from documents import json_of
from parsers import PLACE

from lyftlearn_runtime import resolver
from lyftlearn_runtime.aws import client, connection, credential_cache, credentials, endpoints, http, s3, sigv4
from lyftlearn_runtime.aws.request import Request
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.sources import confidant, s3_object, secretsmanager, ssm, ssm_path

if TYPE_CHECKING:
    from collections.abc import Callable

_WITHIN_S = 0.3
_STATUSES = (200, 200, 200, 200, 400, 403, 404, 301)
_JSON_WORDS = (
    "SecretString", "SecretBinary", "SecretValues", "ARN", "Name", "one", "two", "/path/one", "Parameters", "Value", "Version",
    "Selector", "NextToken", "credentials", "credential_pairs", "CiphertextBlob", "__type", "AccessDeniedException",
    "AccessKeyId", "SecretAccessKey", "Token", "Expiration", "2026-11-23T00:00:00Z", "RequestExpired",
)  # fmt: skip
_XML_WORDS = (
    b"ListBucketResult", b"Contents", b"Key", b"Size", b"12", b"NextContinuationToken", b"Error", b"Code", b"UploadId",
    b"AssumeRoleWithWebIdentityResponse", b"Credentials", b"AccessKeyId", b"SecretAccessKey", b"SessionToken", b"Expiration",
    b"2026-11-23T00:00:00Z", b"&amp;", b"\xc3\xbc", b'<?xml version="1.0" encoding="UTF-16"?>', b"<!DOCTYPE a [",
    b'<?xml version="1.0" encoding="big5"?>', b'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"',
)  # fmt: skip
INSTRUMENTED = (confidant, connection, endpoints, credential_cache, s3_object, secretsmanager, sigv4, ssm, ssm_path)


class Service:
    """Answers every request on a port of this machine with the bytes that it was given last."""

    def __init__(self) -> None:
        self.answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            peer, _ = self._listener.accept()
            with peer, contextlib.suppress(OSError):
                _read_request(peer)
                peer.sendall(self.answer)
                peer.shutdown(socket.SHUT_WR)

    def says(self, status: int, body: bytes) -> None:
        """From now on: this status and this body."""
        self.answer = b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, len(body), body)


def _read_request(peer: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = peer.recv(65536)
        if not piece:
            return
        head += piece
    head, _, body = head.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += peer.recv(65536)


_SERVICE = Service()
_TOKEN = os.path.join(PLACE, "token")  # noqa: PTH118 - the shim takes texts
with open(_TOKEN, "w", encoding="utf-8") as _file:  # noqa: PTH123 - as above
    _file.write("token")
_ENVIRON = {
    "AWS_ACCESS_KEY_ID": "AKIAFUZZ",
    "AWS_SECRET_ACCESS_KEY": "fuzz",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ENDPOINT_URL": _SERVICE.url,
    "CONFIDANT_URL": _SERVICE.url,
    "CONFIDANT_AUTH_KEY": "alias/fuzz",
    "LYFTLEARN_FETCH_TIMEOUT": str(_WITHIN_S),
    "LYFTLEARN_MEMORY_DIR": PLACE,
}
_CONTAINER = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": _SERVICE.url + "/role", "AWS_EC2_METADATA_DISABLED": "true"}
_INSTANCE = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": _SERVICE.url}
_WEB = {
    "AWS_WEB_IDENTITY_TOKEN_FILE": _TOKEN,
    "AWS_ROLE_ARN": "arn:aws:iam::1:role/fuzz",
    "AWS_ENDPOINT_URL_STS": _SERVICE.url,
}


def _refused_or(call: Callable[[], object]) -> None:
    """Calls it; a ShimError is an answer too, unless it hides a fault of a source of our own."""
    message = ""
    try:
        call()
    except ShimError as error:
        message = error.message
    assert "the source failed" not in message, message


def _identity(environ: dict[str, str]) -> None:
    found = credentials.find_credentials(environ, time.monotonic() + _WITHIN_S)
    # It can be signed with, so it is of texts that a header can hold.
    scope = sigv4.Scope("20261123T000000Z", "us-east-1", "s3")
    signed = sigv4.sign(Request("GET", "https://here/", {}, b""), "", found, scope)
    for value in signed.headers.values():
        assert value.encode("latin-1").isascii()
        assert not {"\r", "\n", "\0"} & set(value)


def law_of_json(data: bytes) -> None:
    """Secrets Manager, the Parameter Store, KMS and Confidant, and the endpoints of credentials."""
    if len(data) < 2:
        return
    asks = (
        lambda: resolver.resolve(["aws-sm://one"], _ENVIRON),
        lambda: resolver.resolve(["aws-sm://one", "aws-sm://two?stage=A#key"], _ENVIRON),
        lambda: resolver.resolve(["aws-sm://one", "aws-sm://two"], _ENVIRON),
        lambda: resolver.resolve(["aws-ssm://one", "aws-ssm:///path/one"], _ENVIRON),
        lambda: resolver.resolve([], _ENVIRON, ["aws-ssm-path://path"]),
        lambda: resolver.resolve(["confidant://one#key"], _ENVIRON, ["confidant://one"]),
        lambda: _identity(_CONTAINER),
        lambda: _identity(_INSTANCE),
    )
    _SERVICE.says(_STATUSES[data[0] % len(_STATUSES)], json_of(data[2:], _JSON_WORDS))
    _refused_or(asks[data[1] % len(asks)])


def law_of_xml(data: bytes) -> None:
    """Listings and errors of S3, and the credentials of STS."""
    if len(data) < 2:
        return
    store = s3.S3(_ENVIRON)
    asks = (lambda: list(store.list_objects("bucket", "prefix")), lambda: store.get("bucket", "key"), lambda: _identity(_WEB))
    _SERVICE.says(_STATUSES[data[0] % len(_STATUSES)], _xml_of(data[2:]))
    _refused_or(asks[data[1] % len(asks)])


def _xml_of(data: bytes) -> bytes:
    """XML that is well-formed mostly: one byte opens an element, writes a word or closes; or the bytes as they are."""
    if data[:1] > b"\xc0":
        return data[1:]
    pieces, opened = [], []
    for byte in data[1:]:
        word = _XML_WORDS[byte % len(_XML_WORDS)]
        if byte < 100 and word.isalpha():
            pieces.append(b"<%b>" % word)
            opened.append(word)
        elif byte < 180 or not opened:
            pieces.append(word)
        else:
            pieces.append(b"</%b>" % opened.pop())
    return b"".join(pieces) + b"".join(b"</%b>" % word for word in reversed(opened))


def law_of_http(data: bytes) -> None:
    """Status lines, headers and lengths that are none; a clock that is told in any words."""
    _SERVICE.answer = b"HTTP/1.1 " + data
    _refused_or(lambda: http.get(_SERVICE.url + "/", {}, _ENVIRON, time.monotonic() + 0.02))
    if len(data) % 4 == 0:
        _SERVICE.answer = b"HTTP/1.1 403 No\r\nContent-Length: 14\r\nDate: %b\r\n\r\nRequestExpired" % data.replace(b"\n", b"")
        signer = client.Signer(s3._SERVICE, _ENVIRON, time.monotonic() + 0.02)
        _refused_or(lambda: client.call(signer, Request("GET", _SERVICE.url + "/", {}, b""), time.monotonic() + 0.02))


LAWS = {"answers in JSON": law_of_json, "answers in XML": law_of_xml, "answers of HTTP": law_of_http}
