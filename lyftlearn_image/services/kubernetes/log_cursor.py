"""Where the reading of a log has come to: which of the lines that come are new, when it is read again from a time on.

The kubelet puts a time before each line. A log is asked for from a second before the last line's on, of which the API server
keeps whole seconds; what was read already comes again and is known by its time, and of several with the same time by their
text. The last line itself must come again: where it does not, the kubelet has rotated the log meanwhile.

Source: kubernetes/kubernetes pkg/kubelet/kuberuntime/logs (a time before each line, entries before `since` left out, the
current file alone) and pkg/registry/core/pod (sinceTime passed on as time.RFC3339).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

# RFC3339Nano of Go: up to nine digits, of which Python's datetime keeps six.
_TIMED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ?")
_MARGIN = timedelta(seconds=1)
_NANOSECONDS = 1_000_000_000


class LogCursor:
    """For one container's log, which is read by one stream after the other."""

    def __init__(self) -> None:
        # That lines were lost: a part of the log was gone before it was read.
        self.is_cut = False
        self._last_ns: int | None = None
        # The lines with the last one's time, as hashes, and the line before them.
        self._at_last: list[int] = []
        self._before = ""
        self._latest = ""
        self.begin()

    @property
    def since(self) -> str | None:
        """The time to ask from; None for the whole log."""
        if self._last_ns is None:
            return None
        last = datetime.fromtimestamp(self._last_ns // _NANOSECONDS, UTC)
        return (last - _MARGIN).strftime("%Y-%m-%dT%H:%M:%SZ")

    def begin(self) -> None:
        """A stream begins, from `since` on."""
        self._is_resuming = self._last_ns is not None
        self._is_first = True
        self._known = 0

    def take(self, line: str) -> str | None:
        """The text of a line that is new; None for one that was read before, and for what is no line of the container."""
        timed = _TIMED.match(line)
        if timed is None:
            return None
        time_ns, text = _nanoseconds(timed), line[timed.end() :]
        is_new = self._is_new(time_ns, text)
        self._is_first = False
        if not is_new:
            return None
        if time_ns != self._last_ns:
            self._before, self._at_last = self._latest, []
        self._last_ns, self._latest = time_ns, text
        self._at_last.append(hash(text))
        self._known = len(self._at_last)
        return text

    def end(self) -> None:
        """The stream has given all that there will ever be."""
        if self._is_resuming and not self._known:
            self.is_cut = True

    def restart(self) -> None:
        """The next stream is another container's, of the same place: nothing of it was read."""
        self._at_last, self._before, self._last_ns = [], "", None

    def _is_new(self, time_ns: int, text: str) -> bool:
        if not self._is_resuming or self._last_ns is None:
            return True
        if time_ns < self._last_ns:
            return False
        if time_ns == self._last_ns:
            try:
                self._known = self._at_last.index(hash(text), self._known) + 1
            except ValueError:
                # Of a line longer than the runtime's buffer, the parts from `since` on come alone.
                return not (self._is_first and text and self._before.endswith(text))
            return False
        if not self._known:
            self.is_cut = True
        self._is_resuming = False
        return True


def _nanoseconds(timed: re.Match[str]) -> int:
    seconds, fraction, zone = timed.groups()
    whole = datetime.fromisoformat(seconds + ("+00:00" if zone == "Z" else zone))
    return int(whole.timestamp()) * _NANOSECONDS + int((fraction or "").ljust(9, "0"))
