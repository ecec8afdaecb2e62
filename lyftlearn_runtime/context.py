"""Which service started this container, told by documented signals only.

Sources: SageMaker developer guide (your-algorithms-training-algo-running-container, build-your-own-processing-container,
your-algorithms-batch-code) and Kubernetes' service environment variables. The order matters: the SageMaker Python SDK's
local mode sets no TRAINING_JOB_ARN, and a pod may be started with the argument `train` too.
"""

from __future__ import annotations

from collections import namedtuple

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Context = namedtuple("Context", ["name", "because"])


def detect(environ: Mapping[str, str], argv: Sequence[str], exists: Callable[[str], bool]) -> Context:
    """The context and the signal that decided it. `exists` says whether a path is there."""
    override = environ.get(contract.CONTEXT)
    if override:
        if override not in contract.CONTEXTS:
            known = ", ".join(contract.CONTEXTS)
            raise ShimError("%s is %r; expected one of %s" % (contract.CONTEXT, override, known), contract.EXIT_CONFIG)
        return Context(override, contract.CONTEXT)
    for name, because, holds in _rules(environ, argv, exists):
        if holds:
            return Context(name, because)
    return Context("docker", "no signal of a platform")


def _rules(environ: Mapping[str, str], argv: Sequence[str], exists: Callable[[str], bool]) -> list[tuple[str, str, bool]]:
    kubernetes = "KUBERNETES_SERVICE_HOST" in environ
    token_file = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path
    resources = "/opt/ml/input/config/resourceconfig.json"
    processing = "/opt/ml/config/processingjobconfig.json"
    serve = bool(argv) and argv[0] == "serve"
    return [
        ("kubernetes", "KUBERNETES_SERVICE_HOST", kubernetes),
        ("sagemaker-processing", processing, exists(processing)),
        ("sagemaker-training", "TRAINING_JOB_ARN", "TRAINING_JOB_ARN" in environ),
        ("sagemaker-training", "TRAINING_JOB_NAME", "TRAINING_JOB_NAME" in environ),
        ("sagemaker-training", resources, exists(resources)),
        ("sagemaker-transform", "SAGEMAKER_BATCH", environ.get("SAGEMAKER_BATCH", "").lower() == "true"),
        ("sagemaker-studio", "SAGEMAKER_APP_TYPE", "SAGEMAKER_APP_TYPE" in environ or "SM_APP_TYPE" in environ),
        ("kubernetes", token_file, exists(token_file)),
        ("sagemaker-hosting", "the argument serve", serve),
    ]
