"""Container credentials as the platforms serve them: one server a run, behind the addresses of the platforms' agents.

On SageMaker a job asks 169.254.170.2 with a path of its own, as on ECS; with EKS Pod Identity a pod shows its token to
169.254.170.23. Both get short-lived keys of their role, by AssumeRole at the run's AWS endpoint: so
GetCallerIdentity says the role of the job. How packets come here: `link_local`.
"""

from __future__ import annotations

import contextlib
import copy
import json
import threading
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from lyftlearn_image.emulation.aws.connections import Limits
from lyftlearn_image.emulation.aws.peers import Peers
from lyftlearn_image.emulation.aws.wsgi_server import HEADERS, WsgiServer, open_listener
from lyftlearn_image.emulation.docker.link_local import redirect_agents
from lyftlearn_image.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network
    from lyftlearn_image.emulation.place import Place

# Those of an ECS task (ECS developer guide, task-iam-roles); neither SageMaker nor Pod Identity documents its own.
LIFETIME_S = 6 * 3600
POD_AGENT = "169.254.170.23"
POD_PATH = "/v1/credentials"
_JOB_PATH = "/v2/credentials/"
_RELATIVE_URI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
# What `aws sts get-caller-identity` says in every SageMaker job: assumed-role/<role>/SageMaker.
_JOB_SESSION_NAME = "SageMaker"
# Of a session: eks-<cluster>-<pod>-<UUID> (EKS Auth API reference, AssumedRoleUser), within the 64 characters that it has.
_CLUSTER_CHARACTERS, _POD_CHARACTERS, _SESSION_CHARACTERS = 9, 13, 64
# It is in the process of the harness: a container cannot take that one's threads and descriptors.
_LIMITS = Limits(connections=256, connections_per_peer=32, idle_s=20, body_s=20, send_s=20)


class TokenError(Exception):
    """A service account's token that is none, or no good. Its text is the agent's answer."""


class _Job(NamedTuple):
    """Whose keys a job's path gives, and for how long."""

    role_arn: str
    lifetime_s: int


class Response(NamedTuple):
    """An agent's response. A body that is no JSON is the agent's plain text."""

    status: HTTPStatus
    body: str
    content_type: str = "application/json"


class ContainerCredentials:
    """The credentials of one run's containers, by their roles.

    `unavailable_reason` says why no agent can be reached here, "" where it can. Without one, containers get the same
    short-lived keys as variables, which nobody renews.
    """

    def __init__(self, endpoint: AwsEndpoint, lifetime_s: int) -> None:
        self.unavailable_reason = ""
        self._endpoint = endpoint
        self._lifetime_s = lifetime_s
        self._jobs: dict[str, _Job] = {}
        self._pod_lifetimes_s: dict[str, int] = {}
        self._review: Callable[[str], str] | None = None

    @property
    def place(self) -> Place:
        """Where the containers seem to be."""
        return self._endpoint.place

    def with_lifetime(self, lifetime_s: int) -> ContainerCredentials:
        """The same, but that the keys of jobs and pods which it is asked for live so long: a rehearsal of their end.

        An SDK renews keys 15 minutes before their end (botocore, RefreshableCredentials), so that with less it asks at each
        request; what keeps keys longer is refused by the endpoint. UnsupportedError where nobody renews keys.
        """
        if self.unavailable_reason:
            raise UnsupportedError("credentials_lifetime_s: keys are not renewed here", where=self.unavailable_reason)
        changed = copy.copy(self)
        changed._lifetime_s = lifetime_s  # noqa: SLF001 - one of this class
        return changed

    def environment(self) -> dict[str, str]:
        """Variables of every container: where no agent stands for instance metadata, the one that turns its use off."""
        return {"AWS_EC2_METADATA_DISABLED": "true"} if self.unavailable_reason else {}

    def job_environment(self, role_arn: str) -> dict[str, str]:
        """The variables of a SageMaker job with this role."""
        if self.unavailable_reason:
            return self._static_environment(role_arn, _JOB_SESSION_NAME)
        path = f"{_JOB_PATH}{uuid.uuid4()}"
        self._jobs[path] = _Job(role_arn, self._lifetime_s)
        return {_RELATIVE_URI: path}

    def pod_environment(self, name: str, token_path: str) -> dict[str, str]:
        """The variables of a pod whose ServiceAccount has an association (EKS Pod Identity): here every one has it."""
        if self.unavailable_reason:
            return self._static_environment(self.place.role_arn, self._pod_session_name(name))
        self._pod_lifetimes_s[name] = self._lifetime_s
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{POD_AGENT}{POD_PATH}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token_path,
        }

    def set_token_review(self, review: Callable[[str], str], signing_key: bytes) -> None:
        """Gives pods of a cluster credentials, too: `review` gives the name of a token's pod, or raises TokenError.

        `signing_key` is that of the cluster's tokens, which STS then takes for web identities.
        """
        self._review = review
        self._endpoint.trust_web_identities(signing_key)

    def warm_up(self) -> None:
        """Makes the first answer as quick as the others."""
        with contextlib.suppress(Exception):  # the first container that asks gets the error
            self._keys(self.place.role_arn, _JOB_SESSION_NAME, self._lifetime_s)

    def respond(self, host: str, path: str, token: str) -> Response:
        """The agents' response to a GET with this Host and Authorization header."""
        if path == POD_PATH:
            return self._respond_to_pod(host, token)
        if path.startswith(_JOB_PATH):
            return self._respond_to_job(path)
        return Response(HTTPStatus.NOT_FOUND, "")

    def _respond_to_job(self, path: str) -> Response:
        """As the ECS agent does (aws/amazon-ecs-agent, handlers/v1/credentials_handler.go)."""
        job = self._jobs.get(path)
        if job is None:
            message = "CredentialsV2Request: Credentials not found"
            document = {"code": "InvalidIdInRequest", "message": message, "HTTPErrorCode": int(HTTPStatus.BAD_REQUEST)}
            return Response(HTTPStatus.BAD_REQUEST, json.dumps(document))
        keys = self._keys(job.role_arn, _JOB_SESSION_NAME, job.lifetime_s)
        return Response(HTTPStatus.OK, json.dumps({"RoleArn": job.role_arn, **keys}))

    def _respond_to_pod(self, host: str, token: str) -> Response:
        """As the agent of Pod Identity does (aws/eks-pod-identity-agent, internal/validation/request.go, pkg/errors)."""
        if host.partition(":")[0] != POD_AGENT:
            return _refusal(HTTPStatus.FORBIDDEN, f"Access Denied. Called agent through invalid address {host}")
        if not token:
            return _refusal(HTTPStatus.BAD_REQUEST, "Service account token cannot be empty")
        if self._review is None:
            return _refusal(HTTPStatus.NOT_FOUND, "(ResourceNotFoundException): no such cluster, fault: client")
        try:
            pod = self._review(token)
        except TokenError as error:
            return _refusal(HTTPStatus.BAD_REQUEST, str(error))
        lifetime_s = self._pod_lifetimes_s.get(pod, self._lifetime_s)
        keys = self._keys(self.place.role_arn, self._pod_session_name(pod), lifetime_s)
        return Response(HTTPStatus.OK, json.dumps({**keys, "AccountId": self.place.account}))

    def _pod_session_name(self, pod: str) -> str:
        cluster = self.place.cluster[:_CLUSTER_CHARACTERS]
        return f"eks-{cluster}-{pod[:_POD_CHARACTERS]}-{uuid.uuid4()}"[:_SESSION_CHARACTERS]

    def _keys(self, role_arn: str, session_name: str, lifetime_s: int) -> dict[str, str]:
        """New keys at each request."""
        keys = self._endpoint.assume_role(role_arn, session_name, lifetime_s)
        return {
            "AccessKeyId": keys["AccessKeyId"],
            "SecretAccessKey": keys["SecretAccessKey"],
            "Token": keys["SessionToken"],
            "Expiration": keys["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _static_environment(self, role_arn: str, session_name: str) -> dict[str, str]:
        keys = self._keys(role_arn, session_name, self._lifetime_s)
        return {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["Token"],
        }


@contextlib.contextmanager
def container_credentials(
    containers: Containers, network: Network, endpoint: AwsEndpoint, *, credentials_lifetime_s: int = LIFETIME_S
) -> Iterator[ContainerCredentials]:
    """The server, and the way to it; both gone at the end."""
    credentials = ContainerCredentials(endpoint, credentials_lifetime_s)
    agents = _Agents(credentials, Peers(containers.client, network))
    server = WsgiServer(open_listener(network.gateway), agents, _LIMITS)

    def serve() -> None:
        # The SDK is imported first (0.3 s), so that no container waits for that.
        credentials.warm_up()
        server.serve_forever()

    thread = threading.Thread(target=serve, name="container-credentials", daemon=True)
    thread.start()
    try:
        with redirect_agents(containers.client, network, server.port) as reason:
            credentials.unavailable_reason = reason
            yield credentials
    finally:
        server.close()
        thread.join()


class _Agents:
    """The agents as a WSGI application. Nothing of a request is logged: a path is a key to credentials."""

    def __init__(self, credentials: ContainerCredentials, peers: Peers) -> None:
        self._credentials = credentials
        self._peers = peers

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Credentials for a GET. A PUT is the first step to instance metadata, which is not there."""
        response = self._get(environ) if environ["REQUEST_METHOD"] == "GET" else Response(HTTPStatus.NOT_FOUND, "")
        body = response.body.encode()
        fields = [("Content-Type", response.content_type), ("Content-Length", str(len(body)))]
        start_response(f"{response.status.value} {response.status.phrase}", fields)
        return [body]

    def _get(self, environ: WSGIEnvironment) -> Response:
        headers, path = environ[HEADERS], environ["RAW_URI"].partition("?")[0]
        try:
            response = self._credentials.respond(headers.get("host", ""), path, headers.get("authorization", ""))
            if response.status is HTTPStatus.OK and not self._is_owner(environ["REMOTE_ADDR"], path):
                response = _refusal(HTTPStatus.FORBIDDEN, "Access Denied. These credentials are another container's")
        except Exception as error:  # noqa: BLE001 - an endpoint that is going away; the client asks again
            response = _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, type(error).__name__)
        return response

    def _is_owner(self, address: str, path: str) -> bool:
        """Whether the container that asks was given this path. A pod shows a token besides, so any container may ask."""
        environment = self._peers.environment(address)
        if environment is None:
            return False
        return path == POD_PATH or f"{_RELATIVE_URI}={path}" in environment


def _refusal(status: HTTPStatus, text: str) -> Response:
    return Response(status, f"{text}\n", "text/plain; charset=utf-8")
