"""Errors of a pod that the API accepts and the kubelet cannot start."""

from __future__ import annotations

from lyftlearn_image.errors import InvalidInputError


class ContainerConfigError(InvalidInputError):
    """What leaves a container in CreateContainerConfigError, or its pod in ContainerCreating for want of a volume."""
