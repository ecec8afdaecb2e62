"""The start as a list: detect, read, fetch, materialise, observe, run, carry away, tell."""

from __future__ import annotations

import os
import signal

from lyftlearn_runtime import (
    bundle,
    cluster,
    compute,
    contract,
    environment,
    execve,
    files,
    hyperparameters,
    identity,
    metrics,
    program,
    references,
    supervise,
)
from lyftlearn_runtime.context import detect
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.log import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from lyftlearn_runtime.failure import Tail

# Seconds between SIGTERM and SIGKILL (developer guide, your-algorithms-training-algo-running-container and
# your-algorithms-inference-code; Kubernetes' terminationGracePeriodSeconds; `docker stop`).
_GRACE_S = {"sagemaker-training": 120.0, "docker": 10.0}
_OTHER_GRACE_S = 30.0
# Secrets that come with the platform and not by a reference.
_KEYS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")


class Stopped(BaseException):
    """The platform wants the container to end, and the script has not begun."""


def main(argv: list[str]) -> int:
    """Makes the contract true and runs the script; its exit code, or the shim's own (64, 69, 77, 78)."""
    secrets: set[str] = set()
    start = None
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            # PID 1 has no default action: without a handler it would wait for SIGKILL.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _stop)
        start = Start(argv, given_environment(), secrets)
        start.prepare()
        code, tail = start.run()
    except ShimError as error:
        return _fail(error.message, error.exit_code, start, secrets)
    except Stopped as error:
        name, number = error.args
        return _fail(f"stopped by {name} before the script began", supervise.SIGNALLED + number, start, secrets)
    except Exception as error:  # noqa: BLE001 - the last door; its text may hold a value, so it is not shown
        return _fail(f"a fault of the start itself: {_where(error)}; please report it", contract.EXIT_CONFIG, start, secrets)
    if code:
        _tell(f"exit code {code}", tail.text(), start, secrets)
    try:
        start.finish()
    except ShimError as error:
        say(error.message)
        if code:
            return code
        _tell(error.message, "", start, secrets)
        return contract.EXIT_UNAVAILABLE
    return code


class Start:
    """One start of one container."""

    def __init__(self, argv: list[str], environ: dict[str, str], secrets: set[str]) -> None:
        self.environ = environ
        self.secrets = secrets
        self.secrets.update(environ[name] for name in _KEYS if environ.get(name))
        self.context = detect(environ, argv, os.path.exists)
        self.bundle = bundle.NONE
        self._argv = argv
        # Path → whether there is a secret in it.
        self._placed: dict[str, bool] = {}
        self._derived: dict[str, str] = {}

    def prepare(self) -> None:
        """Everything before the script: what it finds, and what it is told."""
        self.bundle = bundle.read(self.environ)
        # What came by the bundle is the workload's own word, and wins over the image's.
        self.environ.update(self.bundle.environment)
        self._resolve()
        self._download()
        self.environ.update(identity.variables(self.environ, os.getuid()))
        values = self._hyperparameters()
        self.program = program.resolve(self._argv, self.environ, values)
        self._derive(values)
        self._fit()

    def run(self) -> tuple[int, Tail]:
        """The script's exit code and the end of its stderr."""
        from lyftlearn_runtime.failure import Tail  # noqa: PLC0415 - after everything that can end a start early

        sink = metrics.listen(self.environ.get(contract.STATSD), self.context.name)
        try:
            place = self.environ.get(contract.OBSERVE)
            if place:
                from lyftlearn_runtime import observe  # noqa: PLC0415 - only where it is asked for

                argv, cwd = self.program.argv, self.program.cwd
                observe.write(place, argv, cwd, self.variables, self.secrets, self.context, self._placed)
            tail = Tail(self.secrets)
            started = sink.start if sink else _nothing
            grace = _GRACE_S.get(self.context.name, _OTHER_GRACE_S)
            code = supervise.run(self.program.argv, self.variables, grace, tail.feed, started, self.program.cwd)
        finally:
            if sink:
                sink.close()
        return code, tail

    def finish(self) -> None:
        """What the script left goes where the platform would take it."""
        if self.bundle.uploads:
            from lyftlearn_runtime import transfer  # noqa: PLC0415 - only on Kubernetes

            transfer.upload(self.bundle.uploads, self.environ)

    @property
    def is_processing(self) -> bool:
        """Whether it is a processing job, by its bundle or by its service."""
        if self.bundle.job:
            return bool(self.bundle.job.kind == "processing")
        return bool(self.context.name == "sagemaker-processing")

    def _resolve(self) -> None:
        """Puts values in the place of references, in variables and in files."""
        names = [name for name, value in self.environ.items() if references.is_reference(value)]
        texts = [self.environ[name] for name in names] + [one.secret for one in self.bundle.files if one.secret]
        values = references.resolve(texts, self.environ)
        if values:
            from lyftlearn_runtime.redact import within  # noqa: PLC0415 - only where there are secrets

            self.secrets.update(text for value in values.values() if value for text in within(value))
        for name in names:
            value = values[self.environ[name]]
            if value is None:
                del self.environ[name]
            else:
                self.environ[name] = value
        self._placed.update(dict.fromkeys(self.bundle.mounted, False))
        for one in self.bundle.files:
            content = values[one.secret] if one.secret else one.content
            if content is not None:
                files.replace(one.path, content.encode("utf-8", "surrogateescape"), one.mode)
                self._placed[one.path] = bool(one.secret)

    def _download(self) -> None:
        if self.bundle.downloads:
            from lyftlearn_runtime import transfer  # noqa: PLC0415 - only on Kubernetes

            transfer.download(self.bundle.downloads, self.environ)
        if self.bundle.job and self.context.name == "kubernetes":
            from lyftlearn_runtime import job_files  # noqa: PLC0415 - as above

            job_files.place(self.bundle)

    def _hyperparameters(self) -> dict[str, Any]:
        """The typed values, which are in the files then."""
        values = self.bundle.hyperparameters or hyperparameters.read()
        if self.is_processing and not values:
            return {}
        has_file = os.path.exists(hyperparameters.PATH)
        is_job_of_ours = self.bundle.job is not None and self.context.name == "kubernetes"
        strings_too = bool(self.bundle.hyperparameters) or (is_job_of_ours and not has_file)
        self.environ[contract.HYPERPARAMETERS] = hyperparameters.place(values, strings_too)
        return dict(values)

    def _derive(self, values: dict[str, Any]) -> None:
        """The variables that the contract adds, for as far as the workload has not set them."""
        cpus = compute.cpu_count(compute.cpu_quota())
        found = {**compute.threads(cpus), **metrics.variables()}
        job = self.bundle.job
        name = job.name if job else self.environ.get("TRAINING_JOB_NAME", "")
        if job and self.context.name == "kubernetes":
            found["PROCESSING_JOB_NAME" if self.is_processing else "TRAINING_JOB_NAME"] = job.name
        if self.environ.get("AWS_REGION"):
            found["SAGEMAKER_REGION"] = self.environ["AWS_REGION"]
        if not self.is_processing:
            resources = cluster.read_config("resourceconfig.json")
            inputs = cluster.read_config("inputdataconfig.json")
            hosts = cluster.of(resources)
            available = {"num_cpus": cpus, "num_gpus": compute.gpus()}
            found.update(environment.training(values, hosts, resources, inputs, available, self.program, name))
        self._derived = {key: value for key, value in found.items() if key not in self.environ}

    def _fit(self) -> None:
        """Leaves out what the kernel would refuse, and says so."""
        own = {name: value for name, value in self.environ.items() if name not in contract.HIDDEN_VARIABLES}
        used = 0
        for word in self.program.argv:
            size = execve.size_of(word)
            if size is None:
                raise ShimError("a word of the command line is too long or has a NUL in it", contract.EXIT_CONFIG)
            used += size
        self.variables, left = execve.fitting_variables(own, self._derived, used)
        if left or self.program.left:
            names = [f"--{name}" for name in self.program.left] + sorted(left)
            say(f"too large for a command line or a variable, and in the files only: {', '.join(names)}")


def given_environment() -> dict[str, str]:
    """The variables that this process was started with: without a locale, CPython adds LC_CTYPE to its own (PEP 538)."""
    environ = dict(os.environ)
    if environ.get("LC_CTYPE") == "C.UTF-8":
        with open("/proc/self/environ", "rb") as file:
            if not any(one.startswith(b"LC_CTYPE=") for one in file.read().split(b"\0")):
                del environ["LC_CTYPE"]
    return environ


def _stop(number: int, _: Any) -> NoReturn:
    raise Stopped(signal.Signals(number).name, number)


def _nothing() -> None:
    """What happens at the script's start where nothing has to."""


def _fail(message: str, code: int, start: Start | None, secrets: set[str]) -> int:
    say(message)
    _tell(message, "", start, secrets)
    return code


def _tell(head: str, tail: str, start: Start | None, secrets: set[str]) -> None:
    from lyftlearn_runtime import failure  # noqa: PLC0415 - only after a failure

    failure.tell(head, tail, secrets, is_processing=start is not None and start.is_processing)


def _where(error: BaseException) -> str:
    """The kind of an error and the line that it comes from."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""
    return type(error).__name__ + place
