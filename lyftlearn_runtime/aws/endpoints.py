"""Where a service of AWS answers: an override of the workload's, else the region's public endpoint.

Variables as in the AWS SDKs and Tools reference (service-specific endpoints, dual-stack and FIPS endpoints); suffixes of
the partitions as in botocore's partitions.json and endpoints.json.
"""

from __future__ import annotations

from lyftlearn_runtime.frozen import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# `name` is the one that is signed and that the host begins with, `variable` ends AWS_ENDPOINT_URL_…, `title` is for people.
Service = namedtuple("Service", ["name", "variable", "title"])

DEFAULT_REGION = "us-east-1"
# A region's first letters → the suffix of its hosts, and that of its dual-stack hosts.
_PARTITIONS = (
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("", "amazonaws.com", "api.aws"),
)
# Their plain hosts in GovCloud are the FIPS ones.
_FIPS_IN_GOV = ("ssm", "sts")


def region(environ: Mapping[str, str]) -> str:
    """The region, as the SDKs take it from the variables."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION


def override(service: Service, environ: Mapping[str, str]) -> str | None:
    """AWS_ENDPOINT_URL_<SERVICE> or AWS_ENDPOINT_URL, None where neither is set or both are to be ignored."""
    if _is_true(environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")):
        return None
    given = environ.get("AWS_ENDPOINT_URL_" + service.variable) or environ.get("AWS_ENDPOINT_URL")
    return given.rstrip("/") if given else None


def url(service: Service, environ: Mapping[str, str]) -> str:
    """The URL of a service, without a path."""
    given = override(service, environ)
    if given:
        return given
    here = region(environ)
    suffix, dual_suffix = next((plain, dual) for start, plain, dual in _PARTITIONS if here.startswith(start))
    fips, dual = _is_true(environ.get("AWS_USE_FIPS_ENDPOINT")), _is_true(environ.get("AWS_USE_DUALSTACK_ENDPOINT"))
    if service.name == "secretsmanager" and (suffix == _PARTITIONS[-1][1] or (here.startswith("cn-") and not fips)):
        dual = False  # its plain hosts have both stacks
    if fips and not dual and here.startswith("us-gov-") and service.name in _FIPS_IN_GOV:
        fips = False
    host = service.name + ("-fips" if fips else "")
    if not dual:
        return f"https://{host}.{here}.{suffix}"
    # S3 is older than the suffix and has a word of its own in its host.
    return f"https://{host}.dualstack.{here}.{suffix}" if service.name == "s3" else f"https://{host}.{here}.{dual_suffix}"


def _is_true(value: str | None) -> bool:
    return value is not None and value.strip().lower() == "true"
