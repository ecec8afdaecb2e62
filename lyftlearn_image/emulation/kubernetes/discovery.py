"""How one pod finds Services, and how other pods find it: its part of the cluster's DNS."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from lyftlearn_image.emulation.kubernetes.cluster import ENGINE_DNS
from lyftlearn_image.emulation.kubernetes.dns_names import cluster_names, published_names
from lyftlearn_image.emulation.kubernetes.service_env import cluster_ip

if TYPE_CHECKING:
    import contextlib

    from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod
    from lyftlearn_image.emulation.kubernetes.dns import ClusterDns
    from lyftlearn_image.emulation.kubernetes.environment import Objects


class Discovery:
    """The names of one pod, which follow its readiness until it is withdrawn."""

    def __init__(self, pod: Pod, cluster: Cluster, objects: Objects, dns: ClusterDns) -> None:
        self._pod = pod
        self._cluster = cluster
        self._services = objects.services
        # The pods of one run have the same objects.
        self._scope = id(objects)
        self._dns = dns
        self._lock = threading.Lock()
        self._published: tuple[str, ...] = ()
        self._is_withdrawn = False

    def serve(self, stack: contextlib.ExitStack) -> Cluster:
        """The cluster with the DNS that the pod uses: the emulator's where a headless Service has pods to be found."""
        if all(cluster_ip(one) for one in self._services) or self._cluster.dns_ip != ENGINE_DNS:
            return self._cluster
        stack.enter_context(self._dns.serving())
        stack.enter_context(self._dns.client(self._pod.ip, self._scope))
        for name, ip in cluster_names(self._pod.namespace(self._cluster), self._cluster, self._services):
            self._dns.publish(self._scope, (name,), ip)
            stack.callback(self._dns.withdraw, self._scope, (name,), ip)
        return replace(self._cluster, dns_ip=self._dns.address)

    def publish(self, *, is_ready: bool) -> None:
        """Lets other pods find this one at the names that it has now."""
        self._change(published_names(self._pod, self._cluster, self._services, is_ready=is_ready))

    def withdraw(self) -> None:
        """Nobody finds the pod any more."""
        self._change(())
        self._is_withdrawn = True

    def _change(self, names: tuple[str, ...]) -> None:
        with self._lock:
            if self._is_withdrawn:
                return
            self._dns.publish(self._scope, tuple(name for name in names if name not in self._published), self._pod.ip)
            self._dns.withdraw(self._scope, tuple(name for name in self._published if name not in names), self._pod.ip)
            self._published = names
