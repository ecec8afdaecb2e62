"""The front of the AWS endpoint in this process, with nobody's time lost to a start."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from moto.s3 import models, responses

from lyftlearn_image.emulation.aws import s3_objects
from lyftlearn_image.emulation.aws.endpoint import ACCOUNT, REGION
from lyftlearn_image.emulation.aws.gate import Gate
from lyftlearn_image.emulation.aws.refusal import RefusedError
from lyftlearn_image.emulation.aws.s3 import S3Application
from lyftlearn_image.emulation.aws.server import Applications, SageMakerProxy
from lyftlearn_image.emulation.aws.signature import Key
from lyftlearn_image.emulation.aws.wsgi_server import WsgiServer, open_listener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.aws.connections import Limits

KEY = Key("AKIALYFTLEARNTEST000", "a-secret-key")
BUCKET = "bucket"


@dataclass(frozen=True)
class Front:
    """A gate at a port of this process."""

    port: int
    gate: Gate

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def s3(self, **config: Any) -> S3Client:
        """A client with the run's keys."""
        session = boto3.Session(KEY.access_key_id, KEY.secret_access_key, region_name=REGION)
        return session.client("s3", endpoint_url=self.url, config=Config(s3={"addressing_style": "path"}, **config))


@contextmanager
def front_of(gate: Gate, limits: Limits | None = None) -> Iterator[Front]:
    """The gate, served while the block runs."""
    server = WsgiServer(open_listener("127.0.0.1"), gate, limits)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Front(server.port, gate)
    finally:
        server.close()
        thread.join()


def new_gate() -> Gate:
    """One that knows KEY alone."""

    def refuse(_: str) -> None:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "InvalidIdentityToken", "There is no cluster.")

    return Gate(
        Applications(ACCOUNT, SageMakerProxy(), S3Application), lambda name: KEY if name == KEY.access_key_id else None, refuse
    )


@pytest.fixture(scope="module", autouse=True)
def moto_of_others() -> Iterator[None]:
    """The endpoint changes moto, in a process of its own. In this one other tests use it as it is."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((models, "FakeKey"), (models, "FakeMultipart"), (responses, "compute_checksum")):
            patch.setattr(module, name, getattr(module, name))
        yield


@pytest.fixture(scope="module")
def front(moto_of_others: None) -> Iterator[Front]:
    """The front with a bucket, whose uploads may have parts of every size."""
    with pytest.MonkeyPatch.context() as patch, front_of(new_gate()) as served:
        patch.setattr(s3_objects, "S3_UPLOAD_PART_MIN_SIZE", 0)
        client = served.s3()
        client.create_bucket(Bucket=BUCKET)  # of this account it may be there already: moto's data is of the process
        client.close()
        yield served
