"""The local API's model registry: groups of model packages, their versions and approval, and what a model takes from one.

A package is ready at once: nothing is validated here. Source: API reference, the actions of ModelPackage and
ModelPackageGroup; developer guide, model-registry. "does not exist" is how clients know an absent one (terraform-provider-aws,
internal/service/sagemaker/find.go).
"""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker import fields
from lyftlearn_image.emulation.sagemaker.local_api import listing
from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError
from lyftlearn_image.emulation.sagemaker.local_api.resources import ResourceType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lyftlearn_image.emulation.sagemaker.local_api.resources import Resource, ResourceStore

GROUP = ResourceType("ModelPackageGroup", "model package group", "model-package-group", is_dated=False)
PACKAGE = ResourceType("ModelPackage", "model package", "model-package")
_GROUP_SUMMARY = (
    "ModelPackageGroupName", "ModelPackageGroupArn", "ModelPackageGroupDescription", "CreationTime", "ModelPackageGroupStatus",
)  # fmt: skip
_SUMMARY = (
    "ModelPackageName", "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn", "ModelPackageDescription",
    "CreationTime", "ModelPackageStatus", "ModelApprovalStatus", "ModelLifeCycle",
)  # fmt: skip
_BATCH_SUMMARY = (*(name for name in _SUMMARY if name not in {"ModelPackageName", "ModelLifeCycle"}), "InferenceSpecification")
# Of a package's container, what stands in a model's container too.
_CONTAINER = ("Image", "ModelDataUrl", "ModelDataSource", "Environment", "ContainerHostname")
_PACKAGE_NAMES = ("ModelPackageName", "InferenceSpecificationName")
_FIRST_STATUS = "PendingManualApproval"


class ModelPackages:
    """Groups and packages, kept in `resources`."""

    def __init__(self, resources: ResourceStore) -> None:
        self._resources = resources
        self._versions: dict[str, itertools.count[int]] = {}
        self._lock = threading.Lock()
        self.actions: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "CreateModelPackageGroup": self._create_group,
            "DescribeModelPackageGroup": lambda request: dict(self._group(request).description),
            "ListModelPackageGroups": self._list_groups,
            "DeleteModelPackageGroup": self._delete_group,
            "CreateModelPackage": self._create,
            "DescribeModelPackage": lambda request: dict(self.get(request["ModelPackageName"]).description),
            "BatchDescribeModelPackage": self._describe_many,
            "ListModelPackages": self._list,
            "UpdateModelPackage": self._update,
            "DeleteModelPackage": self._delete,
        }

    def get(self, name: str) -> Resource:
        """The package of a name, `<group>/<version>` or an ARN. Raises ServiceError when there is none."""
        return self._existing(PACKAGE, name)

    def container(self, container: Mapping[str, Any]) -> dict[str, Any]:
        """A container of CreateModel with what its ModelPackageName stands for: image, data, and environment below its own."""
        package = self.get(container["ModelPackageName"]).description
        wanted = container.get("InferenceSpecificationName")
        named = {one["Name"]: one for one in package.get("AdditionalInferenceSpecifications", [])}
        specification = named.get(wanted) if wanted else package.get("InferenceSpecification")
        if specification is None:
            which = f"the inference specification {wanted}" if wanted else "no inference specification"
            raise ServiceError(
                "ValidationException", f"Model package {package['ModelPackageArn']} has {'not ' if wanted else ''}{which}."
            )
        if len(specification["Containers"]) != 1:
            raise ServiceError(
                "ValidationException",
                "the embedded target runs models of one container: "
                f"{package['ModelPackageArn']} has InferenceSpecification.Containers of {len(specification['Containers'])}",
            )
        (packaged,) = specification["Containers"]
        taken = {name: packaged[name] for name in _CONTAINER if name in packaged}
        own = {
            name: value for name, value in container.items() if name not in {"ModelPackageName", "InferenceSpecificationName"}
        }
        return {**taken, **own, "Environment": {**taken.get("Environment", {}), **own.get("Environment", {})}}

    def _existing(self, kind: ResourceType, name: str) -> Resource:
        # An ARN of another account or region is one that is not here.
        plain = name.removeprefix(self._resources.arn(kind, ""))
        try:
            return self._resources.get(kind, plain)
        except ServiceError:
            arn = name if name.startswith("arn:") else self._resources.arn(kind, name)
            raise ServiceError("ValidationException", f"{kind.stem} {arn} does not exist.") from None

    def _group(self, request: Mapping[str, Any]) -> Resource:
        return self._existing(GROUP, request["ModelPackageGroupName"])

    def _create_group(self, request: Mapping[str, Any]) -> dict[str, Any]:
        fields.refuse_unknown(request, fields.MODEL_PACKAGE_GROUP)
        name = request["ModelPackageGroupName"]
        group = self._resources.create(GROUP, name, request, ModelPackageGroupStatus="Completed", CreatedBy={})
        return {"ModelPackageGroupArn": group.description["ModelPackageGroupArn"]}

    def _list_groups(self, request: Mapping[str, Any]) -> dict[str, Any]:
        found = listing.choose(self._resources.descriptions(GROUP), request, name_field="ModelPackageGroupName")
        return listing.page(_chosen(found, _GROUP_SUMMARY), request, "ModelPackageGroupSummaryList")

    def _delete_group(self, request: Mapping[str, Any]) -> dict[str, Any]:
        group = self._group(request).description
        name = group["ModelPackageGroupName"]
        if any(one.get("ModelPackageGroupName") == name for one in self._resources.descriptions(PACKAGE)):
            raise ServiceError(
                "ConflictException",
                f"Model Package Group {group['ModelPackageGroupArn']} cannot be deleted: it has model packages.",
            )
        self._resources.remove(GROUP, name)
        return {}

    def _create(self, request: Mapping[str, Any]) -> dict[str, Any]:
        fields.refuse_unknown(request, fields.MODEL_PACKAGE)
        named = {"ModelPackageName", "ModelPackageGroupName"} & request.keys()
        if len(named) > 1:
            # getmoto/moto#7165, as the service says it.
            both = (
                "Both ModelPackageName and ModelPackageGroupName are provided in the input. Cannot determine which one to use."
            )
            raise ServiceError("ValidationException", both)
        if not named:
            raise ServiceError("ValidationException", "Missing ARN.")
        description: dict[str, Any] = {
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CertifyForMarketplace": False,
        }
        if "ModelPackageName" in named:
            name = request["ModelPackageName"]
        else:
            group = self._group(request).description["ModelPackageGroupName"]
            with self._lock:
                # A number is not given twice, even when the version has been deleted.
                version = next(self._versions.setdefault(group, itertools.count(1)))
            name = f"{group}/{version}"
            description |= {
                "ModelPackageName": group,
                "ModelPackageGroupName": group,
                "ModelPackageVersion": version,
                "ModelApprovalStatus": request.get("ModelApprovalStatus", _FIRST_STATUS),
            }
        package = self._resources.create(PACKAGE, name, request, **description)
        return {"ModelPackageArn": package.description["ModelPackageArn"]}

    def _describe_many(self, request: Mapping[str, Any]) -> dict[str, Any]:
        found, missing = {}, {}
        for arn in request["ModelPackageArnList"]:
            try:
                (found[arn],) = _chosen([self.get(arn).description], _BATCH_SUMMARY)
            except ServiceError as error:
                missing[arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
        return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": missing}

    def _list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        packages = self._resources.descriptions(PACKAGE)
        group = request.get("ModelPackageGroupName")
        if group is not None:
            group = self._group(request).description["ModelPackageGroupName"]
            packages = [one for one in packages if one.get("ModelPackageGroupName") == group]
        # "Unversioned" is what is listed where nothing is said (API reference, ListModelPackages); a group has versions only.
        wanted = request.get("ModelPackageType", "Versioned" if group else "Unversioned")
        approval = request.get("ModelApprovalStatus")
        packages = [
            one
            for one in packages
            if wanted in {"Both", "Versioned" if "ModelPackageVersion" in one else "Unversioned"}
            and approval in {None, one.get("ModelApprovalStatus")}
        ]
        ordered = {"SortOrder": "Ascending", **request}
        found = listing.choose(packages, ordered, name_field="ModelPackageName")
        # The service names a version by its group, its number and its ARN alone (aws/sagemaker-python-sdk#5606).
        summaries = [
            {name: value for name, value in one.items() if not (name == "ModelPackageName" and "ModelPackageVersion" in one)}
            for one in _chosen(found, _SUMMARY)
        ]
        return listing.page(summaries, request, "ModelPackageSummaryList")

    def _update(self, request: Mapping[str, Any]) -> dict[str, Any]:
        fields.refuse_unknown(request, fields.UPDATE_MODEL_PACKAGE)
        package = self.get(request["ModelPackageArn"])
        passed_over = {"ModelPackageArn", "ClientToken", "CustomerMetadataProperties", "CustomerMetadataPropertiesToRemove"}
        changes = {name: value for name, value in request.items() if name not in passed_over}
        removed = request.get("CustomerMetadataPropertiesToRemove", [])
        properties = {
            **package.description.get("CustomerMetadataProperties", {}), **request.get("CustomerMetadataProperties", {})
        }  # fmt: skip
        if properties:
            changes["CustomerMetadataProperties"] = {name: value for name, value in properties.items() if name not in removed}
        self._resources.update(package, **changes)
        return {"ModelPackageArn": package.description["ModelPackageArn"]}

    def _delete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        package = self.get(request["ModelPackageName"]).description
        self._resources.remove(PACKAGE, package["ModelPackageArn"].removeprefix(self._resources.arn(PACKAGE, "")))
        return {}


def _chosen(found: Any, names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{name: one[name] for name in names if name in one} for one in found]
