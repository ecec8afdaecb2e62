"""Places and settings of the serving container. The places are fixed when it is imported, as in the original."""

from __future__ import annotations

import os

from . import content_types, logging, parameters

logger = logging.get_logger()

DEFAULT_MODULE_NAME = "inference.py"
DEFAULT_MODEL_SERVER_TIMEOUT = "60"
DEFAULT_STARTUP_TIMEOUT = "600"
DEFAULT_HTTP_PORT = "8080"
DEFAULT_VMARGS = "-XX:-UseContainerSupport"
DEFAULT_MAX_REQUEST_SIZE = None
SAGEMAKER_BASE_PATH = os.path.join("/opt", "ml")

base_dir = os.environ.get(parameters.BASE_PATH_ENV, SAGEMAKER_BASE_PATH)
model_dir = os.path.join(base_dir, "models" if os.environ.get(parameters.MULTI_MODEL_ENV) == "true" else "model")
code_dir = os.path.join(model_dir, "code")


class Environment:
    """A snapshot of the variables. Values stay text where the original leaves them so."""

    def __init__(self) -> None:
        environ = os.environ
        program = environ.get(parameters.USER_PROGRAM_ENV, DEFAULT_MODULE_NAME)
        self.module_name = program.removesuffix(".py")
        # Minutes (awslabs/multi-model-server, WorkerThread), whatever the original's docstring says.
        self.model_server_timeout = int(environ.get(parameters.MODEL_SERVER_TIMEOUT_ENV, DEFAULT_MODEL_SERVER_TIMEOUT))
        seconds = environ.get(parameters.MODEL_SERVER_TIMEOUT_SECONDS_ENV)
        self.model_server_timeout_seconds = None if seconds is None else int(seconds)
        self.model_server_workers = environ.get(parameters.MODEL_SERVER_WORKERS_ENV)
        self.startup_timeout = int(environ.get(parameters.STARTUP_TIMEOUT_ENV, DEFAULT_STARTUP_TIMEOUT))
        self.default_accept = environ.get(parameters.DEFAULT_INVOCATIONS_ACCEPT_ENV, content_types.JSON)
        self.inference_http_port = environ.get(parameters.BIND_TO_PORT_ENV, DEFAULT_HTTP_PORT)
        self.management_http_port = self.inference_http_port
        self.safe_port_range = environ.get(parameters.SAFE_PORT_RANGE_ENV)
        self.vmargs = environ.get(parameters.MODEL_SERVER_VMARGS, DEFAULT_VMARGS)
        most = environ.get(parameters.MAX_REQUEST_SIZE, DEFAULT_MAX_REQUEST_SIZE)
        self.max_request_size = None if most is None else int(most) << 20
