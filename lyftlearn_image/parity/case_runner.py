"""Runs one case on both targets side by side, and compares and judges what came of it."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lyftlearn_image import untrusted_tree
from lyftlearn_image.aws import s3 as s3_objects
from lyftlearn_image.emulation.session import BUCKET, Embedded
from lyftlearn_image.emulation.statsd import statsd_sink
from lyftlearn_image.errors import RunError
from lyftlearn_image.parity import kept_run
from lyftlearn_image.parity.backends import connect_backends, merge_streams, refuse_embedded_only
from lyftlearn_image.parity.compare.amounts import asked_amounts
from lyftlearn_image.parity.comparison import compare_runs
from lyftlearn_image.parity.endpoint_fault import check_endpoint
from lyftlearn_image.parity.exposed import find_exposed
from lyftlearn_image.parity.limits import describe_limit
from lyftlearn_image.parity.next_steps import ENVIRONMENT, NextSteps, describe_failures, describe_repeat, find_next_steps, lead
from lyftlearn_image.parity.run_files import REQUEST, tidy
from lyftlearn_image.parity.run_plan import Event
from lyftlearn_image.parity.secrets import mask_values, secret_values
from lyftlearn_image.parity.stored_secrets import cluster_secrets
from lyftlearn_image.parity.verdict import CaseResult, Outcome, judge
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import TARGETS, Launch
from lyftlearn_image.platforms.trials import is_driven_from_here
from lyftlearn_image.run import StopRequest
from lyftlearn_image.runs.stop_watch import tells_retry
from lyftlearn_image.runs.tuning import TuningRun, run_tuning
from lyftlearn_image.sanitize import dump_json
from lyftlearn_image.services.staging import Stager, local_path
from lyftlearn_image.workload import Job, Trainable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lyftlearn_image.parity.backends import Backend
    from lyftlearn_image.parity.compare.amounts import Asked
    from lyftlearn_image.parity.compare.model_reader import ModelReader
    from lyftlearn_image.parity.differences import Comparison
    from lyftlearn_image.parity.run_plan import RunPlan
    from lyftlearn_image.parity.suite import Case
    from lyftlearn_image.platforms.launch import TargetName
    from lyftlearn_image.run import Run
    from lyftlearn_image.runs.target import Target
    from lyftlearn_image.workload import Workload

# What second runs of a suite may take together, by how long the first ones took.
REPEATS_S = 120.0
# The same key for both runs of a case, so that equal secrets have equal digests; a new one for every suite run.
_OBSERVE_KEY_BYTES = 16


class CaseRunner:
    """Runs cases of one plan, from several threads."""

    def __init__(self, session: Embedded, plan: RunPlan, run_id: str, models: ModelReader) -> None:
        self._session = session
        self._plan = plan
        self._run_id = run_id
        self._models = models
        self.interrupted = threading.Event()
        self._backends = connect_backends(plan.backends, session, self.interrupted)
        self._stagers = {name: Stager(each.s3, each.bucket, each.prefix) for name, each in self._backends.items()}
        self._staging = threading.Lock()
        self._told: set[str] = set()
        self._telling = threading.Lock()
        self._repeats_s = REPEATS_S
        self._observe_key = uuid.uuid4().hex[: 2 * _OBSERVE_KEY_BYTES]

    def run(self, case: Case) -> CaseResult:
        """The result of one case. Whatever fails within it becomes the case's outcome."""
        started = time.monotonic()
        runs: tuple[Run, ...] = ()
        try:
            self._emit(Event(case.name, "started"))
            runs = self._run_targets(case)
            kept_run.keep(case, runs, self._plan.directory / "runs" / case.name)
            check_endpoint(runs, self._session.endpoint.url, case.exit_code)
            comparisons = compare_runs(case, runs, self._models, self._channel_paths(case), self._asked(case))
            outcome, problem = judge(comparisons, case.different_in, runs)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the case's door: no other case is taken down
            comparisons, outcome, problem = (), Outcome.ERROR, self._describe(error, case)
        if outcome is Outcome.ERROR and describe_limit(runs):
            comparisons = ()  # of what one of them did not get to
        differs = outcome is Outcome.DIFFERENT and case.expected is Outcome.PARITY
        steps = self._next_steps(case, runs, comparisons) if differs else NextSteps()
        result = CaseResult(
            name=case.name,
            description=case.description,
            expected=case.expected,
            outcome=outcome,
            runs=runs,
            comparisons=comparisons,
            duration_s=time.monotonic() - started,
            expected_in=case.different_in,
            problem=problem,
            advice=lead(describe_failures(runs, case.exit_code), steps, describe_limit(runs)),
            patch=steps.patch,
        )
        result = self._tidied(case, result)
        self._emit(Event(case.name, "finished", result=result))
        return result

    def _next_steps(self, case: Case, runs: Sequence[Run], comparisons: Sequence[Comparison]) -> NextSteps:
        """What people need for a case that differs. The verdict is what it is, whatever comes of this."""
        if limit := describe_limit(runs):
            return NextSteps((limit,))
        try:
            repeated = self._repeat(case, runs, comparisons)
            kept = kept_run.find(case.name, self._plan.directory)
            return find_next_steps(case.name, comparisons, kept, repeated)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the case has its verdict already
            return NextSteps((f"what to do next was not found: {self._describe(error, case, f'{case.name}.next')}",))

    def _repeat(self, case: Case, runs: Sequence[Run], comparisons: Sequence[Comparison]) -> str:
        """Whether the script differs from itself, by one more run on the target that was quicker; empty where nobody asks.

        All second runs of a suite together may take REPEATS_S, by how long the first ones took.
        """
        is_of_script = any(comparison.counting and comparison.subject != ENVIRONMENT for comparison in comparisons)
        if not self._plan.repeats or self._plan.backends.has_services or self.interrupted.is_set() or not is_of_script:
            return ""
        first = min(runs, key=lambda run: run.timings.total_s)
        with self._telling:
            self._repeats_s -= first.timings.total_s
            if self._repeats_s < 0:
                return f"whether the script differs from itself was not tried: second runs would take more than {REPEATS_S:g} s"
        target = next(each for each in TARGETS if each == first.target)
        second = self._run_on(case, target, case.stop_request() or StopRequest(), again=True)
        again = compare_runs(case, (first, second), self._models, self._channel_paths(case))
        untrusted_tree.remove(self._workspace(case, target, again=True))
        return describe_repeat(target, comparisons, again)

    def _channel_paths(self, case: Case) -> tuple[Path, ...]:
        """Where the case's channels come from, of those that are on this machine."""
        workload = case.workload
        sources = workload.channels.values() if isinstance(workload, Job) else ()
        found = (local_path(source, relative_to=self._plan.suite_path.parent) for source in sources)
        return tuple(path for path in found if path is not None)

    def _asked(self, case: Case) -> tuple[Asked, Asked] | None:
        """What the workload asks for on both targets; of it an emulator gives what this machine has."""
        left, right = (self._asked_of(target, case.workload_for(target)) for target in TARGETS)
        return (left, right) if left and right else None

    def _asked_of(self, target: TargetName, workload: Workload) -> Asked | None:
        asked = asked_amounts(target, workload)
        if asked is None or self._backends[target].is_service:
            return asked
        info = self._session.containers.client.info()
        # As the emulators do: an instance has at most this machine's memory, a pod's limit may be beyond it.
        return asked.within(int(info["NCPU"]), int(info["MemTotal"]) if target == "sagemaker" else None)

    def _describe(self, error: BaseException, case: Case, log: str = "") -> str:
        return self._plan.describe_error(error, log or case.name, (case,))

    def _tidied(self, case: Case, result: CaseResult) -> CaseResult:
        """The result once nothing secret is left but what is named in it."""
        directory = self._plan.directory / "runs" / case.name
        try:
            self._tidy(case, result)
            return replace(result, exposed=find_exposed(directory, secret_values(case.planted_secrets)))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the case's door, as above
            problem = self._describe(error, case, f"{case.name}.tidy")
            if case.planted_secrets:
                # What could not be masked is better not kept.
                untrusted_tree.remove(directory)
            return replace(result, outcome=Outcome.ERROR, problem="; ".join(filter(None, [result.problem, problem])))

    def _run_targets(self, case: Case) -> tuple[Run, ...]:
        """The case's runs in the order of TARGETS. A failure on one target stops the run on the other, then is raised."""
        is_here = not self._plan.backends.has_services
        refuse_embedded_only(case, self._plan.backends)
        self._session.endpoint.put_secrets(case.secret_values)
        self._session.endpoint.put_parameters(case.parameter_values)
        stops = [case.stop_request() or StopRequest() for _ in TARGETS]
        with ThreadPoolExecutor(len(TARGETS), thread_name_prefix=case.name) as pool:
            futures = [pool.submit(self._run_on, case, target, stop) for target, stop in zip(TARGETS, stops, strict=True)]
            for future in as_completed(futures):
                # There is nothing to compare any more, and the other may have hours to go.
                if future.exception():
                    for stop in stops:
                        stop.cancel()
        runs = tuple(future.result() for future in futures)
        return runs if is_here else tuple(merge_streams(run) for run in runs)

    def _workspace(self, case: Case, target: TargetName, *, again: bool) -> Path:
        return self._plan.directory / "runs" / case.name / _place(target, again=again)

    def _run_on(self, case: Case, target: TargetName, stop: StopRequest, *, again: bool = False) -> Run:
        """One run, with the metrics that it sent. Nothing that it leaves can do anything on this machine."""
        workspace = self._workspace(case, target, again=again)
        workspace.mkdir(parents=True)
        secrets, output = secret_values(case.planted_secrets), self._session.containers.output
        output.mask_below(workspace, secrets)
        try:
            return self._run_in(workspace, case, target, stop, again=again)
        finally:
            output.forget(workspace)
            untrusted_tree.disarm(workspace)

    def _run_in(self, workspace: Path, case: Case, target: TargetName, stop: StopRequest, *, again: bool) -> Run:
        backend = self._backends[target]
        with statsd_sink(self._session.network.gateway) as sink:
            workload, launch = self._prepared(
                case, target, None if backend.is_service else sink.address, _place(target, again=again)
            )
            compiled = compile_for(target, workload, launch)
            backend.put_objects(compiled)
            documents = mask_values(list(compiled.documents), secret_values(case.planted_secrets))
            (workspace / REQUEST).write_text(dump_json(documents), encoding="utf-8")
            self._emit(Event(case.name, "running", target))
            if is_driven_from_here(workload, target):
                run = run_tuning(self._target(case, backend), workload, launch, TuningRun(workspace, stop), backend.put_objects)
            else:
                run = self._target(case, backend).run(
                    compiled, workspace=workspace, stop=stop, on_phase=partial(self._tell_retry, case.name, target)
                )
            metrics = sink.close()
            cut = [*self._session.containers.output.cut_below(workspace), *filter(None, [metrics.lost])]
            self._tell(target, run.notes)
            return replace(run, metrics=metrics.lines, cut=tuple(cut))

    def _target(self, case: Case, backend: Backend) -> Target:
        """The backend's target, an embedded one with the credentials' lifetime and the Secrets of the case."""
        if backend.is_service:
            return backend.target
        session = self._session.with_credentials_lifetime(case.credentials_lifetime_s)
        secrets = cluster_secrets(case.workload_for("kubernetes"), case.secret_values)
        return session.with_secrets(secrets).targets[backend.target.name]

    def _tell_retry(self, case: str, target: TargetName, phase: str) -> None:
        if tells_retry(phase):
            self._emit(Event(case, "retried", target, text=phase))

    def _tell(self, target: TargetName, notes: Sequence[str]) -> None:
        """Each note once, however many cases it is about."""
        with self._telling:
            new = [text for text in (f"{target}: {note}" for note in notes) if text not in self._told]
            self._told.update(new)
        for text in new:
            self._emit(Event("", "note", text=text))

    def _prepared(self, case: Case, target: TargetName, statsd: str | None, place: str) -> tuple[Job, Launch]:
        """The workload with its channels in S3, and the names of this run of it."""
        workload, backend = case.workload_for(target), self._backends[target]
        if not isinstance(workload, Job):
            raise RunError(
                f"case {case.name}: the harness does not run the kind {workload.kind}",
                hint="It runs training, processing and tuning.",
            )
        with self._staging:
            relative_to = self._plan.suite_path.parent
            channels = {
                name: self._stagers[target].stage(source, relative_to=relative_to) for name, source in workload.channels.items()
            }
        job_name = f"{self._plan.suite.name}-{case.name}-{self._run_id}"
        launch = Launch(
            job_name=job_name,
            s3_prefix=f"s3://{backend.bucket}/{backend.prefix}runs/{case.name}/{place}",
            role_arn=backend.role_arn,
            statsd=statsd,
            observe_key=self._observe_key,
        )
        changes = {"image": backend.image} if backend.image else {}
        if isinstance(workload, Trainable) and workload.checkpoints:
            # Of its own, so that neither run goes on from the other's.
            changes["checkpoints"] = f"{launch.s3_prefix}/checkpoints"
        return workload.with_(channels=channels, **changes), launch

    def _tidy(self, case: Case, result: CaseResult) -> None:
        """Takes the case's secrets out of what stays on disk, and removes what nobody will look at, in the local S3 too."""
        keep_data = self._plan.keep_artifacts or not result.is_as_expected
        tidy(self._plan.directory / "runs" / case.name, secret_values(case.planted_secrets), keep_data=keep_data)
        if not self._plan.backends.has_services:
            s3_objects.delete_prefix(self._session.s3, f"s3://{BUCKET}/runs/{case.name}/")

    def _emit(self, event: Event) -> None:
        # Whoever watches says nothing of a case, and a screen that fails changes no result.
        with contextlib.suppress(Exception):
            self._plan.on_event(event)


def _place(target: TargetName, *, again: bool) -> str:
    """The name of a run's directory, and of its place in S3."""
    return f"{target}-again" if again else target
