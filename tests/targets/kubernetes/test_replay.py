"""The recorded pods of a real Kubernetes, replayed: the emulator agrees field by field, or refuses by name."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lyftlearn_image.errors import InvalidInputError, RunError, UnsupportedError
from lyftlearn_image.targets.kubernetes.cluster import Cluster
from lyftlearn_image.targets.kubernetes.emulator import KubernetesEmulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.targets.containers import Containers, Network

SERVICE_ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"
# How the recordings shorten long strings: the beginning, which is one character again and again, and the length.
SHORTENED = re.compile(r"(.)\1+\.\.\.\((\d+) characters in all, shortened here\)")
PODS = Path(__file__).resolve().parent / "pods"
# Images of the recordings, made from probe:1 (README.md there).
DERIVED = {
    "cmd": 'CMD ["cmd1","cmd2"]',
    "cmdonly": 'ENTRYPOINT []\nCMD ["python3","/probe.py","from-cmd"]',
    "shell": 'ENTRYPOINT python3 /probe.py from-shell-form\nCMD ["cmd1"]',
    "user": "USER app",
    "usernum": "USER 1500",
    "home": "ENV HOME=/root HOSTNAME=from-image STATSD_PORT=image-8125",
}
TOO_LARGE = "over1mib"  # the ConfigMap of case 17 that the API refused
# Recorded pods that use what the emulator does not implement yet: pod → the field that it names.
REFUSED = {
    "tty": "spec.containers[0].stdin",
    "token-two-uids": "spec.containers[1]",
    "four-containers": "spec.containers[1]",
    "restart-onfailure": "spec.restartPolicy",
    "native": "spec.initContainers",
    "init-fails": "spec.initContainers",
    "sidecar-probe": "spec.initContainers",
    "shared": "spec.shareProcessNamespace",
    "separate": "spec.containers[1]",
    "dns-none": "spec.dnsPolicy = None",
    "image-workdir": "spec.containers[0].lifecycle",
    "pod-workdir": "spec.containers[0].lifecycle",
    "with-limits": "spec.volumes",
    "no-limits": "spec.volumes",
    "volume-podip": "spec.volumes",
}
# What the API or the kubelet refused is refused here too: pod → a word of the reason.
WRONG = {
    "env-all-labels": "fieldPath",
    "bad-env-name": "env name",
    "nonroot-username": "non-numeric user",
    "nonroot-rootimage": "run as root",
    "nonroot-uid0": "run as root",
    "missing-cm-envfrom": "not found",
    "missing-cm-key": "not found|couldn't find key",
    "missing-secret-env": "not found",
    "missing-cm-volume": "not found",
    "missing-key-volume": "non-existent key",
    "spec-2mb": "request is too large",
    "spec-4mb": "request is too large",
}
# What differs, and why: pod → the places. The engine gives a tmpfs the mode and group of the image's directory below it.
KNOWN = {"tmp-memory": ("/stat//tmp/",), "memory-nosize": ("/stat//tmp/",)}
COMPARED = (
    "argv", "cwd", "env", "ids", "umask", "passwd", "group", "isatty", "hostname", "etc_hostname", "etc_resolv_conf",
    "sysctl", "absent", "getuser", "expanduser", "gettempdir", "stat", "volumes", "dev_shm", "stdin_read",
)  # fmt: skip
# Of a process' status; `Groups` repeats ids, and the number of seccomp filters is the runtime's own.
STATUS = ("CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")


def recorded() -> Iterator[Any]:
    """Every recorded pod as a test case: its case's folder and its name."""
    for case in sorted(path.parent for path in PODS.glob("*/manifest.yaml")):
        for one in yaml.safe_load_all((case / "manifest.yaml").read_text()):
            if one and one["kind"] == "Pod":
                yield pytest.param(case, one, id=f"{case.name}/{one['metadata']['name']}"[:80])


@pytest.fixture(scope="module")
def images(probe_image: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Image names of the recordings → images of this engine."""
    from lyftlearn_image.build.engine import build_client

    found = {"probe:1": probe_image}
    for name, lines in DERIVED.items():
        directory = tmp_path_factory.mktemp(name)
        (directory / "Dockerfile").write_text(f"FROM {probe_image}\n{lines}\n")
        tag = f"lyftlearn-test-probe:{name}"
        subprocess.run(
            [str(build_client()), "build", "-q", "-t", tag, str(directory)],
            check=True, capture_output=True, env={**os.environ, "DOCKER_BUILDKIT": "1"},
        )  # fmt: skip
        found[f"probe:{name}"] = tag
    return found


@pytest.mark.parametrize(("case", "pod"), list(recorded()))
def test_a_recorded_pod_is_seen_again(  # noqa: PLR0913, PLR0917 - fixtures
    containers: Containers, network: Network, images: dict[str, str], tmp_path: Path, case: Path, pod: dict[str, Any]
) -> None:
    """What the probe saw in a real pod it sees here, and the container ends in the same way."""
    pod, name = restored(pod), pod["metadata"]["name"]
    kinds = ("ConfigMap", "Secret")
    others = [restored(one) for one in all_of(case) if one["kind"] in kinds and one["metadata"]["name"] != TOO_LARGE]
    cluster = Cluster(namespace=f"podobs-{case.name[:2]}", dns_ip="10.96.0.10")
    emulator = KubernetesEmulator(containers, network, None, {}, cluster)  # type: ignore[arg-type]
    for container in pod["spec"]["containers"]:
        container["image"] = images.get(container["image"], container["image"])
    if name in REFUSED:
        with pytest.raises(UnsupportedError) as refused:
            emulator.run_pod(others, pod, tmp_path)
        assert REFUSED[name] in str(refused.value)
        return
    if name in WRONG:
        with pytest.raises(InvalidInputError, match=WRONG[name]):
            emulator.run_pod(others, pod, tmp_path)
        return
    if name == "image-absent":
        with pytest.raises(RunError, match="no such image"):
            emulator.run_pod(others, pod, tmp_path)
        return
    end, _ = emulator.run_pod(others, pod, tmp_path)
    expected = json.loads((case / "observation.json").read_text()).get(f"{name}/main", {})
    if "probe" in expected:
        there, here = plain(expected["probe"]), seen(tmp_path)
        if SERVICE_ACCOUNT not in there["volumes"]:
            here["volumes"].pop(SERVICE_ACCOUNT, None)  # its listing was kept in three cases only (README.md)
        differing = [text for text in different(here, there) if not text.startswith(KNOWN.get(name, ("-",)))]
        assert differing == []
    check_end(case, name, end)


def all_of(case: Path) -> list[Any]:
    """The manifests of a case."""
    return [one for one in yaml.safe_load_all((case / "manifest.yaml").read_text()) if one]


def restored(value: Any) -> Any:
    """A manifest with its shortened strings in their full length."""
    if isinstance(value, dict):
        return {key: restored(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [restored(inner) for inner in value]
    return SHORTENED.sub(lambda found: found[1] * int(found[2]), value) if isinstance(value, str) else value


def seen(workspace: Path) -> dict[str, Any]:
    """What the probe printed here."""
    text = (workspace / "stdout").read_text(encoding="utf-8", errors="replace")
    assert "=====PODOBS-BEGIN=====" in text, text + (workspace / "stderr").read_text()
    return plain(json.loads(text.split("=====PODOBS-BEGIN=====")[1].split("=====PODOBS-END=====")[0]))


def plain(probe: dict[str, Any]) -> dict[str, Any]:
    """The compared fields, without what no two pods share.

    Left out, and why: sizes of directories (the disk's own), timestamps in the names of projected directories, the pod's
    address, `service-ca.crt` (that cluster's fork), what a token or a certificate holds but for its claims.
    """
    kept: dict[str, Any] = {key: probe[key] for key in COMPARED}
    kept["status"] = {key: probe["proc_status"][key] for key in STATUS}
    address = probe["resolve_own_hostname"].get("ok", "-")
    kept["etc_hosts"] = probe["etc_hosts"].replace(address, "<pod ip>")
    kept["env"] = {
        key: value.replace(address, "<pod ip>") if isinstance(value, str) else value for key, value in probe["env"].items()
    }
    kept["stat"] = {path: {key: value for key, value in one.items() if key != "size"} for path, one in probe["stat"].items()}
    kept["dev_shm"] = {key: value for key, value in probe["dev_shm"].items() if key != "size"}
    kept["volumes"] = {path: listing(entries) for path, entries in probe["volumes"].items()}
    return kept


def listing(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A volume's entries in order, with the timestamped directory under one name."""
    found = []
    for entry in entries:
        if "service-ca.crt" in entry["path"]:
            continue
        one = {key: value for key, value in entry.items() if key not in ("size", "token", "via_link")}
        one["path"] = stamped(entry["path"])
        if "target" in one:
            one["target"] = stamped(one["target"])
        if str(one.get("content", "")).startswith("(certificate"):
            one["content"] = "(certificate)"
        found.append(one)
    return sorted(found, key=lambda one: str(one["path"]))


def stamped(path: str) -> str:
    """A path in which the timestamped directory has a fixed name."""
    return "/".join("..timestamp" if part.startswith("..2") else part for part in path.split("/"))


def check_end(case: Path, name: str, end: Any) -> None:
    """Exit code, reason and message of the recorded container's end."""
    status = json.loads((case / "status.json").read_text())
    (recorded_pod,) = [one for one in status["pods"] if one["metadata"]["name"] == name]
    ended = recorded_pod["status"]["containerStatuses"][0].get("state", {}).get("terminated")
    if ended is None:
        return
    assert end.exit_code == ended["exitCode"]
    assert end.reason == ended["reason"]
    if ended["reason"] != "StartError":  # its message is the runtime's own text
        assert end.message == ended.get("message", "")


def test_a_config_map_over_a_mebibyte_is_refused(containers: Containers, network: Network, tmp_path: Path) -> None:
    """As the API refused it, one byte over the limit."""
    case = PODS / "17-env-size"
    (large,) = [restored(one) for one in all_of(case) if one["metadata"]["name"] == TOO_LARGE]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x"},
        "spec": {"restartPolicy": "Never", "containers": [{"image": "x"}]},
    }
    with pytest.raises(InvalidInputError, match="at most 1048576"):
        KubernetesEmulator(containers, network, None, {}).run_pod([large], pod, tmp_path)  # type: ignore[arg-type]


def test_every_exception_is_of_a_recorded_pod() -> None:
    """The tables above hold no name that is not recorded, so that they shrink as the emulator grows."""
    names = {case.values[1]["metadata"]["name"] for case in recorded()}
    assert set(REFUSED) | set(WRONG) <= names


def different(here: Any, there: Any, path: str = "") -> list[str]:
    """Every place at which two observations differ, with both values."""
    if isinstance(here, dict) and isinstance(there, dict):
        return [
            text
            for key in sorted(here.keys() | there.keys())
            for text in different(here.get(key), there.get(key), f"{path}/{key}")
        ]
    if isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        pairs = enumerate(zip(here, there, strict=True))
        return [text for position, (one, other) in pairs for text in different(one, other, f"{path}/{position}")]
    return [] if here == there else [f"{path}: here {here!r:.200}, there {there!r:.200}"]
