"""The kinds of jobs that SageMaker's API has: how each is described, stopped, and told of in an event.

Source: API reference, Describe…Job and Stop…Job; developer guide, "Automating SageMaker with EventBridge" for the events;
the log groups: developer guide, "Log groups and streams that SageMaker sends to CloudWatch Logs".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.run import State, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

# The exit code that the service appends to a reason (words as seen in real jobs).
_EXIT_CODE = re.compile(r"[Ee]xit [Cc]ode:? ?(\d+)")


@dataclass(frozen=True)
class Kind:
    """`name` is the first half of a job's id. `stem` is what the API's names have in common, such as `TrainingJob`."""

    name: str
    stem: str
    log_group: str

    @property
    def action(self) -> str:
        """The action that makes such a job."""
        return f"Create{self.stem}"

    @property
    def name_field(self) -> str:
        """The field of requests and answers that has the job's name."""
        return f"{self.stem}Name"

    @property
    def status_field(self) -> str:
        """The field of answers and events that has its status."""
        return f"{self.stem}Status"

    @property
    def resource(self) -> str:
        """The resource's type in an ARN (service authorization reference, "Resource types defined by Amazon SageMaker AI")."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", self.stem).lower()

    @property
    def detail_type(self) -> str:
        """What an event about such a job is called."""
        words = re.findall(r"[A-Z][a-z]+", self.stem)
        return f"SageMaker {' '.join(words)} State Change".replace("Hyper Parameter", "HyperParameter")


KINDS = (
    Kind("training", "TrainingJob", "/aws/sagemaker/TrainingJobs"),
    Kind("processing", "ProcessingJob", "/aws/sagemaker/ProcessingJobs"),
    Kind("transform", "TransformJob", "/aws/sagemaker/TransformJobs"),
    # It has no log of its own: its trials are training jobs.
    Kind("tuning", "HyperParameterTuningJob", "/aws/sagemaker/TrainingJobs"),
)
# No job: what it ends with is that it serves, and it is stopped by being deleted.
ENDPOINT = Kind("endpoint", "Endpoint", "/aws/sagemaker/Endpoints")
_IN_SERVICE = "InService"
_BY_NAME = {kind.name: kind for kind in (*KINDS, ENDPOINT)}
KIND_NAMES = tuple(_BY_NAME)
_BY_ACTION = {kind.action: kind for kind in (*KINDS, ENDPOINT)}
_BY_DETAIL_TYPE = {kind.detail_type: kind for kind in KINDS}


def parse_job_id(job: str) -> tuple[Kind, str]:
    """Kind and name of an id, such as `training/iris-0f3a`. Raises InvalidInputError for what is none."""
    kind, slash, name = job.partition("/")
    if kind not in _BY_NAME or not slash or not name:
        raise InvalidInputError(f"{job!r} is no job", hint=f"Expected <kind>/<name>; the kinds are {', '.join(_BY_NAME)}.")
    return _BY_NAME[kind], name


def kind_for_action(action: str) -> Kind:
    """The kind that an action makes."""
    return _BY_ACTION[action]


def kind_for_event(detail_type: str) -> Kind | None:
    """The kind that an event is about, None for an event about something else."""
    return _BY_DETAIL_TYPE.get(detail_type)


def state_of(kind: Kind, description: Mapping[str, Any]) -> State:
    """The state in a Describe answer or in an event's detail: both have the same fields."""
    status = str(description.get(kind.status_field, ""))
    phase = str(description.get("SecondaryStatus", "")) or status
    reason = str(description.get("ExitMessage") or description.get("FailureReason") or "")
    if kind is ENDPOINT and status == _IN_SERVICE:
        return State(Status.COMPLETED, phase)
    if status not in {one.value for one in Status}:
        return State(None, phase)
    found = _EXIT_CODE.search(str(description.get("FailureReason", "")))
    code = int(found[1]) if found else (0 if status == Status.COMPLETED else None)
    return State(Status(status), phase, reason, code)
