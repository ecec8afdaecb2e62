"""The verb that serves AWS and SageMaker on this machine, until somebody ends it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

import click

from lyftlearn_image.cli.signals import Signalled, raise_on_signals, wait_for_signal
from lyftlearn_image.sanitize import make_visible_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.emulation.aws.endpoint import RequestLine

# Each by its own variable too: one that a shell has from elsewhere would lead away from here (AWS SDKs and tools reference
# guide, "Service-specific endpoints").
_SERVICES = ("", "_SAGEMAKER", "_SAGEMAKER_RUNTIME", "_S3", "_STS", "_CLOUDWATCH_LOGS", "_CLOUDWATCH", "_ECR")
_PID = "LYFTLEARN_LOCAL_PID"
_FIRST_ERROR = 400


@click.command()
@click.option(
    "--export",
    "form",
    type=click.Choice(["sh", "json"]),
    default="sh",
    show_default=True,
    help="How the variables are printed.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1 (else any free one).")
def local(form: str, port: int) -> None:
    """Serve AWS and SageMaker on this machine, until Ctrl-C or SIGTERM.

    Prints the variables that point any AWS SDK or CLI here, then shows every request on stderr. SageMaker's training,
    processing, tuning and transform jobs, endpoints and Studio apps run in containers; S3, Secrets Manager, SSM, STS, SQS,
    EventBridge, CloudWatch and its Logs are moto's. Nothing is left at the end.

    \b
    In the background, with the variables in this shell:
      eval "$(lyftlearn-image local --export sh &)"
      aws s3 mb s3://data
      kill $LYFTLEARN_LOCAL_PID
    """  # noqa: D301 - click reads the backspace itself as "keep these lines"
    import uuid  # noqa: PLC0415 - every import here waits for its verb

    from lyftlearn_image.emulation.aws.endpoint import listen_on_loopback  # noqa: PLC0415
    from lyftlearn_image.emulation.private_directories import private_directory  # noqa: PLC0415
    from lyftlearn_image.emulation.sagemaker.local_api.service import serve_sagemaker  # noqa: PLC0415
    from lyftlearn_image.emulation.session import embedded  # noqa: PLC0415
    from lyftlearn_image.limits import HERE  # noqa: PLC0415

    with (
        contextlib.suppress(Signalled),
        raise_on_signals(),
        listen_on_loopback(port, _Requests()) as loopback,
        private_directory() as workspace,
        embedded(f"local-{uuid.uuid4().hex[:8]}", loopback, HERE) as session,
        serve_sagemaker(session.sagemaker, session.endpoint, workspace),
    ):
        if reason := session.credentials.unavailable_reason:
            click.echo(f"note: containers are given AWS keys as variables: {reason}", err=True)
        _export({**session.endpoint.environment(), **_endpoints(loopback.url), _PID: str(os.getpid())}, form)
        if sys.stderr.isatty():
            click.echo(f"AWS and SageMaker answer at {loopback.url}; Ctrl-C ends them.", err=True)
        wait_for_signal()


def _endpoints(url: str) -> dict[str, str]:
    return {f"AWS_ENDPOINT_URL{service}": url for service in _SERVICES}


def _export(variables: Mapping[str, str], form: str) -> None:
    """Prints the variables, and closes stdout: who reads them in `$(…)` waits for its end."""
    import json  # noqa: PLC0415 - every import here waits for its verb

    if form == "json":
        click.echo(json.dumps(dict(variables)))
    else:
        for name, value in variables.items():
            quoted = value.replace("'", "'\\''")
            click.echo(f"export {name}='{quoted}'")
    sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError):  # a stdout that is no file of the system, as in a test
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


class _Requests:
    """One line a request on stderr: time, service, operation, status."""

    def __call__(self, request: RequestLine) -> None:
        status = click.style(str(request.status), fg="red" if request.status >= _FIRST_ERROR else "green")
        service, operation = make_visible_line(request.service), make_visible_line(request.operation)
        click.echo(f"{time.strftime('%H:%M:%S')}  {service:<14}  {operation:<32}  {status}", err=True)
