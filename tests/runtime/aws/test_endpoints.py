"""Where a service answers."""

from __future__ import annotations

import itertools
from typing import Any

import botocore.session
import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError

from lyftlearn_runtime.aws import endpoints

SERVICES = [endpoints.Service(name, "", "") for name in ("secretsmanager", "ssm", "s3", "kms", "sts")]


def botocore_rules(session: botocore.session.Session, service: str) -> Any:
    """The endpoint rules of botocore's own data."""
    loader = session.get_component("data_loader")
    return EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), loader.load_data("partitions"))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"AWS_REGION": "eu-west-1"}, "https://secretsmanager.eu-west-1.amazonaws.com"),
        ({"AWS_DEFAULT_REGION": "cn-north-1"}, "https://secretsmanager.cn-north-1.amazonaws.com.cn"),
        ({"AWS_ENDPOINT_URL": "http://all:1/"}, "http://all:1"),
        ({"AWS_ENDPOINT_URL": "http://all:1", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://own:2"}, "http://own:2"),
        (
            {"AWS_ENDPOINT_URL": "http://all:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "https://secretsmanager.us-east-1.amazonaws.com",
        ),
    ],
)
def test_the_endpoint_is_the_one_of_the_sdks(environ: dict[str, str], expected: str) -> None:
    """AWS SDKs and Tools reference, service-specific endpoints: the service's own variable wins over the general one."""
    assert endpoints.url(endpoints.Service("secretsmanager", "SECRETS_MANAGER", ""), environ) == expected


def test_every_public_endpoint_is_botocores() -> None:
    """Every region of every partition, plain, FIPS and dual-stack, wherever botocore's own rules have an answer."""
    session = botocore.session.Session()
    resolvers = {service: botocore_rules(session, service.name) for service in SERVICES}
    regions = {
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("secretsmanager", partition)
    }
    assert len(regions) > 30
    compared = 0
    for region, (service, rules), fips, dual in itertools.product(regions, resolvers.items(), (True, False), (True, False)):
        parameters = {"Region": region, "UseFIPS": fips, "UseDualStack": dual}
        if service.name == "sts":
            parameters["UseGlobalEndpoint"] = False
        try:
            expected = rules.resolve_endpoint(**parameters).url
        except EndpointProviderError:
            continue  # botocore has none there
        environ = {"AWS_REGION": region, "AWS_USE_FIPS_ENDPOINT": str(fips), "AWS_USE_DUALSTACK_ENDPOINT": str(dual)}
        assert endpoints.url(service, environ) == expected
        compared += 1
    assert compared > 600
