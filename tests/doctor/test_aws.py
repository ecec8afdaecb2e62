"""AWS as the environment's identity sees it: moto's STS, S3 and ECR, and an IAM and Service Quotas that say what is asked."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote

import boto3
import pytest
from moto import mock_aws

from lyftlearn_image.doctor import aws
from lyftlearn_image.doctor.checkup import Finding, Level, examine
from lyftlearn_image.doctor.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROLE = "arn:aws:iam::123456789012:role/churn"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team:1"
NOTHING = Subject()
SECRET = "planted-secret-access-key"
GOOD = {"Statement": [{"Effect": "Allow", "Principal": {"Service": ["sagemaker.amazonaws.com"]}, "Action": "sts:AssumeRole"}]}
OTHER = {"Statement": {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}}
DENIED = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"


@dataclass
class Services:
    """What IAM and Service Quotas answer, in the wire formats of the AWS query and JSON 1.1 protocols."""

    trust: object = None
    decision: str = "allowed"
    quotas: list[tuple[str, float]] = field(default_factory=list)

    def answer(self, target: str, body: bytes) -> tuple[int, str]:
        """Status and body for one request. Quotas come one a page."""
        if target:
            asked = json.loads(body)
            at = int(asked.get("NextToken", "0"))
            page = [{"QuotaName": name, "Value": value} for name, value in self.quotas[at : at + 1]]
            more = {"NextToken": str(at + 1)} if at + 1 < len(self.quotas) else {}
            return 200, json.dumps({"Quotas": page, **more})
        asked = parse_qs(body.decode())
        action = asked["Action"][0]
        if action == "GetRole" and self.trust is None:
            return 404, "<ErrorResponse><Error><Code>NoSuchEntity</Code><Message>none</Message></Error></ErrorResponse>"
        if action == "GetRole":
            document = quote(json.dumps(self.trust))
            return (
                200,
                f"""<GetRoleResponse><GetRoleResult><Role><Path>/</Path><Arn>{ROLE}</Arn><RoleName>churn</RoleName>
                <RoleId>AROAEXAMPLEEXAMPLE</RoleId><CreateDate>2026-01-01T00:00:00Z</CreateDate>
                <AssumeRolePolicyDocument>{document}</AssumeRolePolicyDocument></Role></GetRoleResult></GetRoleResponse>""",
            )
        if not self.decision:
            return 403, DENIED
        return (
            200,
            f"""<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults><member>
            <EvalActionName>iam:PassRole</EvalActionName><EvalDecision>{self.decision}</EvalDecision></member>
            </EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>""",
        )


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Services]:
    """Both, serving, with an account of moto's beside them that has a bucket and an image."""
    made = Services()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, text = made.answer(
                self.headers.get("X-Amz-Target", ""), self.rfile.read(int(self.headers["Content-Length"]))
            )
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws(config={"core": {"mock_credentials": False}}), ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        variables = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
        files = {name: str(tmp_path / name) for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
        endpoints = {"AWS_ENDPOINT_URL_IAM": url, "AWS_ENDPOINT_URL_SERVICE_QUOTAS": url, "AWS_EC2_METADATA_DISABLED": "true"}
        for name, value in {**variables, **files, **endpoints}.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="runs")
        place = {"LocationConstraint": "eu-west-1"}
        boto3.client("s3", region_name="eu-west-1").create_bucket(Bucket="far", CreateBucketConfiguration=place)  # type: ignore[arg-type]
        ecr = boto3.client("ecr", region_name="us-east-1")  # type: ignore[call-overload]
        ecr.create_repository(repositoryName="team")
        yield made
        server.shutdown()


def check(which: Callable[[aws.Account], Iterator[Finding]], subject: Subject = NOTHING) -> Finding:
    """What one check finds."""
    (found,) = examine({"it": lambda: which(aws.Account(subject, 60))}, 120)
    assert SECRET not in repr(found)
    assert "AKIAEXAMPLE" not in repr(found)
    return found


def test_credentials_are_told_by_whose_they_are(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """STS's ARN and where they come from; without any, nothing is wrong, and nothing else of AWS is asked."""
    found = check(aws.check_credentials)
    assert found.level is Level.OK
    assert found.text.startswith("arn:aws:sts::123456789012:")
    assert found.text.endswith(", by env")
    assert check(aws.check_region) == Finding("region", Level.OK, "us-east-1")
    monkeypatch.setenv("AWS_REGION", "us-eats-1")
    assert check(aws.check_region).level is Level.WARNING
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name)
    subject = Subject(role_arn=ROLE, s3_uri="s3://runs/x", image=IMAGE, instance_type="ml.m5.large")
    checks = (aws.check_credentials, aws.check_region, aws.check_role, aws.check_bucket, aws.check_registry, aws.check_quotas)
    assert {check(one, subject).level for one in checks} == {Level.NOT_SET}


@pytest.mark.parametrize(
    ("trust", "decision", "level", "text"),
    [
        (None, "allowed", Level.ERROR, "there is no role"),
        (OTHER, "allowed", Level.ERROR, "SageMaker may not assume it"),
        (GOOD, "implicitDeny", Level.ERROR, "may not pass it on"),
        (GOOD, "", Level.OK, "whether you may pass it on, IAM does not say"),
        (GOOD, "allowed", Level.OK, "and you may pass it on"),
    ],
)
def test_a_role_exists_is_sagemakers_to_assume_and_ours_to_pass(
    services: Services, trust: object, decision: str, level: Level, text: str
) -> None:
    """Each of the three is a line of its own, as far as IAM tells."""
    services.trust, services.decision = trust, decision
    found = check(aws.check_role, Subject(role_arn=ROLE))
    assert (found.level, text in found.text) == (level, True), found


def test_a_bucket_is_there_and_in_the_region(services: Services) -> None:
    """One of ours, one elsewhere, one that is not."""
    assert check(aws.check_bucket, Subject(s3_uri="s3://runs/a/b")).level is Level.OK
    far = check(aws.check_bucket, Subject(s3_uri="s3://far/"))
    assert far.text == "far is in eu-west-1, and requests go to us-east-1"
    missing = check(aws.check_bucket, Subject(s3_uri="s3://nowhere-at-all/"))
    assert (missing.text, missing.hint) == ("there is no bucket nowhere-at-all", "Make it: aws s3 mb s3://nowhere-at-all")


def test_a_registry_has_the_image(services: Services) -> None:
    """ECR says which of repository and image is missing; a name of this machine alone is told as that."""
    assert "ECR has no image" in check(aws.check_registry, Subject(image=IMAGE)).text
    other = check(aws.check_registry, Subject(image=IMAGE.replace("/team", "/other")))
    assert "ECR has no repository" in other.text
    assert "lyftlearn-image push" in other.hint
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"})
    ecr = boto3.client("ecr", region_name="us-east-1")  # type: ignore[call-overload]
    ecr.put_image(repositoryName="team", imageManifest=manifest, imageTag="1")
    assert check(aws.check_registry, Subject(image=IMAGE)) == Finding("registry", Level.OK, IMAGE)
    assert "a name of this machine's engine" in check(aws.check_registry, Subject(image="team:1")).text
    assert check(aws.check_registry, Subject(image="registry.invalid/team:1")).level is Level.WARNING


def test_a_quota_is_compared_with_what_the_workload_asks_for(services: Services) -> None:
    """It is looked for on every page."""
    services.quotas = [("ml.m5.large for processing job usage", 9.0), ("ml.m5.large for training job usage", 2.0)]
    assert check(aws.check_quotas, Subject(instance_type="ml.m5.large", instance_count=2)).level is Level.OK
    few = check(aws.check_quotas, Subject(instance_type="ml.m5.large", instance_count=3))
    assert (few.level, few.text) == (Level.ERROR, "ml.m5.large for training job usage: 2, and the workload asks for 3")
    assert check(aws.check_quotas, Subject(instance_type="ml.p9.huge")).level is Level.WARNING
