"""Faults: edits of the world, for `Cluster.at_request` and `Cluster.at_tick`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.services.kubernetes.simulator.refusal import Cut, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.services.kubernetes.simulator.cluster import Cluster

    Edit = Callable[[Cluster], None]


def refuse(code: int, message: str = "try later", *, is_status: bool = True) -> Edit:
    """The request is answered with an error; `is_status=False` is a balancer's, in plain text."""

    def edit(_: Cluster) -> None:
        raise Refusal(code, message, is_status=is_status)

    return edit


def cut(_: Cluster) -> None:
    """The connection ends without an answer."""
    raise Cut


def break_streams(*, is_clean: bool = False) -> Edit:
    """Every watch and log that runs ends: in the middle of a line, or cleanly, as when the kubelet is restarted."""
    return lambda cluster: cluster.server.break_streams(is_clean=is_clean)


def go_away(seconds: float) -> Edit:
    """The API server is down for so long: connections are refused, and those that there are end."""
    return lambda cluster: cluster.go_away(seconds)


def forget_versions(cluster: Cluster) -> None:
    """Etcd is compacted and the watches end: a watch from an older version is answered 410."""
    cluster.objects.forget()
    cluster.server.break_streams(is_clean=True)


def restart_kubelet(ticks: int = 3) -> Edit:
    """Logs that run end, and for some ticks there is no log: the kubelet does not know its pods."""

    def edit(cluster: Cluster) -> None:
        pods = cluster.pods()
        for pod in pods:
            pod.is_known_to_kubelet = False
        cluster.server.break_streams(is_clean=True, only_logs=True)

        def come_back(_: Cluster) -> None:
            for pod in pods:
                pod.is_known_to_kubelet = True

        cluster.at_tick(cluster.ticks + ticks, come_back)

    return edit


def rotate_logs(cluster: Cluster) -> None:
    """The kubelet begins a new file for every log: who reads anew gets what comes from now on."""
    for pod in cluster.pods():
        pod.rotate()


def replace_tokens(token: str, tell: Callable[[str], Any]) -> Edit:
    """Only this token is taken from now on, which the plugin is told by `tell`; streams end."""

    def edit(cluster: Cluster) -> None:
        cluster.tokens = {token}
        tell(token)
        cluster.server.break_streams(is_clean=True)

    return edit


def drain(cluster: Cluster) -> None:
    """Every node is drained."""
    for pod in cluster.pods():
        if pod.running():
            pod.evict()


def delete_pods(cluster: Cluster) -> None:
    """Somebody deletes every pod."""
    for pod in cluster.pods():
        pod.delete()
