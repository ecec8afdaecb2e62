"""AWS as whoever runs the toolkit sees it: credentials and whose, region, role, bucket, registry, quotas."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lyftlearn_image.aws.errors import translate_errors
from lyftlearn_image.aws.s3 import split_uri
from lyftlearn_image.aws.session import open_session
from lyftlearn_image.doctor.checkup import Finding, Level, failed, not_set, ok, warning
from lyftlearn_image.errors import LyftlearnError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import boto3

    from lyftlearn_image.doctor.subject import Subject

_SERVICE = "sagemaker.amazonaws.com"
_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?"
)
# arn:aws:sts::<account>:assumed-role/<role>/<session>: IAM knows the role, and its path is not told.
_ASSUMED = re.compile(r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/")
_NO_ACCOUNT = "there are no AWS credentials here"
_LOG_IN = "Log in (`aws sso login`), or set AWS_PROFILE; runs on this machine need none."
# SageMaker has some 2,500 quotas, a hundred a page.
_MOST_PAGES = 60


@dataclass(frozen=True)
class Account:
    """One session, whose clients try once and give up after `timeout_s`."""

    subject: Subject
    timeout_s: float

    @cached_property
    def session(self) -> boto3.Session:
        """The session. Raises InvalidInputError for a profile that there is not."""
        return open_session()

    def client(self, service: str, region: str | None = None) -> Any:
        """A client of a service. Raises our errors, for a missing region too."""
        from botocore.config import Config  # noqa: PLC0415 - 200 ms, for the verbs that talk to AWS

        config = Config(connect_timeout=self.timeout_s, read_timeout=self.timeout_s, retries={"total_max_attempts": 1})
        with translate_errors(f"connecting to {service}"):
            return self.session.client(service, region_name=region, config=config)  # type: ignore[call-overload]

    @cached_property
    def has_credentials(self) -> bool:
        """Whether anything gives credentials: a variable, a file, a login, a role of this machine."""
        with translate_errors("looking for AWS credentials"):
            return self.session.get_credentials() is not None


def check_credentials(account: Account) -> Iterator[Finding]:
    """Whose credentials there are, as STS says it; never what they are."""
    if not account.has_credentials:
        yield not_set("credentials", _NO_ACCOUNT, _LOG_IN)
        return
    with translate_errors("asking STS who we are", "sts:GetCallerIdentity"):
        # In the session's region, else where every account has STS.
        identity = account.client("sts", account.session.region_name or "us-east-1").get_caller_identity()
    credentials = account.session.get_credentials()
    yield ok("credentials", f"{identity['Arn']}, by {getattr(credentials, 'method', None) or 'boto3'}")


def check_region(account: Account) -> Iterator[Finding]:
    """The region that requests go to."""
    region = account.session.region_name
    if not region:
        yield not_set("region", "no AWS region is set", "Set AWS_REGION, or `region` of the profile.")
    elif region not in _regions(account.session):
        yield warning("region", f"{region}, which this boto3 does not know", "Is it misspelt? Or update boto3.")
    else:
        yield ok("region", region)


def check_role(account: Account) -> Iterator[Finding]:
    """Whether the execution role exists, SageMaker may assume it, and we may pass it on, as far as IAM says."""
    arn = account.subject.role_arn
    if not arn:
        yield not_set("role", "no execution role is named", "`doctor WORKLOAD` or --role-arn names the one to check.")
        return
    if not account.has_credentials:
        yield not_set("role", f"{arn} is not checked: {_NO_ACCOUNT}", _LOG_IN)
        return
    iam = account.client("iam", account.session.region_name or "us-east-1")
    try:
        with translate_errors(f"asking for the role {arn}", "iam:GetRole"):
            role = iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]
    except UnavailableError:
        raise
    except LyftlearnError as error:
        if "NoSuchEntity" in error.what:
            yield Finding("role", Level.ERROR, f"there is no role {arn}", "Check its name and its account.")
        else:
            yield warning("role", f"{arn}: IAM does not say whether it exists", error.hint)
        return
    if role["Arn"] != arn:
        yield Finding("role", Level.ERROR, f"there is no role {arn}: {role['Arn']} has its name", "Write that one.")
    elif not _trusts_sagemaker(role.get("AssumeRolePolicyDocument")):
        hint = f'Its trust policy has to allow sts:AssumeRole to {{"Service": "{_SERVICE}"}}.'
        yield Finding("role", Level.ERROR, f"{arn} exists, and SageMaker may not assume it", hint)
    else:
        yield _passing(account, iam, arn)


def check_bucket(account: Account) -> Iterator[Finding]:
    """Whether the bucket of models, outputs and bundles exists, is ours to use, and is in the region."""
    uri = account.subject.s3_uri
    if not uri:
        yield not_set("bucket", "no `output` is named", "`doctor WORKLOAD` or --s3-prefix names the one to check.")
        return
    bucket, _ = split_uri(uri)
    if not account.has_credentials:
        yield not_set("bucket", f"{bucket} is not checked: {_NO_ACCOUNT}", _LOG_IN)
        return
    from botocore.exceptions import ClientError  # noqa: PLC0415 - 200 ms, for the verbs that talk to AWS

    region = account.session.region_name
    try:
        with translate_errors(f"asking for the bucket {bucket}", "s3:ListBucket"), _kept(ClientError):
            answer = account.client("s3", region or "us-east-1").head_bucket(Bucket=bucket)["ResponseMetadata"]
    except _KeptError as kept:
        answer = kept.error.response["ResponseMetadata"]
    status, home = answer["HTTPStatusCode"], answer["HTTPHeaders"].get("x-amz-bucket-region", "")
    if status == 404:  # noqa: PLR2004 - HTTP's own numbers, as those below
        yield Finding("bucket", Level.ERROR, f"there is no bucket {bucket}", f"Make it: aws s3 mb s3://{bucket}")
    elif home and region and home != region:
        hint = f"SageMaker wants it in its own region: set AWS_REGION={home}, or name another bucket."
        yield Finding("bucket", Level.ERROR, f"{bucket} is in {home}, and requests go to {region}", hint)
    elif status == 403:  # noqa: PLR2004
        hint = "It needs s3:ListBucket; `permissions WORKLOAD` prints the whole policy. Is it another account's?"
        yield Finding("bucket", Level.ERROR, f"{bucket} exists, and we may not look into it", hint)
    elif status >= 400:  # noqa: PLR2004
        yield Finding("bucket", Level.ERROR, f"{bucket}: S3 answers {status}", "Try again later.", is_unavailable=status >= 500)  # noqa: PLR2004
    else:
        yield ok("bucket", f"{bucket}{f' in {home}' if home else ''}")


def check_registry(account: Account) -> Iterator[Finding]:
    """Whether the image's registry has it: ECR is asked; of another one it is said whether there is a login."""
    image = account.subject.image
    if not image:
        yield not_set("registry", "no image is named", "`doctor WORKLOAD` or --image names the one to check.")
        return
    found = _ECR.fullmatch(image.partition("@")[0])
    if not found:
        yield _other_registry(image)
        return
    if not account.has_credentials:
        yield not_set("registry", f"{image} is not checked: {_NO_ACCOUNT}", _LOG_IN)
        return
    ecr = account.client("ecr", found["region"])
    digest = image.partition("@")[2]
    wanted = {"imageDigest": digest} if digest else {"imageTag": found["tag"] or "latest"}
    try:
        with translate_errors(f"asking for {image}", "ecr:DescribeImages"):
            ecr.describe_images(registryId=found["account"], repositoryName=found["name"], imageIds=[wanted])
    except UnavailableError:
        raise
    except LyftlearnError as error:
        missing = next((word for word in ("RepositoryNotFound", "ImageNotFound") if word in error.what), "")
        if not missing:
            yield failed("registry", error)
            return
        what = "repository" if missing.startswith("Repo") else "image"
        hint = "`lyftlearn-image push IMAGE REFERENCE` makes the repository and brings the image."
        yield Finding("registry", Level.ERROR, f"ECR has no {what} {image}", hint)
        return
    yield ok("registry", image)


def check_quotas(account: Account) -> Iterator[Finding]:
    """How many of the workload's hosts SageMaker lets this account have at a time, where Service Quotas says it."""
    instance, wanted = account.subject.instance_type, account.subject.instance_count
    if not instance:
        yield not_set("quota", "no instance type is named", "`doctor WORKLOAD` checks that of a workload.")
        return
    if not account.has_credentials or not account.session.region_name:
        yield not_set("quota", f"that of {instance} is not checked: no credentials or no region", _LOG_IN)
        return
    name = f"{instance} for training job usage"
    try:
        value = _find_quota(account.client("service-quotas"), name)
    except UnavailableError:
        raise
    except LyftlearnError as error:
        yield warning("quota", f"{name}: Service Quotas does not say it", error.hint)
        return
    hint = f"Ask for more in the console of Service Quotas: Amazon SageMaker, {name!r}."
    if value is None:
        yield warning("quota", f"Service Quotas has none called {name!r}", "Is the type misspelt, or not in this region?")
    elif value < wanted:
        yield Finding("quota", Level.ERROR, f"{name}: {value:g}, and the workload asks for {wanted}", hint)
    else:
        yield ok("quota", f"{name}: {value:g}")


def _find_quota(quotas: Any, name: str) -> float | None:
    """The applied value of one of SageMaker's quotas; None where none has this name."""
    more: dict[str, str] = {}
    for _ in range(_MOST_PAGES):
        with translate_errors("asking for SageMaker's quotas", "servicequotas:ListServiceQuotas"):
            page = quotas.list_service_quotas(ServiceCode="sagemaker", MaxResults=100, **more)
        for quota in page.get("Quotas", ()):
            if quota.get("QuotaName") == name:
                return float(quota["Value"])
        if not (token := page.get("NextToken")):
            break
        more = {"NextToken": token}
    return None


def _passing(account: Account, iam: Any, arn: str) -> Finding:
    """Whether we may pass the role to SageMaker: IAM's simulation, which leaves out policies of the organisation."""
    with translate_errors("asking STS who we are"):
        caller = account.client("sts", account.session.region_name or "us-east-1").get_caller_identity()["Arn"]
    if assumed := _ASSUMED.match(caller):
        caller = f"arn:{assumed['partition']}:iam::{assumed['account']}:role/{assumed['role']}"
    context = {"ContextKeyName": "iam:PassedToService", "ContextKeyType": "string", "ContextKeyValues": [_SERVICE]}
    try:
        with translate_errors("simulating iam:PassRole", "iam:SimulatePrincipalPolicy"):
            answer = iam.simulate_principal_policy(
                PolicySourceArn=caller, ActionNames=["iam:PassRole"], ResourceArns=[arn], ContextEntries=[context]
            )
    except LyftlearnError:
        return ok("role", f"{arn} exists and SageMaker may assume it; whether you may pass it on, IAM does not say")
    if any(one["EvalDecision"] == "allowed" for one in answer.get("EvaluationResults", ())):
        return ok("role", f"{arn} exists, SageMaker may assume it, and you may pass it on")
    hint = "Give the identity iam:PassRole on it; `lyftlearn-image permissions WORKLOAD` prints the whole policy."
    return Finding("role", Level.ERROR, f"{arn} exists, and {caller} may not pass it on", hint)


def _trusts_sagemaker(document: Any) -> bool:
    """Whether a trust policy lets SageMaker assume the role; what it says of conditions is not looked at."""
    statements = document.get("Statement", ()) if isinstance(document, dict) else ()
    return any(
        one.get("Effect") == "Allow" and _SERVICE in _listed((one.get("Principal") or {}).get("Service"))
        for one in _listed(statements)
        if isinstance(one, dict) and isinstance(one.get("Principal"), dict)
    )


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else () if value is None else (value,)


def _other_registry(image: str) -> Finding:
    from docker.auth import load_config, resolve_repository_name  # noqa: PLC0415 - the SDK takes 150 ms

    if "/" not in image.partition(":")[0] and "." not in image.partition("/")[0]:
        hint = "`lyftlearn-image push IMAGE REGISTRY/REPOSITORY:TAG` brings it to one; runs on this machine need none."
        return warning("registry", f"{image} is a name of this machine's engine: no registry has it", hint)
    registry, _ = resolve_repository_name(image)
    with contextlib.suppress(Exception):  # a helper program that is not there
        if registry in load_config().auths or load_config().get_credential_store(registry):
            return ok("registry", f"{registry}, with a login")
    return warning("registry", f"{registry}, without a login of this user", f"docker login {registry}, if it asks for one.")


def _regions(session: boto3.Session) -> set[str]:
    return {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("sagemaker", partition_name=partition)
    }


class _KeptError(Exception):
    """A service's own answer, which says more than our words of it."""

    def __init__(self, error: Any) -> None:
        super().__init__()
        self.error = error


@contextlib.contextmanager
def _kept(kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        raise _KeptError(error) from None
