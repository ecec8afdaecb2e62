"""The models of a multi-model container: each is loaded when it is first asked for.

Where the container says that it has no room, the one that was used longest ago goes. Sources: SageMaker developer guide,
build-multi-model-build-container and mms-container-apis (POST and DELETE /models, 409 for a model that is loaded, 507 for no
memory, POST /models/<name>/invoke) and multi-model-endpoints (`/opt/ml/models/<name>/model`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.emulation.sagemaker.serving import model as models
from lyftlearn_image.emulation.sagemaker.serving.model_server import ModelServer

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.sagemaker.serving.http_client import HttpResponse

# How long a model may take to load is not documented: as long as an invocation.
_LOAD_TIMEOUT_S = 60.0
_UNLOAD_TIMEOUT_S = 30.0
_MOST_NAME_CHARACTERS = 32


class NoSuchModelError(Exception):
    """There is no such artefact; the text is the service's."""


@dataclass(frozen=True)
class LoadRefusedError(Exception):
    """The container did not load a model: what it answered."""

    response: HttpResponse


class MultiModelServer(ModelServer):
    """One container's server, and the models that it has loaded of the archives below the S3 URI `prefix`.

    They are unpacked below `directory`, which the container has at /opt/ml/models.
    """

    def __init__(self, host: str, prefix: str, directory: Path, s3: S3Client) -> None:
        super().__init__(host)
        self._prefix = prefix
        self._directory = directory
        self._s3 = s3
        self._loaded: dict[str, None] = {}  # in the order of their last use
        self._lock = threading.Lock()

    def path_of(self, target: str) -> str:
        """Where the model of an archive's name is invoked; loads it first where that is needed.

        Raises NoSuchModelError, LoadRefusedError, NoResponseError, and ModelDataError for what is no archive.
        """
        name = hashlib.sha256(target.encode()).hexdigest()[:_MOST_NAME_CHARACTERS]
        with self._lock:
            if name not in self._loaded:
                self._load(name, target)
            self._loaded.pop(name, None)
            self._loaded[name] = None
        return f"/models/{name}/invoke"

    def _load(self, name: str, target: str) -> None:
        uri = f"{self._prefix}{target.removeprefix('/')}"
        bucket, key = objects.split_uri(uri)
        if key not in objects.list_keys(self._s3, uri):
            raise NoSuchModelError(
                f"Failed to download model data(bucket: {bucket}, key: {key}). Please ensure that there is an object located "
                "at the URL and that the role passed to CreateModel has permissions to download the object."
            )
        place = self._directory / name / "model"
        place.mkdir(parents=True)
        try:
            models.unpack(uri, place, self._s3)
            response = self._ask_to_load(name)
            while response.status == HTTPStatus.INSUFFICIENT_STORAGE and self._loaded:
                self._unload(next(iter(self._loaded)))
                response = self._ask_to_load(name)
            if response.status not in {HTTPStatus.OK, HTTPStatus.CONFLICT}:
                raise LoadRefusedError(response)  # noqa: TRY301 - its files go, like those of any other failure
        except BaseException:
            shutil.rmtree(self._directory / name, ignore_errors=True)
            raise

    def _ask_to_load(self, name: str) -> HttpResponse:
        body = json.dumps({"model_name": name, "url": f"{models.MODELS_DIR}/{name}/model"}).encode()
        return self.ask("POST", "/models", _LOAD_TIMEOUT_S, body, {"Content-Type": "application/json"})

    def _unload(self, name: str) -> None:
        self.ask("DELETE", f"/models/{name}", _UNLOAD_TIMEOUT_S)
        del self._loaded[name]
        shutil.rmtree(self._directory / name, ignore_errors=True)
