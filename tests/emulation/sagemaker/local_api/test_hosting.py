"""Models, endpoints and transform jobs through the local API, in real containers, with boto3 and the service's client."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from lyftlearn_image.aws.s3 import split_uri
from lyftlearn_image.emulation.sagemaker.local_api import runtime_server
from lyftlearn_image.emulation.sagemaker.local_api.api_server import serve
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane
from lyftlearn_image.emulation.sagemaker.local_api.hosting import Hosting
from lyftlearn_image.emulation.sagemaker.local_api.jobs import EmulatedJobs
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.run import Status
from lyftlearn_image.services.sagemaker.client import SageMakerService
from lyftlearn_image.services.service import job_name
from lyftlearn_image.workload import Serving, Transform
from tests.emulation.sagemaker.answers import check_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator

PREFIX = "s3://bucket/hosted"
ROLE = "arn:aws:iam::000000000000:role/lyftlearn"


@pytest.fixture
def hosting(
    emulator: SageMakerEmulator, endpoint: AwsEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """boto3's session of a local control plane with models and endpoints, and their runtime."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    # A local CloudWatch has no lag.
    monkeypatch.setattr("lyftlearn_image.services.sagemaker.logs.LAG_S", 0.0)
    session = endpoint.session()
    made = Hosting(emulator.context, endpoint, tmp_path / "endpoints")
    jobs = EmulatedJobs(emulator, endpoint, tmp_path / "jobs", made)
    plane = ControlPlane(jobs, emulator.context.account, hosting=made)
    with serve(plane) as url, runtime_server.serve(made.runtime) as runtime_url:
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
    service = SageMakerService(hosting)
    workload = Serving(name="api", image=model_image, model=model_uri, startup_s=60)
    launch = Launch(job_name(workload, "sagemaker", PREFIX), PREFIX)
    job = service.submit(compile_for(service.name, workload, launch))
    assert service.submit(compile_for(service.name, workload, launch)) == job
    state = service.wait(job, lambda _: None)
    assert (state.status, state.phase) == (Status.COMPLETED, "InService")
    told = hosting.client("sagemaker-runtime").invoke_endpoint(EndpointName=launch.job_name, Body=b"hello")
    assert told["Body"].read() == b"HELLO"
    described = check_answers(hosting.client("sagemaker")).describe_endpoint(EndpointName=launch.job_name)
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    while 'asked ["hello", 5]' not in service.logs(job, follow=False):
        time.sleep(0.05)
    service.stop(job)
    phases = []
    with pytest.raises(InvalidInputError, match="there is no endpoint"):
        service.wait(job, lambda state: phases.append(state.phase))
    assert phases in ([], ["Deleting"])


def test_an_endpoint_that_fails_says_why(hosting: Any, model_image: str, model_uri: str) -> None:
    """Status Failed and the reason; it can be deleted then."""
    service = SageMakerService(hosting)
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
    service = SageMakerService(hosting)
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
            assert (run.status, run.exit_code) == (Status.FAILED, None)
            assert run.reason == "ClientError: See job logs for more information"
            assert "x.csv: ClientError: 400" in run.stdout.read_text()
            assert not list(run.artifacts["output"].iterdir())


def test_the_control_plane_knows_what_there_is(hosting: Any, model_image: str, model_uri: str) -> None:
    """A model twice, one that is missing, and one that is deleted, in the service's words."""
    client = check_answers(hosting.client("sagemaker"))
    request = {
        "ModelName": "m",
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": model_image, "ModelDataUrl": model_uri},
    }
    client.create_model(**request)
    assert client.describe_model(ModelName="m")["PrimaryContainer"]["ModelDataUrl"] == model_uri
    missing = {"Image": model_image, "ModelDataUrl": f"{model_uri}.none"}
    with pytest.raises(ClientError, match=f"Could not find model data at {model_uri}.none"):
        client.create_model(ModelName="n", ExecutionRoleArn=ROLE, PrimaryContainer=missing)
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        client.create_model(**request)
    variant = {"VariantName": "all", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    client.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    assert client.describe_endpoint_config(EndpointConfigName="c")["ProductionVariants"] == [
        {**variant, "InitialVariantWeight": 1.0}
    ]
    client.delete_endpoint_config(EndpointConfigName="c")
    with pytest.raises(ClientError, match='Could not find endpoint configuration "arn:aws:sagemaker'):
        client.create_endpoint(EndpointName="e", EndpointConfigName="c")
    client.delete_model(ModelName="m")
    with pytest.raises(ClientError, match='Could not find model "arn:aws:sagemaker'):
        client.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    with pytest.raises(ClientError, match="CreateInferenceComponent is not in this local control plane"):
        client.create_inference_component(InferenceComponentName="i", EndpointName="e")


def test_an_update_replaces_what_serves_once_the_new_is_ready(hosting: Any, model_image: str, model_uri: str) -> None:
    """The old containers answer until then, and go on where the new ones do not get ready; weights and counts are told."""
    client, invoked = check_answers(hosting.client("sagemaker")), hosting.client("sagemaker-runtime")

    def configure(name: str, **environment: str) -> dict[str, Any]:
        container = {"Image": model_image, "ModelDataUrl": model_uri, "Environment": environment}
        client.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        variant = {"VariantName": "all", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        return {"EndpointName": "updated", "EndpointConfigName": name}

    def note() -> str:
        body = invoked.invoke_endpoint(EndpointName="updated", Body=b"facts")["Body"].read()
        return str(json.loads(body)["environment"]["NOTE"])

    def update(request: dict[str, Any]) -> Any:
        client.update_endpoint(**request)
        seen = set()
        while (described := client.describe_endpoint(EndpointName="updated"))["EndpointStatus"] == "Updating":
            seen.add(note())
            time.sleep(0.05)
        return described, seen

    client.create_endpoint(**configure("one", NOTE="one"))
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        client.update_endpoint(EndpointName="updated", EndpointConfigName="one")
    client.get_waiter("endpoint_in_service").wait(EndpointName="updated", WaiterConfig={"Delay": 1})
    described, seen = update(configure("two", NOTE="two"))
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "two")
    assert "FailureReason" not in described
    assert "one" in seen <= {"one", "two"}
    assert note() == "two"
    described, seen = update(configure("broken", NOTE="broken", DIES="1"))
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "two")
    assert "did not pass the ping health check" in described["FailureReason"]
    assert seen == {note()} == {"two"}
    changed = {"VariantName": "all", "DesiredWeight": 3.0, "DesiredInstanceCount": 1}
    client.update_endpoint_weights_and_capacities(EndpointName="updated", DesiredWeightsAndCapacities=[changed])
    client.get_waiter("endpoint_in_service").wait(EndpointName="updated", WaiterConfig={"Delay": 1})
    (variant,) = client.describe_endpoint(EndpointName="updated")["ProductionVariants"]
    assert (variant["CurrentWeight"], variant["CurrentInstanceCount"]) == (3.0, 1)
    assert client.list_endpoints(NameContains="updated", StatusEquals="InService")["Endpoints"][0]["EndpointName"] == "updated"
    client.delete_endpoint(EndpointName="updated")
    client.get_waiter("endpoint_deleted").wait(EndpointName="updated", WaiterConfig={"Delay": 1})
    with pytest.raises(ClientError, match=r'ValidationException.*Could not find endpoint "arn:aws:sagemaker'):
        client.delete_endpoint(EndpointName="updated")


def test_an_asynchronous_endpoint_leaves_objects(hosting: Any, model_image: str, model_uri: str, s3: S3Client) -> None:
    """The answer and the InferenceId come at once, the output or the failure as an object; nothing else may ask it."""
    client, invoked = check_answers(hosting.client("sagemaker")), hosting.client("sagemaker-runtime")
    client.create_model(
        ModelName="a", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": model_image, "ModelDataUrl": model_uri}
    )
    variant = {"VariantName": "all", "ModelName": "a", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    output = {"S3OutputPath": "s3://bucket/async/out", "S3FailurePath": "s3://bucket/async/failed"}
    request = {"EndpointConfigName": "a", "ProductionVariants": [variant]}
    topics = {"NotificationConfig": {"SuccessTopic": "arn:aws:sns:us-east-1:000000000000:done"}}
    with pytest.raises(ClientError, match=r"AsyncInferenceConfig\.OutputConfig\.NotificationConfig\.SuccessTopic"):
        client.create_endpoint_config(**request, AsyncInferenceConfig={"OutputConfig": {**output, **topics}})
    client.create_endpoint_config(**request, AsyncInferenceConfig={"OutputConfig": output})
    client.create_endpoint(EndpointName="a", EndpointConfigName="a")
    client.get_waiter("endpoint_in_service").wait(EndpointName="a", WaiterConfig={"Delay": 1})
    assert client.describe_endpoint(EndpointName="a")["AsyncInferenceConfig"] == {"OutputConfig": output}
    with pytest.raises(invoked.exceptions.ValidationError, match="is asynchronous"):
        invoked.invoke_endpoint(EndpointName="a", Body=b"hello")

    def come(uri: str) -> Any:
        bucket, key = split_uri(uri)
        s3.get_waiter("object_exists").wait(Bucket=bucket, Key=key, WaiterConfig={"Delay": 1})
        return s3.get_object(Bucket=bucket, Key=key)

    s3.put_object(Bucket="bucket", Key="async/in", Body=b"facts")
    told = invoked.invoke_endpoint_async(
        EndpointName="a", InputLocation="s3://bucket/async/in", InferenceId="mine", ContentType="text/csv", Accept="text/x",
        CustomAttributes="c=1",
    )  # fmt: skip
    assert (told["ResponseMetadata"]["HTTPStatusCode"], told["InferenceId"]) == (202, "mine")
    assert told["OutputLocation"].startswith("s3://bucket/async/out/")
    found = come(told["OutputLocation"])
    headers = json.loads(found["Body"].read())["headers"]
    assert found["ContentType"] == headers["accept"] == "text/x"
    assert headers["content-type"] == "text/csv"
    assert (headers["x-amzn-sagemaker-inference-id"], headers["x-amzn-sagemaker-custom-attributes"]) == ("mine", "c=1")
    inline = invoked.invoke_endpoint_async(EndpointName="a", Body=b"refuse")
    assert b'client error (400) from primary with message "not like this"' in come(inline["FailureLocation"])["Body"].read()
    absent = invoked.invoke_endpoint_async(EndpointName="a", InputLocation="s3://bucket/async/none")
    assert b"s3://bucket/async/none" in come(absent["FailureLocation"])["Body"].read()
    late = invoked.invoke_endpoint_async(EndpointName="a", Body=b"sleep", InvocationTimeoutSeconds=1)
    assert b"timed out" in come(late["FailureLocation"])["Body"].read()
    with pytest.raises(invoked.exceptions.ValidationError, match="InputLocation, or a Body"):
        invoked.invoke_endpoint_async(EndpointName="a")
    client.delete_endpoint(EndpointName="a")
    client.get_waiter("endpoint_deleted").wait(EndpointName="a", WaiterConfig={"Delay": 1})


def test_a_multi_model_endpoint_loads_what_is_asked_for(  # noqa: PLR0913, PLR0917 - fixtures
    hosting: Any, served_image: str, archive: Callable[..., bytes], s3: S3Client, tmp_path: Path, model_uri: str
) -> None:
    """At the first invocation, once; without room the one that was used longest ago goes; a wrong target is told."""
    prefix = f"many/{tmp_path.name}/"
    for name in ("a", "b", "c", "refuse"):
        s3.put_object(Bucket="bucket", Key=f"{prefix}{name}.tar.gz", Body=archive({"says": name.encode()}))
    s3.put_object(Bucket="bucket", Key=f"{prefix}none.tar.gz", Body=b"no archive")
    client, invoked = check_answers(hosting.client("sagemaker")), hosting.client("sagemaker-runtime")
    container = {"Image": served_image, "Mode": "MultiModel", "ModelDataUrl": f"s3://bucket/{prefix}"}
    with pytest.raises(ClientError, match="a ModelDataUrl that is a prefix"):
        client.create_model(ModelName="one", ExecutionRoleArn=ROLE, PrimaryContainer={**container, "ModelDataUrl": model_uri})
    client.create_model(ModelName="many", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "all", "ModelName": "many", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    client.create_endpoint_config(EndpointConfigName="many", ProductionVariants=[variant])
    client.create_endpoint(EndpointName="many", EndpointConfigName="many")
    client.get_waiter("endpoint_in_service").wait(EndpointName="many", WaiterConfig={"Delay": 1})

    def ask(target: str) -> str:
        told = invoked.invoke_endpoint(EndpointName="many", TargetModel=f"{target}.tar.gz", Body=b"hello")
        return str(told["Body"].read().decode())

    assert [ask(name) for name in ("a", "b", "a", "c", "a", "b")] == [
        f"{name} {name}.tar.gz hello" for name in ("a", "b", "a", "c", "a", "b")
    ]
    with pytest.raises(invoked.exceptions.ValidationError, match=rf"bucket: bucket, key: {prefix}d.tar.gz\). Please ensure"):
        ask("d")
    with pytest.raises(invoked.exceptions.ValidationError, match="Failed to extract model data archive"):
        ask("none")
    with pytest.raises(invoked.exceptions.ModelError) as caught:
        ask("refuse")
    assert caught.value.response["OriginalMessage"] == "no such framework"
    with pytest.raises(invoked.exceptions.ValidationError, match="is missing a target model header"):
        invoked.invoke_endpoint(EndpointName="many", Body=b"hello")
    client.delete_endpoint(EndpointName="many")
    group = "/aws/sagemaker/Endpoints/many"
    client.get_waiter("endpoint_deleted").wait(EndpointName="many", WaiterConfig={"Delay": 1})
    events = hosting.client("logs").filter_log_events(logGroupName=group)["events"]
    loads = [event["message"] for event in events if event["message"].startswith("loads")]
    assert loads == ["loads a", "loads b", "loads c", "loads b"]
