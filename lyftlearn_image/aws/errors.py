"""boto3's errors as ours: what went wrong, where, and what to do next."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError, LyftlearnError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# As IAM words a denial: who "is not authorized to perform: <action> on resource: <ARN> because no identity-based policy …".
_DENIED = re.compile(r"not authorized to perform: (?P<action>[\w-]+:\w+)(?: on resource: (?P<resource>[^\s]+))?")
# S3's answer to a HEAD has no body: boto3 gives its status instead of a code.
_HEAD_CODES = {"403": "AccessDenied", "404": "NoSuchKey"}
_DENIED_CODES = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
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
def translate_errors(doing: str, action: str = "") -> Iterator[None]:
    """Turns boto3's errors into ours, which begin with `doing`. `action` is the permission, where AWS does not name it."""
    from boto3.exceptions import S3UploadFailedError  # noqa: PLC0415 - 200 ms, for the verbs that run
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above
    from s3transfer.exceptions import RetriesExceededError  # noqa: PLC0415 - as above

    try:
        yield
    except ClientError as error:
        raise service_error(dict(error.response.get("Error", {})), doing, action) from None
    # Of boto3's transfers, which wrap what has happened.
    except S3UploadFailedError as error:
        cause = error.__context__
        answer = dict(cause.response.get("Error", {})) if isinstance(cause, ClientError) else {"Message": str(error)}
        raise service_error(answer, doing, action) from None
    except RetriesExceededError as error:
        raise _client_error(error.last_exception, doing) from None
    except BotoCoreError as error:
        raise _client_error(error, doing) from None


def service_error(error: Mapping[str, Any], doing: str, action: str = "") -> LyftlearnError:
    """Our error for a service's `Error`: a code and a message."""
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))[:_SHOWN_CHARACTERS]
    code = _HEAD_CODES.get(code, code)
    denied = _DENIED.search(message)
    if denied or code in _DENIED_CODES:
        action = denied["action"] if denied else action
        resource = (denied["resource"] or "").rstrip(".,") if denied else ""
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
        bucket = str(error.get("BucketName", ""))
        return InvalidInputError(f"{doing}: NoSuchBucket", where=bucket or message, hint="Make the bucket, or name another.")
    return InvalidInputError(f"{doing}: {code}", where=message)


def _client_error(error: BaseException, doing: str) -> LyftlearnError:
    name = type(error).__name__
    if name in {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError"}:
        hint = "Set AWS_PROFILE, or log in; `aws sts get-caller-identity` should work."
        return InvalidInputError(f"{doing}: there are no AWS credentials here", where=name, hint=hint)
    if name == "NoRegionError":
        return InvalidInputError(f"{doing}: no AWS region is set", hint="Set AWS_REGION.")
    if name in {"ProfileNotFound", "ParamValidationError"}:
        return InvalidInputError(f"{doing}: {str(error)[:_SHOWN_CHARACTERS]}")
    return UnavailableError(f"{doing}: AWS does not answer", where=str(error)[:_SHOWN_CHARACTERS], hint="Check the network.")
