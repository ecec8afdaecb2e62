"""What the container itself asks for on either platform: the sources of its references."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lyftlearn_image.platforms.permissions.account import Account, Statement, statement
from lyftlearn_image.workload import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.workload import Workload


def references(workload: Workload) -> list[tuple[str, str]]:
    """Scheme and name of everything that the shim resolves, each once."""
    texts = [*workload.secrets.values(), *workload.secret_sets]
    texts += [file.secret for file in workload.files.values() if file.secret]
    texts += _submitted_code(workload)
    parts = [text.partition("://") for text in texts]
    return sorted({(scheme, re.split(r"[?#]", rest, maxsplit=1)[0]) for scheme, _, rest in parts})


def _submitted_code(workload: Workload) -> list[str]:
    """The archive that the shim fetches in script mode, as an estimator names it."""
    named = workload.hyperparameters.get("sagemaker_submit_directory") if isinstance(workload, Job) else None
    named = named or workload.environment.get("SAGEMAKER_SUBMIT_DIRECTORY")
    return [named] if isinstance(named, str) and named.startswith("s3://") else []


def statements(workload: Workload, account: Account) -> Iterator[Statement]:
    """Reading the secrets, parameters and objects that references point to, and nothing beside them."""
    named = references(workload)
    secrets = [name for scheme, name in named if scheme == "aws-sm"]
    yield statement("Secrets", ["secretsmanager:GetSecretValue"], [_secret(name, account) for name in secrets])
    if len(secrets) > 1:
        # The action takes no resource; what it gives is limited by GetSecretValue (service authorization reference).
        yield statement("SecretsTogether", ["secretsmanager:BatchGetSecretValue"], ["*"])
    parameters = [_parameter(name, account) for scheme, name in named if scheme == "aws-ssm"]
    yield statement("Parameters", ["ssm:GetParameters"], parameters)
    paths = [_parameter(name, account).rstrip("/") for scheme, name in named if scheme == "aws-ssm-path"]
    yield statement("ParametersBelow", ["ssm:GetParametersByPath"], [one for path in paths for one in (path, f"{path}/*")])
    objects = [account.s3(name) for scheme, name in named if scheme == "s3"]
    yield statement("Objects", ["s3:GetObject"], objects)
    if any(scheme == "confidant" for scheme, _ in named):
        key = workload.environment.get("CONFIDANT_AUTH_KEY")
        yield key_statement("Confidant", ["kms:Encrypt"], key, account)


def key_statement(sid: str, actions: list[str], key: str | None, account: Account) -> Statement:
    """Using a KMS key by ARN, ID or alias; a statement without a resource where no key is named.

    An alias is a condition: a policy cannot name it as a resource (KMS developer guide, alias-authorization).
    """
    if not key:
        return statement(sid, actions, [])
    if ":key/" in key:
        return statement(sid, actions, [key])
    alias = key.rpartition(":")[2]
    if alias.startswith("alias/"):
        return statement(
            sid, actions, [account.arn("kms", "key/*")], **{"ForAnyValue:StringEquals": {"kms:ResourceAliases": [alias]}}
        )
    return statement(sid, actions, [account.arn("kms", f"key/{key}")])


def _secret(name: str, account: Account) -> str:
    """A secret's ARN ends in six characters of Secrets Manager's own (user guide, troubleshoot_arn)."""
    if name.startswith("arn:"):
        return name if re.search(r"-[A-Za-z0-9]{6}$", name) else f"{name}-??????"
    return account.arn("secretsmanager", f"secret:{name}-??????")


def _parameter(name: str, account: Account) -> str:
    if name.startswith("arn:"):
        return re.sub(r"(:parameter/[^:]+):.*", r"\1", name)
    return account.arn("ssm", f"parameter/{name.lstrip('/').partition(':')[0]}")
