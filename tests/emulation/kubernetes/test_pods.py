"""Pods that were not recorded: what the documentation says of probes, hooks, sidecars, volumes, deadlines and eviction."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.docker.containers import Containers
from lyftlearn_image.errors import InvalidInputError, RunError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lyftlearn_image.emulation.kubernetes.emulator import KubernetesEmulator

    Make = Callable[..., dict[str, Any]]
    During = Callable[..., Any]
    Until = Callable[[Callable[[], Any]], None]

SLEEP = "import time; time.sleep(300)"
# Ends at once when it is told to, as a server does.
SERVE = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print('up'); time.sleep(300)"
HTTP = "import http.server as h; h.HTTPServer(('{}', 8080), h.SimpleHTTPRequestHandler).serve_forever()"


def stdout_lines(workspace: Path, container: str | None = None) -> list[str]:
    """The lines of a container's stdout; the first container's unless another is named."""
    place = workspace / "containers" / container if container else workspace
    return (place / "stdout").read_text().splitlines()


def events_of(status: Any) -> list[str]:
    """The reasons of a pod's events."""
    return [event.reason for event in status.events]


def test_a_startup_probe_holds_back_what_comes_after_a_sidecar(
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path
) -> None:
    """The sidecar runs for a while before it has started; the container is not begun before that."""
    sidecar = container_of(
        f"import time; time.sleep(1); open('/dev/shm/up', 'w'); {SERVE}",
        "side",
        restartPolicy="Always",
        startupProbe={"exec": {"command": ["test", "-e", "/dev/shm/up"]}, "periodSeconds": 1, "failureThreshold": 60},
    )
    main = container_of("import os; print(os.path.exists('/dev/shm/up'))")
    end = emulator.run_pod([], pod_of(main, initContainers=[sidecar]), tmp_path)
    assert end.status.phase == "Succeeded"
    assert stdout_lines(tmp_path) == ["True"]


def test_sidecars_are_stopped_from_the_last_to_the_first(
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path
) -> None:
    """A later one may need an earlier one to the end. The pod's container waits until all of them can be told to stop."""
    program = (
        "import signal, sys, time\n"
        "def stop(*_):\n time.sleep({0}); open('/dev/shm/order', 'a').write('{1} '); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop); open('/dev/shm/up', 'a').write('x'); time.sleep(300)"
    )
    first = container_of(program.format(0, "first"), "first", restartPolicy="Always")
    second = container_of(program.format(0.5, "second"), "second", restartPolicy="Always")
    last = container_of(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print(open('/dev/shm/order').read()), sys.exit(0)))\n"
        "open('/dev/shm/up', 'a').write('x'); time.sleep(300)",
        "last",
        restartPolicy="Always",
    )
    main = container_of(
        "import os, time\nwhile not os.path.exists('/dev/shm/up') or len(open('/dev/shm/up').read()) < 3: time.sleep(.05)"
    )
    pod = pod_of(main, initContainers=[last, first, second], terminationGracePeriodSeconds=60)
    end = emulator.run_pod([], pod, tmp_path)
    assert end.status.phase == "Succeeded"
    assert stdout_lines(tmp_path, "last") == ["second first "]


def test_a_sidecar_that_ends_is_started_again(
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path
) -> None:
    """Always, also in a pod that is never restarted; its failures do not count."""
    sidecar = container_of("open('/dev/shm/runs', 'a').write('x'); raise SystemExit(3)", "side", restartPolicy="Always")
    main = container_of(
        "import os, time\nwhile not os.path.exists('/dev/shm/runs') or len(open('/dev/shm/runs').read()) < 3: time.sleep(.05)"
    )
    end = emulator.run_pod([], pod_of(main, initContainers=[sidecar]), tmp_path)
    assert end.status.phase == "Succeeded"
    assert end.status.container("side").restart_count >= 2


def test_an_init_container_is_tried_again(
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path
) -> None:
    """Unless the pod's restartPolicy is Never; the volume keeps what it wrote."""
    first = container_of(
        "import os\nif os.path.exists('/data/tried'): raise SystemExit\nopen('/data/tried', 'w'); raise SystemExit(1)",
        "first",
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
    )
    pod = pod_of(container_of("print('ran')"), initContainers=[first], restartPolicy="OnFailure")
    pod["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
    end = emulator.run_pod([], pod, tmp_path)
    assert end.status.phase == "Succeeded"
    assert end.status.container("first").restart_count == 1
    assert stdout_lines(tmp_path) == ["ran"]


def test_a_liveness_probe_restarts_a_container(
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path
) -> None:
    """It is killed after as many failures in a row as the threshold says, and the second run ends well."""
    program = f"import os\nif os.path.exists('/data/once'): raise SystemExit\nopen('/data/once', 'w')\n{SLEEP}"
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 2}
    main = container_of(program, livenessProbe=probe, volumeMounts=[{"name": "data", "mountPath": "/data"}])
    pod = pod_of(main, restartPolicy="OnFailure", volumes=[{"name": "data", "emptyDir": {"medium": "Memory"}}])
    end = emulator.run_pod([], pod, tmp_path)
    assert end.status.phase == "Succeeded"
    status = end.status.containers[0]
    assert status.restart_count == 1
    assert status.last_terminated
    assert status.last_terminated.exit_code == 137
    assert events_of(end.status).count("Unhealthy") >= 2


@pytest.mark.parametrize(
    ("address", "probe", "becomes"),
    [
        ("", {"httpGet": {"port": "web", "path": "/"}}, "ready"),
        ("", {"httpGet": {"port": 8080, "path": "/missing"}}, "never"),
        ("", {"tcpSocket": {"port": "web"}}, "ready"),
        ("127.0.0.1", {"tcpSocket": {"port": 8080}}, "never"),
    ],
)
def test_a_readiness_probe_comes_from_outside(  # noqa: PLR0913, PLR0917 - fixtures
    emulator: KubernetesEmulator,
    container_of: Make,
    pod_of: Make,
    tmp_path: Path,
    during: During,
    until: Until,
    address: str,
    probe: dict[str, Any],
    becomes: str,
) -> None:
    """A server on 127.0.0.1 and a path that is not there are never ready; what is not ready goes on."""
    main = container_of(
        HTTP.format(address), ports=[{"name": "web", "containerPort": 8080}], readinessProbe={**probe, "periodSeconds": 1}
    )
    run = emulator.create_pod([], pod_of(main), tmp_path)
    with during(run):
        until(lambda: run.is_ready or (becomes == "never" and events_of(run.status()).count("Unhealthy") >= 2))
        assert run.is_ready is (becomes == "ready")
        assert run.status().containers[0].is_running
        run.delete()


def test_liveness_waits_for_the_startup_probe(
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path
) -> None:
    """What starts slowly is not killed for it."""
    third_time = "printf x >> /dev/shm/tries; test $(wc -c < /dev/shm/tries) -ge 3"
    probe = {"exec": {"command": ["sh", "-c", third_time]}, "periodSeconds": 1, "timeoutSeconds": 60}
    main = container_of(
        "import os, time\nwhile not os.path.exists('/dev/shm/tries') or os.path.getsize('/dev/shm/tries') < 5: time.sleep(.05)",
        startupProbe={**probe, "failureThreshold": 60},
        livenessProbe={**probe, "failureThreshold": 1},
    )
    end = emulator.run_pod([], pod_of(main), tmp_path)
    assert end.status.phase == "Succeeded"
    assert any(event.message.startswith("Startup probe failed") for event in end.status.events)


def test_a_hook_may_be_a_request(  # noqa: PLR0913, PLR0917 - fixtures
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path, during: During, until: Until
) -> None:
    """A server hears that it will be stopped, with the headers that the hook has, before the signal comes."""
    program = (
        "import http.server as h, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('TERM'), sys.exit(0)))\n"
        "class Handler(h.SimpleHTTPRequestHandler):\n"
        " def do_GET(self): print(self.path, self.headers['X-Why']); self.send_response(204); self.end_headers()\n"
        "server = h.HTTPServer(('', 8080), Handler); print('up'); server.serve_forever()"
    )
    request = {"port": "web", "path": "/bye", "httpHeaders": [{"name": "X-Why", "value": "stop"}]}
    main = container_of(program, ports=[{"name": "web", "containerPort": 8080}], lifecycle={"preStop": {"httpGet": request}})
    lines: list[str] = []
    run = emulator.create_pod([], pod_of(main, terminationGracePeriodSeconds=20), tmp_path, lines.append)
    with during(run) as ended:
        until(lambda: lines)
        run.delete()
    assert stdout_lines(tmp_path) == ["up", "/bye stop", "TERM"]
    assert ended[0].phase == "Succeeded"


def test_a_hook_that_fails_after_the_start_ends_the_container(
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path
) -> None:
    """The container after it is started only then."""
    main = container_of(SLEEP, lifecycle={"postStart": {"exec": {"command": ["false"]}}})
    end = emulator.run_pod([], pod_of(main, container_of("print('second')", "second")), tmp_path)
    assert end.status.phase == "Failed"
    assert (end.exit_code, end.reason) == (137, "Error")
    assert "FailedPostStartHook" in events_of(end.status)
    assert stdout_lines(tmp_path, "second") == ["second"]


def test_containers_of_a_pod_share_its_network_hostname_and_volumes(
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path
) -> None:
    """One reaches the other on localhost; a volume in memory is one for both, also where one mounts a directory of it."""
    part = "new/deep/" if os.geteuid() == 0 else ""  # else the engine's volumes are out of reach
    main = container_of(
        "import socket, time\nwhile 1:\n try: s = socket.create_connection(('localhost', 8080)); break\n"
        f" except OSError: time.sleep(.05)\nprint(s.recv(99).decode(), open('/both/{part}file').read())",
        volumeMounts=[{"name": "both", "mountPath": "/both"}],
    )
    other = container_of(
        "import socket; open('/both/file', 'w').write('shared'); s = socket.create_server(('', 8080)); c, _ = s.accept()\n"
        "c.send(socket.gethostname().encode()); c.close()",
        "other",
        volumeMounts=[{"name": "both", "mountPath": "/both", "subPath": part}],
    )
    pod = pod_of(main, other, volumes=[{"name": "both", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}])
    end = emulator.run_pod([], pod, tmp_path)
    assert end.status.phase == "Succeeded"
    assert stdout_lines(tmp_path) == ["demo shared"]


def test_a_secret_reaches_a_pod_where_the_engines_volumes_are_out_of_reach(
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an engine that other users share: it is on a tmpfs of this machine, and one key can be mounted alone."""
    monkeypatch.setattr(Containers, "volume_directory", lambda *_: None)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"a": "A", "b": "B"}}
    mounts = [{"name": "keys", "mountPath": "/keys"}, {"name": "keys", "mountPath": "/one", "subPath": "a"}]
    main = container_of("print(open('/keys/b').read(), open('/one').read())", volumeMounts=mounts)
    pod = pod_of(main, volumes=[{"name": "keys", "secret": {"secretName": "keys"}}])
    assert emulator.run_pod([secret], pod, tmp_path).status.phase == "Succeeded"
    assert stdout_lines(tmp_path) == ["B A"]


def test_a_pod_over_its_deadline_fails(emulator: KubernetesEmulator, until_stopped: Make, pod_of: Make, tmp_path: Path) -> None:
    """Its containers are told to stop, and its reason is the deadline, whatever they end with."""
    pod = pod_of(until_stopped(), activeDeadlineSeconds=4, terminationGracePeriodSeconds=60)
    end = emulator.run_pod([], pod, tmp_path)
    assert (end.status.phase, end.status.reason) == ("Failed", "DeadlineExceeded")
    assert end.exit_code == 0


@pytest.mark.parametrize(
    ("where", "fields", "message"),
    [
        ("/data/file", {}, 'Usage of EmptyDir volume "data" exceeds the limit "1Mi". '),
        (
            "/tmp/file",
            {"resources": {"limits": {"ephemeral-storage": "2Mi"}}},
            "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ",
        ),
    ],
)
def test_a_pod_that_writes_too_much_is_evicted(  # noqa: PLR0913, PLR0917 - fixtures
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path, where: str, fields: Any, message: str
) -> None:
    """Over the sizeLimit of a volume, or over the container's ephemeral-storage."""
    program = f"f = open('{where}', 'wb'); f.write(bytes(5 << 20)); f.flush()\n{SLEEP}"
    main = container_of(program, volumeMounts=[{"name": "data", "mountPath": "/data"}], **fields)
    pod = pod_of(main, volumes=[{"name": "data", "emptyDir": {"sizeLimit": "1Mi"}}])
    end = emulator.run_pod([], pod, tmp_path)
    assert (end.status.phase, end.status.reason, end.status.message) == ("Failed", "Evicted", message)
    assert end.exit_code == 137


def test_a_sub_path_may_name_a_variable(emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path) -> None:
    """So that pods do not meet in one directory of a volume."""
    main = container_of(
        "open('/mine/file', 'w').write('x'); import os; print(os.listdir('/all'), os.listdir('/all/demo'))",
        env=[{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        volumeMounts=[
            {"name": "all", "mountPath": "/all"},
            {"name": "all", "mountPath": "/mine", "subPathExpr": "$(POD)"},
        ],
    )
    end = emulator.run_pod([], pod_of(main, volumes=[{"name": "all", "emptyDir": {}}]), tmp_path)
    assert end.exit_code == 0
    assert stdout_lines(tmp_path) == ["['demo'] ['file']"]


def test_a_sub_path_is_what_it_is_when_its_container_starts(
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path
) -> None:
    """A file that an init container writes, and a directory behind a link of its own that stays in the volume."""
    whole = [{"name": "all", "mountPath": "/all"}]
    first = container_of(
        "import os; os.makedirs('/all/real/deep'); open('/all/real/deep/file', 'w').write('made')\n"
        "os.symlink('real/deep', '/all/link'); open('/all/config', 'w').write('a=1')",
        "first",
        volumeMounts=whole,
    )
    main = container_of(
        "print(open('/etc/config').read(), open('/data/file').read())",
        volumeMounts=[
            {"name": "all", "mountPath": "/etc/config", "subPath": "config"},
            {"name": "all", "mountPath": "/data", "subPath": "link"},
        ],
    )
    pod = pod_of(main, initContainers=[first], volumes=[{"name": "all", "emptyDir": {}}])
    assert emulator.run_pod([], pod, tmp_path).exit_code == 0
    assert stdout_lines(tmp_path) == ["a=1 made"]


@pytest.mark.parametrize(
    ("link", "to"),
    [
        ("part", "/"),
        ("part", "../../.."),
        ("part/deep", "/etc"),
        ("part", "/proc/self/root"),
        ("part", "hop"),
        ("part", "/all"),
    ],
)
def test_a_link_leads_no_container_to_this_machine(  # noqa: PLR0913, PLR0917 - fixtures
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path, link: str, to: str
) -> None:
    """Where a script has put one in the place of what is to be mounted, its container does not start."""
    first = container_of(
        "import os; os.symlink('/', '/all/hop'); os.makedirs(os.path.dirname('/all/" + link + "'), exist_ok=True)\n"
        f"os.symlink({to!r}, '/all/{link}')",
        "first",
        volumeMounts=[{"name": "all", "mountPath": "/all"}],
    )
    mounts = [{"name": "all", "mountPath": "/data", "subPath": "part/deep" if link == "part/deep" else "part"}]
    main = container_of("import os; print(os.listdir('/data'))", volumeMounts=mounts)
    pod = pod_of(main, initContainers=[first], volumes=[{"name": "all", "emptyDir": {}}])
    with pytest.raises(InvalidInputError, match="leads out of the volume"):
        emulator.run_pod([], pod, tmp_path)
    assert stdout_lines(tmp_path) == []


def test_no_container_changes_a_sub_path_while_it_is_mounted(
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path
) -> None:
    """A sidecar puts a link to this machine there and takes it away, as fast as it can: it is seen, or it is not there."""
    swaps = (
        "import ctypes, os; os.makedirs('/all/part'); open('/all/part/mine', 'w'); os.symlink('/', '/all/link')\n"
        "swap = ctypes.CDLL(None).renameat2; open('/all/ready', 'w')\n"
        "while 1: swap(-100, b'/all/part', -100, b'/all/link', 2)"
    )
    volume = [{"name": "all", "mountPath": "/all"}]
    sidecar = container_of(swaps, "swaps", volumeMounts=volume, restartPolicy="Always")
    waits = container_of(
        "import os, time\nwhile not os.path.exists('/all/ready'): time.sleep(.01)", "waits", volumeMounts=volume
    )
    mounts = [{"name": "all", "mountPath": "/data", "subPath": "part"}]
    main = container_of("import os; print(os.listdir('/data'))", volumeMounts=mounts)
    pod = pod_of(main, initContainers=[sidecar, waits], volumes=[{"name": "all", "emptyDir": {}}])
    seen = set()
    for number in range(8):
        with contextlib.suppress(InvalidInputError):  # the link was seen
            emulator.run_pod([], pod, tmp_path / str(number))
        seen.update(stdout_lines(tmp_path / str(number)))
    assert seen <= {"['mine']"}


def test_a_pod_may_set_what_the_kernel_keeps_for_its_network(
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path
) -> None:
    """Its sysctls, in each of its containers."""
    main = container_of("print(open('/proc/sys/net/ipv4/ip_local_port_range').read().split())")
    security = {"sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "2000 3000"}]}
    emulator.run_pod([], pod_of(main, securityContext=security), tmp_path)
    assert stdout_lines(tmp_path) == ["['2000', '3000']"]


def test_pods_are_stopped_while_they_initialize(  # noqa: PLR0913, PLR0917 - fixtures
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path, during: During, until: Until
) -> None:
    """The init container ends, and the container never starts."""
    pod = pod_of(container_of("print('never')"), initContainers=[container_of(SERVE, "first")])
    run = emulator.create_pod([], pod, tmp_path)
    with during(run) as ended:
        until(lambda: run.status().init_containers and run.status().init_containers[0].is_running)
        run.delete()
    assert ended[0].containers[0].waiting == "PodInitializing"
    assert (tmp_path / "stdout").read_bytes() == b""


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ({"image": "there-is-no-such-image:1"}, RunError),
        ({"envFrom": [{"configMapRef": {"name": "missing"}}]}, InvalidInputError),
        ({"volumeMounts": [{"name": "memory", "mountPath": "/x", "subPath": "y"}]}, UnsupportedError),
        ({"volumeMounts": [{"name": "missing", "mountPath": "/x"}]}, InvalidInputError),
    ],
)
def test_nothing_is_left_of_a_pod_that_cannot_start(  # noqa: PLR0913, PLR0917 - fixtures
    emulator: KubernetesEmulator,
    container_of: Make,
    pod_of: Make,
    tmp_path: Path,
    broken: dict[str, Any],
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever is wrong with the second container: sandbox, volumes and the first one go too."""
    monkeypatch.setattr(Containers, "volume_directory", lambda *_: None)
    second = {**container_of("print(1)", "second"), **broken}
    pod = pod_of(container_of(SLEEP), second, volumes=[{"name": "memory", "emptyDir": {"medium": "Memory"}}])
    with pytest.raises(error):
        emulator.run_pod([], pod, tmp_path)


def test_an_error_of_the_caller_ends_the_pod(
    emulator: KubernetesEmulator, container_of: Make, pod_of: Make, tmp_path: Path
) -> None:
    """An interrupted run leaves nothing, and is not taken for the end of the pod."""
    pod = pod_of(container_of("print('line', flush=True)\n" + SLEEP))
    run = emulator.create_pod([], pod, tmp_path)
    run._wait = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run.run()


def interrupt(*_: object) -> bool:
    """What the user's Ctrl-C does to the thread that waits."""
    raise KeyboardInterrupt
