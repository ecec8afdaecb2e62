"""The newest jobs that SageMaker has of a kind, by name: for who has half of one, or one that is misspelt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.sagemaker import job_kinds

if TYPE_CHECKING:
    import boto3

# One page; the API gives no more of endpoints and jobs at once.
_MOST = 100
_PATIENCE_S = 1.5


def list_names(client: Any, kind: job_kinds.Kind, containing: str = "") -> list[str]:
    """The names with these characters in them, the newest first, at most a hundred (API reference, List…Jobs)."""
    from botocore import xform_name  # noqa: PLC0415 - 200 ms, for the verbs that run

    named = {"NameContains": containing} if containing else {}
    answer = getattr(client, xform_name(f"List{kind.stem}s"))(
        SortBy="CreationTime", SortOrder="Descending", MaxResults=_MOST, **named
    )
    listed = answer["Endpoints" if kind is job_kinds.ENDPOINT else f"{kind.stem}Summaries"]
    return [str(one[kind.name_field]) for one in listed]


def hurried_client(session: boto3.Session) -> Any:
    """A client of SageMaker that asks once, and does not wait long."""
    from botocore.config import Config  # noqa: PLC0415 - 200 ms, for the verbs that run

    config = Config(connect_timeout=_PATIENCE_S, read_timeout=_PATIENCE_S, retries={"total_max_attempts": 1})
    return session.client("sagemaker", config=config)
