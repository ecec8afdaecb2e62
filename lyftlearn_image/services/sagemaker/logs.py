"""A job's log in CloudWatch Logs: a stream a host, each read on from where the last look ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.aws.errors import translate_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

# CloudWatch shows a line some seconds after it was written; an ended job's last ones are waited for.
LAG_S = 10.0


class LogReader:
    """Reads the streams of one log group. `job` is the name for error messages."""

    def __init__(self, client: Any, group: str, job: str) -> None:
        self._client = client
        self._group = group
        self._job = job
        self._tokens: dict[str, str] = {}

    def new_lines(self, stream_prefix: str) -> Iterator[str]:
        """The lines of the streams whose names begin so, beyond those that were read before."""
        for stream in self._streams(stream_prefix):
            # By hand: botocore has no paginator for GetLogEvents, whose last page gives its own token again (API reference).
            while True:
                position = {"nextToken": self._tokens[stream]} if stream in self._tokens else {}
                with translate_errors(f"reading the log of {self._job}", "logs:GetLogEvents"):
                    page = self._client.get_log_events(
                        logGroupName=self._group, logStreamName=stream, startFromHead=True, **position
                    )
                yield from (str(event["message"]).rstrip("\n") for event in page["events"])
                token = str(page["nextForwardToken"])
                is_last = self._tokens.get(stream) == token or not page["events"]
                self._tokens[stream] = token
                if is_last:
                    break

    def _streams(self, prefix: str) -> list[str]:
        """Their names; a job that has written nothing has none."""
        with translate_errors(f"reading the log of {self._job}", "logs:DescribeLogStreams"):
            try:
                named = {"logStreamNamePrefix": prefix} if prefix else {}
                pages = self._client.get_paginator("describe_log_streams").paginate(logGroupName=self._group, **named)
                return sorted(str(stream["logStreamName"]) for page in pages for stream in page["logStreams"])
            except self._client.exceptions.ResourceNotFoundException:
                return []
