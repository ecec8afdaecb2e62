"""What the emulator refuses of a job's request before anything is made: what the API would refuse, and what is not played here.

Whoever accepts a job asks here first, so that an accepted one never ends because of what its request says.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker import fields, processing, training, tuner
from lyftlearn_image.emulation.sagemaker.batch import transform
from lyftlearn_image.emulation.sagemaker.instances import instance_size
from lyftlearn_image.errors import UnavailableError
from lyftlearn_image.platforms.sagemaker.actions import PROCESSING, TRAINING, TRANSFORM, TUNING
from lyftlearn_image.platforms.sagemaker.api_model import validate_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def check_request(action: str, request: Mapping[str, Any]) -> None:
    """Checks the request of a training, processing, tuning or transform job.

    Raises InvalidInputError for what the service would refuse, UnsupportedError that names the field for what is not
    implemented, UnavailableError for a search without what searches.
    """
    validate_request(action, request)
    _CHECKS[action](request)


def _check_training(request: Mapping[str, Any]) -> None:
    fields.refuse_unknown(request, fields.TRAINING)
    _check_trial(request)


def _check_trial(request: Mapping[str, Any]) -> None:
    training.check(request)
    instance_size(request["ResourceConfig"]["InstanceType"])


def _check_processing(request: Mapping[str, Any]) -> None:
    fields.refuse_unknown(request, fields.PROCESSING)
    processing.check(request)
    instance_size(request["ProcessingResources"]["ClusterConfig"]["InstanceType"])


def _check_tuning(request: Mapping[str, Any]) -> None:
    fields.refuse_unknown(request, fields.HYPER_PARAMETER_TUNING)
    tuner.parse_search(request)
    tuner.objective_regex(request)
    _check_trial(tuner.trial_request(request, 0, {}))
    if importlib.util.find_spec("optuna") is None:
        raise UnavailableError("tuning needs Optuna, which is not installed", hint="pip install 'lyftlearn-image[tuning]'")


def _check_transform(request: Mapping[str, Any]) -> None:
    transform.check(request)
    instance_size(request["TransformResources"]["InstanceType"])


_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    TRAINING: _check_training, PROCESSING: _check_processing, TUNING: _check_tuning, TRANSFORM: _check_transform,
}  # fmt: skip
