"""Inside an emulated container the AWS SDK finds its identity by the same provider as on the platform."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore
import dateutil
import jmespath
import pytest
import s3transfer
import six
import urllib3

import lyftlearn_runtime
from lyftlearn_image.emulation.aws.credentials import ContainerCredentials, container_credentials
from lyftlearn_image.emulation.aws.endpoint import aws_endpoint
from lyftlearn_image.emulation.docker.cleanup import remove_orphans
from lyftlearn_image.emulation.docker.link_local import redirect_agents, remove_rules
from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod
from lyftlearn_image.emulation.kubernetes.emulator import KubernetesEmulator
from lyftlearn_image.emulation.machine import Machine
from lyftlearn_image.emulation.place import Place
from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator
from lyftlearn_image.emulation.sagemaker.job_plan import Account
from lyftlearn_image.emulation.session import embedded
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Compiled, Launch
from lyftlearn_image.workload import Training
from lyftlearn_image.workload.kubernetes import Kubernetes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network
    from lyftlearn_image.emulation.session import Embedded
    from lyftlearn_image.run import Run

PROGRAM = Path(__file__).with_name("identity_program.py")
# Of the SDK's hundreds of services, those that the program asks.
SERVICES = ("sts", "secretsmanager")
ROLE = "arn:aws:iam::111122223333:role/churn"
WEB_ROLE = "arn:aws:iam::444455556666:role/etl"
ACCOUNT = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": "etl", "annotations": {"eks.amazonaws.com/role-arn": WEB_ROLE}},
    "automountServiceAccountToken": False,
}
HOLD = """
import sys
from lyftlearn_image.emulation.session import embedded
with embedded(sys.argv[1]) as session:
    print(session.network.interface, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def sdk_image(containers: Containers, probe_image: str) -> Iterator[str]:
    """The probe's image with this environment's boto3, the shim and the program."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for module in (boto3, botocore, dateutil, jmespath, s3transfer, urllib3):
            top = Path(str(module.__file__)).parent
            archive.add(top, f"sdk/{top.name}", filter=_is_needed)
        archive.add(str(six.__file__), "sdk/six.py")
        archive.add(Path(str(lyftlearn_runtime.__file__)).parent, "shim/lyftlearn_runtime")
        archive.add(PROGRAM, "program.py")
        # The label makes it another image than that of a run beside this one, which removes its own.
        first = f"FROM {probe_image}\nLABEL dev.lyftlearn.test={uuid.uuid4().hex}\n"
        lines = f"{first}ENV PYTHONPATH=/sdk\nCOPY sdk /sdk\nCOPY shim /shim\nCOPY program.py /program.py\n".encode()
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(lines)
        archive.addfile(entry, io.BytesIO(lines))
    packed.seek(0)
    image, _ = containers.client.images.build(fileobj=packed, custom_context=True, rm=True)
    yield str(image.id)
    containers.client.images.remove(image.id)


def _is_needed(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    before, found, service = entry.name.partition("/botocore/data/")
    is_kept = not found or "." in service.partition("/")[0] or service.partition("/")[0] in SERVICES
    return entry if is_kept and "__pycache__" not in before else None


@pytest.fixture(scope="module")
def session(engine: None) -> Iterator[Embedded]:
    """The embedded targets as a user has them."""
    with embedded(f"who-{uuid.uuid4().hex[:8]}") as made:
        yield made


@pytest.fixture
def workspace(tmp_path: Path) -> Callable[[], Path]:
    """A new directory."""

    def make() -> Path:
        path = tmp_path / uuid.uuid4().hex
        path.mkdir()
        return path

    return make


def as_job(session: Embedded, image: str, workspace: Path, *arguments: str) -> dict[str, Any]:
    """What the program says as a training job of ROLE."""
    return told(session.targets["sagemaker"].run(job(image, session, *arguments), workspace=workspace))


def job(image: str, session: Embedded, *arguments: str) -> Compiled:
    """A training job of ROLE."""
    bucket = session.s3.list_buckets()["Buckets"][0]["Name"]
    request = {
        "TrainingJobName": f"job-{uuid.uuid4().hex[:8]}",
        "AlgorithmSpecification": {
            "TrainingImage": image,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/program.py", *arguments],
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/out/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    return Compiled("sagemaker", "CreateTrainingJob", (request,))


def pod(image: str, *command: str, **spec: Any) -> dict[str, Any]:
    """A pod of one container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "demo"},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [{"name": "main", "image": image, "command": ["python3", *command]}],
            **spec,
        },
    }


def as_pod(session: Embedded, workspace: Path, *manifests: dict[str, Any]) -> dict[str, Any]:
    """What the program says in a pod."""
    return told(session.targets["kubernetes"].run(Compiled("kubernetes", "Pod", manifests), workspace=workspace))


def told(run: Run) -> dict[str, Any]:
    """The document that a run printed."""
    assert run.exit_code == 0, run.stderr.read_text()
    document: dict[str, Any] = json.loads(run.stdout.read_text())
    return document


def rules(interface: str) -> list[str]:
    """The rules that lead a network's packets elsewhere."""
    said = subprocess.run(
        ["iptables", "-w", "-t", "nat", "-S", "PREROUTING"], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in said.splitlines() if interface in line]


def test_a_job_has_its_role_from_the_container_endpoint(
    session: Embedded, sdk_image: str, workspace: Callable[[], Path]
) -> None:
    """SageMaker: the relative URI, no keys as variables, and STS says the job's role and its account."""
    said = as_job(session, sdk_image, workspace())
    assert said == {
        "method": "container-role",
        "arn": "arn:aws:sts::111122223333:assumed-role/churn/SageMaker",
        "account": "111122223333",
        "shim": "container credentials",
        "static": [],
        "region": "us-east-1",
    }


def test_a_pod_has_its_role_by_pod_identity(session: Embedded, sdk_image: str, workspace: Callable[[], Path]) -> None:
    """EKS Pod Identity: the full URI and a token that the pod's own user can read, whoever that is."""
    for user in (0, 4242):
        said = as_pod(session, workspace(), pod(sdk_image, "/program.py", securityContext={"runAsUser": user}))
        arn = said.pop("arn")
        assert arn.startswith("arn:aws:sts::000000000000:assumed-role/lyftlearn/eks-lyftlearn-demo-")
        assert said == {
            "method": "container-role", "account": "000000000000", "shim": "container credentials", "static": [],
            "region": "us-east-1",
        }  # fmt: skip


def test_a_service_account_with_a_role_has_it_by_web_identity(
    session: Embedded, sdk_image: str, workspace: Callable[[], Path]
) -> None:
    """EKS IRSA: the annotation decides, and STS exchanges the token."""
    security = {"runAsUser": 4242, "runAsGroup": 0}
    said = as_pod(
        session, workspace(), ACCOUNT, pod(sdk_image, "/program.py", serviceAccountName="etl", securityContext=security)
    )
    assert said.pop("arn").startswith("arn:aws:sts::444455556666:assumed-role/etl/")
    assert said == {
        "method": "assume-role-with-web-identity", "account": "444455556666", "shim": "web identity", "static": [],
        "region": "us-east-1",
    }  # fmt: skip


def test_a_role_of_any_account_finds_what_the_run_planted(
    session: Embedded, sdk_image: str, workspace: Callable[[], Path]
) -> None:
    """The endpoint's data is one account's, whatever account the role is of."""
    session.endpoint.put_secrets({"planted": "a value"})
    assert as_job(session, sdk_image, workspace(), "secret")["secret"] == "a value"
    assert as_pod(session, workspace(), pod(sdk_image, "/program.py", "secret"))["secret"] == "a value"


def test_two_runs_at_once_have_each_its_own(session: Embedded, sdk_image: str, workspace: Callable[[], Path]) -> None:
    """The same addresses lead each run's containers to their own server; a path of the other run is unknown there.

    In its own run it is another container's: who knows a path has nothing by that. One of the two is beside a real service, and
    is where that one is.
    """
    with embedded(f"two-{uuid.uuid4().hex[:8]}", place=Place("eu-west-1", WEB_ROLE, "ml-blue")) as other:
        said = as_pod(other, workspace(), pod(sdk_image, "/program.py"))
        assert (said["region"], said["account"]) == ("eu-west-1", "444455556666")
        assert said["arn"].startswith("arn:aws:sts::444455556666:assumed-role/etl/eks-ml-blue-demo-")
        assert other.sagemaker.context.account == Account("eu-west-1", "444455556666")
        foreign = other.credentials.job_environment("arn:aws:iam::777788889999:role/other")[
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
        ]
        for one, status in ((session, 400), (other, 403)):
            assert as_job(one, sdk_image, workspace())["arn"].endswith(":assumed-role/churn/SageMaker")
            assert asked(one, sdk_image, workspace(), f"http://169.254.170.2{foreign}") == [status]
        mine, theirs = session.network.interface, other.network.interface
        assert (len(rules(mine)), len(rules(theirs))) == (3, 3)
    assert not rules(theirs)
    assert len(rules(mine)) == 3


def test_this_machine_s_users_get_no_container_s_keys(session: Embedded) -> None:
    """The server listens on the bridge, which they reach too: whose container asks decides what it gets."""
    path = session.credentials.job_environment(ROLE)["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
    port = re.search(rf"{re.escape(session.network.gateway)}:(\d+)", "\n".join(rules(session.network.interface)))
    assert port
    token = Pod({"name": "demo"}, {}, "10.0.0.1").service_account_token(Cluster(), "pods.eks.amazonaws.com", 3600).decode()
    for asked_path, headers in ((path, {}), ("/v1/credentials", {"Host": "169.254.170.23", "Authorization": token})):
        connection = http.client.HTTPConnection(session.network.gateway, int(port[1]), timeout=60)
        connection.request("GET", asked_path, headers=headers)
        response = connection.getresponse()
        assert (response.status, b"SecretAccessKey" in response.read()) in {(403, False), (400, False)}
        connection.close()


def asked(session: Embedded, image: str, workspace: Path, url: str, *tokens: str) -> list[int]:
    """The status of a GET from a pod, with each of the tokens in turn."""
    program = (
        "import json, sys, urllib.error, urllib.request\n"
        "def ask(token):\n"
        "  try: return urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers={'Authorization': token})).status\n"
        "  except urllib.error.HTTPError as error: return error.code\n"
        "print(json.dumps([ask(one) for one in sys.argv[2:] or ['']]))\n"
    )
    run = session.targets["kubernetes"].run(
        Compiled("kubernetes", "Pod", (pod(image, "-c", program, url, *tokens),)), workspace=workspace
    )
    assert run.exit_code == 0, run.stderr.read_text()
    found: list[int] = json.loads(run.stdout.read_text())
    return found


def test_pod_identity_takes_no_other_token(session: Embedded, sdk_image: str, workspace: Callable[[], Path]) -> None:
    """None, no token at all, one of another cluster, another audience, one that has expired: each is refused."""
    url = "http://169.254.170.23/v1/credentials"
    foreign, audience = Cluster(), "pods.eks.amazonaws.com"
    stranger = Pod({"name": "demo"}, {}, "10.0.0.1").service_account_token(foreign, audience, 3600).decode()
    assert asked(session, sdk_image, workspace(), url, "", "no token", stranger) == [400, 400, 400]
    own = (
        "import os, sys, urllib.error, urllib.request\n"
        "token = open(sys.argv[2]).read()\n"
        "try: print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers={'Authorization': token})).status)\n"
        "except urllib.error.HTTPError as error: print(error.code, error.read().decode())\n"
    )
    for lifetime, said_for, expected in ((600, audience, "200"), (600, "sts.amazonaws.com", "400"), (-1, audience, "400")):
        source = {"serviceAccountToken": {"audience": said_for, "expirationSeconds": lifetime, "path": "token"}}
        manifest = pod(sdk_image, "-c", own, url, "/tokens/token")
        manifest["spec"]["volumes"] = [{"name": "tokens", "projected": {"sources": [source]}}]
        manifest["spec"]["containers"][0]["volumeMounts"] = [{"name": "tokens", "mountPath": "/tokens"}]
        run = session.targets["kubernetes"].run(Compiled("kubernetes", "Pod", (manifest,)), workspace=workspace())
        assert run.stdout.read_text().split()[0] == expected, (said_for, lifetime, run.stdout.read_text())


def test_the_agent_of_pods_answers_at_its_own_address_alone(
    session: Embedded, sdk_image: str, workspace: Callable[[], Path]
) -> None:
    """As aws/eks-pod-identity-agent: a request to another address is denied."""
    assert asked(session, sdk_image, workspace(), "http://169.254.170.2/v1/credentials") == [403]


def test_no_container_finds_this_machine_s_own_role(session: Embedded, sdk_image: str, workspace: Callable[[], Path]) -> None:
    """Instance metadata says at once that there is none: an SDK neither waits for it nor gets what an EC2 host has."""
    role = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
    assert asked(session, sdk_image, workspace(), role) == [404]


def test_this_machine_itself_is_not_led_astray(session: Embedded) -> None:
    """What the host sends to the agents' addresses does not come to the run's server: an ECS host keeps its own agent."""
    path = session.credentials.job_environment(ROLE)["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
    with pytest.raises((urllib.error.URLError, TimeoutError)):
        urllib.request.urlopen(f"http://169.254.170.2{path}", timeout=1)


def test_credentials_are_renewed_before_they_expire(
    containers: Containers, network: Network, sdk_image: str, workspace: Callable[[], Path]
) -> None:
    """A script that runs longer than its keys live goes on with new ones, by the SDK's own refresh."""
    with (
        aws_endpoint(network.gateway) as endpoint,
        container_credentials(containers, network, endpoint, credentials_lifetime_s=2) as served,
    ):
        s3 = endpoint.s3()
        s3.create_bucket(Bucket="bucket")
        platform = endpoint.region_environment()
        job_target = SageMakerEmulator(Machine(containers, network, s3, platform, served))
        pod_target = KubernetesEmulator(Machine(containers, network, s3, platform, served))
        request = {
            "TrainingJobName": "long",
            "AlgorithmSpecification": {
                "TrainingImage": sdk_image,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/program.py", "twice"],
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }
        run = job_target.run(Compiled("sagemaker", "CreateTrainingJob", (request,)), workspace=workspace())
        assert told(run)["renewed"]
        manifest = pod(sdk_image, "/program.py", "twice")
        run = pod_target.run(Compiled("kubernetes", "Pod", (manifest,)), workspace=workspace())
        assert told(run)["renewed"]
        s3.close()


def test_a_killed_run_s_rules_go_with_the_next(containers: Containers) -> None:
    """What leads the addresses of a killed harness to nobody is removed with its network, or after it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, f"{containers.run_id}-killed"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        interface = process.stdout.readline().strip()
        assert len(rules(interface)) == 3
        process.kill()
    # Any harness on this machine may be first; when this one has looked, they are gone.
    remove_orphans(containers.client)
    assert not rules(interface)


@pytest.mark.parametrize("bridge", ["br-000000000000", "br-+", "docker0"])
def test_only_rules_of_bridges_that_are_gone_are_removed(containers: Containers, session: Embedded, bridge: str) -> None:
    """Those of a run that goes on stay, and so do a host's own for its agent."""
    # A port of no agent: the containers of other runs on this machine go on.
    rule = ["-i", bridge, "-d", "169.254.170.2", "-p", "tcp", "--dport", "9", "-j", "DNAT", "--to-destination", "127.0.0.1:9"]
    command = ["iptables", "-w", "-t", "nat"]
    subprocess.run([*command, "-I", "PREROUTING", *rule], check=True)
    try:
        remove_orphans(containers.client)
        assert len(rules(f"-i {bridge} ")) == (0 if bridge == "br-000000000000" else 1)
        assert len(rules(session.network.interface)) == 3
    finally:
        subprocess.run([*command, "-D", "PREROUTING", *rule], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.skipif(os.geteuid() != 0, reason="a user who is not root takes the other way in every test here")
def test_who_is_not_root_sets_the_rules_by_the_engine(
    containers: Containers, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user of the engine alone has the rules too, set and removed by a container in the host's network."""
    with aws_endpoint(network.gateway) as endpoint:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with container_credentials(containers, network, endpoint) as served:
            assert not served.unavailable_reason
            assert len(rules(network.interface)) == 3
            remove_rules(containers.client, {network.interface})
            assert not rules(network.interface)
        with container_credentials(containers, network, endpoint):
            assert len(rules(network.interface)) == 3
        assert not rules(network.interface)


def test_where_no_rule_can_be_set_keys_are_variables(
    containers: Containers, network: Network, sdk_image: str, workspace: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without iptables a run goes on: the same role's short-lived keys come as variables, and it says why."""
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with aws_endpoint(network.gateway) as endpoint, container_credentials(containers, network, endpoint) as served:
        assert served.unavailable_reason == "there is no iptables on this machine"
        assert served.environment() == {"AWS_EC2_METADATA_DISABLED": "true"}
        s3 = endpoint.s3()
        pod_target = KubernetesEmulator(
            Machine(containers, network, s3, {**endpoint.region_environment(), **served.environment()}, served)
        )
        run = pod_target.run(Compiled("kubernetes", "Pod", (pod(sdk_image, "/program.py"),)), workspace=workspace())
        said = told(run)
        assert said["method"] == "env"
        assert said["arn"].startswith("arn:aws:sts::000000000000:assumed-role/lyftlearn/eks-")
        assert served.job_environment(ROLE).keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
        s3.close()


def test_an_engine_elsewhere_is_noticed(containers: Containers, network: Network) -> None:
    """A rule for a bridge that is not here would lead nothing anywhere, without a word."""
    elsewhere = replace(network, interface="br-0123456789ab")
    with redirect_agents(containers.client, elsewhere, 9) as why:
        assert why == f"the engine's network {network.name} is not on this machine"
        assert not rules("br-0123456789ab")


def test_nothing_of_a_request_is_told(
    session: Embedded, sdk_image: str, workspace: Callable[[], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    """Paths, tokens and keys are nowhere in what the harness prints, also of a request that is refused."""
    as_job(session, sdk_image, workspace())
    assert asked(session, sdk_image, workspace(), "http://169.254.170.2/v2/credentials/none") == [400]
    assert capfd.readouterr() == ("", "")


def test_a_pod_of_no_cluster_gets_nothing() -> None:
    """Nobody's token is believed where no cluster is trusted."""
    alone = ContainerCredentials(None, 60)  # type: ignore[arg-type]
    assert alone.respond("169.254.170.23", "/v1/credentials", "token").status == 404


def test_a_compiled_workload_has_the_role_that_it_names(
    session: Embedded, lyftlearn_image_tag: str, workspace: Callable[[], Path]
) -> None:
    """The shim fetches by the platform's own way on both targets, and the ServiceAccount that compiling writes is taken."""
    bucket = session.s3.list_buckets()["Buckets"][0]["Name"]
    session.endpoint.put_secrets({"planted": "a value"})
    workload = Training(
        name="churn",
        image=lyftlearn_image_tag,
        command=("sh", "-c", 'test "$PASSWORD" = "a value"'),
        secrets={"PASSWORD": "aws-sm://planted"},
        kubernetes=Kubernetes(service_account="etl", role_arn=WEB_ROLE),
    )
    launch = Launch("churn-1", f"s3://{bucket}/churn", role_arn=ROLE)
    for name, said in (("sagemaker", "container credentials, access key ASIA"), ("kubernetes", f"web identity, {WEB_ROLE}")):
        target = session.targets[name]
        compiled = compile_for(target.name, workload, launch)
        for uri, data in compiled.objects.items():
            session.s3.put_object(Bucket=bucket, Key=uri.removeprefix(f"s3://{bucket}/"), Body=data)
        run = target.run(compiled, workspace=workspace())
        assert run.exit_code == 0, run.stderr.read_text()
        assert f"lyftlearn: AWS identity: {said}" in run.stderr.read_text()
