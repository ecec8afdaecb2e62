"""All of SageMaker's local API, in front of one emulator: jobs, models and endpoints, Studio, and the runtime."""

from __future__ import annotations

import contextlib
import secrets
import time
from typing import TYPE_CHECKING

from lyftlearn_image.emulation.sagemaker.local_api import api_server, runtime_server
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane
from lyftlearn_image.emulation.sagemaker.local_api.hosting import Hosting
from lyftlearn_image.emulation.sagemaker.local_api.jobs import EmulatedJobs, Publisher
from lyftlearn_image.emulation.sagemaker.local_api.studio import Studio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator

_RETRY_S = 0.1


@contextlib.contextmanager
def serve_sagemaker(emulator: SageMakerEmulator, endpoint: AwsEndpoint, workspace: Path) -> Iterator[None]:
    """SageMaker's API and its runtime answer at the AWS endpoint. At the end whatever still runs is killed, not waited for.

    Everything that jobs, endpoints and apps write goes below `workspace`.
    """
    hosting = Hosting(emulator.context, endpoint, workspace / "endpoints")
    studio = Studio(emulator.context, endpoint, workspace / "studio")
    jobs = EmulatedJobs(emulator, endpoint, workspace / "jobs", hosting)
    plane = ControlPlane(jobs, emulator.context.account, Publisher(endpoint), hosting=hosting, studio=studio)
    # Everybody on this machine can reach a port of loopback; these two answer the endpoint alone.
    token = secrets.token_urlsafe()
    with api_server.serve(plane, token) as api_url, runtime_server.serve(hosting.runtime, token) as runtime_url:
        endpoint.connect_sagemaker(api_url=api_url, runtime_url=runtime_url, token=token)
        try:
            yield
        finally:
            plane.request_stop()
            while plane.is_busy():
                # What was about to start its next container does so, and loses that one too.
                emulator.context.containers.remove_all()
                time.sleep(_RETRY_S)
