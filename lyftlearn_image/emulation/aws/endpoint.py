"""A local AWS endpoint (moto's server) for S3, Secrets Manager, the Parameter Store and more: one a run, gone with the run.

It runs as a process of its own (`server`), so that neither its start (a second of imports) nor its work holds up the harness.
It answers what is signed with keys of this run alone (`signature`), and a list of operations alone (`operations`).
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import json
import secrets
import socket
import string
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from functools import cached_property, partial
from typing import IO, TYPE_CHECKING, Any, cast

from lyftlearn_image.aws.session import make_session
from lyftlearn_image.emulation.aws.signature import Key
from lyftlearn_image.emulation.place import DEFAULT_PLACE, Place
from lyftlearn_image.errors import InvalidInputError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import boto3
    from mypy_boto3_s3 import S3Client

REGION = DEFAULT_PLACE.region
ACCOUNT = DEFAULT_PLACE.account
_SERVER = "lyftlearn_image.emulation.aws.server"
_LOOPBACK = "127.0.0.1"
PROXY_TOKEN_HEADER = "X-Lyftlearn-Proxy-Token"  # noqa: S105 - a header's name
_ACCESS_KEY_CHARACTERS = 16
_SECRET_KEY_BYTES = 30
_MAKING = threading.Lock()


@dataclass(frozen=True)
class RequestLine:
    """One request that a client of this machine has made: the service's signing name, the operation, and the HTTP status."""

    service: str
    operation: str
    status: int


@dataclass(frozen=True)
class Loopback:
    """A further address of an endpoint, for clients of this machine: a listening socket, and what gets a line a request."""

    listener: socket.socket
    on_request: Callable[[RequestLine], None]

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{_LOOPBACK}:{self.listener.getsockname()[1]}"


@contextlib.contextmanager
def listen_on_loopback(port: int, on_request: Callable[[RequestLine], None]) -> Iterator[Loopback]:
    """A socket on a port of 127.0.0.1, any free one for 0. Raises InvalidInputError for a port that is taken."""
    try:
        listener = socket.create_server((_LOOPBACK, port))
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        why = "is taken" if error.errno == errno.EADDRINUSE else "is for root alone"
        raise InvalidInputError(
            f"port {port} {why}", where=_LOOPBACK, hint="Give another one with --port, or none for any free one."
        ) from None
    with listener:
        yield Loopback(listener, on_request)


@dataclass(frozen=True)
class AwsEndpoint:
    """A running endpoint. `url` is reachable from this machine and from the containers of the run's network.

    `key` is the run's own pair: whoever has it may ask for everything that is served.
    """

    url: str
    key: Key
    process_input: IO[str] | None = None
    place: Place = DEFAULT_PLACE

    def connect_sagemaker(self, *, api_url: str, runtime_url: str, token: str) -> None:
        """From now on SageMaker's requests go there, with a token that tells them from others'; else they are refused."""
        self._send({"urls": {"sagemaker": api_url, "sagemaker-runtime": runtime_url}, "token": token})

    def trust_web_identities(self, signing_key: bytes) -> None:
        """Lets AssumeRoleWithWebIdentity take the tokens of a cluster: those that are signed with this key."""
        self._send({"signing_key": signing_key.hex()})

    def _send(self, message: Mapping[str, Any]) -> None:
        if self.process_input is None:
            raise RunError("the endpoint is not a process of this one")
        _write_line(self.process_input, message)

    def region_environment(self) -> dict[str, str]:
        """The region, in the one variable that SageMaker has for it, and this endpoint."""
        return {"AWS_REGION": self.place.region, "AWS_ENDPOINT_URL": self.url}

    def environment(self) -> dict[str, str]:
        """The same with long-lived keys, for a process that no platform gives an identity to."""
        keys = {"AWS_ACCESS_KEY_ID": self.key.access_key_id, "AWS_SECRET_ACCESS_KEY": self.key.secret_access_key}
        region = {**self.region_environment(), "AWS_DEFAULT_REGION": self.place.region}
        return {**keys, **region, "AWS_EC2_METADATA_DISABLED": "true"}

    def assume_role(self, role_arn: str, session_name: str, lifetime_s: int) -> Mapping[str, Any]:
        """Keys of a role, which need not exist: AccessKeyId, SecretAccessKey, SessionToken and Expiration (a datetime)."""
        request = {"RoleArn": role_arn, "RoleSessionName": session_name, "DurationSeconds": lifetime_s}
        return cast("Mapping[str, Any]", self._sts.assume_role(**request)["Credentials"])

    @cached_property
    def _sts(self) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - see session()

        # The service gives keys for 15 minutes at least; a test of their end need not take so long.
        config = Config(parameter_validation=False, max_pool_connections=32)
        return self.session().client("sts", endpoint_url=self.url, config=config)

    def session(self) -> boto3.Session:
        """A session with the run's own keys; give its clients `endpoint_url=url`, or set AWS_ENDPOINT_URL."""
        return make_session(
            aws_access_key_id=self.key.access_key_id,
            aws_secret_access_key=self.key.secret_access_key,
            region_name=self.place.region,
        )

    def client(self, service: str) -> Any:
        """boto3's client of one of this endpoint's services, such as `logs`; made when it is first used."""
        return _LazyClient(partial(self._make_client, service))

    def s3(self) -> S3Client:
        """An S3 client of this endpoint, made when it is first used; safe to use from several threads."""
        return cast("S3Client", _LazyClient(partial(self._make_client, "s3", {"addressing_style": "path"})))

    def _make_client(self, service: str, s3: Any = None) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - see session()

        # Clients of one session share what it has read of its models; making one is not for several threads.
        with _MAKING:
            config = Config(s3=s3, max_pool_connections=32)
            return self._session.client(service, endpoint_url=self.url, config=config)  # type: ignore[call-overload]

    @cached_property
    def _session(self) -> boto3.Session:
        return self.session()

    def put_secrets(self, values: Mapping[str, str]) -> None:
        """Puts these names and values into Secrets Manager; a name that is there gets a new version."""
        if not values:
            return
        client = self.client("secretsmanager")
        for name, value in values.items():
            try:
                client.create_secret(Name=name, SecretString=value)
            except client.exceptions.ResourceExistsException:
                client.put_secret_value(SecretId=name, SecretString=value)

    def put_parameters(self, values: Mapping[str, str]) -> None:
        """Puts these names and values into the Parameter Store, encrypted; a name that is there gets a new version."""
        if not values:
            return
        client = self.client("ssm")
        for name, value in values.items():
            client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


class _LazyClient:
    """A client of boto3, made when anything is first asked of it: each takes 100 ms and 10 MiB, and most runs need few."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @cached_property
    def _client(self) -> Any:
        return self._make()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def close(self) -> None:
        """Closes its connections, where it has been made."""
        if "_client" in vars(self):
            self._client.close()


def is_from_proxy(sent: str, token: str) -> bool:
    """Whether a request came by the endpoint's process; everything did where there is no token."""
    return hmac.compare_digest(sent.encode(), token.encode()) or not token


def _new_key() -> Key:
    """Keys that nobody can guess, in the form that AWS gives them."""
    characters = "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(_ACCESS_KEY_CHARACTERS))
    return Key(f"AKIA{characters}", secrets.token_urlsafe(_SECRET_KEY_BYTES))


def _write_line(pipe: IO[str], message: Mapping[str, Any]) -> None:
    pipe.write(json.dumps(message) + "\n")
    pipe.flush()


@contextlib.contextmanager
def aws_endpoint(
    host: str, loopback: Loopback | None = None, place: Place = DEFAULT_PLACE, buckets: Sequence[str] = ()
) -> Iterator[AwsEndpoint]:
    """An endpoint of `place` on a free port of `host` (the run's gateway), and at `loopback`; stopped at the end.

    S3 has `buckets` from the beginning. Raises RunError with the last line of the server's stderr when it does not start.
    """
    with server_process(loopback, place, buckets) as process:
        yield process.serve(host)


@dataclass(frozen=True)
class ServerProcess:
    """An endpoint's process, which is loading its modules, or has."""

    process: subprocess.Popen[str]
    stderr: IO[str]
    loopback: Loopback | None
    place: Place

    def serve(self, host: str) -> AwsEndpoint:
        """The endpoint, on a free port of `host`. Raises RunError when it does not start."""
        key, process = _new_key(), self.process
        assert process.stdin is not None  # noqa: S101 - Popen was given PIPE; tells mypy
        assert process.stdout is not None  # noqa: S101 - as above
        with contextlib.suppress(BrokenPipeError):  # it has not started, and says why below
            _write_line(process.stdin, {"key": [key.access_key_id, key.secret_access_key], "host": host})
        port = process.stdout.readline().strip()
        if not port:
            process.wait()
            self.stderr.seek(0)
            lines = self.stderr.read().strip().splitlines()
            raise RunError("the local AWS endpoint did not start", where=lines[-1] if lines else f"on {host}")
        if self.loopback is not None:
            threading.Thread(target=_read_requests, args=(process.stdout, self.loopback.on_request), daemon=True).start()
        return AwsEndpoint(f"http://{host}:{port}", key, process.stdin, self.place)


@contextlib.contextmanager
def server_process(
    loopback: Loopback | None = None, place: Place = DEFAULT_PLACE, buckets: Sequence[str] = ()
) -> Iterator[ServerProcess]:
    """The process of an endpoint, which loads its modules (half a second) while its caller does something else."""
    fds = () if loopback is None else (loopback.listener.fileno(),)
    settings = {"account": place.account, "region": place.region, "buckets": [*buckets], "fd": next(iter(fds), None)}
    command = [sys.executable, "-m", _SERVER, json.dumps(settings)]
    # A file: nobody reads along, and a pipe that is full would stop the server.
    with (
        tempfile.TemporaryFile("w+") as stderr,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            pass_fds=fds,
        ) as process,
    ):
        try:
            yield ServerProcess(process, stderr, loopback, place)
        finally:
            # It ends by itself when its standard input closes; so it cannot outlive the harness either.
            process.kill()


def _read_requests(lines: IO[str], on_request: Callable[[RequestLine], None]) -> None:
    with contextlib.suppress(ValueError):  # the file is closed, or a line was cut: the endpoint has been stopped
        for line in lines:
            on_request(RequestLine(*json.loads(line)))
