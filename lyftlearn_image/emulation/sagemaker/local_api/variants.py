"""What the API says of an endpoint's variants, and what an update makes of a configuration. Pure.

Source: API reference, ProductionVariantSummary, UpdateEndpoint and UpdateEndpointWeightsAndCapacities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# VariantPropertyType: what of a live variant an update may keep, by the field of a configuration that has it.
_KEPT_FIELDS = {"DesiredInstanceCount": "InitialInstanceCount", "DesiredWeight": "InitialVariantWeight"}


def summaries(
    config: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]], deployed_s: float | None = None
) -> list[dict[str, Any]]:
    """ProductionVariants of DescribeEndpoint. Before its containers serve (no `deployed_s`) a variant has none."""
    return [_summary(variant, models[variant["ModelName"]], deployed_s) for variant in config["ProductionVariants"]]


def _summary(variant: Mapping[str, Any], model: Mapping[str, Any], deployed_s: float | None) -> dict[str, Any]:
    count, weight = variant.get("InitialInstanceCount", 1), variant.get("InitialVariantWeight", 1.0)
    desired = {"VariantName": variant["VariantName"], "DesiredInstanceCount": count, "DesiredWeight": weight}
    if deployed_s is None:
        return {**desired, "CurrentInstanceCount": 0, "CurrentWeight": 0.0}
    image = {"SpecifiedImage": model["PrimaryContainer"]["Image"], "ResolutionTime": deployed_s}
    return {**desired, "CurrentInstanceCount": count, "CurrentWeight": weight, "DeployedImages": [image]}


def retained(config: Mapping[str, Any], live: Sequence[Mapping[str, Any]], request: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that an UpdateEndpoint request puts in place of the one whose summaries are `live`.

    With RetainAllVariantProperties a variant of the same name keeps its count and weight, but for what is excluded.
    """
    if not request.get("RetainAllVariantProperties"):
        return dict(config)
    excluded = {one["VariantPropertyType"] for one in request.get("ExcludeRetainedVariantProperties", [])}
    desired = {
        one["VariantName"]: {name: one[name] for name in _KEPT_FIELDS if name in one and name not in excluded} for one in live
    }
    return _changed(config, desired)


def with_desired(config: Mapping[str, Any], desired: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The configuration with the weights and counts of DesiredWeightsAndCapacities. ServiceError for a variant it has not."""
    names = {variant["VariantName"] for variant in config["ProductionVariants"]}
    if missing := [one["VariantName"] for one in desired if one["VariantName"] not in names]:
        raise ServiceError("ValidationException", f"The variant name(s) {', '.join(missing)} are not present in the endpoint.")
    return _changed(config, {one["VariantName"]: one for one in desired})


def _changed(config: Mapping[str, Any], desired: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    variants = []
    for variant in config["ProductionVariants"]:
        wanted = desired.get(variant["VariantName"], {})
        kept = {field: wanted[name] for name, field in _KEPT_FIELDS.items() if name in wanted}
        variants.append({**variant, **kept})
    return {**config, "ProductionVariants": variants}


def counts(config: Mapping[str, Any]) -> dict[str, int]:
    """How many instances each variant has."""
    return {variant["VariantName"]: variant.get("InitialInstanceCount", 1) for variant in config["ProductionVariants"]}
