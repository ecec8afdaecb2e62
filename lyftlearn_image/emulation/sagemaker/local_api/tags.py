"""The tags of everything that has an ARN: ListTags, AddTags and DeleteTags.

Source: API reference, these actions, and Tag for the limits, which botocore's model has; the user guide, tag-resources: 50 a
resource.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.local_api import listing
from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError
from lyftlearn_image.errors import LyftlearnError
from lyftlearn_image.platforms.sagemaker.api_model import validate_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MOST_TAGS = 50
_PAGE = 50


class Tags:
    """Tags by ARN. `has_arn` says whether there is what an ARN names."""

    def __init__(self, has_arn: Callable[[str], bool]) -> None:
        self._has_arn = has_arn
        self._tags: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()
        self._actions = {"ListTags": self._list, "AddTags": self._add, "DeleteTags": self._delete}

    def handle(self, action: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to an action, None for one that is not about tags. Raises ServiceError."""
        if action not in self._actions:
            return None
        try:
            validate_request(action, request)
        except LyftlearnError as error:
            raise ServiceError("ValidationException", str(error)) from None
        arn = str(request["ResourceArn"])
        if not self._has_arn(arn):
            raise ServiceError("ValidationException", f"The resource {arn} does not exist")
        return self._actions[action](arn, request)

    def begin(self, arn: str, tags: Sequence[Mapping[str, str]]) -> None:
        """The tags that a resource is created with; what one of its name had before it was deleted is forgotten."""
        with self._lock:
            self._tags[arn] = {tag["Key"]: tag["Value"] for tag in tags}

    def of(self, arn: str) -> list[dict[str, str]]:
        """The tags of a resource, in the order of their keys' first appearance."""
        with self._lock:
            return [{"Key": key, "Value": value} for key, value in self._tags.get(arn, {}).items()]

    def _list(self, arn: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return listing.page(self.of(arn), {"MaxResults": _PAGE, **request}, "Tags")

    def _add(self, arn: str, request: Mapping[str, Any]) -> dict[str, Any]:
        added = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        with self._lock:
            changed = {**self._tags.get(arn, {}), **added}
            if len(changed) > _MOST_TAGS:
                raise ServiceError("ResourceLimitExceeded", f"A resource has at most {_MOST_TAGS} tags")
            self._tags[arn] = changed
        return {"Tags": self.of(arn)}

    def _delete(self, arn: str, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            tags = self._tags.get(arn, {})
            self._tags[arn] = {key: value for key, value in tags.items() if key not in request["TagKeys"]}
        return {}
