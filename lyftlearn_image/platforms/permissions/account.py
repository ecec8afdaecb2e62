"""ARNs of one account, and statements over them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lyftlearn_image.workload import Workload

_ECR = re.compile(r"(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)")
_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):")
# One object, whose name no other begins with.
_ARCHIVE = ".tar.gz"

Statement = dict[str, Any]


@dataclass(frozen=True)
class Account:
    """Where the workload runs; `*` for what is not known."""

    region: str = "*"
    number: str = "*"
    partition: str = "aws"

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of a regional service."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.number}:{resource}"

    def s3(self, uri: str, beyond: str = "") -> str:
        """The ARN of a bucket's object or prefix."""
        return f"arn:{self.partition}:s3:::{uri.removeprefix('s3://')}{beyond}"


def account_of(workload: Workload, region: str | None, number: str | None) -> Account:
    """What the caller says, else what the role's ARN and the image's registry tell."""
    role = _ROLE.match(workload.role_arn or workload.kubernetes.role_arn or "")
    registry = _ECR.match(workload.image)
    return Account(
        region or (registry[2] if registry else "*"),
        number or (role[2] if role else registry[1] if registry else "*"),
        role[1] if role else "aws",
    )


def repository(workload: Workload, account: Account) -> str | None:
    """The ARN of the image's repository; None for an image that is not in ECR."""
    match = _ECR.match(workload.image)
    return f"arn:{account.partition}:ecr:{match[2]}:{match[1]}:repository/{match[3]}" if match else None


def statement(sid: str, actions: Iterable[str], resources: Iterable[str], **condition: dict[str, Any]) -> Statement:
    """One statement that allows; `condition` are its operators."""
    allowed: Statement = {
        "Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": sorted(set(resources)),
    }  # fmt: skip
    return {**allowed, "Condition": condition} if condition else allowed


def policy(statements: Iterable[Statement]) -> dict[str, Any]:
    """A policy of the statements that name any resource."""
    return {"Version": "2012-10-17", "Statement": [allowed for allowed in statements if allowed["Resource"]]}


def read_prefixes(account: Account, uris: Iterable[str]) -> list[Statement]:
    """Reading objects and prefixes: each object below, and the listing of nothing else of their buckets."""
    unique = sorted(set(uris))
    listed: dict[str, list[str]] = {}
    for uri in unique:
        if not uri.endswith(_ARCHIVE):
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            listed.setdefault(bucket, []).append(f"{key}*")
    return [
        statement("Read", ["s3:GetObject"], [account.s3(uri, "" if uri.endswith(_ARCHIVE) else "*") for uri in unique]),
        *(
            statement(f"List{number}", ["s3:ListBucket"], [account.s3(bucket)], StringLike={"s3:prefix": prefixes})
            for number, (bucket, prefixes) in enumerate(sorted(listed.items()))
        ),
    ]


def field_uris(workload: Workload, fields: Iterable[str]) -> list[str]:
    """The S3 URIs in these fields of a workload: texts, and the values of mappings."""
    values = [getattr(workload, field) for field in fields]
    return [uri for value in values if value for uri in (value.values() if isinstance(value, dict) else [value])]


def prefixes(uris: Iterable[str]) -> list[str]:
    """URIs that end in one slash, so that none is the beginning of another prefix."""
    return [f"{uri.rstrip('/')}/" for uri in uris]


def bundles(account: Account, workload: Workload, prefix: str, objects: Iterable[str]) -> list[str]:
    """The ARNs of the launch bundles of every run; none where no run has one. A run's name begins with the workload's."""
    return [account.s3(prefix, f"/{workload.name}*/{name}") for name in sorted({uri.rpartition("/")[2] for uri in objects})]


def send_bundle(account: Account, workload: Workload, prefix: str, objects: Iterable[str]) -> list[Statement]:
    """Putting the launch bundle, and removing that of a job that is refused."""
    return [statement("Bundle", ["s3:PutObject", "s3:DeleteObject"], bundles(account, workload, prefix, objects))]


def write_prefixes(account: Account, uris: Iterable[str], *, deletes: bool = False) -> list[Statement]:
    """Writing objects below prefixes, in parts too."""
    actions = ["s3:PutObject", "s3:AbortMultipartUpload", *(["s3:DeleteObject"] if deletes else [])]
    resources = [account.s3(uri.rstrip("/"), "/*") for uri in uris]
    return [statement("Synchronise" if deletes else "Write", actions, resources)]
