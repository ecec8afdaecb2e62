"""The actions of SageMaker's API that make what a workload is compiled to."""

from __future__ import annotations

TRAINING = "CreateTrainingJob"
PROCESSING = "CreateProcessingJob"
TUNING = "CreateHyperParameterTuningJob"
MODEL = "CreateModel"
ENDPOINT_CONFIG = "CreateEndpointConfig"
ENDPOINT = "CreateEndpoint"
TRANSFORM = "CreateTransformJob"
IMAGE = "CreateImage"
IMAGE_VERSION = "CreateImageVersion"
APP_CONFIG = "CreateAppImageConfig"
