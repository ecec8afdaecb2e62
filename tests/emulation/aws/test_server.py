"""The front of the local AWS endpoint: who answers a request, and what is logged of it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from werkzeug.test import Client

from lyftlearn_image.emulation.aws.endpoint import ACCOUNT, PROXY_TOKEN_HEADER, REGION, aws_endpoint, listen_on_loopback
from lyftlearn_image.emulation.aws.server import SageMakerProxy
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.emulation.aws.endpoint import RequestLine


def signed(service: str) -> dict[str, str]:
    """The header of a request to a service."""
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/{service}/aws4_request, Signature=x"}


@pytest.fixture
def upstream() -> Iterator[str]:
    """A server that answers with the request that it got, and with a header and a status of its own."""

    class Handler(BaseHTTPRequestHandler):
        """Of SageMaker's API."""

        def do_POST(self) -> None:
            """Any action."""
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            target, token = self.headers["X-Amz-Target"], self.headers[PROXY_TOKEN_HEADER]
            data = json.dumps({"path": self.path, "body": body, "target": target, "token": token}).encode()
            self.send_response(400)
            self.send_header("X-Amzn-Errortype", "E")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_request_to_sagemaker_is_sent_on_as_it_came(upstream: str) -> None:
    """With path, body and headers, and its answer comes back as it is."""
    proxy = SageMakerProxy()
    assert not proxy.is_connected
    proxy.connect({"sagemaker": upstream, "sagemaker-runtime": upstream}, "a token")
    assert proxy.is_connected
    client = Client(proxy)
    request: dict[str, Any] = {"headers": {**signed("sagemaker"), "X-Amz-Target": "SageMaker.ListModels"}, "data": "{}"}
    answer = client.post("/", **request)
    assert (answer.status_code, answer.headers["X-Amzn-Errortype"]) == (400, "E")
    assert answer.get_json(force=True) == {"path": "/", "body": "{}", "target": "SageMaker.ListModels", "token": "a token"}
    invoked = client.post("/endpoints/a%20b/invocations?x=1", headers=signed("sagemaker"), data="x")
    assert invoked.get_json(force=True)["path"] == "/endpoints/a%20b/invocations?x=1"


def test_an_api_that_has_ended_is_503() -> None:
    """In JSON, as an SDK reads it."""
    proxy = SageMakerProxy()
    proxy.connect({"sagemaker": "http://127.0.0.1:1", "sagemaker-runtime": "http://127.0.0.1:1"}, "a token")
    answer = Client(proxy).post("/", headers={**signed("sagemaker"), "X-Amz-Target": "SageMaker.ListModels"})
    assert (answer.status_code, answer.get_json(force=True)["__type"]) == (503, "ServiceUnavailable")


def test_all_data_is_of_one_account_and_identities_are_not() -> None:
    """STS says the role's own."""
    with aws_endpoint("127.0.0.1") as endpoint:
        keys = endpoint.assume_role("arn:aws:iam::111122223333:role/r", "s", 900)
        session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], REGION)
        endpoint.put_secrets({"a": "b"})
        secret = session.client("secretsmanager", endpoint_url=endpoint.url).get_secret_value(SecretId="a")
        assert (secret["SecretString"], secret["ARN"].split(":")[4]) == ("b", ACCOUNT)
        assert session.client("sts", endpoint_url=endpoint.url).get_caller_identity()["Account"] == "111122223333"


def test_a_loopback_client_is_logged_and_a_container_is_not() -> None:
    """The same data at both addresses."""
    requests: list[RequestLine] = []
    came = threading.Event()

    def take(request: RequestLine) -> None:
        requests.append(request)
        if len(requests) == 2:
            came.set()

    with listen_on_loopback(0, take) as loopback, aws_endpoint("127.0.0.1", loopback) as endpoint:
        s3 = endpoint.s3()
        s3.create_bucket(Bucket="bucket")
        client = endpoint.session().client("s3", endpoint_url=loopback.url)
        assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["bucket"]
        sts = boto3.Session("AKIASTRANGER", "guessed", region_name=REGION).client("sts", endpoint_url=loopback.url)
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            sts.get_caller_identity()
        assert came.wait(60)
    lines = [(line.service, line.operation, line.status) for line in requests]
    assert lines == [("s3", "ListBuckets", 200), ("sts", "GetCallerIdentity", 403)]


def test_a_port_that_is_taken_is_an_error() -> None:
    """And none of the server's own, seconds later."""
    with listen_on_loopback(0, lambda _: None) as loopback:
        port = loopback.listener.getsockname()[1]
        with pytest.raises(InvalidInputError, match=f"port {port} is taken"), listen_on_loopback(port, lambda _: None):
            pass
