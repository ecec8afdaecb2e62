"""A job's log in CloudWatch Logs: a stream a host, each read on from where the last look ended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.aws.errors import translate_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

# CloudWatch shows a line some seconds after it was written; an ended job's last ones are waited for.
LAG_S = 10.0
# What the service writes before and after a host's own words.
_REASON_FRAME = re.compile(r"^\w*Error: |, [Ee]xit [Cc]ode:? ?\d+$")


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
            yield from self._lines(stream, self._tokens)

    def failed_lines(self, stream_prefix: str, reason: str) -> Iterator[str]:
        """The lines of the host that a FailureReason is about, of several; of all where that cannot be told.

        The reason is the end of that host's own log, or words that it has left: the stream that has most of its lines.
        """
        wanted = {line.strip() for line in _REASON_FRAME.sub("", reason).splitlines() if line.strip()}
        streams = self._streams(stream_prefix)
        known = [len(wanted.intersection(line.strip() for line in self._lines(stream, {}))) for stream in streams]
        if sum(count == max(known) for count in known) == 1:
            streams = [streams[known.index(max(known))]]
        for stream in streams:
            yield from self._lines(stream, {})

    def _lines(self, stream: str, tokens: dict[str, str]) -> Iterator[str]:
        """The lines of a stream from its token in `tokens` on, which is moved on."""
        # By hand: botocore has no paginator for GetLogEvents, whose last page gives its own token again (API reference).
        while True:
            position = {"nextToken": tokens[stream]} if stream in tokens else {}
            with translate_errors(f"reading the log of {self._job}", "logs:GetLogEvents"):
                page = self._client.get_log_events(
                    logGroupName=self._group, logStreamName=stream, startFromHead=True, **position
                )
            yield from (str(event["message"]).rstrip("\n") for event in page["events"])
            token = str(page["nextForwardToken"])
            is_last = tokens.get(stream) == token or not page["events"]
            tokens[stream] = token
            if is_last:
                return

    def _streams(self, prefix: str) -> list[str]:
        """Their names; a job that has written nothing has none."""
        with translate_errors(f"reading the log of {self._job}", "logs:DescribeLogStreams"):
            try:
                named = {"logStreamNamePrefix": prefix} if prefix else {}
                pages = self._client.get_paginator("describe_log_streams").paginate(logGroupName=self._group, **named)
                return sorted(str(stream["logStreamName"]) for page in pages for stream in page["logStreams"])
            except self._client.exceptions.ResourceNotFoundException:
                return []
