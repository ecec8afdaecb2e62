"""What clients of SageMaker's API that others wrote cannot do against `local`: every other case of tests/evidence goes well."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.evidence.differences import KnownDifference

if TYPE_CHECKING:
    from collections.abc import Mapping

_SDK2, _CLI, _AIRFLOW = "SageMaker Python SDK v2", "the AWS CLI", "Airflow's Amazon provider"
CLIENTS = (
    KnownDifference(
        _SDK2,
        "serverless endpoints",
        "CreateEndpointConfig refuses ServerlessConfig by its name",
        "they are taken",
        "SageMaker API reference, ProductionVariantServerlessConfig",
        ("sdk2 hosting/serverless",),
        ("ServerlessConfig.MemorySizeInMB",),
    ),
    KnownDifference(
        _SDK2,
        "monitoring schedules",
        "ListMonitoringSchedules is refused by its name",
        "they are listed",
        "SageMaker API reference, ListMonitoringSchedules",
        ("sdk2 hosting/list_monitors",),
        ("ListMonitoringSchedules is not in this local control plane",),
    ),
    KnownDifference(
        _CLI,
        "a registry of images",
        "ECR is refused by its name: images are those of the engine",
        "`ecr get-login-password` gives a password",
        "Amazon ECR API reference, GetAuthorizationToken",
        ("aws cli/ecr",),
        ("does not serve ecr GetAuthorizationToken. Images are those of the engine",),
    ),
    KnownDifference(
        _AIRFLOW,
        "notebook instances",
        "CreateNotebookInstance is refused by its name",
        "they are made",
        "SageMaker API reference, CreateNotebookInstance",
        ("airflow/create_a_notebook",),
        ("CreateNotebookInstance is not in this local control plane",),
    ),
    KnownDifference(
        _AIRFLOW,
        "pipelines",
        "StartPipelineExecution is refused by its name",
        "they run",
        "SageMaker API reference, StartPipelineExecution",
        ("airflow/start_a_pipeline",),
        ("StartPipelineExecution is not in this local control plane",),
    ),
)


def check_failures(client: str, errors: Mapping[str, str]) -> None:
    """Every case that failed stands in the table with the words of its error, and every entry of the table still fails.

    `errors` are the texts of the errors by case; a case that went well has none.
    """
    table = {case.partition("/")[2]: one for one in CLIENTS for case in one.cases if case.startswith(f"{client}/")}
    unknown = {case: error for case, error in errors.items() if case not in table or table[case].places[0] not in error}
    assert not unknown, f"{client}: failures that nobody explained:\n{json.dumps(unknown, indent=1)}"
    vanished = table.keys() - errors.keys()
    assert not vanished, f"{client}: these cases go well now; take them out of the table: {sorted(vanished)}"


def errors_of(answer: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The errors in an answer of a client's program."""
    return {case: one["error"] for case, one in answer.items() if "error" in one}
