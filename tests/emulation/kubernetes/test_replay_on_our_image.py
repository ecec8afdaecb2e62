"""Recorded pods of our own image, replayed (pods-2): what each saw, wrote and left, and how it ended."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lyftlearn_image.emulation.kubernetes.cluster import Cluster
from lyftlearn_image.emulation.kubernetes.container_log import read_log
from lyftlearn_image.emulation.kubernetes.emulator import KubernetesEmulator
from lyftlearn_image.emulation.kubernetes.node import ENGINE_DNS_IP, Node
from lyftlearn_image.emulation.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network
    from lyftlearn_image.emulation.kubernetes.emulator import PodResult

RECORDED = Path(__file__).resolve().parent / "pods-2"
NAMES = sorted(path.stem for path in RECORDED.glob("*.json"))
NODE = Node(
    dns_ip="10.96.0.10",
    dns_search=("example.internal",),
    nameservers=("10.99.0.1",),
    allocatable={"cpu": "2", "memory": "24097918976", "ephemeral-storage": "250Gi"},
)
# This one resolves names, for which there is the engine's resolver alone.
RESOLVES = "p15-svc"
# It is evicted here a second after its record was taken there: the time of an eviction is not the cluster's.
EVICTED = "p25-ephem"
# The kernel decides how much is written before it kills.
KILLED = "p16-hugelimits"
# A deadline from which a loaded machine cannot take the program's beginning: (there, here).
DEADLINE_S = (4, 20)
# What the engine was started with ignored of the signals that no program can set (glibc keeps them to itself).
OF_THE_C_LIBRARY = 1 << 31 | 1 << 32
# From whichever pool the engine takes it; not the address of p06's aliases.
POD_IP = re.compile(r"^(?!127\.|10\.1\.2\.3\t)\d{1,3}(?:\.\d{1,3}){3}(?=\t)", re.MULTILINE)
# The engine's resolver, or the emulator's on the network's own address.
EMULATED_DNS = re.compile(rf"{re.escape(ENGINE_DNS_IP)}|(172|192\.168)\.[\d.]+")


@pytest.fixture(scope="module")
def replayed(
    containers: Containers,
    network: Network,
    lyftlearn_image_tag: str,
    docker_cli: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[PodResult, Path]]:
    """Every recorded pod, run here several at a time: its end and its workspace."""
    image = f"{lyftlearn_image_tag.replace(':', '-')}-probe2:test"
    context = tmp_path_factory.mktemp("probe2")
    for path in (RECORDED / "probe").iterdir():
        text = path.read_text().replace("lyftlearn:latest", lyftlearn_image_tag)
        (context / path.name).write_text(text)
    docker_cli("build", "-q", "-t", image, str(context))
    machine = Machine(containers, network, None, {})  # type: ignore[arg-type] - nothing is collected

    def run(name: str) -> tuple[PodResult, Path]:
        workspace = tmp_path_factory.mktemp(name)
        node = NODE if name != RESOLVES else Node(allocatable=NODE.allocatable, dns_search=NODE.dns_search)
        emulator = KubernetesEmulator(machine, Cluster(namespace="probe", node=node, restart_backoff_s=0.1))
        *others, pod = manifests(name)
        for container in pod["spec"]["containers"]:
            container["image"] = image
        if pod["spec"].get("activeDeadlineSeconds") == DEADLINE_S[0]:
            pod["spec"]["activeDeadlineSeconds"] = DEADLINE_S[1]
        return emulator.run_pod(others, pod, workspace), workspace

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(NAMES, pool.map(run, NAMES), strict=True))


def manifests(name: str) -> list[dict[str, Any]]:
    """The manifests of a recorded pod: the pod is the last. The Service of p15 was there when p11 ran."""
    found = [one for one in yaml.safe_load_all((RECORDED / f"{name}.yaml").read_text()) if one]
    return [*manifests(RESOLVES)[:-1], *found] if name == "p11-tty" else found


def recorded(name: str) -> dict[str, Any]:
    """What the cluster said of a pod."""
    content: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())
    return content


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_pod_of_our_image_ends_as_there(replayed: dict[str, tuple[PodResult, Path]], name: str) -> None:
    """Phase, reason and message of the pod; exit code, reason, message and restarts of its container, and its last run."""
    there, (here, _) = recorded(name), replayed[name]
    if name == EVICTED:
        assert here.status.reason == "Evicted"
        assert here.status.message == 'Usage of EmptyDir volume "d" exceeds the limit "5Mi". '
        return
    assert (here.status.phase, here.status.reason, here.status.message) == (
        there["phase"],
        there["reason"] or "",
        there["message"] or "",
    )
    ((container, state, last_state, restarts),) = there["ends"]
    status = here.status.container(container)
    assert status.restart_count == restarts
    for ended, end in ((state, status.terminated), (last_state, status.last_terminated)):
        if "terminated" in ended:
            assert end is not None
            assert (end.exit_code, end.reason, end.message) == (
                ended["terminated"]["exitCode"],
                ended["terminated"]["reason"],
                ended["terminated"].get("message", ""),
            )
        else:
            assert end is None


@pytest.mark.parametrize("name", [name for name in NAMES if name != KILLED])
def test_a_recorded_pod_of_our_image_sees_the_same(
    replayed: dict[str, tuple[PodResult, Path]], containers: Containers, name: str
) -> None:
    """Every field that the probe printed, but for what is the machine's own; and every other line of the log."""
    has_cgroup_v1 = containers.client.info()["CgroupVersion"] == "1"
    _, workspace = replayed[name]
    log = read_log(max((workspace / "containers" / "main").glob("*.log"), key=lambda path: int(path.stem))).decode()
    (here, others), (there, recorded_others) = split(log), split(recorded(name)["log"] or "")
    assert others == recorded_others
    assert bool(here) == bool(there)
    for key in there if has_cgroup_v1 else there.keys() - {"cg"}:
        assert here[key] == there[key], key


def split(log: str) -> tuple[dict[str, Any], list[str]]:
    """What the probe printed, in a form to compare, and the other lines: of both streams at once, so in no order."""
    lines = log.replace("\r", "").splitlines()
    seen = next((comparable(json.loads(line[2:])) for line in lines if line.startswith("@@")), {})
    return seen, sorted(re.sub(r"line 1: +\d+ ", "line 1: N ", line) for line in lines if not line.startswith("@@"))


def comparable(probe: dict[str, Any]) -> dict[str, Any]:
    """The fields of the probe without what no two pods share: addresses, tokens, the machine's own limits of processes."""
    hosts_status, hosts = probe["/etc/hosts"]
    dns_status, dns = probe["/etc/resolv.conf"]
    return {
        **{key: value for key, value in probe.items() if key not in {"limits", "pid"}},
        "tree": {path: re.sub(r"'eyJ[^']*'", "'<TOKEN>'", what) for path, what in probe["tree"].items()},
        "/etc/hosts": [hosts_status, POD_IP.sub("<pod ip>", hosts)],
        "/etc/resolv.conf": [dns_status, EMULATED_DNS.sub(NODE.dns_ip, dns)],
        "status": {**probe["status"], "SigIgn": int(probe["status"]["SigIgn"], 16) & ~OF_THE_C_LIBRARY},
        "mounts": {path: mounted(*mount) for path, mount in probe["mounts"].items()},
    }


def mounted(kind: str, options: str, size: str, status: str) -> tuple[str, ...]:
    """A mount; of one of a disk, whether it is writable: the rest is the disk's own."""
    return kind, options if kind == "tmpfs" else str("ro" in options.split(",")), size, status


def test_the_recordings_cover_what_they_are_kept_for() -> None:
    """Every QoS class, both kinds of volumes in memory, and each way of an end is among them."""
    ends = [recorded(name)["ends"][0][1].get("terminated", {}).get("reason") for name in NAMES]
    assert set(ends) == {"Completed", "OOMKilled", "Error", "StartError", None}
