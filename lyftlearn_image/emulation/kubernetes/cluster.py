"""The cluster and the pod, as an emulated container sees them."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.kubernetes import tokens
from lyftlearn_image.emulation.kubernetes.node import Node
from lyftlearn_image.emulation.kubernetes.service_env import service_variables
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

# The kernel's limit (kubernetes/kubernetes pkg/kubelet/util/util_linux.go; recorded in pods, case 14).
_HOSTNAME_LENGTH = 63
# For clients that do not reload it, the API extends the token of the ServiceAccount directory to a year and says when to warn.
# Every other token has the lifetime that is asked for (recorded in pods, cases 03 and 06; kubernetes/api).
_EXTENDED_LIFETIME_S = 31536000
_WARN_AFTER_S = 3607
TOKEN_LIFETIME_S = 3600


@dataclass(frozen=True)
class Cluster:
    """Names and addresses of a cluster of one node. No API server listens at `api_ip`: scripts of jobs do not call it."""

    domain: str = "cluster.local"
    namespace: str = "default"
    api_ip: str = "10.96.0.1"
    node: Node = field(default_factory=Node)
    # First delays, doubled each time: of a container's second restart (the first is at once), and of a Job's next pod.
    restart_backoff_s: float = 10.0
    job_backoff_s: float = 10.0
    # The time between two looks of the kubelet at its containers (kubernetes pkg/kubelet, genericPlegRelistPeriod).
    relist_s: float = 1.0

    # What the cluster signs its tokens with; nobody else has it.
    signing_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def api_service_variables(self) -> dict[str, str]:
        """The eight variables of the Service `kubernetes`, which every container has (recorded in pods, case 01)."""
        return service_variables("kubernetes", self.api_ip, [{"name": "https", "port": 443, "protocol": "TCP"}])

    def review_token(self, token: str, audience: str) -> str:
        """The name of the pod that a token for this audience belongs to; TokenError for any other token."""
        return str(tokens.verify_token(token, self.signing_key, audience)["kubernetes.io"]["pod"]["name"])

    def resolv_conf(self, namespace: str, dns_config: Mapping[str, Any], policy: str = "ClusterFirst") -> str:
        """/etc/resolv.conf. dnsConfig is added to the policy's; with the policy None it is all (recorded, cases 14 and p06)."""
        searches, servers, options = [f"{namespace}.svc.{self.domain}", f"svc.{self.domain}", self.domain], [], {}
        if policy == "None":
            searches = []
        elif policy == "Default":
            searches, servers = [*self.node.dns_search], [*self.node.nameservers]
        else:
            searches += self.node.dns_search
            servers, options = [self.node.dns_ip], {"ndots": "5"}
        searches += dns_config.get("searches") or ()
        servers += dns_config.get("nameservers") or ()
        for option in dns_config.get("options") or ():
            options[option["name"]] = str(option.get("value") or "")
        lines = [f"search {' '.join(dict.fromkeys(searches))}"] if searches else []
        lines += [f"nameserver {server}" for server in dict.fromkeys(servers)]
        if options:
            lines.append(" ".join(["options", *(f"{name}:{value}" if value else name for name, value in options.items())]))
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Pod:
    """One pod: metadata and spec of its manifest, its IP and its UID."""

    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    ip: str
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def name(self) -> str:
        """The pod's metadata.name."""
        return str(self.metadata["name"])

    @property
    def containers(self) -> tuple[Mapping[str, Any], ...]:
        """The manifests of all containers: init containers come last."""
        return (*self.spec["containers"], *(self.spec.get("initContainers") or ()))

    def namespace(self, cluster: Cluster) -> str:
        """The pod's metadata.namespace, else the cluster's."""
        return str(self.metadata.get("namespace") or cluster.namespace)

    def hostname(self) -> str:
        """spec.hostname or the pod's name, cut to 63 characters without a separator at the end."""
        return str(self.spec.get("hostname") or self.name)[:_HOSTNAME_LENGTH].rstrip("-.")

    def fqdn(self, cluster: Cluster) -> str | None:
        """The fully qualified domain name, None without a spec.subdomain."""
        if not self.spec.get("subdomain"):
            return None
        return f"{self.hostname()}.{self.spec['subdomain']}.{self.namespace(cluster)}.svc.{cluster.domain}"

    def common_run_as_user(self) -> int | None:
        """The runAsUser of every container of the pod, None where one has none or they differ."""
        default = (self.spec.get("securityContext") or {}).get("runAsUser")
        users = {(container.get("securityContext") or {}).get("runAsUser", default) for container in self.containers}
        return users.pop() if len(users) == 1 else None

    def hosts_file(self, cluster: Cluster) -> str:
        """/etc/hosts as the kubelet writes it (kubernetes/kubernetes pkg/kubelet/kubelet_pods.go; recorded in pods)."""
        names = "\t".join(name for name in (self.fqdn(cluster), self.hostname()) if name)
        lines = [
            "# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback",
            "fe00::0\tip6-localnet", "fe00::0\tip6-mcastprefix", "fe00::1\tip6-allnodes", "fe00::2\tip6-allrouters",
            f"{self.ip}\t{names}",
        ]  # fmt: skip
        aliases = self.spec.get("hostAliases") or ()
        if aliases:
            lines += ["", "# Entries added by HostAliases."]
            lines += ["\t".join([alias["ip"], *alias.get("hostnames", ())]) for alias in aliases]
        return "\n".join(lines) + "\n"

    def service_account_token(self, cluster: Cluster, audience: str | None = None, lifetime_s: int | None = None) -> bytes:
        """A signed token with the claims of a real one (recorded in pods, case 06); for the API and a year by default."""
        namespace, account = self.namespace(cluster), str(self.spec.get("serviceAccountName") or "default")
        now = int(time.time())
        claims = {
            "aud": [audience or f"https://kubernetes.default.svc.{cluster.domain}"],
            "exp": now + (lifetime_s or _EXTENDED_LIFETIME_S), "iat": now, "nbf": now,
            "iss": f"https://kubernetes.default.svc.{cluster.domain}", "jti": str(uuid.uuid4()),
            "kubernetes.io": {
                "namespace": namespace, "node": {"name": cluster.node.name, "uid": self.uid},
                "pod": {"name": self.name, "uid": self.uid}, "serviceaccount": {"name": account, "uid": self.uid},
                **({} if lifetime_s else {"warnafter": now + _WARN_AFTER_S}),
            },
            "sub": f"system:serviceaccount:{namespace}:{account}",
        }  # fmt: skip
        return tokens.sign_token(claims, cluster.signing_key)

    def field_value(self, path: str, cluster: Cluster) -> str:
        """The value of a fieldRef of the downward API in a variable."""
        fields = {
            "metadata.name": self.name, "metadata.namespace": self.namespace(cluster), "metadata.uid": self.uid,
            "spec.nodeName": cluster.node.name, "spec.serviceAccountName": self.spec.get("serviceAccountName") or "default",
            "status.hostIP": cluster.node.ip, "status.hostIPs": cluster.node.ip,
            "status.podIP": self.ip, "status.podIPs": self.ip,
        }  # fmt: skip
        if path in fields:
            return str(fields[path])
        for kind in ("labels", "annotations"):
            if path.startswith(f"metadata.{kind}['") and path.endswith("']"):
                return str((self.metadata.get(kind) or {}).get(path[len(f"metadata.{kind}['") : -2], ""))
        raise InvalidInputError(f"fieldPath {path!r}: the API knows no such field of a pod")

    def volume_field_value(self, path: str, cluster: Cluster) -> str:
        """The value of a fieldRef in a file: all labels or annotations too, but no addresses and nothing of the node."""
        if path in ("metadata.labels", "metadata.annotations"):
            values = dict(self.metadata.get(path.partition(".")[2]) or {})
            if path == "metadata.annotations":
                # The kubelet's own two (recorded in pods, case 04).
                seen = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
                values |= {"kubernetes.io/config.seen": seen, "kubernetes.io/config.source": "api"}
            return "\n".join(f"{key}={json.dumps(str(value), ensure_ascii=False)}" for key, value in sorted(values.items()))
        if path.startswith(("status.", "spec.")):
            raise InvalidInputError(f"fieldPath {path!r}: Unsupported value in a volume", hint="Use a variable for it.")
        return self.field_value(path, cluster)
