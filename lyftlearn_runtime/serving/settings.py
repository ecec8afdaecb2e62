"""What the server is told by its variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lyftlearn_runtime import contract
from lyftlearn_runtime.cgroup import cpu_count, cpu_quota
from lyftlearn_runtime.serving.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL_DIR = "/opt/ml/model"
# Below one of them is every model of several: the service puts each into /opt/ml/models/NAME/model.
MODELS_DIRS = ("/opt/ml/models", MODEL_DIR)
# Where handlers are looked for, in this order.
CODE_DIRS = ("/opt/ml/model/code", contract.CODE_DIR)
JSON = "application/json"
_MIB = 1 << 20
# InvokeEndpoint's body (API reference, sagemaker-runtime, BodyBlob) and MaxPayloadInMB's default in batch transform.
_PAYLOAD_MIB = 6
# Both platforms kill 30 seconds after SIGTERM; the shim keeps 5 for itself.
_DRAIN_S = 25.0
# Requests that may wait. What refuses them before is the time that they would: no client of an endpoint waits for longer
# (developer guide, "Use Your Own Inference Code with Hosting Services").
_QUEUE = 1000
_WAIT_S = 60.0
_LARGEST_PORT = 65535


class Settings(NamedTuple):
    """`payload_bytes` is None without a limit; `queue` counts requests that wait beside the `concurrency` that run.

    Both are those of each of the `processes`. Of the requests that wait at most `batch_size` go through predict_fn at once; a
    batch that is not full waits for `batch_wait_s`.
    No request waits that is expected to wait for more than `wait_s`, where that is not 0.
    `service` names a handler service, where there is to be one. A request has `timeout_s` from its turn on; 0 for any time.
    """

    port: int
    program: str
    service: str
    accept: str
    concurrency: int
    queue: int
    payload_bytes: int | None
    drain_s: float
    batch_strategy: str
    is_inline_allowed: bool
    batch_size: int
    batch_wait_s: float
    wait_s: float
    processes: int
    has_many_models: bool
    timeout_s: float


def read(environ: Mapping[str, str]) -> Settings:
    """The settings of this start. Raises StartError that names the variable with a value that cannot be.

    Sources: developer guide, "Use Your Own Inference Code with Hosting Services" and "... with Batch Transform"; the
    inference toolkit for the program's name and the default Accept.
    """
    # The toolkit's name, and that of its older containers.
    processes = _whole(environ, ("SAGEMAKER_MODEL_SERVER_WORKERS", "MODEL_SERVER_WORKERS"), 1, least=1)
    default = max(1, cpu_count(cpu_quota()) // processes)
    concurrency = _whole(environ, ("LYFTLEARN_SERVE_CONCURRENCY",), default, least=1)
    # A transform job sends so many at once, because its caller has asked for it: none of them may be refused.
    at_once = _whole(environ, ("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", "MAX_CONCURRENT_TRANSFORMS"), 0)
    queue = _whole(environ, ("LYFTLEARN_SERVE_QUEUE",), max(_QUEUE, at_once))
    payload = _whole(environ, ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "MAX_PAYLOAD_IN_MB"), _PAYLOAD_MIB)
    port = _whole(environ, ("SAGEMAKER_BIND_TO_PORT",), 8080, least=1)
    if port > _LARGEST_PORT:
        raise StartError(f"SAGEMAKER_BIND_TO_PORT is {port}; expected a port of at most {_LARGEST_PORT}")
    return Settings(
        port=port,
        program=environ.get("LYFTLEARN_PROGRAM") or environ.get("SAGEMAKER_PROGRAM") or "",
        service=environ.get("SAGEMAKER_HANDLER") or "",
        accept=environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or JSON,
        concurrency=concurrency,
        queue=queue,
        # MaxPayloadInMB of 0 means that records come chunked, in a body of any length.
        payload_bytes=payload * _MIB or None,
        drain_s=_seconds(environ, "LYFTLEARN_SERVE_DRAIN", _DRAIN_S),
        batch_strategy=environ.get("SAGEMAKER_BATCH_STRATEGY") or "MULTI_RECORD",
        is_inline_allowed=_whole(environ, ("LYFTLEARN_SERVE_INLINE",), 1) != 0,
        batch_size=_whole(environ, ("LYFTLEARN_SERVE_BATCH",), 1, least=1),
        batch_wait_s=_whole(environ, ("LYFTLEARN_SERVE_BATCH_WAIT_MS",), 0) / 1000,
        timeout_s=_timeout(environ),
        has_many_models=environ.get("SAGEMAKER_MULTI_MODEL") == "true",
        # A transform job says itself how long it waits, and sends no more at once than it has asked for.
        wait_s=_seconds(environ, "LYFTLEARN_SERVE_WAIT", 0.0 if environ.get("SAGEMAKER_BATCH") == "true" else _WAIT_S),
        # A model is loaded into one process, and asked at the one port.
        processes=1 if environ.get("SAGEMAKER_MULTI_MODEL") == "true" else processes,
    )


def _timeout(environ: Mapping[str, str]) -> float:
    """Seconds. The toolkit's own variable counts minutes (aws/sagemaker-inference-toolkit#99), its newer one does not.

    That of the servers that AWS's examples start with gunicorn counts seconds, too.
    """
    seconds = _whole(environ, ("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",), 0)
    minutes = _whole(environ, ("SAGEMAKER_MODEL_SERVER_TIMEOUT",), 0)
    return float(seconds or 60 * minutes or _whole(environ, ("MODEL_SERVER_TIMEOUT",), 0))


def _whole(environ: Mapping[str, str], names: tuple[str, ...], default: int, least: int = 0) -> int:
    """The first of these variables that is set."""
    for name in names:
        text = environ.get(name)
        if not text:
            continue
        if not (text.isascii() and text.isdigit() and int(text) >= least):
            raise StartError(f"{name} is {text!r}; expected a whole number of at least {least}")
        return int(text)
    return default


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise StartError(f"{name} is {text!r}; expected seconds")
    return seconds
