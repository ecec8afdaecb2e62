"""How List actions choose, sort and page, and what a page's token is. Pure.

Source: API reference, the parameters that the List… actions have in common.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# MaxResults where a request has none (API reference, ListTrainingJobs).
_PAGE = 10
_TIMES = ("CreationTime", "LastModifiedTime")


def choose(
    found: Sequence[Mapping[str, Any]],
    request: Mapping[str, Any],
    *,
    name_field: str,
    status_field: str = "",
    value_of: Callable[[Mapping[str, Any], str], Any] = lambda one, name: one.get(name),
) -> list[Mapping[str, Any]]:
    """What of descriptions a request asks for, in its order: by a part of the name, a status, times, and SortBy.

    Times are seconds of the epoch, in the request as in the descriptions. The bounds are exclusive ("created after").
    `value_of` gives what is sorted by, for a word of SortBy or a member; what has none comes last.
    """
    part, status = str(request.get("NameContains", "")), request.get("StatusEquals")
    chosen = [
        one
        for one in found
        if part in str(one[name_field])
        and (status is None or one.get(status_field) == status)
        and all(_is_between(one, name, request) for name in _TIMES)
    ]
    by = str(request.get("SortBy", "CreationTime"))
    return ordered(chosen, {"Name": name_field, "Status": status_field}.get(by, by), request, value_of)


def ordered(
    chosen: Sequence[Mapping[str, Any]],
    member: str,
    request: Mapping[str, Any],
    value_of: Callable[[Mapping[str, Any], str], Any],
) -> list[Mapping[str, Any]]:
    """By the values of a member, in the order that SortOrder says. What has none comes last."""
    is_descending = request.get("SortOrder", "Descending") == "Descending"
    having = [one for one in chosen if value_of(one, member) is not None]
    lacking = [one for one in chosen if value_of(one, member) is None]
    return [*sorted(having, key=lambda one: value_of(one, member), reverse=is_descending), *lacking]


def page(items: Sequence[Any], request: Mapping[str, Any], member: str) -> dict[str, Any]:
    """The answer: one page of the items as `member`, and NextToken where there are more. ServiceError for a wrong token."""
    start, size = _position(request), int(request.get("MaxResults", _PAGE))
    answer: dict[str, Any] = {member: list(items[start : start + size])}
    return {**answer, "NextToken": _token(start + size)} if start + size < len(items) else answer


def _is_between(one: Mapping[str, Any], name: str, request: Mapping[str, Any]) -> bool:
    after, before = request.get(f"{name}After"), request.get(f"{name}Before")
    time = one.get(name, 0.0)
    return (after is None or time > float(after)) and (before is None or time < float(before))


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"from": position}).encode()).decode()


def _position(request: Mapping[str, Any]) -> int:
    if "NextToken" not in request:
        return 0
    try:
        position = int(json.loads(base64.urlsafe_b64decode(request["NextToken"]))["from"])
    except (binascii.Error, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        position = -1
    if position < 0:
        raise ServiceError("ValidationException", "Invalid NextToken")
    return position
