"""The start as a list: detect, read, fetch, materialise, observe, run, tell."""

from __future__ import annotations

import os
import time

from lyftlearn_runtime import bundle, contract, environment, hyperparameters, identity, metrics, program, references, supervise
from lyftlearn_runtime.context import detect
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.log import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FAILURE_FILE = "/opt/ml/output/failure"
TERMINATION_LOG = "/dev/termination-log"
# What SageMaker shows of the one, and a kubelet of the other.
_FAILURE_CHARACTERS = 1024
_TERMINATION_BYTES = 4096


def main(argv: list[str]) -> int:
    """Makes the contract true and runs the script; its exit code, or the shim's own (64, 69, 77, 78)."""
    secrets: set[str] = set()
    try:
        start = Start(argv, dict(os.environ), secrets)
        start.prepare()
        code, tail = start.run()
    except ShimError as error:
        say(error.message)
        tell(error.message, secrets)
        return error.exit_code
    if code:
        tell(_reason(code, tail), secrets)
    try:
        start.finish()
    except ShimError as error:
        say(error.message)
        return code or error.exit_code
    return code


class Start:
    """One start of one container."""

    def __init__(self, argv: list[str], environ: dict[str, str], secrets: set[str]) -> None:
        self.environ = environ
        self.secrets = secrets
        self.context = detect(environ, argv, os.path.exists)
        self.bundle = bundle.read(environ)
        self.relay: metrics.Relay | None = None
        self.placed: dict[str, bool] = {}
        self._argv = argv

    def prepare(self) -> None:
        """Everything before the script: what it finds, and what it is told."""
        self.environ.update(
            {name: value for name, value in self.bundle.get("environment", {}).items() if name not in self.environ}
        )
        self._resolve()
        self._download()
        self._write_configuration()
        values = self.bundle.get("hyperparameters") or hyperparameters.read()
        self._set(identity.variables(self.environ, os.getuid()), over=("HOME",))
        self._place_hyperparameters(values)
        self.argv, name = program.resolve(self._argv, self.environ, values)
        cpus = environment.cpu_count(environment.cpu_quota())
        resources = environment.read_config("resourceconfig.json")
        inputs = environment.read_config("inputdataconfig.json")
        own = hyperparameters.of_the_script(values)
        if self._kind() != "processing":
            self._set(environment.training(own, resources, inputs, cpus, name, self.argv[2:] if name else []))
        self._set(environment.threads(cpus))
        self._set(metrics.variables())
        kept, left = environment.fitting(self._visible())
        if left:
            say("not as variables, for they do not fit (they are in the files): %s" % ", ".join(sorted(left)))
        self.variables = kept

    def run(self) -> tuple[int, bytes]:
        """The script's exit code and the end of its stderr."""
        self.relay = metrics.relay(self.environ.get(contract.STATSD))
        place = self.environ.get(contract.OBSERVE)
        if place:
            from lyftlearn_runtime import observe  # noqa: PLC0415 - only where it is asked for

            observe.write(place, self.argv, self.variables, self.secrets, self.context, self.placed, time.time())
        try:
            return supervise.run(self.argv, self.variables)
        finally:
            if self.relay:
                self.relay.close()

    def finish(self) -> None:
        """What the script left goes where the platform would take it."""
        if self.bundle.get("uploads"):
            from lyftlearn_runtime import transfer  # noqa: PLC0415 - only on Kubernetes

            transfer.upload(self.bundle["uploads"], self.environ)

    def _kind(self) -> str:
        default = "processing" if self.context.name == "sagemaker-processing" else "training"
        return str(self.bundle.get("job", {}).get("kind", default))

    def _set(self, variables: dict[str, str], over: tuple[str, ...] = ()) -> None:
        """Adds variables; what the workload has set stays, but for those in `over`."""
        for name, value in variables.items():
            if name in over or name not in self.environ:
                self.environ[name] = value

    def _visible(self) -> dict[str, str]:
        return {name: value for name, value in self.environ.items() if name not in contract.HIDDEN_VARIABLES}

    def _resolve(self) -> None:
        """Puts values in the place of references, in variables and in files."""
        files = self.bundle.get("files", [])
        names = [name for name, value in self.environ.items() if references.is_reference(value)]
        texts = [self.environ[name] for name in names] + [one["secret"] for one in files if "secret" in one]
        values = references.resolve(texts, self.environ)
        self.secrets.update(values.values())
        for name in names:
            self.environ[name] = values[self.environ[name]]
        self.placed.update(dict.fromkeys(self.bundle.get("mounted", []), False))
        for one in files:
            content = values[one["secret"]] if "secret" in one else one["content"]
            hyperparameters.replace(one["path"], content.encode("utf-8", "surrogateescape"), int(one.get("mode", "0644"), 8))
            self.placed[one["path"]] = "secret" in one

    def _download(self) -> None:
        if self.bundle.get("downloads"):
            from lyftlearn_runtime import transfer  # noqa: PLC0415 - only on Kubernetes

            transfer.download(self.bundle["downloads"], self.environ)

    def _write_configuration(self) -> None:
        """On Kubernetes, the files that SageMaker writes for a job."""
        if self.context.name != "kubernetes" or not self.bundle:
            return
        job = self.bundle["job"]
        self.environ.setdefault("TRAINING_JOB_NAME" if job["kind"] == "training" else "PROCESSING_JOB_NAME", job["name"])
        host = {"current_host": "algo-1", "hosts": ["algo-1"], "current_instance_type": job.get("instance_type", "")}
        group = {
            "instance_group_name": "homogeneousCluster",
            "instance_type": job.get("instance_type", ""),
            "hosts": ["algo-1"],
        }
        if job["kind"] == "training":
            host.update(
                network_interface_name="eth0", current_group_name="homogeneousCluster", instance_groups=[group], topology=None
            )
            channels = {
                name: {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
                for name in self.bundle.get("channels", {})
            }
            self._write("/opt/ml/input/config/resourceconfig.json", host)
            self._write("/opt/ml/input/config/inputdataconfig.json", channels)
        else:
            self._write("/opt/ml/config/resourceconfig.json", host)
            self._write("/opt/ml/config/processingjobconfig.json", {"ProcessingJobName": job["name"]})

    def _write(self, path: str, document: Any) -> None:
        hyperparameters.replace(path, hyperparameters.dumps(document).encode("utf-8", "surrogatepass"))

    def _place_hyperparameters(self, values: dict[str, Any]) -> None:
        """The typed file, always; SageMaker's own file where the values came by the bundle."""
        if self._kind() == "processing" and not values:
            return
        typed = "/opt/ml/input/config/hyperparameters.typed.json"
        if not identity.is_writable(os.path.dirname(typed)):
            typed = "/tmp/lyftlearn/hyperparameters.json"  # noqa: S108 - writable on every platform
        came_by_bundle = bool(self.bundle.get("hyperparameters")) or self.context.name == "kubernetes"
        hyperparameters.write(values, typed, hyperparameters.PATH if came_by_bundle else "")
        self.environ[contract.HYPERPARAMETERS] = typed


def tell(reason: str, secrets: set[str]) -> None:
    """Leaves the reason of a failure where SageMaker and a kubelet look for it, unless the script left its own."""
    from lyftlearn_runtime.redact import redact  # noqa: PLC0415 - only after a failure

    text = redact(reason, secrets)
    if os.path.isdir(os.path.dirname(FAILURE_FILE)) and not os.path.exists(FAILURE_FILE):
        _leave(FAILURE_FILE, text[-_FAILURE_CHARACTERS:])
    if os.path.exists(TERMINATION_LOG) and os.path.getsize(TERMINATION_LOG) == 0:
        _leave(TERMINATION_LOG, text.encode("utf-8", "replace")[-_TERMINATION_BYTES:].decode("utf-8", "ignore"))


def _leave(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        say("%s cannot be written: %s" % (path, error.strerror))


def _reason(code: int, tail: bytes) -> str:
    text = tail.decode("utf-8", "replace").strip()
    return "exit code %d\n%s" % (code, text[-(_TERMINATION_BYTES // 2) :]) if text else "exit code %d" % code
