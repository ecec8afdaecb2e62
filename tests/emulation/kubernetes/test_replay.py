"""The recorded pods of a real Kubernetes, replayed: the emulator agrees field by field, or refuses by name."""

from __future__ import annotations

import ast
import contextlib
import itertools
import json
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lyftlearn_image.emulation.kubernetes.api_validation import validate_objects
from lyftlearn_image.emulation.kubernetes.cluster import Cluster
from lyftlearn_image.emulation.kubernetes.container_log import read_entries, read_log
from lyftlearn_image.emulation.kubernetes.emulator import KubernetesEmulator
from lyftlearn_image.emulation.kubernetes.namespace_objects import NamespaceObjects
from lyftlearn_image.emulation.kubernetes.node import Node
from lyftlearn_image.emulation.machine import Machine
from lyftlearn_image.errors import InvalidInputError, RunError
from lyftlearn_image.run import StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network
    from lyftlearn_image.emulation.kubernetes.pod_status import PodStatus

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
# In case 20 a program waits until a hook and a probe have surely written their files, and reads one that is not complete if
# it meets the probe at work.
FOUR_SECONDS = ("time.sleep(4)", "while len(glob.glob('/scratch/*[!p]')) < 2: time.sleep(.05)")
ALL_FILES = ("glob.glob('/scratch/*'))", "glob.glob('/scratch/*[!p]'))")
# In case 11 an init container looks for the file of the sidecar before it: the second that the kubelet takes to see the sidecar
# was enough for it there, as it is not on a loaded machine.
AFTER_SIDECAR = (
    "import os;print('second'",
    "import os,time\nwhile not os.path.exists('/shared/sidecar-up'): time.sleep(.05)\nprint('second'",
)
# Strings that no two pods share.
UNIQUE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[0-9:.]+Z")
# Pods that were deleted while they ran, at this line; and those with a test of their own below.
DELETED_AT = {"09-sigterm": "READY"}
APART = ("restart-onfailure", "watch")
TOO_LARGE = "over1mib"  # the ConfigMap of case 17 that the API refused
# What the API or the kubelet refused is refused here too: pod → a word of the reason.
WRONG = {
    "volume-podip": "Unsupported value",
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
# Logs that are not compared, and why.
UNLIKE_LOGS = {
    "shm": "the kernel decides how much is written before it kills",
    "shm-again1": "likewise",
    "shm-again2": "likewise",
    "fallback-long-lines": "the recording shortened it in the middle; its end is in the termination message",
}
BOTH_STREAMS = {"fallback-exit3"}
KNOWN: dict[str, tuple[str, ...]] = {}
HOOK_EVENTS = {"FailedPreStopHook", "FailedPostStartHook"}
# They are read whenever tests are collected; the C library is five times as quick.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What the runtime hides of the kernel: containerd's list of it and the engine's differ.
MASKED = ("/proc", "/sys")
COMPARED = (
    "argv", "cwd", "env", "ids", "umask", "passwd", "group", "isatty", "hostname", "etc_hostname", "etc_resolv_conf",
    "sysctl", "absent", "getuser", "expanduser", "gettempdir", "stat", "volumes", "dev_shm", "stdin_read",
    "pid1_cmdline", "proc_cmdline", "net_interfaces", "dev_listing", "fds",
)  # fmt: skip
# Of a process' status; `Groups` repeats ids, and the number of seccomp filters is the runtime's own.
STATUS = ("CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")


def recorded() -> Iterator[Any]:
    """Every recorded pod as a test case: its case's folder and its name."""
    for case in sorted(path.parent for path in PODS.glob("*/manifest.yaml")):
        for one in yaml.load_all((case / "manifest.yaml").read_text(), _Loader):
            if one and one["kind"] == "Pod" and one["metadata"]["name"] not in APART:
                yield pytest.param(case, one, id=f"{case.name}/{one['metadata']['name']}"[:80])


@pytest.fixture(scope="module")
def images(probe_image: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Image names of the recordings → images of this engine."""
    from lyftlearn_image.build.engine import build_client

    found = {"probe:1": probe_image}
    for name, lines in DERIVED.items():
        directory = tmp_path_factory.mktemp(name)
        (directory / "Dockerfile").write_text(f"FROM {probe_image}\n{lines}\n")
        tag = f"{probe_image}-{name}"
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
    """What the probe saw in a real pod it sees here, and every container ends in the same way."""
    others, pod = objects_of(case), localized(restored(pod), images)
    name = pod["metadata"]["name"]
    emulator = KubernetesEmulator(Machine(containers, network, None, {}), cluster_of(case))  # type: ignore[arg-type]
    if name in WRONG:
        with pytest.raises(InvalidInputError, match=WRONG[name]):
            emulator.run_pod(others, pod, tmp_path)
        return
    if name == "image-absent":
        with pytest.raises(RunError, match="no such image"):
            emulator.run_pod(others, pod, tmp_path)
        return
    stop = StopRequest(re.compile(DELETED_AT[case.name])) if case.name in DELETED_AT else None
    end = emulator.run_pod(others, pod, tmp_path, stop=stop)
    expected = json.loads((case / "observation.json").read_text())
    for container in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())):
        original = expected.get(f"{name}/{container['name']}") or {}
        if "probe" in original:
            assert differences(original["probe"], stdout_of(tmp_path, pod, container["name"]), name) == []
        if "log" in original and name not in UNLIKE_LOGS:
            log = read_log(newest_log(tmp_path, container["name"])).decode("utf-8", "replace")
            assert in_words(log) == in_words(restored(original["log"]))
    if name in expected:
        check_special(expected[name], newest_log(tmp_path, "main"))
    check_end(case, name, end.status)
    check_relist(pod, end.status)


def check_relist(pod: dict[str, Any], status: PodStatus) -> None:
    """What comes after a sidecar begins when the kubelet has had the time to see the sidecar."""
    containers = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    for sidecar, following in itertools.pairwise(containers):
        if sidecar.get("restartPolicy") == "Always":
            first, second = (status.container(one["name"]).terminated for one in (sidecar, following))
            assert first
            assert second
            assert second.started_at - first.started_at >= Cluster().relist_s


def newest_log(workspace: Path, container: str) -> Path:
    """The log of a container's last run."""
    return max((workspace / "containers" / container).glob("*.log"), key=lambda path: int(path.stem))


def in_words(log: str) -> list[str]:
    """The lines of a log in which times and inode numbers have no value, and the engine's order of variables none."""
    text = re.sub(r"(st_(ino|dev|size|nlink|[acm]time)=)\d+", r"\1N", log)
    return sorted(re.sub(r"'from-(main|first)'", "'from-x'", line) for line in text.strip().splitlines())


def check_special(original: dict[str, Any], log: Path) -> None:
    """The layouts of cases 09 and 19: the order of a log's lines, the lengths of its rows."""
    if "log_times_relative_to_delete_call" in original:
        lines = read_log(log).decode().splitlines()
        kept = [event_of(line) for line in lines if not line.startswith("ALIVE")]
        expected = [event_of(line) for line in original["log_times_relative_to_delete_call"]]
        assert kept == [line for line in expected if not line.startswith("last")]
    if "node_file_rows" in original:
        here = [(row.stream, row.tag, len(row.content.decode("utf-8", "ignore"))) for row in read_entries(log)]
        for stream in ("stdout", "stderr"):
            there = [(one["stream"], one["tag"], one["text_length"]) for one in original["node_file_rows"]]
            assert [row for row in here if row[0] == stream] == [row for row in there if row[0] == stream]
        # A row that is part of a line joins whatever row comes next, and which stream's that is was luck there, too.
        lengths = [len(line) for line in read_log(log).decode().split("\n")]
        there = original["kubectl_logs_line_lengths"]
        assert (len(lengths), sum(lengths)) == (len(there), sum(there))


def event_of(line: str) -> str:
    """A line without its time."""
    return re.sub(r"[ -][+\d][\d.]*s?$", "", line)


def objects_of(case: Path) -> list[Any]:
    """The ConfigMaps, Secrets and Services of a case; a Service has the address that it had there."""
    there = {
        one["metadata"]["name"]: one["spec"].get("clusterIP")
        for one in json.loads((case / "status.json").read_text())["other_objects"]
        if one["kind"] == "Service"
    }
    kinds = ("ConfigMap", "Secret", "Service")
    found = [restored(one) for one in all_of(case) if one["kind"] in kinds and one["metadata"]["name"] != TOO_LARGE]
    for one in found:
        if one["kind"] == "Service":
            one["spec"]["clusterIP"] = there[one["metadata"]["name"]]
    return found


def cluster_of(case: Path, *, backoff_s: float = 0.1, dns_ip: str = "10.96.0.10") -> Cluster:
    """The cluster of the recordings. Its node is not ours, but what it could allocate is shown to pods."""
    return Cluster(
        namespace=f"podobs-{case.name[:2]}",
        node=Node(
            name="node1",
            ip="NODE_IP",  # masked in the recordings
            dns_ip=dns_ip,
            allocatable={"cpu": "2", "memory": "25171652608", "ephemeral-storage": "250Gi"},
        ),
        restart_backoff_s=backoff_s,
        job_backoff_s=backoff_s,
    )


def localized(manifest: dict[str, Any], images: dict[str, str]) -> dict[str, Any]:
    """A manifest with images of this engine, and without waits for a time where a condition can be awaited."""
    spec = manifest["spec"]["template"]["spec"] if manifest["kind"] == "Job" else manifest["spec"]
    for container in (*spec["containers"], *spec.get("initContainers", ())):
        container["image"] = images.get(container["image"], container["image"])
        if "command" in container:
            container["command"] = [localized_program(text) for text in container["command"]]
    return manifest


def localized_program(text: str) -> str:
    """A program whose waits for a time are waits for a condition."""
    for there, here in (FOUR_SECONDS, ALL_FILES, AFTER_SIDECAR):
        text = text.replace(there, here)
    return text


def stdout_of(workspace: Path, pod: dict[str, Any], container: str) -> Path:
    """The file with a container's stdout."""
    is_first = pod["spec"]["containers"][0]["name"] == container
    return workspace / "stdout" if is_first else workspace / "containers" / container / "stdout"


def differences(original: dict[str, Any], stdout: Path, name: str) -> list[str]:
    """Every place at which the recorded observation and the one here differ, but for those that are known."""
    there, here = plain(restored(original)), seen(stdout)
    here = {key: value for key, value in here.items() if key in there}  # not every case has every key (README.md)
    if SERVICE_ACCOUNT not in there["volumes"]:
        here["volumes"].pop(SERVICE_ACCOUNT, None)  # its listing was kept in three cases only (README.md)
    return [text for text in different(here, there) if not text.startswith(KNOWN.get(name, ("-",)))]


def all_of(case: Path) -> list[Any]:
    """The manifests of a case."""
    return [one for one in yaml.load_all((case / "manifest.yaml").read_text(), _Loader) if one]


def restored(value: Any) -> Any:
    """A manifest with its shortened strings in their full length."""
    if isinstance(value, dict):
        return {key: restored(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [restored(inner) for inner in value]
    return SHORTENED.sub(lambda found: found[1] * int(found[2]), value) if isinstance(value, str) else value


def seen(stdout: Path) -> dict[str, Any]:
    """What the probe printed here."""
    text = stdout.read_text(encoding="utf-8", errors="replace")
    assert "=====PODOBS-BEGIN=====" in text, text + stdout.with_name("stderr").read_text()
    return plain(json.loads(text.split("=====PODOBS-BEGIN=====")[1].split("=====PODOBS-END=====")[0]))


def plain(probe: dict[str, Any]) -> dict[str, Any]:
    """The compared fields, without what no two pods share.

    Left out, and why: sizes of directories (the disk's own), timestamps in the names of projected directories, the pod's
    address and UID, `service-ca.crt` (that cluster's fork), what a certificate holds and a token but for its claims;
    limits of processes, paths of cgroups, shares of the CPU and the score of the OOM killer (the node's own).
    """
    kept: dict[str, Any] = {key: probe[key] for key in COMPARED if key in probe}
    kept["status"] = {key: probe["proc_status"][key] for key in STATUS}
    kept = without_unique(kept)
    if "mounts" in probe:
        listed = {one["mount_point"]: mounted(one) for one in probe["mounts"]}
        kept["mounts"] = {path: one for path, one in listed.items() if not path.startswith(MASKED)}
    address = probe["resolve_own_hostname"].get("ok", "-")
    kept["etc_hosts"] = probe["etc_hosts"].replace(address, "<pod ip>")
    kept["env"] = without_unique(probe["env"], address)
    kept["stat"] = {path: {key: value for key, value in one.items() if key != "size"} for path, one in probe["stat"].items()}
    kept["dev_shm"] = {key: value for key, value in probe["dev_shm"].items() if key != "size"}
    kept["volumes"] = {path: listing(without_unique(entries)) for path, entries in probe["volumes"].items()}
    return kept


def mounted(mount: dict[str, Any]) -> dict[str, Any]:
    """What a mount forbids, and how large it is in memory; a projected one is as large as the node's memory."""
    flags = {flag for flag in mount["options"].split(",") if flag in {"ro", "nosuid", "nodev", "noexec"}}
    in_memory = mount["fs_type"] == "tmpfs"
    return {
        "flags": sorted(flags),
        "in_memory": in_memory,
        "size": mount.get("size_bytes") if in_memory and "ro" not in flags else 0,
    }


def without_unique(value: Any, address: str = "-") -> Any:
    """A value in which UIDs, times and the pod's address are under one name."""
    if isinstance(value, dict):
        return {key: without_unique(inner, address) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_unique(inner, address) for inner in value]
    if isinstance(value, str):
        return UNIQUE.sub("<unique>", value if address == "-" else value.replace(address, "<pod ip>"))
    return value


def listing(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A volume's entries in order, with the timestamped directory under one name."""
    found = []
    for entry in entries:
        if "service-ca.crt" in entry["path"]:
            continue
        one = {key: value for key, value in entry.items() if key not in ("size", "via_link")}
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


def check_end(case: Path, name: str, status: PodStatus) -> None:
    """Phase of the pod; exit code, reason and message of every recorded container's end, and its restarts."""
    recorded_case = json.loads((case / "status.json").read_text())
    (there,) = [one["status"] for one in recorded_case["pods"] if one["metadata"]["name"] == name]
    original = {one["reason"] for one in recorded_case["events"] if one["object"] == f"Pod/{name}"}
    assert {event.reason for event in status.events} & HOOK_EVENTS == original & HOOK_EVENTS
    if there["phase"] != "Pending":
        assert status.phase == there["phase"]
    for recorded_status in (*there.get("initContainerStatuses", ()), *there["containerStatuses"]):
        here = status.container(recorded_status["name"])
        assert here.restart_count == recorded_status["restartCount"]
        ended = recorded_status["state"].get("terminated")
        if ended is None:
            assert here.waiting == recorded_status["state"]["waiting"]["reason"]
            continue
        assert here.terminated is not None
        assert here.terminated.exit_code == ended["exitCode"]
        assert here.terminated.reason == ended["reason"]
        if ended["reason"] != "StartError":  # its message is the runtime's own text
            assert in_order(name, here.terminated.message) == in_order(name, ended.get("message", ""))


def in_order(name: str, message: str) -> list[str]:
    """A message's lines; those of a log into which both streams were written at once have no order of their own."""
    lines = message.split("\n")
    return sorted(lines) if name in BOTH_STREAMS else lines


def test_a_config_map_over_a_mebibyte_is_refused() -> None:
    """As the API refused it, one byte over the limit."""
    (large,) = [restored(one) for one in all_of(PODS / "17-env-size") if one["metadata"]["name"] == TOO_LARGE]
    with pytest.raises(InvalidInputError, match="at most 1048576"):
        validate_objects([large])


def test_every_exception_is_of_a_recorded_pod() -> None:
    """The tables above hold no name that is not recorded, so that they shrink as the emulator grows."""
    names = {case.values[1]["metadata"]["name"] for case in recorded()}
    assert set(WRONG) | set(KNOWN) | set(UNLIKE_LOGS) | BOTH_STREAMS <= names


def test_a_container_restarts_with_a_new_termination_message(
    containers: Containers, network: Network, images: dict[str, str], tmp_path: Path
) -> None:
    """With OnFailure: at once the first time, and with an empty file each time (case 08)."""
    case = PODS / "08-termination"
    (manifest,) = [localized(one, images) for one in all_of(case) if one["metadata"]["name"] == "restart-onfailure"]
    emulator = KubernetesEmulator(Machine(containers, network, None, {}), cluster_of(case, backoff_s=60.0))  # type: ignore[arg-type]
    run = emulator.create_pod([], manifest, tmp_path)
    with in_background(run.run):
        until(lambda: run.status().containers and run.status().containers[0].restart_count == 1)
        until(lambda: run.status().containers[0].terminated)
        check_end(case, "restart-onfailure", run.status())
        assert run.status().containers[0].last_terminated
        run.delete()


def test_a_changed_config_map_is_seen_in_a_volume_alone(
    containers: Containers, network: Network, images: dict[str, str], tmp_path: Path
) -> None:
    """The volume's files change together; a subPath and a variable keep what they were (case 18)."""
    case = PODS / "18-configmap-update"
    config_map, manifest = all_of(case)
    patched = {**config_map, "data": {**config_map["data"], "v": "two", "extra": "new"}}
    emulator = KubernetesEmulator(Machine(containers, network, None, {}), cluster_of(case))  # type: ignore[arg-type]
    lines: list[str] = []
    run = emulator.create_pod([config_map], localized(manifest, images), tmp_path, lines.append)
    with in_background(run.run) as ended:
        until(lambda: lines)
        run.update(NamespaceObjects.from_manifests([patched]))
    assert ended[0].phase == "Succeeded"
    original = json.loads((case / "observation.json").read_text())["watch/main"]["times_relative_to_configmap_patch"]
    assert [facts(line) for line in lines] == [facts(line) for line in original]


def facts(line: str) -> dict[str, Any]:
    """What a line of case 18 says, without times, inodes and the timestamped directory's name."""
    found = ast.literal_eval(line[line.index("{") :])
    found.pop("ino_data")
    return {key: [stamped(one) for one in value] if key == "dirs" else stamped(value) for key, value in found.items()}


def until(is_reached: Callable[[], Any]) -> None:
    """Waits for a condition; the test's own time limit ends it otherwise."""
    while not is_reached():
        time.sleep(0.02)


@contextlib.contextmanager
def in_background(run: Callable[[], Any]) -> Iterator[list[Any]]:
    """Runs a pod or Job in a thread, and has its last status at the end of the block."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run)
        ended: list[Any] = []
        yield ended
        ended.append(future.result())


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


def recorded_jobs() -> Iterator[Any]:
    """Every recorded Job as a test case."""
    for one in all_of(PODS / "10-jobs"):
        if one["kind"] == "Job":
            yield pytest.param(one, id=one["metadata"]["name"])


@pytest.mark.parametrize("manifest", list(recorded_jobs()))
def test_a_recorded_job_ends_in_the_same_way(
    containers: Containers, network: Network, images: dict[str, str], tmp_path: Path, manifest: dict[str, Any]
) -> None:
    """Conditions, counts, indexes; each pod's end, labels and hostname; names that resolve and names that do not."""
    case, name = PODS / "10-jobs", manifest["metadata"]["name"]
    services = [one for one in all_of(case) if one["kind"] == "Service"]
    cluster = cluster_of(case, dns_ip="127.0.0.11")
    emulator = KubernetesEmulator(Machine(containers, network, None, {}), cluster)  # type: ignore[arg-type]
    # Names that never resolve are asked for twelve seconds there; twice is enough to see it.
    manifest = json.loads(json.dumps(manifest).replace("res(n,12)", "res(n,.1)"))
    here = emulator.create_job(services, localized(manifest, images), tmp_path).run()
    status = json.loads((case / "status.json").read_text())
    (there,) = [one["status"] for one in status["other_objects"] if one["kind"] == "Job" and one["metadata"]["name"] == name]
    assert [(one.type, one.reason, one.message) for one in here.conditions] == [
        (one["type"], one["reason"], one["message"]) for one in there["conditions"]
    ]
    assert (here.succeeded, here.failed) == (there.get("succeeded", 0), there.get("failed", 0))
    assert ",".join(map(str, here.completed_indexes)) == there.get("completedIndexes", "")
    observed = json.loads((case / "observation.json").read_text())
    for record, recorded_pod in zip(
        sorted(here.pods, key=lambda one: one.index or 0),
        [one for one in status["pods"] if one["metadata"]["labels"]["job-name"] == name],
        strict=name != "deadline",  # that pod was deleted there
    ):
        ended = recorded_pod["status"]["containerStatuses"][0]["state"]["terminated"]
        end = record.status.containers[0].terminated
        assert end is not None
        assert (end.exit_code, end.reason, end.message) == (ended["exitCode"], ended["reason"], ended.get("message", ""))
        original = observed.get(recorded_pod["metadata"]["name"], {}).get("log", [])
        if original and isinstance(original[0], dict):
            line = json.loads((record.workspace / "stdout").read_text())
            assert different(of_index(line), of_index(original[0])) == []


def of_index(line: dict[str, Any]) -> dict[str, Any]:
    """What a pod of an Indexed Job printed, without times, addresses and the random end of its name."""
    found = {
        key: {inner: one for inner, one in value.items() if inner not in {"after_s", "tries"}}
        if isinstance(value, dict)
        else value
        for key, value in line.items()
    }
    found["argv"] = [re.sub(r"-[a-z0-9]{5}$", "", line["argv"][0]), *line["argv"][1:]]
    found["hosts"] = re.sub(r"\d+\.\d+\.\d+\.\d+\tidx", "<pod ip>\tidx", line["hosts"])
    return found
