"""Which service started this container, told by documented signals only.

Sources: SageMaker developer guide (your-algorithms-training-algo-running-container, build-your-own-processing-container,
your-algorithms-batch-code, studio-updated-byoi-specs) and Kubernetes' service variables, which every pod gets, also with
enableServiceLinks off.

The order matters. Files of /opt/ml prove less than the variables of a platform: on Kubernetes the shim writes them itself,
and a restarted container finds them. A pod may be started with `train` or `serve` too, so the command line proves least.
"""

from __future__ import annotations

import os

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.frozen import namedtuple
from lyftlearn_runtime.quick_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Context = namedtuple("Context", ["name", "because"])

PROCESSING_CONFIG = "/opt/ml/config/processingjobconfig.json"
RESOURCE_CONFIG = "/opt/ml/input/config/resourceconfig.json"
STUDIO_METADATA = "/opt/ml/metadata/resource-metadata.json"
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token"


def detect(environ: Mapping[str, str], argv: Sequence[str], exists: Callable[[str], bool]) -> Context:
    """The context and the signal that decided it. `exists` says whether a path is there."""
    override = environ.get(contract.CONTEXT)
    if override:
        if override not in contract.CONTEXTS:
            known = ", ".join(contract.CONTEXTS)
            raise ShimError(f"{contract.CONTEXT} is {override!r}; expected one of {known}", contract.EXIT_CONFIG)
        return Context(override, contract.CONTEXT)
    for name, because, holds in signals(environ, argv, exists):
        if holds:
            return Context(name, because)
    return Context("docker", "no signal of a platform")


def signals(
    environ: Mapping[str, str], argv: Sequence[str], exists: Callable[[str], bool] = os.path.exists
) -> list[tuple[str, str, bool]]:
    """Every signal in the order in which they count: the context, what tells it, whether it is there."""
    batch = environ.get("SAGEMAKER_BATCH", "").lower() == "true"  # local mode writes True
    studio = "SAGEMAKER_APP_TYPE" in environ or "SM_APP_TYPE" in environ
    return [
        ("sagemaker-training", "TRAINING_JOB_ARN", "TRAINING_JOB_ARN" in environ),
        ("kubernetes", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_HOST" in environ),
        ("sagemaker-processing", PROCESSING_CONFIG, exists(PROCESSING_CONFIG)),
        ("sagemaker-training", "TRAINING_JOB_NAME", "TRAINING_JOB_NAME" in environ),
        ("sagemaker-training", RESOURCE_CONFIG, exists(RESOURCE_CONFIG)),
        ("sagemaker-transform", "SAGEMAKER_BATCH", batch),
        ("sagemaker-studio", "SAGEMAKER_APP_TYPE", studio),
        ("sagemaker-studio", STUDIO_METADATA, exists(STUDIO_METADATA) and _names_an_app(STUDIO_METADATA)),
        ("kubernetes", SERVICE_ACCOUNT, exists(SERVICE_ACCOUNT)),
        ("sagemaker-hosting", "the argument serve", bool(argv) and argv[0] == "serve"),
    ]


def _names_an_app(path: str) -> bool:
    """Whether it is an app of Studio: a classic notebook instance has the file without AppType."""
    try:
        with open(path, encoding="utf-8") as file:
            return "AppType" in loads(file.read())
    except (OSError, ValueError, TypeError, RecursionError):
        return False
