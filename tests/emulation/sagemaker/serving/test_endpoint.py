"""Endpoints in real containers, invoked with boto3: what goes in and out, and how they fail."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lyftlearn_image.emulation.sagemaker.local_api import runtime
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane, serve
from lyftlearn_image.emulation.sagemaker.local_api.hosting import Hosting
from lyftlearn_image.emulation.sagemaker.local_api.jobs import EmulatedJobs
from lyftlearn_image.emulation.sagemaker.serving import endpoint as endpoints
from lyftlearn_image.emulation.sagemaker.serving.endpoint import EndpointFailedError
from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Compiled, Launch
from lyftlearn_image.run import Status
from lyftlearn_image.services.sagemaker.client import SageMakerService
from lyftlearn_image.services.service import job_name
from lyftlearn_image.workload import Serving, Transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator

    Hosted = Callable[..., AbstractContextManager[str]]

PREFIX = "s3://bucket/hosted"


@pytest.fixture
def hosted(emulator: SageMakerEmulator, model_request: Callable[..., Any], tmp_path: Path) -> Hosted:
    """Opens an endpoint of the given variants and gives its URL; `model` is the CreateModel request."""

    def start(*variants: dict[str, Any], model: dict[str, Any] | None = None, **changes: Any) -> AbstractContextManager[str]:
        default = {"VariantName": "all", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        config = {"EndpointConfigName": "c", "ProductionVariants": [{**default, **one} for one in variants or ({},)], **changes}
        documents = (model or model_request(), config, {"EndpointName": "e", "EndpointConfigName": "c"})
        return runtime.serve_endpoint(emulator.context, Compiled("sagemaker", "CreateEndpoint", documents), tmp_path / "e")

    return start


@pytest.fixture
def client_of(endpoint: AwsEndpoint) -> Callable[[str], Any]:
    """boto3's client of the runtime at a URL."""
    config = Config(retries={"total_max_attempts": 1})
    return lambda url: endpoint.session().client("sagemaker-runtime", endpoint_url=url, config=config)


def test_an_endpoint_answers_as_the_service_does(hosted: Hosted, client_of: Callable[[str], Any], tmp_path: Path) -> None:
    """Body, types, custom attributes and the variant; after it, the container has had SIGTERM."""
    with hosted() as url:
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
    hosted: Hosted, client_of: Callable[[str], Any], body: bytes, said: tuple[int, str, str]
) -> None:
    """ModelError with the container's own status and text, once and without a retry."""
    with hosted() as url, pytest.raises(ClientError) as caught:
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
    hosted: Hosted, client_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """In the service's words; the limit is 60 s, and shorter here."""
    assert runtime.INVOCATION_TIMEOUT_S == 60.0
    monkeypatch.setattr(runtime, "INVOCATION_TIMEOUT_S", 1.0)
    with hosted() as url:
        before = time.monotonic()
        with pytest.raises(ClientError, match="Your invocation timed out while waiting for a response") as caught:
            client_of(url).invoke_endpoint(EndpointName="e", Body=body)
        assert time.monotonic() - before < 10
    assert caught.value.response["OriginalStatusCode"] == 0


def test_a_body_has_a_largest_length(hosted: Hosted, client_of: Callable[[str], Any], tmp_path: Path) -> None:
    """6 MiB go through, a byte more is 413 and never reaches the container."""
    with hosted() as url:
        assert len(client_of(url).invoke_endpoint(EndpointName="e", Body=b"x" * 6291456)["Body"].read()) == 6291456
        with pytest.raises(ClientError, match="HTTP content length exceeded 6291456 bytes") as caught:
            client_of(url).invoke_endpoint(EndpointName="e", Body=b"x" * 6291457)
        assert client_of(url).invoke_endpoint(EndpointName="e", Body=b"on")["Body"].read() == b"ON"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert "6291457" not in (tmp_path / "e" / "all" / "0" / "stdout").read_text()


def test_what_is_not_there_is_told(hosted: Hosted, client_of: Callable[[str], Any]) -> None:
    """An endpoint or variant of another name, and a feature that is not here, by its header."""
    with hosted() as url:
        client = client_of(url)
        with pytest.raises(client.exceptions.ValidationError, match="Endpoint other of account 000000000000 not found"):
            client.invoke_endpoint(EndpointName="other", Body=b"")
        with pytest.raises(client.exceptions.ValidationError, match="Variant blue of endpoint e not found"):
            client.invoke_endpoint(EndpointName="e", Body=b"", TargetVariant="blue")
        with pytest.raises(client.exceptions.ValidationError, match="does not implement X-Amzn-SageMaker-Target-Model"):
            client.invoke_endpoint(EndpointName="e", Body=b"", TargetModel="m.tar.gz")
        with pytest.raises(ClientError, match="invocations-response-stream is not in this local runtime"):
            client.invoke_endpoint_with_response_stream(EndpointName="e", Body=b"")


@pytest.mark.parametrize("environment", [{"PINGS": "503"}, {"DIES": "1"}])
def test_a_container_that_is_never_healthy_fails_the_endpoint(
    hosted: Hosted, model_request: Callable[..., Any], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason of the service, which names the variant."""
    monkeypatch.setattr(endpoints, "_START_TIMEOUT_S", 1.0)
    reason = "The primary container for production variant all did not pass the ping health check."
    with pytest.raises(EndpointFailedError, match=reason), hosted(model=model_request(Environment=environment)):
        pass


def test_traffic_goes_to_variants_and_instances(
    hosted: Hosted, client_of: Callable[[str], Any], containers: Containers
) -> None:
    """By weight, or to the one that was named; each instance is a container of its own."""
    blue = {"VariantName": "blue", "InitialVariantWeight": 1.0, "InitialInstanceCount": 2}
    with hosted(blue, {"VariantName": "green", "InitialVariantWeight": 0.0}) as url:
        client = client_of(url)
        names = {client.invoke_endpoint(EndpointName="e", Body=b"x")["InvokedProductionVariant"] for _ in range(10)}
        assert names == {"blue"}
        running = [one.name for one in containers.client.containers.list() if "-sagemaker-e-" in str(one.name)]
        assert sorted(str(one).rpartition("-sagemaker-")[2] for one in running) == ["e-blue-0", "e-blue-1", "e-green-0"]


def test_an_instance_that_has_died_is_not_asked(hosted: Hosted, client_of: Callable[[str], Any]) -> None:
    """The other one answers; when none is left, the service is unavailable."""
    with hosted({"InitialInstanceCount": 2}) as url:
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


def test_model_data_that_is_no_archive_fails_the_endpoint(hosted: Hosted, model_request: Callable[..., Any]) -> None:
    """In the service's words, with the URL."""
    with (
        pytest.raises(EndpointFailedError, match="Failed to extract model data archive for container"),
        hosted(model=model_request(b"no archive")),
    ):
        pass


@pytest.mark.parametrize(
    ("variant", "changes", "named"),
    [
        ({"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}, {}, "ServerlessConfig.MemorySizeInMB"),
        ({}, {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/c"}}}, "AsyncInferenceConfig"),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(
    hosted: Hosted, variant: dict[str, Any], changes: dict[str, Any], named: str
) -> None:
    """Before anything is started."""
    with pytest.raises(UnsupportedError, match=re.escape(named)), hosted(variant, **changes):
        pass


def test_a_variant_says_what_it_runs_on(hosted: Hosted) -> None:
    """As the service asks of one that is not serverless."""
    config = {"VariantName": "all", "ModelName": "m"}
    with pytest.raises(InvalidInputError, match="has no InstanceType"):
        endpoints.validate({"EndpointConfigName": "c", "ProductionVariants": [config]})


@pytest.fixture
def hosting(
    emulator: SageMakerEmulator, endpoint: AwsEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """boto3's session of a local control plane with models and endpoints, and their runtime."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    session = endpoint.session()
    made = Hosting(emulator.context, endpoint, tmp_path / "endpoints")
    jobs = EmulatedJobs(emulator, endpoint, tmp_path / "jobs", made)
    plane = ControlPlane(jobs, emulator.context.account, hosting=made)
    with serve(plane) as url, runtime.serve(made.runtime) as runtime_url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", runtime_url)
        yield session


@pytest.fixture
def model_uri(s3: S3Client, archive: Callable[..., bytes], tmp_path: Path) -> str:
    """Where a model.tar.gz is."""
    s3.put_object(Bucket="bucket", Key=f"models/{tmp_path.name}/model.tar.gz", Body=archive())
    return f"s3://bucket/models/{tmp_path.name}/model.tar.gz"


def test_an_endpoint_goes_through_the_service(hosting: Any, model_image: str, model_uri: str) -> None:
    """Submitted as a workload, waited for, invoked, read and deleted; then it is not there any more."""
    service = SageMakerService(hosting, log_lag_s=0.0)
    workload = Serving(name="api", image=model_image, model=model_uri, startup_s=60)
    launch = Launch(job_name(workload, "sagemaker", PREFIX), PREFIX)
    job = service.submit(compile_for(service.name, workload, launch))
    assert service.submit(compile_for(service.name, workload, launch)) == job
    state = service.wait(job, lambda _: None)
    assert (state.status, state.phase) == (Status.COMPLETED, "InService")
    told = hosting.client("sagemaker-runtime").invoke_endpoint(EndpointName=launch.job_name, Body=b"hello")
    assert told["Body"].read() == b"HELLO"
    described = hosting.client("sagemaker").describe_endpoint(EndpointName=launch.job_name)
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    while 'asked ["hello", 5]' not in service.logs(job, follow=False):
        time.sleep(0.05)
    service.stop(job)
    phases = []
    with pytest.raises(InvalidInputError, match="there is no endpoint"):
        service.wait(job, lambda state: phases.append(state.phase))
    assert phases in ([], ["Deleting"])


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
    with runtime.serve_endpoint(emulator.context, compiled, tmp_path / "e") as url:
        client = client_of(url)
        for _ in range(4):
            told = client.invoke_endpoint(EndpointName="api-1", Body=b"2,4", ContentType="text/csv", Accept="application/json")
            assert (json.loads(told["Body"].read()), told["ContentType"]) == ([1.0, 2.0], "application/json")
        with pytest.raises(client.exceptions.ModelError) as caught:
            client.invoke_endpoint(EndpointName="api-1", Body=b"x", ContentType="text/strange")
        assert caught.value.response["OriginalStatusCode"] == 415


def test_an_endpoint_that_fails_says_why(hosting: Any, model_image: str, model_uri: str) -> None:
    """Status Failed and the reason; it can be deleted then."""
    service = SageMakerService(hosting, log_lag_s=0.0)
    workload = Serving(name="bad", image=model_image, model=model_uri, startup_s=60, environment={"DIES": "1"})
    job = service.submit(compile_for(service.name, workload, Launch("bad", PREFIX)))
    state = service.wait(job, lambda _: None)
    assert state.status is Status.FAILED
    assert "production variant all did not pass the ping health check" in state.reason
    service.stop(job)
    with pytest.raises(InvalidInputError, match="there is no endpoint"):
        service.state(job)


def test_a_transform_job_goes_through_the_service(
    hosting: Any, model_image: str, model_uri: str, s3: S3Client, tmp_path: Path
) -> None:
    """Submitted, followed, waited for and collected, as every other job; a failed one with its reason."""
    service = SageMakerService(hosting, log_lag_s=0.0)
    for name, body in (("good", b"a\nb\n"), ("bad", b"a\nrefuse\n")):
        s3.put_object(Bucket="bucket", Key=f"svc/{tmp_path.name}/{name}/x.csv", Body=body)
        workload = Transform(
            name=name, image=model_image, model=model_uri, input=f"s3://bucket/svc/{tmp_path.name}/{name}/",
            split="Line", assemble="Line", batch="SingleRecord",
        )  # fmt: skip
        launch = Launch(job_name(workload, "sagemaker", PREFIX), PREFIX)
        (tmp_path / name).mkdir()
        run = service.run(compile_for(service.name, workload, launch), workspace=tmp_path / name)
        if name == "good":
            assert (run.status, run.exit_code) == (Status.COMPLETED, 0)
            assert (run.artifacts["output"] / "x.csv.out").read_bytes() == b"A\nB\n"
            assert 'asked ["a", 1]' in run.stdout.read_text()
        else:
            assert (run.status, run.exit_code) == (Status.FAILED, 1)
            assert run.reason == "ClientError: See job logs for more information"
            assert "x.csv: ClientError: 400" in run.stdout.read_text()
            assert not list(run.artifacts["output"].iterdir())


def test_the_control_plane_knows_what_there_is(hosting: Any, model_image: str, model_uri: str) -> None:
    """A model twice, one that is missing, and one that is deleted, in the service's words."""
    client = hosting.client("sagemaker")
    role = "arn:aws:iam::000000000000:role/lyftlearn"
    request = {
        "ModelName": "m",
        "ExecutionRoleArn": role,
        "PrimaryContainer": {"Image": model_image, "ModelDataUrl": model_uri},
    }
    client.create_model(**request)
    assert client.describe_model(ModelName="m")["PrimaryContainer"]["ModelDataUrl"] == model_uri
    missing = {"Image": model_image, "ModelDataUrl": f"{model_uri}.none"}
    with pytest.raises(ClientError, match=f"Could not find model data at {model_uri}.none"):
        client.create_model(ModelName="n", ExecutionRoleArn=role, PrimaryContainer=missing)
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        client.create_model(**request)
    variant = {"VariantName": "all", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    client.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    assert client.describe_endpoint_config(EndpointConfigName="c")["ProductionVariants"] == [variant]
    client.delete_endpoint_config(EndpointConfigName="c")
    with pytest.raises(ClientError, match='Could not find endpoint configuration "arn:aws:sagemaker'):
        client.create_endpoint(EndpointName="e", EndpointConfigName="c")
    client.delete_model(ModelName="m")
    with pytest.raises(ClientError, match='Could not find model "arn:aws:sagemaker'):
        client.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    with pytest.raises(ClientError, match="UpdateEndpoint is not in this local control plane"):
        client.update_endpoint(EndpointName="e", EndpointConfigName="c")
