"""What SageMaker's own clients find otherwise at `lyftlearn-image local` than on the service, as they were installed.

A case that does not come out as on the service and is not in this table fails there, and so does one of the table that does.
"""

from __future__ import annotations

from tests.evidence.differences import KnownDifference

REMOTE: tuple[KnownDifference, ...] = (
    KnownDifference(
        "SageMaker, as its clients ask it",
        "spot capacity",
        "BillableTimeInSeconds is TrainingTimeInSeconds: nothing is saved, as nothing is billed",
        "the less is billed the longer the capacity was not there",
        "API reference, DescribeTrainingJob",
        cases=("v2 fit_on_spot_capacity",),
    ),
    KnownDifference(
        "SageMaker, as its clients ask it",
        "what reaches into a running container, and accelerators",
        "ValidationException at Create, by the field's name",
        "a shell in the container (RemoteDebugConfig); GPU instances",
        "API reference, CreateTrainingJob",
        cases=("v2 fit_with_remote_debug", "v2 fit_on_a_gpu"),
    ),
    KnownDifference(
        "SageMaker, as its clients ask it",
        "pipelines and experiments",
        "UnknownOperationException, by the operation's name",
        "a service of their own",
        "API reference, CreatePipeline and CreateExperiment",
        cases=("v2 pipeline", "v2 experiment"),
    ),
)
