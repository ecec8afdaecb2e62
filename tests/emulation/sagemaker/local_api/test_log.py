"""The log of a job of the local control plane, in the real CloudWatch Logs of the local endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest

from lyftlearn_image.emulation.aws.endpoint import REGION
from lyftlearn_image.emulation.sagemaker.local_api.log import Log
from tests.emulation.aws.conftest import KEY, front_of, new_gate

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def logs() -> Iterator[Any]:
    """A client."""
    with front_of(new_gate()) as front:
        session = boto3.Session(KEY.access_key_id, KEY.secret_access_key, region_name=REGION)
        client = session.client("logs", endpoint_url=front.url)
        yield client
        client.close()


def messages(logs: Any, group: str) -> list[str]:
    """Of all events of the stream `s`, in their order."""
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True, **token)
        if not page["events"]:
            return found
        found += [event["message"] for event in page["events"]]
        token = {"nextToken": page["nextForwardToken"]}


def test_lines_of_every_size_are_events(logs: Any) -> None:
    """A batch has as much as the service takes, and a line that is longer than an event is several."""
    group, lines = str(uuid4()), ["first", "", "x" * 3_000_000, "é" * 200_000, *["many"] * 12_000, "last"]
    log = Log(logs, group, "s")
    for line in lines:
        log.add(line)
    log.flush()
    found = messages(logs, group)
    assert "".join(found) == "".join(lines)
    assert (found[0], found[-1]) == ("first", "last")


def test_a_log_that_is_too_long_is_cut_and_says_so(logs: Any) -> None:
    """The endpoint has it in memory."""
    group = str(uuid4())
    log = Log(logs, group, "s", limit_bytes=1024)
    for _ in range(100):
        log.add("x" * 100)
    log.flush()
    found = messages(logs, group)
    assert found == ["x" * 100] * 8 + ["[cut here, after 1.0 KiB]"]
