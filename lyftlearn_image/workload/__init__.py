"""One workload, described once: the only description from which both platforms' requests are compiled."""

from lyftlearn_image.workload.base import Workload
from lyftlearn_image.workload.jobs import (
    Choice,
    FloatRange,
    IntegerRange,
    Job,
    Processing,
    Range,
    Spot,
    Trainable,
    Training,
    Tuning,
)
from lyftlearn_image.workload.kinds import KINDS
from lyftlearn_image.workload.kubernetes import Kubernetes
from lyftlearn_image.workload.parts import ConfigFile, Encryption, Network, Refresh
from lyftlearn_image.workload.scheduling import Toleration
from lyftlearn_image.workload.services import Notebook, Serving, Transform

__all__ = [
    "KINDS",
    "Choice",
    "ConfigFile",
    "Encryption",
    "FloatRange",
    "IntegerRange",
    "Job",
    "Kubernetes",
    "Network",
    "Notebook",
    "Processing",
    "Range",
    "Refresh",
    "Serving",
    "Spot",
    "Toleration",
    "Trainable",
    "Training",
    "Transform",
    "Tuning",
    "Workload",
]
