"""InvokeEndpointAsync: requests that wait in a queue, their input in S3, and what comes of each as an object in S3.

Source: developer guide, async-inference and its pages on invoking and on checking the result; API reference,
AsyncInferenceConfig and InvokeEndpointAsync.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from lyftlearn_image.aws.s3 import read_object, split_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.sagemaker.serving.http_client import HttpResponse

# InvokeEndpointAsync: RequestTTLSeconds "The default is 6 hours", InvocationTimeoutSeconds "The default is 15 minutes".
# "payload sizes up to 1 GB" (async-inference).
_MAX_INPUT_BYTES = 1 << 30
_DEFAULT_TTL_S = 6 * 3600
_DEFAULT_TIMEOUT_S = 15 * 60.0


@dataclass(frozen=True)
class Order:
    """One request: its body or where it is, the headers for the container, and how long it may wait and take (seconds)."""

    body: bytes
    input_uri: str
    headers: Mapping[str, str]
    ttl_s: float = _DEFAULT_TTL_S
    timeout_s: float = _DEFAULT_TIMEOUT_S


@dataclass(frozen=True)
class Places:
    """Where an order's result will be, and where its failure; "" where no failures are kept."""

    output_uri: str
    failure_uri: str


class Ask(Protocol):
    """Asks the containers that serve now. Raises an exception whose text is for the failure object."""

    def __call__(self, body: bytes, headers: Mapping[str, str], timeout_s: float, /) -> HttpResponse:
        """The container's response."""


class AsyncQueue:
    """The queue of one endpoint. What waits when the endpoint is updated is asked of the new containers."""

    def __init__(self, s3: S3Client, invoke: Ask, config: Mapping[str, Any], count: int) -> None:
        """`config` is an AsyncInferenceConfig, `count` how many instances there are."""
        self._s3 = s3
        self._invoke = invoke
        self._output = config["OutputConfig"]
        at_once = config.get("ClientConfig", {}).get("MaxConcurrentInvocationsPerInstance", 1) * count
        self._workers = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="async-invocation")

    def put(self, order: Order) -> Places:
        """Queues an order, and says where what comes of it will be."""
        name = str(uuid.uuid4())
        failures = self._output.get("S3FailurePath", "")
        places = Places(
            f"{self._output['S3OutputPath'].rstrip('/')}/{name}.out",
            f"{failures.rstrip('/')}/{name}-error.out" if failures else "",
        )
        self._workers.submit(self._carry_out, order, places, time.monotonic())
        return places

    def finish(self) -> None:
        """Takes no more; what waits is still asked."""
        self._workers.shutdown(wait=False)

    def close(self) -> None:
        """What waits is forgotten; what is being asked is not waited for."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _carry_out(self, order: Order, places: Places, queued_at: float) -> None:
        with contextlib.suppress(ClientError, BotoCoreError):  # S3 may be gone, or the bucket: there is nobody to tell
            try:
                response = self._ask(order, time.monotonic() - queued_at)
            except Exception as error:  # noqa: BLE001 - whatever it was, it is this request's failure
                if places.failure_uri:
                    self._write(places.failure_uri, str(error).encode(), "text/plain")
                return
            self._write(places.output_uri, response.body, response.headers.get("content-type", "application/octet-stream"))

    def _ask(self, order: Order, waited_s: float) -> HttpResponse:
        if waited_s > order.ttl_s:
            raise TimeoutError(f"The request waited longer than its RequestTTLSeconds ({order.ttl_s:.0f}).")
        body = order.body or read_object(self._s3, order.input_uri, _MAX_INPUT_BYTES)
        return self._invoke(body, order.headers, order.timeout_s)

    def _write(self, uri: str, body: bytes, content_type: str) -> None:
        bucket, key = split_uri(uri)
        self._s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)
