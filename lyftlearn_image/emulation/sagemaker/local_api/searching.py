"""What of the local API can be searched for: jobs, and whatever else keeps descriptions by type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.local_api import listing, search
from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError
from lyftlearn_image.errors import LyftlearnError
from lyftlearn_image.platforms.sagemaker.api_model import record_members, validate_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lyftlearn_image.emulation.sagemaker.local_api.tags import Tags

_SEARCH = "Search"
_PAGE = 10
# Where it stands in the answer, under a name that Describe has for it otherwise.
_DEFAULT_SORT = "LastModifiedTime"


class Searching:
    """Answers Search. `sources` give the descriptions of each resource that can be searched for."""

    def __init__(self, sources: Mapping[str, Callable[[], Sequence[Mapping[str, Any]]]], tags: Tags) -> None:
        self._sources = sources
        self._tags = tags

    def handle(self, action: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer, None to another action. Raises ServiceError, also for a resource that is not searched here."""
        if action != _SEARCH:
            return None
        try:
            validate_request(action, request)
        except LyftlearnError as error:
            raise ServiceError("ValidationException", str(error)) from None
        resource = str(request["Resource"])
        if resource not in self._sources:
            raise ServiceError("ValidationException", f"Resource: the embedded target does not search for {resource}")
        found = [record for record in self._records(resource) if search.matches(record, request.get("SearchExpression", {}))]
        by = str(request.get("SortBy", _DEFAULT_SORT))
        chosen = listing.ordered(found, by, request, search.value_at)
        answer = listing.page([{resource: record} for record in chosen], {"MaxResults": _PAGE, **request}, "Results")
        return {**answer, "TotalHits": {"Value": len(found), "Relation": "EqualTo"}}

    def _records(self, resource: str) -> list[dict[str, Any]]:
        members = record_members(resource)
        records = []
        for description in self._sources[resource]():
            tags = self._tags.of(str(description[f"{resource}Arn"]))
            described = {name: value for name, value in description.items() if name in members}
            records.append({**described, "Tags": tags} if "Tags" in members else described)
        return records
