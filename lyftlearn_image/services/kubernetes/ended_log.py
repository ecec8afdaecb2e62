"""The lines that tell how a Job ended: what was followed, what the kubelet has, or what the shim left, whichever is whole."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from lyftlearn_image.run import Status
from lyftlearn_image.runs.first_failure import Attempt, first_failure
from lyftlearn_image.services.kubernetes.job_logs import in_order
from lyftlearn_image.services.kubernetes.job_state import deciding_pods, host_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lyftlearn_image.run import State
    from lyftlearn_image.services.kubernetes.job_logs import JobLogs, PodLog
    from lyftlearn_image.services.kubernetes.run_record import RunRecord

    _Source = tuple[PodLog, RunRecord | None]

_GONE = "the job's pods are gone, and their log with them"
_EMPTY = "it is empty: the job has written nothing, or the kubelet has rotated it away"


class EndedLog:
    """The log of a Job that has ended. `cut` says what of it is missing, and is complete when the lines were read."""

    def __init__(self, logs: JobLogs, records: Mapping[int, RunRecord]) -> None:
        self.cut: list[str] = []
        self._logs = logs
        self._records = records

    def lines(self, job: Any, state: State, pods: Sequence[Any]) -> Iterator[str]:
        """The lines of all hosts, or where one made the Job fail, of that one."""
        deque(self._logs.lines(lambda: (state, pods), follow=False), maxlen=0)
        has_failed = state.status is Status.FAILED
        chosen = deciding_pods(job, pods) if has_failed else []
        sources = [(self._logs.of(pod), self._record_of(pod)) for pod in chosen or in_order(pods)]
        if not chosen:
            sources = [*self._gone(pods, sources), *sources]
        for log, record in sources:
            yield from self._of_pod(log, record)
        known = {log.host for log, _ in sources}
        left = [record for host, record in sorted(self._records.items()) if host not in known]
        if has_failed and left and not sources:
            left = [left[first_failure([_attempt(record) for record in left])]]
        for record in left if not chosen else ():
            yield from self._of_record(record)
        if state.status is not None and not sources and not left:
            self.cut.append(_GONE)

    def exit_code(self) -> int | None:
        """The code of the host that failed first, by what the shims have left; None where nothing was."""
        records = list(self._records.values())
        if not records:
            return None
        return records[first_failure([_attempt(record) for record in records])].exit_code

    def _record_of(self, pod: Any) -> RunRecord | None:
        record = self._records.get(host_of(pod))
        return record if record and record.is_of(pod) else None

    def _gone(self, pods: Sequence[Any], there: Sequence[_Source]) -> list[_Source]:
        """Logs that were followed of pods that are gone: others were made for what they had to do, and come after them.

        The record is the last one's of its host.
        """
        uids = {pod.metadata.uid for pod in pods}
        logs = [log for log in self._logs.all() if log.uid not in uids]
        taken = {record.host for _, record in there if record}
        last = {log.host: log for log in logs}
        return [(log, self._records.get(log.host) if last[log.host] is log and log.host not in taken else None) for log in logs]

    def _of_pod(self, log: PodLog, record: RunRecord | None) -> Iterator[str]:
        """What was read of a pod's log, unless the shim has more."""
        if record is None:
            if log.cut or not log.count:
                self.cut.append(f"log of pod {log.name}: {log.cut or _EMPTY}")
            yield from log.kept()
        elif not log.cut and log.count >= record.lines:
            yield from log.kept()
        elif record.log and len(record.log) >= min(log.count, record.lines):
            yield from self._of_record(record)
        else:
            missing = f"{record.lines - log.count} of its {record.lines} lines are missing"
            self.cut.append(f"log of pod {log.name}: {log.cut or missing}")
            yield from log.kept()

    def _of_record(self, record: RunRecord) -> Iterator[str]:
        if record.lines > len(record.log):
            self.cut.append(f"log of host {record.host}: of its {record.lines} lines the last {len(record.log)} were kept")
        yield from record.log


def _attempt(record: RunRecord) -> Attempt:
    return Attempt(record.host, record.exit_code, record.ended_at, is_failed=bool(record.exit_code))
