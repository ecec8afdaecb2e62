"""Endpoints in real containers, invoked with boto3: what goes in and out, and how they fail."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from lyftlearn_image.emulation.docker.containers import RUN_LABEL
from lyftlearn_image.emulation.sagemaker.local_api import runtime, runtime_server
from lyftlearn_image.emulation.sagemaker.serving import endpoint as endpoints
from lyftlearn_image.emulation.sagemaker.serving.endpoint import EndpointFailedError
from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Compiled, Launch
from lyftlearn_image.workload import Serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator

    ServeEndpoint = Callable[..., AbstractContextManager[str]]

PREFIX = "s3://bucket/hosted"


@pytest.fixture
def endpoint_at(emulator: SageMakerEmulator, model_request: Callable[..., Any], tmp_path: Path) -> ServeEndpoint:
    """Opens an endpoint of the given variants and gives its URL; `model` is the CreateModel request."""

    def start(*variants: dict[str, Any], model: dict[str, Any] | None = None, **changes: Any) -> AbstractContextManager[str]:
        default = {"VariantName": "all", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        config = {"EndpointConfigName": "c", "ProductionVariants": [{**default, **one} for one in variants or ({},)], **changes}
        documents = (model or model_request(), config, {"EndpointName": "e", "EndpointConfigName": "c"})
        return runtime_server.serve_endpoint(
            emulator.context, Compiled("sagemaker", "CreateEndpoint", documents), tmp_path / "e"
        )

    return start


@pytest.fixture
def client_of(endpoint: AwsEndpoint) -> Iterator[Callable[[str], Any]]:
    """boto3's client of the runtime at a URL."""
    config = Config(retries={"total_max_attempts": 1})
    with contextlib.ExitStack() as stack:

        def connect(url: str) -> Any:
            client = endpoint.session().client("sagemaker-runtime", endpoint_url=url, config=config)
            return stack.enter_context(contextlib.closing(client))

        yield connect


def test_an_endpoint_answers_as_the_service_does(
    endpoint_at: ServeEndpoint, client_of: Callable[[str], Any], tmp_path: Path
) -> None:
    """Body, types, custom attributes and the variant; after it, the container has had SIGTERM."""
    with endpoint_at() as url:
        told = client_of(url).invoke_endpoint(EndpointName="e", Body=b"hello", ContentType="text/csv", Accept="text/plain")
        assert told["Body"].read() == b"HELLO"
        assert (told["ContentType"], told["InvokedProductionVariant"]) == ("text/plain", "all")
        told = client_of(url).invoke_endpoint(
            EndpointName="e", Body=b"facts", ContentType="text/csv", Accept="application/json",
            CustomAttributes="trace=1", InferenceId="i-1", TargetVariant="all",
        )  # fmt: skip
        facts = json.loads(told["Body"].read())
    assert told["CustomAttributes"] == "told"
    headers = facts["headers"]
    assert headers["content-type"] == "text/csv"
    assert headers["accept"] == "application/json"
    assert headers["x-amzn-sagemaker-custom-attributes"] == "trace=1"
    assert headers["x-amzn-sagemaker-inference-id"] == "i-1"
    assert not {name for name in headers if name.startswith(("authorization", "x-amz-date", "user-agent", "amz-sdk"))}
    assert (facts["argv"], facts["uid"], facts["is_terminal"]) == (["serve"], 0, False)
    assert (facts["model"], facts["written"], facts["environment"]) == (["served.py"], "Read-only file system", {})
    assert (tmp_path / "e" / "all" / "0" / "stdout").read_text().endswith("asked to end\n")


@pytest.mark.parametrize(
    ("body", "said"), [(b"boom", (500, "server", "it broke")), (b"refuse", (400, "client", "not like this"))]
)
def test_an_error_of_the_model_is_told_as_one(
    endpoint_at: ServeEndpoint, client_of: Callable[[str], Any], body: bytes, said: tuple[int, str, str]
) -> None:
    """ModelError with the container's own status and text, once and without a retry."""
    with endpoint_at() as url, pytest.raises(ClientError) as caught:
        client_of(url).invoke_endpoint(EndpointName="e", Body=body)
    status, side, message = said
    told = caught.value.response
    assert told["Error"]["Code"] == "ModelError"
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert (told["OriginalStatusCode"], told["OriginalMessage"]) == (status, message)
    assert told["LogStreamArn"].endswith("log-group:/aws/sagemaker/Endpoints/e")
    assert told["Error"]["Message"].startswith(f'Received {side} error ({status}) from primary with message "{message}".')


@pytest.mark.parametrize("body", [b"sleep", b"trickle"])
def test_a_model_that_is_late_is_given_up(
    endpoint_at: ServeEndpoint, client_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """In the service's words; the limit is 60 s, and shorter here. The model itself would take an hour."""
    assert runtime.INVOCATION_TIMEOUT_S == 60.0
    monkeypatch.setattr(runtime, "INVOCATION_TIMEOUT_S", 1.0)
    late = "Your invocation timed out while waiting for a response"
    with endpoint_at() as url, pytest.raises(ClientError, match=late) as caught:
        client_of(url).invoke_endpoint(EndpointName="e", Body=body)
    assert caught.value.response["OriginalStatusCode"] == 0


def test_a_body_has_a_largest_length(endpoint_at: ServeEndpoint, client_of: Callable[[str], Any], tmp_path: Path) -> None:
    """6 MiB go through, a byte more is 413 and never reaches the container."""
    with endpoint_at() as url:
        assert len(client_of(url).invoke_endpoint(EndpointName="e", Body=b"x" * 6291456)["Body"].read()) == 6291456
        with pytest.raises(ClientError, match="HTTP content length exceeded 6291456 bytes") as caught:
            client_of(url).invoke_endpoint(EndpointName="e", Body=b"x" * 6291457)
        assert client_of(url).invoke_endpoint(EndpointName="e", Body=b"on")["Body"].read() == b"ON"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert "6291457" not in (tmp_path / "e" / "all" / "0" / "stdout").read_text()


def test_what_is_not_there_is_told(endpoint_at: ServeEndpoint, client_of: Callable[[str], Any]) -> None:
    """An endpoint or variant of another name, and a feature that is not here, by its header."""
    with endpoint_at() as url:
        client = client_of(url)
        with pytest.raises(client.exceptions.ValidationError, match="Endpoint other of account 000000000000 not found"):
            client.invoke_endpoint(EndpointName="other", Body=b"")
        with pytest.raises(client.exceptions.ValidationError, match="Variant blue of endpoint e not found"):
            client.invoke_endpoint(EndpointName="e", Body=b"", TargetVariant="blue")
        with pytest.raises(client.exceptions.ValidationError, match="does not implement X-Amzn-SageMaker-Session-Id"):
            client.invoke_endpoint(EndpointName="e", Body=b"", SessionId="NEW_SESSION")
        with pytest.raises(client.exceptions.ValidationError, match="e is not a multi-model endpoint and does not support"):
            client.invoke_endpoint(EndpointName="e", Body=b"", TargetModel="m.tar.gz")
        with pytest.raises(client.exceptions.ValidationError, match="e of account 000000000000 is no asynchronous endpoint"):
            client.invoke_endpoint_async(EndpointName="e", InputLocation="s3://bucket/in")


def test_a_response_is_streamed_while_it_comes(endpoint_at: ServeEndpoint, client_of: Callable[[str], Any]) -> None:
    """An event for what is there, before the model has said the rest; a stream that breaks off ends in ModelStreamError."""
    with endpoint_at() as url:
        client = client_of(url)
        told = client.invoke_endpoint_with_response_stream(EndpointName="e", Body=b"pieces", ContentType="text/csv")
        assert (told["ContentType"], told["InvokedProductionVariant"]) == ("text/plain", "all")
        events = iter(told["Body"])
        assert next(events) == {"PayloadPart": {"Bytes": b"one"}}
        client.invoke_endpoint(EndpointName="e", Body=b"release")
        assert list(events) == [{"PayloadPart": {"Bytes": b"two"}}]
        told["Body"].close()
        with contextlib.closing(
            client.invoke_endpoint_with_response_stream(EndpointName="e", Body=b"broken pieces")["Body"]
        ) as body:
            events = iter(body)
            assert next(events) == {"PayloadPart": {"Bytes": b"one"}}
            with pytest.raises(EventStreamError, match=r"\(ModelStreamError\).*The connection to the model container broke"):
                next(events)
        with pytest.raises(client.exceptions.ModelError) as caught:
            client.invoke_endpoint_with_response_stream(EndpointName="e", Body=b"refuse")
        assert (caught.value.response["OriginalStatusCode"], caught.value.response["OriginalMessage"]) == (400, "not like this")


@pytest.mark.parametrize("environment", [{"PINGS": "503"}, {"DIES": "1"}])
def test_a_container_that_is_never_healthy_fails_the_endpoint(
    endpoint_at: ServeEndpoint,
    model_request: Callable[..., Any],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the reason of the service, which names the variant."""
    monkeypatch.setattr(endpoints, "_START_TIMEOUT_S", 1.0)
    reason = "The primary container for production variant all did not pass the ping health check."
    with pytest.raises(EndpointFailedError, match=reason), endpoint_at(model=model_request(Environment=environment)):
        pass


def test_traffic_goes_to_variants_and_instances(
    endpoint_at: ServeEndpoint, client_of: Callable[[str], Any], containers: Containers
) -> None:
    """By weight, or to the one that was named; each instance is a container of its own."""
    blue = {"VariantName": "blue", "InitialVariantWeight": 1.0, "InitialInstanceCount": 2}
    with endpoint_at(blue, {"VariantName": "green", "InitialVariantWeight": 0.0}) as url:
        client = client_of(url)
        names = {client.invoke_endpoint(EndpointName="e", Body=b"x")["InvokedProductionVariant"] for _ in range(10)}
        assert names == {"blue"}
        own = {"label": f"{RUN_LABEL}={containers.run_id}"}
        running = [one.name for one in containers.client.containers.list(filters=own) if "-sagemaker-e-" in str(one.name)]
        assert sorted(str(one).rpartition("-sagemaker-")[2] for one in running) == ["e-blue-0", "e-blue-1", "e-green-0"]


def test_an_instance_that_has_died_is_not_asked(endpoint_at: ServeEndpoint, client_of: Callable[[str], Any]) -> None:
    """The other one answers; when none is left, the service is unavailable."""
    with endpoint_at({"InitialInstanceCount": 2}) as url:
        client = client_of(url)
        with pytest.raises(client.exceptions.ModelError):
            client.invoke_endpoint(EndpointName="e", Body=b"die")
        # Its end is seen a moment later; from then on chance never falls on it.
        while not all(answered(client) == "X" for _ in range(16)):
            pass
        with pytest.raises(client.exceptions.ModelError):
            client.invoke_endpoint(EndpointName="e", Body=b"die")
        while answered(client) == "ModelError":
            pass
        with pytest.raises(client.exceptions.ServiceUnavailable, match="No container of endpoint e runs any more"):
            client.invoke_endpoint(EndpointName="e", Body=b"x")


def answered(client: Any) -> str:
    """The answer to an `x`, or the code of the error."""
    try:
        return str(client.invoke_endpoint(EndpointName="e", Body=b"x")["Body"].read().decode())
    except ClientError as error:
        return str(error.response["Error"]["Code"])


def test_model_data_that_is_no_archive_fails_the_endpoint(
    endpoint_at: ServeEndpoint, model_request: Callable[..., Any]
) -> None:
    """In the service's words, with the URL."""
    with (
        pytest.raises(EndpointFailedError, match="Failed to extract model data archive for container"),
        endpoint_at(model=model_request(b"no archive")),
    ):
        pass


@pytest.mark.parametrize(
    ("variant", "changes", "named"),
    [
        ({"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}, {}, "ServerlessConfig.MemorySizeInMB"),
        ({}, {"MetricsConfig": {"EnableEnhancedMetrics": True}}, "MetricsConfig.EnableEnhancedMetrics"),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(variant: dict[str, Any], changes: dict[str, Any], named: str) -> None:
    """Before anything is started."""
    default = {"VariantName": "all", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    config = {"EndpointConfigName": "c", "ProductionVariants": [{**default, **variant}], **changes}
    with pytest.raises(UnsupportedError, match=re.escape(named)):
        endpoints.validate(config)


def test_a_variant_says_what_it_runs_on() -> None:
    """As the service asks of one that is not serverless."""
    config = {"VariantName": "all", "ModelName": "m"}
    with pytest.raises(InvalidInputError, match="has no InstanceType"):
        endpoints.validate({"EndpointConfigName": "c", "ProductionVariants": [config]})


def test_the_images_server_answers_behind_an_endpoint(
    emulator: SageMakerEmulator, client_of: Callable[[str], Any], lyftlearn_image_tag: str, s3: S3Client, tmp_path: Path
) -> None:
    """A compiled serving workload of the real image: handlers from an uncompressed model, two instances, errors as told."""
    handlers = (
        "def model_fn(model_dir):\n    return open(model_dir + '/weight').read()\n"
        "def predict_fn(data, model):\n    return [float(model) * cell for cell in data.ravel().tolist()]\n"
    )
    for name, text in (("code/inference.py", handlers), ("weight", "0.5")):
        s3.put_object(Bucket="bucket", Key=f"real/{tmp_path.name}/{name}", Body=text.encode())
    model = f"s3://bucket/real/{tmp_path.name}/"
    workload = Serving(name="api", image=lyftlearn_image_tag, model=model, replicas=2, startup_s=120)
    compiled = compile_for(emulator.name, workload, Launch("api-1", PREFIX))
    with runtime_server.serve_endpoint(emulator.context, compiled, tmp_path / "e") as url:
        client = client_of(url)
        for _ in range(4):
            told = client.invoke_endpoint(EndpointName="api-1", Body=b"2,4", ContentType="text/csv", Accept="application/json")
            assert (json.loads(told["Body"].read()), told["ContentType"]) == ([1.0, 2.0], "application/json")
        with pytest.raises(client.exceptions.ModelError) as caught:
            client.invoke_endpoint(EndpointName="api-1", Body=b"x", ContentType="text/strange")
        assert caught.value.response["OriginalStatusCode"] == 415


NAMED = """
import names

def model_fn(model_dir):
    return names.load()

def transform_fn(model, body, content_type, accept, context):
    return [model, body, context.get_request_header(0, "X-Amzn-SageMaker-Target-Model")]
"""
# The first time there is no room for it.
LARGE = """
import os

def load():
    if not os.path.exists("/tmp/asked"):
        open("/tmp/asked", "w").close()
        raise MemoryError
    return "large"
"""


@pytest.fixture
def many_models(archive: Callable[..., bytes], s3: S3Client, lyftlearn_image_tag: str, tmp_path: Path) -> Serving:
    """A workload with three models and a bad one below its prefix."""
    prefix = f"many/{tmp_path.name}/"
    for name in ("a", "b", "large"):
        names = LARGE if name == "large" else f"def load(): return {name!r}"
        files = {"code/inference.py": NAMED.encode(), "code/names.py": names.encode()}
        s3.put_object(Bucket="bucket", Key=f"{prefix}{name}.tar.gz", Body=archive(files))
    bad = archive({"code/inference.py": b"def model_fn(d): raise ValueError"})
    s3.put_object(Bucket="bucket", Key=f"{prefix}bad.tar.gz", Body=bad)
    many = {"SAGEMAKER_MULTI_MODEL": "true"}
    return Serving(name="many", image=lyftlearn_image_tag, model=f"s3://bucket/{prefix}", environment=many, startup_s=120)


def test_a_multi_model_endpoint_has_the_models_below_a_prefix(
    emulator: SageMakerEmulator, client_of: Callable[[str], Any], many_models: Serving, tmp_path: Path
) -> None:
    """TargetModel is fetched and loaded when it is first asked for, and others make room where the container is full."""
    compiled = compile_for(emulator.name, many_models, Launch("e", PREFIX))
    with runtime_server.serve_endpoint(emulator.context, compiled, tmp_path / "e") as url:

        def ask(name: str) -> Any:
            target = f"{name}.tar.gz"
            told = client_of(url).invoke_endpoint(EndpointName="e", Body=b"1", ContentType="text/csv", TargetModel=target)
            found = json.loads(told["Body"].read())
            assert found[1:] == ["1", target]
            return found[0]

        assert [ask(name) for name in ("a", "b", "a", "large", "b", "a")] == ["a", "b", "a", "large", "b", "a"]
        with pytest.raises(
            ClientError, match=r"Failed to download model data\(bucket: bucket, key: many/.*/c.tar.gz\)"
        ) as caught:
            ask("c")
        assert caught.value.response["Error"]["Code"] == "ValidationError"
        with pytest.raises(ClientError, match="could not be loaded: ValueError") as caught:
            ask("bad")
        assert caught.value.response["OriginalStatusCode"] == 500
        with pytest.raises(ClientError, match="is missing a target model header"):
            client_of(url).invoke_endpoint(EndpointName="e", Body=b"1")
    log = (tmp_path / "e" / "all" / "0" / "stderr").read_text()
    # `b` had not been asked for longest, and came back.
    assert (log.count(" loaded"), log.count(" unloaded")) == (4, 1)
