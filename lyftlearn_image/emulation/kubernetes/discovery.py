"""The part of a pod in the cluster's DNS: how it finds Services, and how other pods find it."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from lyftlearn_image.emulation.kubernetes.dns_names import pod_dns_names, service_dns_records
from lyftlearn_image.emulation.kubernetes.node import ENGINE_DNS_IP
from lyftlearn_image.emulation.kubernetes.service_env import cluster_ip

if TYPE_CHECKING:
    import contextlib

    from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod
    from lyftlearn_image.emulation.kubernetes.kubelet import Kubelet
    from lyftlearn_image.emulation.kubernetes.namespace_objects import NamespaceObjects


class Discovery:
    """The DNS names of one pod, which follow its readiness until they are withdrawn."""

    def __init__(self, pod: Pod, objects: NamespaceObjects, kubelet: Kubelet) -> None:
        self._pod = pod
        self._services = objects.services
        # The pods of one run share one NamespaceObjects.
        self._scope = id(objects)
        self._cluster = kubelet.cluster
        self._dns = kubelet.dns
        self._lock = threading.Lock()
        self._published: tuple[str, ...] = ()
        self._is_withdrawn = False

    def serve(self, stack: contextlib.ExitStack) -> Cluster:
        """Starts the DNS server for the pod until the stack is closed; gives the cluster with the DNS that the pod is to use.

        Only a pod with a headless Service needs it.
        """
        node = self._cluster.node
        if all(cluster_ip(service) for service in self._services) or node.dns_ip != ENGINE_DNS_IP:
            return self._cluster
        stack.enter_context(self._dns.serving())
        stack.enter_context(self._dns.client(self._pod.ip, self._scope))
        for name, ip in service_dns_records(self._pod.namespace(self._cluster), self._cluster, self._services):
            self._dns.publish(self._scope, (name,), ip)
            stack.callback(self._dns.withdraw, self._scope, (name,), ip)
        return replace(self._cluster, node=replace(node, dns_ip=self._dns.address))

    def publish(self, *, is_ready: bool) -> None:
        """Publishes the names that the pod has now, and withdraws those that it has no more."""
        self._change(pod_dns_names(self._pod, self._cluster, self._services, is_ready=is_ready))

    def withdraw(self) -> None:
        """Withdraws all names for good."""
        self._change(())
        self._is_withdrawn = True

    def _change(self, names: tuple[str, ...]) -> None:
        with self._lock:
            if self._is_withdrawn:
                return
            self._dns.publish(self._scope, tuple(name for name in names if name not in self._published), self._pod.ip)
            self._dns.withdraw(self._scope, tuple(name for name in self._published if name not in names), self._pod.ip)
            self._published = names
