"""SageMaker's control plane on this machine: its API, whose jobs the emulator runs; `api_server` serves it.

Any client of the API works against it (boto3, the AWS CLI, the SDK): set AWS_ENDPOINT_URL_SAGEMAKER. It answers the actions of
training, processing and tuning jobs, tags and Search, with a `Hosting` also those of transform jobs, models and endpoints,
with a `Studio` those of Studio's apps; every other action is refused by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError
from lyftlearn_image.emulation.sagemaker.local_api.job_store import JobStore
from lyftlearn_image.emulation.sagemaker.local_api.searching import Searching
from lyftlearn_image.emulation.sagemaker.local_api.tags import Tags
from lyftlearn_image.platforms.sagemaker import job_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lyftlearn_image.emulation.sagemaker.job_plan import Account
    from lyftlearn_image.emulation.sagemaker.local_api.hosting import Hosting
    from lyftlearn_image.emulation.sagemaker.local_api.job_store import JobRunner
    from lyftlearn_image.emulation.sagemaker.local_api.studio import Studio
    from lyftlearn_image.platforms.sagemaker.job_kinds import Kind

_KINDS = {kind.name: kind for kind in job_kinds.KINDS}


class ControlPlane:
    """Everything that answers an action. `publish` gets the kind and the detail of an event at every change of a job."""

    def __init__(
        self,
        run_job: JobRunner,
        account: Account,
        publish: Callable[[Kind, Mapping[str, Any]], None] = lambda _kind, _detail: None,
        *,
        hosting: Hosting | None = None,
        studio: Studio | None = None,
    ) -> None:
        kinds = [kind for kind in job_kinds.KINDS if hosting or kind.name != "transform"]
        self._keepers = tuple(handler for handler in (hosting, studio) if handler)
        self._jobs = JobStore(run_job, account, publish, kinds)
        self._tags = Tags(self._has_arn)
        sources = {_KINDS[name].stem: lambda name=name: self._jobs.described(_KINDS[name]) for name in ("training", "tuning")}
        self._handlers = (*self._keepers, self._jobs, self._tags, Searching(sources, self._tags))

    def handle(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The service's answer. Raises ServiceError with the service's code."""
        for handler in self._handlers:
            if (answer := handler.handle(action, request)) is not None:
                if action.startswith("Create"):
                    arn = next((value for name, value in answer.items() if name.endswith("Arn")), "")
                    self._tags.begin(arn, request.get("Tags", []))
                return answer
        raise ServiceError("UnknownOperationException", f"{action} is not in this local control plane")

    def request_stop(self) -> None:
        """Asks every job, endpoint and app to end."""
        self._jobs.request_stop()
        for keeper in self._keepers:
            keeper.resources.stop_all()

    def is_busy(self) -> bool:
        """Whether anything still runs."""
        return self._jobs.is_busy() or any(keeper.resources.has_running() for keeper in self._keepers)

    def close(self) -> None:
        """As `request_stop`; endpoints and apps have ended afterwards, jobs end in their own time."""
        self.request_stop()
        for keeper in self._keepers:
            keeper.resources.join()

    def _has_arn(self, arn: str) -> bool:
        return self._jobs.has_arn(arn) or any(keeper.resources.has_arn(arn) for keeper in self._keepers)
