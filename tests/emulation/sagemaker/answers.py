"""Holds every answer that a client of the local API gets against the output model of botocore, as it stands on the wire."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from botocore.validate import ParamValidator

from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane
from lyftlearn_image.platforms.sagemaker import api_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_FIRST_ERROR = 300


class WrongAnswerError(AssertionError):
    """An answer that is not what the service's model says."""


def check_answers(client_or_session: Any) -> Any:
    """The same client (or botocore session), whose calls raise WrongAnswerError for an answer that the model does not have.

    Required members are there, none is unknown, types, lengths, patterns and enums are those of the model. Only what
    SageMaker's control plane answers (JSON 1.1) is looked at: all of it is in the body.
    """
    events = getattr(client_or_session, "meta", client_or_session).events
    events.register("before-parse.sagemaker.*", _check, unique_id="answers")
    return client_or_session


def breaches(operation: Any, document: Mapping[str, Any]) -> list[str]:
    """What of a document is otherwise than the operation's output model says."""
    if operation.output_shape is None:
        return [f"{name}: the operation answers nothing" for name in document]
    report = ParamValidator().validate(dict(document), operation.output_shape).generate_report()
    found = api_model._breaches(operation.output_shape, document, "")
    return [*report.splitlines(), *map(str, found)]


def _check(operation_model: Any, response_dict: Mapping[str, Any], **_: Any) -> None:
    if response_dict["status_code"] >= _FIRST_ERROR:
        return
    document = json.loads(response_dict["body"] or b"{}")
    if found := breaches(operation_model, document):
        raise WrongAnswerError(f"{operation_model.name} answers {document}:\n" + "\n".join(found))


@contextlib.contextmanager
def all_answers_checked(on_breach: Callable[[str], None]) -> Iterator[None]:
    """As long as this is entered, every answer of every control plane is looked at, whoever the client is."""
    handle = ControlPlane.handle

    def look(self: ControlPlane, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        answer = handle(self, action, request)
        document = json.loads(json.dumps(answer))
        for breach in breaches(api_model._service().operation_model(action), document):
            on_breach(f"{action} answers {document}: {breach}")
        return answer

    ControlPlane.handle = look  # type: ignore[method-assign]
    try:
        yield
    finally:
        ControlPlane.handle = handle  # type: ignore[method-assign]
