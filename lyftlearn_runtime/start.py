"""One start of one container: what is to be true before the script, and what is left to do after it."""

from __future__ import annotations

import os

from lyftlearn_runtime import (
    bundle,
    cgroup,
    cluster,
    contract,
    deadline,
    environment,
    execve,
    hyperparameters,
    metrics,
    posix_user,
    program,
    references,
    refresh,
    spark,
    supervise,
)
from lyftlearn_runtime.context import detect
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.log import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from lyftlearn_runtime.bundle import File
    from lyftlearn_runtime.checkpoints import Keeper
    from lyftlearn_runtime.failure import Tail

# Seconds between SIGTERM and SIGKILL (developer guide, your-algorithms-training-algo-running-container and
# your-algorithms-inference-code; Kubernetes' terminationGracePeriodSeconds; `docker stop`).
_GRACE_S = {"sagemaker-training": 120.0, "docker": 10.0}
_OTHER_GRACE_S = 30.0
# Secrets that come with the platform and not by a reference.
_KEYS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
# Here somebody reads why a job failed.
_WITH_REASONS = ("sagemaker-training", "sagemaker-processing", "kubernetes")


class Start:
    """One start of one container."""

    def __init__(self, argv: list[str], environ: dict[str, str], secrets: set[str]) -> None:
        self.environ = environ
        self.secrets = secrets
        self.secrets.update(environ[name] for name in _KEYS if environ.get(name))
        self.context = detect(environ, argv, os.path.exists)
        self.cluster = cluster.of({})
        self.bundle = bundle.NONE
        self.resolved = references.NOTHING
        self.refresh: refresh.Wish | None = None
        self.grace_s = _OTHER_GRACE_S
        self.variables: dict[str, str] = {}
        self._keeper: Keeper | None = None
        # Variable → what it came from, for those that were not given to this process as they are.
        self.origins: dict[str, str] = {}
        self._argv = argv
        # Path → whether there is a secret in it.
        self._placed: dict[str, bool] = {}
        self._derived: dict[str, str] = {}
        self._given: dict[str, str] = {}

    def prepare(self) -> None:
        """Everything before the script: what it finds, and what it is told."""
        self.read()
        self._place()
        self._download()
        self._say_identity()
        self._update(posix_user.variables(self.environ, os.getuid()), "identity")
        posix_user.enrol(os.getuid(), os.getgid(), self.environ.get("HOME", "/"))
        self._update(spark.place(self.environ), "spark")
        values = self._hyperparameters()
        self.describe(values)
        self._wait_for_hosts()

    def read(self) -> None:
        """What was given, and what it points to. Nothing is written yet."""
        self.refresh = refresh.parse(self.environ.get(contract.REFRESH))
        self.grace_s = deadline.grace(self.environ, _GRACE_S.get(self.context.name, _OTHER_GRACE_S))
        self.bundle = bundle.read(self.environ)
        if self._argv[:1] == [contract.BUNDLED_COMMAND] and self.bundle.command:
            self._argv = list(self.bundle.command)
        # What came by the bundle is the workload's own word, and wins over the image's.
        self._update(self.bundle.environment, "bundle")
        self._resolve()

    def describe(self, values: dict[str, Any]) -> None:
        """The program and its variables, for these hyperparameters."""
        self.program = program.resolve(self._argv, self.environ, values)
        self._derive(values)
        self._fit()

    @property
    def needs_supervision(self) -> bool:
        """Whether there is anything to do beside the script, or after it. PID 1 has always children to reap."""
        return bool(
            os.getpid() == 1
            or self.bundle.uploads
            or self.bundle.checkpoints
            or self.refresh
            or self.environ.get(contract.STATSD)
            or self.context.name in _WITH_REASONS
        )

    def become(self) -> None:
        """Puts the script in this process's place. Returns nothing, or ends with the shell's code for why it cannot."""
        self._observe()
        supervise.become(self.program.argv, self.variables, self.program.cwd)

    def run(self) -> tuple[int, Tail]:
        """The script's exit code and the end of its stderr."""
        from lyftlearn_runtime.failure import Tail  # noqa: PLC0415 - after everything that can end a start early

        tail = Tail(self.secrets)
        sink = metrics.listen(self.environ.get(contract.STATSD), self.context.name)
        refresher = refresh.Refresher(self.refresh, lambda: self._renew(tail)) if self.refresh else None
        helpers = [one for one in (sink, refresher, self._keeper) if one]
        try:
            self._observe()

            def started(leader: int) -> None:
                for one in helpers:
                    one.start(leader)

            code = supervise.run(self.program.argv, self.variables, self.grace_s, tail.feed, started, self.program.cwd)
        finally:
            for one in helpers:
                one.close()
        return code, tail

    def _observe(self) -> None:
        place = self.environ.get(contract.OBSERVE)
        if place:
            from lyftlearn_runtime import observe  # noqa: PLC0415 - only where it is asked for

            argv, cwd = self.program.argv, self.program.cwd
            observe.write(place, argv, cwd, self.variables, self.secrets, self.context, self._placed)

    def finish(self) -> None:
        """What the script left goes where the platform would take it, checkpoints also when the rest cannot."""
        try:
            if self.bundle.uploads:
                from lyftlearn_runtime import sagemaker_files, transfer  # noqa: PLC0415 - only on Kubernetes

                transfer.upload(sagemaker_files.uploads(self.bundle, self.environ), self.environ)
        finally:
            if self._keeper:
                self._keeper.send()

    @property
    def is_processing(self) -> bool:
        """Whether it is a processing job, by its bundle or by its service."""
        if self.bundle.job:
            return bool(self.bundle.job.kind == "processing")
        return bool(self.context.name == "sagemaker-processing")

    def _update(self, variables: Mapping[str, str], origin: str) -> None:
        self.environ.update(variables)
        self.origins.update(dict.fromkeys(variables, origin))

    def _resolve(self) -> None:
        """Puts values in the place of references in variables, and remembers those of files."""
        # What the platform or the workload said, for renewals: a reference that was resolved is one no more.
        self._given = dict(self.environ)
        names = references.named(self.environ)
        texts = [self.environ[name] for name in names] + [one.secret for one in self.bundle.files if one.secret]
        self.resolved = references.resolve(texts, self.environ, self.environ.get(contract.ENV_FROM, "").split())
        self._learn(self.resolved)
        for name in names:
            text = self.environ[name]
            value = self.resolved.values[text]
            self.origins[name] = text
            if value is None:
                del self.environ[name]
            else:
                self.environ[name] = value
        for text, found in self.resolved.sets.items():
            for key, value in found.items():
                name = environment.variable_name(key)
                # A variable that somebody has set is never overwritten; of two sets the later one wins, as of envFrom.
                if name not in self._given:
                    self.environ[name] = value
                    self.origins[name] = f"{text} ({key})"

    def _learn(self, resolved: references.Resolved) -> list[str]:
        """Every text that must not be shown, kept; they are given back."""
        values = [value for text, value in resolved.values.items() if value and not text.startswith(contract.OPEN_SCHEMES)]
        values += [value for found in resolved.sets.values() for value in found.values()]
        if not values:
            return []
        from lyftlearn_runtime.redact import within  # noqa: PLC0415 - only where there are secrets

        texts = [text for value in values for text in within(value)]
        self.secrets.update(texts)
        return texts

    def _place(self) -> None:
        self._placed.update(dict.fromkeys(self.bundle.mounted, False))
        if not self.bundle.files:
            return
        from lyftlearn_runtime import atomic_writer  # noqa: PLC0415 - only where there are files

        contents = [one for one in (self._content(file, self.resolved) for file in self.bundle.files) if one]
        atomic_writer.place(contents, self.environ)
        self._placed.update({one.path: one.is_secret for one in contents})

    def _content(self, file: File, resolved: references.Resolved) -> Any:
        """What a file is to hold, None for one whose optional secret is not to be had."""
        from lyftlearn_runtime.atomic_writer import Content  # noqa: PLC0415 - as above

        text = resolved.values[file.secret] if file.secret else file.content
        if text is None:
            return None
        return Content(file.path, text.encode("utf-8", "surrogateescape"), file.mode, file.owner, bool(file.secret))

    def _renew(self, tail: Tail) -> list[str]:
        """Fetches what files have from references again; the paths of those that changed."""
        secret = [one for one in self.bundle.files if one.secret]
        if not secret:
            return []
        from lyftlearn_runtime import atomic_writer  # noqa: PLC0415 - as above

        resolved = references.resolve([one.secret for one in secret], self._given)
        tail.learn(self._learn(resolved))
        # All of a directory's files stay together: those without a secret are placed again as they are.
        places = {os.path.dirname(one.path) for one in secret}
        together = [one for one in self.bundle.files if os.path.dirname(one.path) in places]
        contents = [one for one in (self._content(file, resolved) for file in together) if one]
        return atomic_writer.place(contents, self.environ)

    def _say_identity(self) -> None:
        """Which AWS identity is in use, and from where: said once, where anything was fetched as it."""
        if self.resolved.seconds or self.bundle.downloads:
            from lyftlearn_runtime.aws import credential_cache  # noqa: PLC0415 - only after a fetch

            who = credential_cache.describe_identity(self.environ)
            if who:
                say(f"AWS identity: {who}")

    def _wait_for_hosts(self) -> None:
        if len(self.cluster.hosts) > 1:
            cluster.wait_for(self.cluster, self.environ)

    def _download(self) -> None:
        if self.bundle.downloads:
            from lyftlearn_runtime import transfer  # noqa: PLC0415 - only on Kubernetes

            transfer.download(self.bundle.downloads, self.environ)
        if self.bundle.checkpoints:
            from lyftlearn_runtime.checkpoints import Keeper  # noqa: PLC0415 - as above

            self._keeper = Keeper(self.bundle.checkpoints, self.environ)
            self._keeper.bring()
        if self.bundle.job and self.context.name == "kubernetes":
            from lyftlearn_runtime import sagemaker_files  # noqa: PLC0415 - as above

            sagemaker_files.place(self.bundle, self.environ)

    def _hyperparameters(self) -> dict[str, Any]:
        """The typed values, which are in the files then."""
        values = self.bundle.hyperparameters or hyperparameters.read()
        if self.bundle.hyperparameters and self.context.name == "sagemaker-training":
            # A tuner's own come by the request, also where the others had no room in it.
            values = dict(hyperparameters.read(), **self.bundle.hyperparameters)
        if self.is_processing and not values:
            return {}
        has_file = os.path.exists(hyperparameters.PATH)
        is_job_of_ours = self.bundle.job is not None and self.context.name == "kubernetes"
        strings_too = bool(self.bundle.hyperparameters) or (is_job_of_ours and not has_file)
        self._update({contract.HYPERPARAMETERS: hyperparameters.place(values, strings_too)}, "hyperparameters")
        return dict(values)

    def _derive(self, values: dict[str, Any]) -> None:
        """The variables that the contract adds, for as far as the workload has not set them."""
        cpus = cgroup.cpu_count(cgroup.cpu_quota())
        found = {**cgroup.threads(cpus), **metrics.variables()}
        job = self.bundle.job
        name = job.name if job else self.environ.get("TRAINING_JOB_NAME", "")
        if job and self.context.name == "kubernetes":
            found["PROCESSING_JOB_NAME" if self.is_processing else "TRAINING_JOB_NAME"] = job.name
        if self.environ.get("AWS_REGION"):
            # boto3 reads the second name alone, and jobs of SageMaker have the first.
            found.update(dict.fromkeys(("SAGEMAKER_REGION", "AWS_DEFAULT_REGION"), self.environ["AWS_REGION"]))
        if not self.is_processing:
            resources = cluster.read_config("resourceconfig.json")
            inputs = cluster.read_config("inputdataconfig.json")
            self.cluster = cluster.of(resources)
            available = {"num_cpus": cpus, "num_gpus": cgroup.gpus()}
            found.update(environment.training(values, self.cluster, resources, inputs, available, self.program, name))
        self._derived = {key: value for key, value in found.items() if key not in self.environ}
        self.origins.update(dict.fromkeys(self._derived, "derived"))

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
