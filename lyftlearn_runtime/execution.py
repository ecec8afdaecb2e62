"""The last two steps: the script runs, and what it left is carried away."""

from __future__ import annotations

import os

from lyftlearn_runtime import cluster, contract, metrics, supervise
from lyftlearn_runtime.frozen import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from lyftlearn_runtime.failure import Tail
    from lyftlearn_runtime.run_record import LogTail
    from lyftlearn_runtime.start import Inputs, Launch

# `stderr` is the end of what the script wrote there, without a secret; `log` is a LogTail where one is to be left in S3.
Outcome = namedtuple("Outcome", ["exit_code", "stderr", "log", "secrets", "is_processing"])

_STDERR = 2
# Here somebody reads why a job failed.
_WITH_REASONS = ("sagemaker-training", "sagemaker-processing", "kubernetes")


def needs_supervision(inputs: Inputs, environ: dict[str, str]) -> bool:
    """Whether there is anything to do beside the script, or after it. PID 1 has always children to reap."""
    return bool(
        os.getpid() == 1
        or inputs.bundle.uploads
        or inputs.bundle.checkpoints
        or inputs.refresh
        or environ.get(contract.STATSD)
        or inputs.context.name in _WITH_REASONS
    )


def run(launch: Launch) -> Outcome:
    """Runs the script to its end. Where nothing is left to do then, it takes this process's place, and nothing returns.

    A script that cannot be run has the shell's code for why.
    """
    if len(launch.cluster.hosts) > 1:
        cluster.wait_for_hosts(launch.cluster, launch.environ)
    if not needs_supervision(launch.inputs, launch.environ):
        _observe(launch)
        supervise.exec_script(launch.command)
    return _supervise(launch)


def finish(launch: Launch, outcome: Outcome) -> None:
    """What the script left goes where the platform would take it, checkpoints also when the rest cannot."""
    bundle = launch.inputs.bundle
    try:
        if bundle.uploads:
            from lyftlearn_runtime import sagemaker_files, transfer  # noqa: PLC0415 - only on Kubernetes

            record = {}
            if outcome.log:
                from lyftlearn_runtime.run_record import write_record  # noqa: PLC0415 - it was imported beside the script

                record = write_record(outcome.log, outcome.exit_code, launch.environ)
            transfer.upload(sagemaker_files.host_uploads(bundle, launch.environ), launch.environ, record)
    finally:
        if launch.checkpoints:
            launch.checkpoints.sync()


def _supervise(launch: Launch) -> Outcome:
    """The script as a child, with what works beside it: metrics, renewals, checkpoints."""
    # Bound before the script exists: none of its datagrams meets a closed port.
    sink = metrics.listen(launch.environ.get(contract.STATSD), launch.inputs.context.name)
    companions: list[Any] = [one for one in (sink, launch.checkpoints) if one]
    try:
        _observe(launch)
        takes_stdout = bool(launch.environ.get(contract.RECORD) and launch.inputs.bundle.uploads)
        script = supervise.start(launch.command, launch.inputs.grace_s, takes_stdout=takes_stdout)
        # The script starts while this is imported.
        from lyftlearn_runtime.failure import Tail  # noqa: PLC0415 - as said

        tail, log = Tail(launch.secrets), None
        if takes_stdout:
            from lyftlearn_runtime.run_record import LogTail  # noqa: PLC0415 - only where it is asked for

            log = LogTail(launch.secrets)
        renewal = _Renewal(launch, [one for one in (tail, log) if one])
        if launch.inputs.refresh:
            from lyftlearn_runtime.refresh import Refresher  # noqa: PLC0415 - only where a workload asks for it

            companions.append(Refresher(launch.inputs.refresh, renewal.renew))
        for companion in companions:
            companion.start(script.pid)
        code = script.watch(_feed(tail, log))
    finally:
        for companion in companions:
            companion.close()
    return Outcome(code, tail.text(), log, launch.secrets.union(renewal.secrets), launch.is_processing)


def _feed(tail: Tail, log: LogTail | None) -> Callable[[int, bytes], None]:
    """What takes the script's streams: the end of stderr is kept, and where it is asked for that of both."""

    def feed(stream: int, data: bytes) -> None:
        if stream == _STDERR:
            tail.feed(data)
        if log:
            log.feed(stream, data)

    return feed


class _Renewal:
    """Fetches what files have from references again, and knows every secret that came so."""

    def __init__(self, launch: Launch, tails: Sequence[Tail | LogTail]) -> None:
        self.secrets: set[str] = set()
        self._launch = launch
        self._tails = tails

    def renew(self) -> list[str]:
        """The paths of the files that changed."""
        from lyftlearn_runtime import atomic_writer, placement, resolver  # noqa: PLC0415 - only where files have secrets

        inputs = self._launch.inputs
        secret = [file for file in inputs.bundle.files if file.secret]
        if not secret:
            return []
        # By what the platform and the workload said: a reference that was resolved is one no more.
        found = resolver.resolve([file.secret for file in secret], inputs.environ)
        values = resolver.secret_values(found)
        self.secrets.update(values)
        for tail in self._tails:
            tail.add_secrets(values)
        # All of a directory's files stay together: those without a secret are placed again as they are.
        directories = {os.path.dirname(file.path) for file in secret}
        together = [file for file in inputs.bundle.files if os.path.dirname(file.path) in directories]
        return atomic_writer.write(placement.projections(together, found), self._launch.environ)


def _observe(launch: Launch) -> None:
    destination = launch.environ.get(contract.OBSERVE)
    if destination:
        from lyftlearn_runtime import observe  # noqa: PLC0415 - only where it is asked for

        observe.write_observation(destination, launch.command, launch.inputs.context, launch.files, launch.secrets)
