"""A local AWS endpoint (moto's, behind a gate) of a few services: one a run, gone when the run is over.

It runs as a process of its own, so that neither its start (a second of imports) nor its work holds up the harness. It
answers what is signed with keys of this run alone, and the operations of `operations.SERVED` alone.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import secrets
import signal
import string
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import IO, TYPE_CHECKING, Any, cast

from lyftlearn_image.emulation.aws.signature import Key
from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    import boto3
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"

_ACCOUNT = "123456789012"
# By this header moto is told the account of a request (docs.getmoto.org, "Multi-Account support").
_ACCOUNT_HEADER = "HTTP_X_MOTO_ACCOUNT_ID"
_ACCESS_KEY_CHARACTERS = 16
_SECRET_KEY_BYTES = 30


@dataclass(frozen=True)
class AwsEndpoint:
    """A running endpoint. `url` is reachable from this machine and from the containers of the run's network.

    `key` is the run's own pair: whoever has it may ask for everything that is served.
    """

    url: str
    key: Key
    _trust: Callable[[bytes], None] = field(default=lambda _: None, repr=False, compare=False)

    def place(self) -> dict[str, str]:
        """The region, in the one variable that SageMaker has for it, and this endpoint."""
        return {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": self.url}

    def environment(self) -> dict[str, str]:
        """The same with long-lived keys, for a process that no platform gives an identity to."""
        keys = {"AWS_ACCESS_KEY_ID": self.key.access_key_id, "AWS_SECRET_ACCESS_KEY": self.key.secret_access_key}
        return {**keys, **self.place(), "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}

    def assume_role(self, role_arn: str, session_name: str, lifetime_s: int) -> Mapping[str, Any]:
        """Keys of a role, which need not exist: AccessKeyId, SecretAccessKey, SessionToken and Expiration (a datetime)."""
        asked = {"RoleArn": role_arn, "RoleSessionName": session_name, "DurationSeconds": lifetime_s}
        return cast("Mapping[str, Any]", self._sts.assume_role(**asked)["Credentials"])

    @cached_property
    def _sts(self) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - see session()

        # The service gives keys for 15 minutes at least; a test of their end need not take so long.
        config = Config(parameter_validation=False, max_pool_connections=32)
        return self.session().client("sts", endpoint_url=self.url, config=config)

    def trust_web_identities(self, signing_key: bytes) -> None:
        """Lets AssumeRoleWithWebIdentity take the tokens of a cluster: those that are signed with this key."""
        self._trust(signing_key)

    def session(self) -> boto3.Session:
        """A session with the run's own keys; give its clients `endpoint_url=url`, or set AWS_ENDPOINT_URL."""
        import boto3  # noqa: PLC0415 - takes 300 ms

        return boto3.Session(
            aws_access_key_id=self.key.access_key_id, aws_secret_access_key=self.key.secret_access_key, region_name=REGION
        )

    def s3(self) -> S3Client:
        """An S3 client of this endpoint; safe to use from several threads."""
        from botocore.config import Config  # noqa: PLC0415 - see session()

        config = Config(s3={"addressing_style": "path"}, max_pool_connections=32)
        return self.session().client("s3", endpoint_url=self.url, config=config)

    def put_secrets(self, values: Mapping[str, str]) -> None:
        """Puts these names and values into Secrets Manager; a name that is there gets a new version."""
        if not values:
            return
        client = self.session().client("secretsmanager", endpoint_url=self.url)
        for name, value in values.items():
            try:
                client.create_secret(Name=name, SecretString=value)
            except client.exceptions.ResourceExistsException:
                client.put_secret_value(SecretId=name, SecretString=value)

    def put_parameters(self, values: Mapping[str, str]) -> None:
        """Puts these names and values into the Parameter Store, encrypted; a name that is there gets a new version."""
        if not values:
            return
        client = self.session().client("ssm", endpoint_url=self.url)
        for name, value in values.items():
            client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def _new_key() -> Key:
    """Keys that nobody can guess, in the form that AWS gives them."""
    characters = "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(_ACCESS_KEY_CHARACTERS))
    return Key(f"AKIA{characters}", secrets.token_urlsafe(_SECRET_KEY_BYTES))


@contextlib.contextmanager
def aws_endpoint(host: str) -> Iterator[AwsEndpoint]:
    """An endpoint on a free port of `host` (the gateway of the run's network); stopped at the end.

    Raises RunError with what the server said when it does not start.
    """
    command = [sys.executable, "-m", __name__, host]
    key = _new_key()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin is not None  # noqa: S101 - Popen was given PIPE; tells mypy
            assert process.stdout is not None  # noqa: S101 - as above
            # By a pipe: every user of this machine can read a command line.
            with contextlib.suppress(BrokenPipeError):
                _write_line(process.stdin, json.dumps([key.access_key_id, key.secret_access_key]))
            port = process.stdout.readline().strip()
            if not port:
                said = process.communicate()[1].strip().splitlines()
                raise RunError("the local AWS endpoint did not start", where=said[-1] if said else f"on {host}")
            yield AwsEndpoint(f"http://{host}:{port}", key, partial(_send_trust, process.stdin))
        finally:
            # It ends by itself when its standard input closes; so it cannot outlive the harness either.
            process.kill()


def _send_trust(pipe: IO[str], signing_key: bytes) -> None:
    _write_line(pipe, signing_key.hex())


def _write_line(pipe: IO[str], line: str) -> None:
    pipe.write(f"{line}\n")
    pipe.flush()


def _serve(host: str) -> None:
    """Serves until standard input closes. Prints the port once it answers.

    The first line of standard input has the run's keys, every further one the key of a cluster whose tokens are believed.
    """
    import logging  # noqa: PLC0415 - only in the server's own process

    from werkzeug.serving import make_server  # noqa: PLC0415 - a second of imports, with moto

    from lyftlearn_image.emulation.aws.gate import Gate, check_web_identity  # noqa: PLC0415 - see above

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the harness ends us in its order
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    key = Key(*json.loads(sys.stdin.readline()))
    signing_keys: list[bytes] = []
    gate = Gate(
        _Applications(),
        lambda access_key_id: key if access_key_id == key.access_key_id else _session_key(access_key_id),
        partial(check_web_identity, signing_keys=signing_keys),
    )
    # moto's own ThreadedMotoServer waits for ever when the address cannot be bound.
    server = make_server(host, 0, gate, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)  # noqa: T201 - the handshake
    signing_keys.extend(bytes.fromhex(line) for line in sys.stdin)


class _Applications:
    """moto's application of each service, made when it is first asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, WSGIApplication] = {}

    def __call__(self, service: str) -> WSGIApplication:
        from moto.moto_server.werkzeug_app import create_backend_app  # noqa: PLC0415 - a second of imports

        with self._lock:
            if service not in self._made:
                made = create_backend_app(cast("Any", service))
                # STS alone knows accounts apart: it says the role's own. All other data is in one account, so that a job
                # finds what the run put there, whatever account its role is of.
                self._made[service] = made if service == "sts" else _in_one_account(made)
            return self._made[service]


def _session_key(access_key_id: str) -> Key | None:
    """The keys of a session that this endpoint's STS has given out."""
    from moto.sts.models import sts_backends  # noqa: PLC0415 - as above

    for account in list(sts_backends.values()):
        for backend in list(account.values()):
            if role := backend.get_assumed_role_from_access_key(access_key_id):
                expires_at = role.expiration.replace(tzinfo=dt.UTC).timestamp()
                return Key(role.access_key_id, role.secret_access_key, role.session_token, expires_at)
    return None


def _in_one_account(application: WSGIApplication) -> WSGIApplication:
    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[_ACCOUNT_HEADER] = _ACCOUNT
        return application(environ, start_response)

    return answer


if __name__ == "__main__":
    _serve(sys.argv[1])
