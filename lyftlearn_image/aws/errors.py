"""What boto3 says went wrong, as our errors: what, where, and what to do next."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError, LyftlearnError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# As IAM words a denial: who "is not authorized to perform: <action> on resource: <ARN> because no identity-based policy …".
_DENIED = re.compile(r"not authorized to perform: (?P<action>[\w-]+:\w+)(?: on resource: (?P<resource>[^\s]+))?")
_DENIED_CODES = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}
_EXPIRED_CODES = {
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
}
_THROTTLED_CODES = {"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"}
_MISSING_BUCKET = "NoSuchBucket"
_SHOWN_CHARACTERS = 300


@contextlib.contextmanager
def translated(doing: str, action: str = "") -> Iterator[None]:
    """Turns boto3's errors into ours. `doing` is told first; `action` is the permission, where AWS does not name it."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - 200 ms, for the verbs that run

    try:
        yield
    except ClientError as error:
        raise of(dict(error.response.get("Error", {})), doing, action) from None
    except BotoCoreError as error:
        raise _of_the_client(error, doing) from None


def of(told: Mapping[str, Any], doing: str, action: str = "") -> LyftlearnError:
    """Our error for a service's `Error`: a code and a message."""
    code, message = str(told.get("Code", "")), str(told.get("Message", ""))[:_SHOWN_CHARACTERS]
    found = _DENIED.search(message)
    if found or code in _DENIED_CODES:
        action = found["action"] if found else action
        resource = (found["resource"] or "").rstrip(".,") if found else ""
        needs = f": it needs {action}" + (f" on {resource}" if resource else "") if action else ""
        return InvalidInputError(
            f"{doing}: access denied{needs}",
            where=message or code,
            hint="Give the identity this permission; `lyftlearn-image permissions WORKLOAD` prints the whole policy.",
        )
    if code in _EXPIRED_CODES:
        message = f"{doing}: the AWS credentials have expired or are not known"
        return InvalidInputError(message, where=code, hint="Log in again.")
    if code in _THROTTLED_CODES:
        return UnavailableError(f"{doing}: AWS throttles the requests", where=code, hint="Try again, with fewer at a time.")
    if code == _MISSING_BUCKET:
        bucket = str(told.get("BucketName", ""))
        return InvalidInputError(f"{doing}: NoSuchBucket", where=bucket or message, hint="Make the bucket, or name another.")
    return InvalidInputError(f"{doing}: {code}", where=message)


def _of_the_client(error: Exception, doing: str) -> LyftlearnError:
    name = type(error).__name__
    if name in {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError"}:
        hint = "Set AWS_PROFILE, or log in; `aws sts get-caller-identity` should work."
        return InvalidInputError(f"{doing}: there are no AWS credentials here", where=name, hint=hint)
    if name == "NoRegionError":
        return InvalidInputError(f"{doing}: no AWS region is set", hint="Set AWS_REGION.")
    if name in {"ProfileNotFound", "ParamValidationError"}:
        return InvalidInputError(f"{doing}: {str(error)[:_SHOWN_CHARACTERS]}")
    return UnavailableError(f"{doing}: AWS does not answer", where=str(error)[:_SHOWN_CHARACTERS], hint="Check the network.")
