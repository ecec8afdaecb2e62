"""A local AWS endpoint (moto's server) for S3, Secrets Manager and the Parameter Store: one a run, gone when the run is over.

It runs as a process of its own, so that neither its start (a second of imports) nor its work holds up the harness.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    import boto3
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"
# moto takes any key. The environment observation shows them: they are no secret.
ACCESS_KEY = "AKIALYFTLEARNLOCAL00"
SECRET_KEY = "local-endpoint-takes-any-key"  # noqa: S105 - see above

_ACCOUNT = "123456789012"
# By this header moto is told the account of a request (docs.getmoto.org, "Multi-Account support").
_ACCOUNT_HEADER = "HTTP_X_MOTO_ACCOUNT_ID"
# In the scope of a signature: Credential=<key>/<date>/<region>/<service>/aws4_request.
_OF_STS = "/sts/aws4_request"


@dataclass(frozen=True)
class AwsEndpoint:
    """A running endpoint. `url` is reachable from this machine and from the containers of the run's network."""

    url: str

    def place(self) -> dict[str, str]:
        """The region, in the one variable that SageMaker has for it, and this endpoint."""
        return {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": self.url}

    def environment(self) -> dict[str, str]:
        """The same with long-lived keys, for a process that no platform gives an identity to."""
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        return {**keys, **self.place(), "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}

    def assume_role(self, role_arn: str, session_name: str, lifetime_s: int) -> Mapping[str, Any]:
        """Keys of a role, which need not exist: AccessKeyId, SecretAccessKey, SessionToken and Expiration (a datetime)."""
        asked = {"RoleArn": role_arn, "RoleSessionName": session_name, "DurationSeconds": lifetime_s}
        return cast("Mapping[str, Any]", self._sts.assume_role(**asked)["Credentials"])

    @cached_property
    def _sts(self) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - see _session()

        # The service gives keys for 15 minutes at least; a test of their end need not take so long.
        config = Config(parameter_validation=False, max_pool_connections=32)
        return _session().client("sts", endpoint_url=self.url, config=config)

    def session(self) -> boto3.Session:
        """A session of this endpoint's account; give its clients `endpoint_url=url`, or set AWS_ENDPOINT_URL."""
        return _session()

    def s3(self) -> S3Client:
        """An S3 client of this endpoint; safe to use from several threads."""
        from botocore.config import Config  # noqa: PLC0415 - see _session()

        config = Config(s3={"addressing_style": "path"}, max_pool_connections=32)
        return _session().client("s3", endpoint_url=self.url, config=config)

    def put_secrets(self, values: Mapping[str, str]) -> None:
        """Puts these names and values into Secrets Manager; a name that is there gets a new version."""
        if not values:
            return
        client = _session().client("secretsmanager", endpoint_url=self.url)
        for name, value in values.items():
            try:
                client.create_secret(Name=name, SecretString=value)
            except client.exceptions.ResourceExistsException:
                client.put_secret_value(SecretId=name, SecretString=value)

    def put_parameters(self, values: Mapping[str, str]) -> None:
        """Puts these names and values into the Parameter Store, encrypted; a name that is there gets a new version."""
        if not values:
            return
        client = _session().client("ssm", endpoint_url=self.url)
        for name, value in values.items():
            client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def _session() -> boto3.Session:
    import boto3  # noqa: PLC0415 - takes 300 ms

    return boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION)


@contextlib.contextmanager
def aws_endpoint(host: str) -> Iterator[AwsEndpoint]:
    """An endpoint on a free port of `host` (the gateway of the run's network); stopped at the end.

    Raises RunError with what the server said when it does not start.
    """
    command = [sys.executable, "-m", __name__, host]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - Popen was given PIPE; tells mypy
            port = process.stdout.readline().strip()
            if not port:
                said = process.communicate()[1].strip().splitlines()
                raise RunError("the local AWS endpoint did not start", where=said[-1] if said else f"on {host}")
            yield AwsEndpoint(url=f"http://{host}:{port}")
        finally:
            # It ends by itself when its standard input closes; so it cannot outlive the harness either.
            process.kill()


def _serve(host: str) -> None:
    """Serves until standard input closes. Prints the port once it answers."""
    import logging  # noqa: PLC0415 - only in the server's own process

    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 - a second of imports
        DomainDispatcherApplication,
        create_backend_app,
    )
    from werkzeug.serving import make_server  # noqa: PLC0415 - see above

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the harness ends us in its order
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # moto's own ThreadedMotoServer waits for ever when the address cannot be bound.
    server = make_server(host, 0, _in_one_account(DomainDispatcherApplication(create_backend_app)), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)  # noqa: T201 - the handshake
    sys.stdin.read()


def _in_one_account(application: WSGIApplication) -> WSGIApplication:
    """The application with one account for all data: a job finds what the run put there, whatever account its role is of.

    Only STS knows accounts apart: it says the role's own.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _OF_STS not in environ.get("HTTP_AUTHORIZATION", ""):
            environ[_ACCOUNT_HEADER] = _ACCOUNT
        return application(environ, start_response)

    return answer


if __name__ == "__main__":
    _serve(sys.argv[1])
