"""One connection to a host: directly or through a proxy, with the certificate always verified."""

from __future__ import annotations

import http.client
import os
import ssl
import time

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws.request import Response, split_url
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import IO, Optional

    from lyftlearn_runtime.aws.request import Request

    Sink = Callable[[int, http.client.HTTPMessage], Optional[IO[bytes]]]

# No byte for so long, and a try has failed.
STALL_S = 10.0
# No answer that a start reads into memory is larger; an endless one must end. One to a request for data is an error's text.
_LARGEST_BODY = 64 << 20
_LARGEST_ERROR = 1 << 20
# What of a body is in memory at a time.
_BLOCK_BYTES = 256 << 10
_PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


class RetryableError(Exception):
    """An attempt has failed in a way in which another one may succeed."""


class ProxyError(RetryableError):
    """The proxy did not answer, or did not let a request through: what is behind it was never asked."""

    def __init__(self, proxy: str, problem: str) -> None:
        RetryableError.__init__(self, problem)
        self.proxy = proxy


class Connection:
    """A connection to the host of a URL, which carries several requests one after the other."""

    def __init__(self, url: str, environ: Mapping[str, str], seconds: float = STALL_S, *, is_kept: bool = False) -> None:
        """With `is_kept` it stays open between requests, as long as the server lets it."""
        self._is_kept = is_kept
        scheme, host, _ = split_url(url)
        proxy = _proxy_of(scheme, host, environ)
        # A plain request names its whole URL to a proxy; an encrypted one goes through a tunnel.
        self._prefix = f"{scheme}://{host}" if proxy and scheme == "http" else ""
        self._headers = proxy[1] if proxy and scheme == "http" else {}
        self._proxy = proxy[0] if proxy else ""
        # The end of a tunnel, and by what it is trusted.
        self._tunnelled: tuple[str, ssl.SSLContext] | None = None
        if scheme == "https":
            trust = ssl.create_default_context(cafile=_ca_bundle(environ))
            self._http: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._proxy or host, timeout=seconds, context=trust
            )
            if proxy:
                name, port = _host_and_port(host, 443)
                self._http.set_tunnel(name, port, headers=proxy[1])
                self._tunnelled = name, trust
        else:
            self._http = http.client.HTTPConnection(self._proxy or host, timeout=seconds)

    def close(self) -> None:
        """Closes it; another request opens it again."""
        self._http.close()

    def send(self, request: Request, deadline: float | None, sink: Sink | None = None) -> Response:
        """Sends one request. `sink` says to which file the body goes, by status and headers; None is for memory.

        `deadline` is one of time.monotonic(), None for data, which has none.
        """
        try:
            is_reused = self._http.sock is not None
            try:
                response = self._exchange(request)
            except ConnectionError:
                if not is_reused:
                    raise
                self._http.close()  # the server has given it up since the last request
                response = self._exchange(request)
            file = sink(response.status, response.headers) if sink else None
            if file is not None:
                _copy(response, file)
                data = b""
            else:
                data = _read(response, deadline, _LARGEST_ERROR if sink else _LARGEST_BODY)
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            if self._prefix:  # every byte of it is the proxy's
                raise ProxyError(self._proxy, str(error) or type(error).__name__) from None
            raise
        except BaseException:
            self._http.close()
            raise
        # One that is read whole can carry another request.
        if self._is_kept and response.status < 300 and not response.will_close:
            response.close()
        else:
            self._http.close()
        if response.status == 407 and self._prefix:
            raise ProxyError(self._proxy, f"it answered 407 {response.reason}")
        return Response(response.status, data, response.headers)

    def _exchange(self, request: Request) -> http.client.HTTPResponse:
        """Sends it, and gives the answer before its body is read."""
        if self._tunnelled and self._http.sock is None:
            self._open_tunnel(*self._tunnelled)
        target = self._prefix + split_url(request.url)[2]
        headers = {**request.headers, **self._headers}
        if isinstance(request.body, bytes):
            self._http.request(request.method, target, body=request.body, headers=headers)
            return self._http.getresponse()
        self._http.request(request.method, target, headers=headers)
        try:
            for block in request.body.blocks(_BLOCK_BYTES):
                self._http.send(block)
        except ConnectionError as error:
            response = self._last_word()  # it may have said why it does not want the rest
            if response is None:
                raise error from None
            return response
        return self._http.getresponse()

    def _last_word(self) -> http.client.HTTPResponse | None:
        """A refusal that came before all was sent."""
        try:
            response = self._http.getresponse()
        except (OSError, http.client.HTTPException):
            return None
        return response if response.status >= 400 else None

    def _open_tunnel(self, name: str, trust: ssl.SSLContext) -> None:
        """What HTTPSConnection.connect does, in two steps: up to the proxy, and behind it."""
        try:
            http.client.HTTPConnection.connect(self._http)
        except (OSError, http.client.HTTPException) as error:
            raise ProxyError(self._proxy, str(error) or type(error).__name__) from None
        self._http.sock = trust.wrap_socket(self._http.sock, server_hostname=name)


def _read(response: http.client.HTTPResponse, deadline: float | None, most_bytes: int) -> bytes:
    """The body, piece by piece: neither an endless nor a dripping one outlives the deadline."""
    pieces: list[bytes] = []
    size = 0
    for piece in _pieces(response):
        pieces.append(piece)
        size += len(piece)
        if size > most_bytes:
            raise RetryableError(f"its answer is longer than {most_bytes} bytes")
        if deadline is not None and time.monotonic() > deadline:
            raise RetryableError("its answer did not end in time")
    return b"".join(pieces)


def _copy(response: http.client.HTTPResponse, sink: IO[bytes]) -> None:
    """Writes the body to a file of ours; that one's error is none of the network's, which would be tried again."""
    if response.length is None:  # it comes in chunks, of which nobody says how many
        pieces: Iterator[bytes | memoryview] = _pieces(response)
    else:
        pieces = _blocks(response, response.length)
    for piece in pieces:
        try:
            sink.write(piece)
        except OSError as error:
            raise ShimError(f"{sink.name} cannot be written: {error.strerror}", contract.EXIT_CONFIG) from None


def _blocks(response: http.client.HTTPResponse, left: int) -> Iterator[memoryview]:
    """The same in one buffer: TLS brings 16 KiB at a time, which `read1` would make a buffer for each."""
    view = memoryview(bytearray(min(_BLOCK_BYTES, left)))
    while left:
        came = response.readinto(view[:left])
        if not came:
            raise RetryableError(f"it broke off {left} bytes before the end")
        left -= came
        yield view[:came]


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body as it comes. Raises RetryableError for one that ends too early."""
    left = response.length
    while left is None or left > 0:
        # read() would wait for the whole of a chunk, however slowly it drips.
        piece = response.read1(_BLOCK_BYTES if left is None else min(_BLOCK_BYTES, left))
        if not piece:
            break
        left = None if left is None else left - len(piece)
        yield piece
    if left:
        raise RetryableError(f"it broke off {left} bytes before the end")


def _proxy_of(scheme: str, host: str, environ: Mapping[str, str]) -> tuple[str, dict[str, str]] | None:
    """The proxy for a host with the headers that it wants; None where there is none.

    HTTPS_PROXY, HTTP_PROXY and NO_PROXY are read as urllib reads them, in either case. What serves credentials and
    metadata is on this machine, and no proxy is asked for it (the SDKs do the same).
    """
    name = _host_and_port(host, 0)[0]
    if (
        not any(environ.get(one) for one in _PROXIES)
        or name in {"localhost", "127.0.0.1", "::1"}
        or name.startswith("169.254.")
    ):
        return None
    import urllib.request  # noqa: PLC0415 - 20 ms that most containers save

    proxies = {
        key[: -len("_proxy")].lower(): value
        for key, value in sorted(environ.items())  # the lower case comes last and wins
        if key.lower().endswith("_proxy") and value
    }
    given = proxies.get(scheme) or proxies.get("all")
    if not given or urllib.request.proxy_bypass_environment(host, proxies):  # type: ignore[attr-defined]
        return None
    _, _, rest = given.rpartition("://")
    account, _, peer = rest.rstrip("/").rpartition("@")
    if not _is_address(peer):
        message = (
            f"{scheme.upper()}_PROXY is no address of a proxy; expected http://host:port, or http://user:password@host:port"
        )
        raise ShimError(message, contract.EXIT_CONFIG)
    return peer, ({"Proxy-Authorization": "Basic " + _base64(account)} if account else {})


def _is_address(peer: str) -> bool:
    """Whether it is a host, or a host and a port. What is none may be a part of a password."""
    host, mark, port = peer.rpartition(":")
    if not mark or peer.endswith("]"):
        host, port = peer, "0"
    return bool(host) and not set(host) & set("/?#@ ") and port.isdigit()


def _base64(account: str) -> str:
    import base64  # noqa: PLC0415 - see above
    import urllib.parse  # noqa: PLC0415 - see above

    return base64.b64encode(urllib.parse.unquote_to_bytes(account)).decode()


def _host_and_port(host: str, default: int) -> tuple[str, int]:
    if host.startswith("["):
        name, _, port = host[1:].partition("]")
        return name, int(port[1:] or default)
    name, _, port = host.partition(":")
    return name, int(port) if port.isdigit() else default


def _ca_bundle(environ: Mapping[str, str]) -> str | None:
    found = environ.get("AWS_CA_BUNDLE") or environ.get("SSL_CERT_FILE")
    if found and not os.path.exists(found):
        raise ShimError(f"AWS_CA_BUNDLE: there is no {found}", contract.EXIT_CONFIG)
    return found or None
