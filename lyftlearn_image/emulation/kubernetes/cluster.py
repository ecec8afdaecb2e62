"""The cluster and the pod that an emulated container believes in."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.kubernetes import tokens
from lyftlearn_image.emulation.kubernetes.service_env import service_variables
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Where the engine answers in every container of a network of its own.
ENGINE_DNS = "127.0.0.11"
# A hostname has at most 63 characters (kubernetes/kubernetes pkg/kubelet/util/util_linux.go, recorded in pods, case 14).
_HOSTNAME_LENGTH = 63
# The API gives the token of its own directory a year, for clients that do not reload it, and says when to warn about them;
# any other has the lifetime that is asked for (recorded in pods, cases 03 and 06; kubernetes/api).
_EXTENDED_LIFETIME_S = 31536000
_WARN_AFTER_S = 3607
TOKEN_LIFETIME_S = 3600


@dataclass(frozen=True)
class Cluster:
    """Names and addresses of a cluster. Nobody answers at the API's address: scripts of jobs do not ask it.

    `dns_ip` is the engine's own resolver, where it is not set otherwise; pods with Services are given the emulator's.
    """

    domain: str = "cluster.local"
    namespace: str = "default"
    node_name: str = "node-1"
    node_ip: str = "192.168.0.10"
    api_ip: str = "10.96.0.1"
    dns_ip: str = ENGINE_DNS
    node_search: tuple[str, ...] = ()
    # A restarted container's first delay (the very first restart is at once) and a Job's; doubled each time.
    restart_backoff_s: float = 10.0
    job_backoff_s: float = 10.0
    allocatable: Mapping[str, str] = field(default_factory=lambda: {"cpu": "2", "memory": "8Gi", "ephemeral-storage": "50Gi"})

    # What its tokens are signed with; nobody else has it.
    signing_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def service_variables(self) -> dict[str, str]:
        """The eight variables of the service `kubernetes`, which every container has (recorded in pods, case 01)."""
        return service_variables("kubernetes", self.api_ip, [{"name": "https", "port": 443, "protocol": "TCP"}])

    def pod_of(self, token: str, audience: str) -> str:
        """The name of the pod that was given a token for this audience; TokenError for any other token."""
        return str(tokens.verified(token, self.signing_key, audience)["kubernetes.io"]["pod"]["name"])

    def resolv_conf(self, namespace: str, dns_config: Mapping[str, Any], policy: str = "ClusterFirst") -> str:
        """/etc/resolv.conf: dnsConfig adds to what ClusterFirst says, and is all with None (recorded in pods, case 14)."""
        is_first = policy != "None"
        searches = [f"{namespace}.svc.{self.domain}", f"svc.{self.domain}", self.domain, *self.node_search] if is_first else []
        searches += [one for one in dns_config.get("searches") or () if one not in searches]
        servers = [*([self.dns_ip] if is_first else []), *(dns_config.get("nameservers") or ())]
        options = {"ndots": "5"} if is_first else {}
        for one in dns_config.get("options") or ():
            options[one["name"]] = str(one.get("value") or "")
        shown = " ".join(f"{name}:{value}" if value else name for name, value in options.items())
        lines = [f"search {' '.join(searches)}"] if searches else []
        lines += [f"nameserver {one}" for one in servers] + ([f"options {shown}"] if shown else [])
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Pod:
    """One pod: its manifest's parts, and what the cluster gave it."""

    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    ip: str
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def name(self) -> str:
        """The pod's metadata.name."""
        return str(self.metadata["name"])

    def namespace(self, cluster: Cluster) -> str:
        """The pod's metadata.namespace, else the cluster's."""
        return str(self.metadata.get("namespace") or cluster.namespace)

    def hostname(self) -> str:
        """spec.hostname or the pod's name, cut to 63 characters without a separator at the end."""
        return str(self.spec.get("hostname") or self.name)[:_HOSTNAME_LENGTH].rstrip("-.")

    def fqdn(self, cluster: Cluster) -> str | None:
        """The full name, where spec.subdomain gives it one."""
        if not self.spec.get("subdomain"):
            return None
        return f"{self.hostname()}.{self.spec['subdomain']}.{self.namespace(cluster)}.svc.{cluster.domain}"

    def shared_user(self) -> int | None:
        """The runAsUser that every container of the pod has, None where one has none or they differ."""
        own = (self.spec.get("securityContext") or {}).get("runAsUser")
        everyone = (*self.spec["containers"], *(self.spec.get("initContainers") or ()))
        users = {(one.get("securityContext") or {}).get("runAsUser", own) for one in everyone}
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
            lines += ["\t".join([one["ip"], *one.get("hostnames", ())]) for one in aliases]
        return "\n".join(lines) + "\n"

    def token(self, cluster: Cluster, audience: str | None = None, lifetime_s: int | None = None) -> bytes:
        """A ServiceAccount token with the claims of a real one (recorded in pods, case 06), signed by the cluster."""
        namespace, account = self.namespace(cluster), str(self.spec.get("serviceAccountName") or "default")
        now = int(time.time())
        claims = {
            "aud": [audience or f"https://kubernetes.default.svc.{cluster.domain}"],
            "exp": now + (lifetime_s or _EXTENDED_LIFETIME_S), "iat": now, "nbf": now,
            "iss": f"https://kubernetes.default.svc.{cluster.domain}", "jti": str(uuid.uuid4()),
            "kubernetes.io": {
                "namespace": namespace, "node": {"name": cluster.node_name, "uid": self.uid},
                "pod": {"name": self.name, "uid": self.uid}, "serviceaccount": {"name": account, "uid": self.uid},
                **({} if lifetime_s else {"warnafter": now + _WARN_AFTER_S}),
            },
            "sub": f"system:serviceaccount:{namespace}:{account}",
        }  # fmt: skip
        return tokens.signed(claims, cluster.signing_key)

    def field(self, path: str, cluster: Cluster) -> str:
        """A value of the downward API."""
        simple = {
            "metadata.name": self.name, "metadata.namespace": self.namespace(cluster), "metadata.uid": self.uid,
            "spec.nodeName": cluster.node_name, "spec.serviceAccountName": self.spec.get("serviceAccountName") or "default",
            "status.hostIP": cluster.node_ip, "status.hostIPs": cluster.node_ip,
            "status.podIP": self.ip, "status.podIPs": self.ip,
        }  # fmt: skip
        if path in simple:
            return str(simple[path])
        for kind in ("labels", "annotations"):
            if path.startswith(f"metadata.{kind}['") and path.endswith("']"):
                return str((self.metadata.get(kind) or {}).get(path[len(f"metadata.{kind}['") : -2], ""))
        raise InvalidInputError(f"fieldPath {path!r}: the API knows no such field of a pod")

    def volume_field(self, path: str, cluster: Cluster) -> str:
        """A value of the downward API in a file: labels and annotations as a whole too, addresses and the node not."""
        if path in ("metadata.labels", "metadata.annotations"):
            values = dict(self.metadata.get(path.partition(".")[2]) or {})
            if path == "metadata.annotations":
                # The kubelet's own two (recorded in pods, case 04).
                seen = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
                values |= {"kubernetes.io/config.seen": seen, "kubernetes.io/config.source": "api"}
            return "\n".join(f"{key}={json.dumps(str(value), ensure_ascii=False)}" for key, value in sorted(values.items()))
        if path.startswith(("status.", "spec.")):
            raise InvalidInputError(f"fieldPath {path!r}: Unsupported value in a volume", hint="Use a variable for it.")
        return self.field(path, cluster)
