"""Our pods under `podman kube play`: what a script sees and leaves is what it sees and leaves in our emulator.

Where the two differ, fidelity.PODMAN says why; a difference of it that is gone fails too, so that the table stays true.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import uuid
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.aws import s3_archives
from lyftlearn_image.emulation.kubernetes.emulator import KubernetesEmulator
from lyftlearn_image.emulation.kubernetes.job_pods import pod_from_template
from lyftlearn_image.emulation.machine import Machine
from lyftlearn_image.emulation.session import BUCKET, embedded
from lyftlearn_image.parity.compare.environment import _compare
from lyftlearn_image.platforms.kubernetes.compile import compile_manifests
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.runs.observation import read_observation
from lyftlearn_image.workload import Training
from tests.evidence.differences import PODMAN
from tests.evidence.podman import Podman

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.emulation.session import Embedded
    from lyftlearn_image.platforms.launch import Compiled
    from tests.evidence.podman import Ended

# What every pod of a cluster has from the service `kubernetes`, and podman has no cluster.
CLUSTER = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443", "KUBERNETES_SERVICE_PORT_HTTPS": "443",
    "KUBERNETES_PORT": "tcp://10.96.0.1:443", "KUBERNETES_PORT_443_TCP": "tcp://10.96.0.1:443",
    "KUBERNETES_PORT_443_TCP_ADDR": "10.96.0.1", "KUBERNETES_PORT_443_TCP_PORT": "443", "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
}  # fmt: skip

PROGRAM = """
import json, os, resource, sys
def text(path):
    try: return open(path).read()
    except OSError as error: return type(error).__name__
def may_write(path):
    try:
        open(path + '/x', 'w').close(); os.remove(path + '/x'); return True
    except OSError: return False
status = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)
seen = {
    'argv': sys.argv, 'cwd': os.getcwd(), 'uid': os.getuid(), 'gid': os.getgid(), 'tty': os.isatty(1),
    'channel': text('/opt/ml/input/data/train/rows.csv'), 'file': text('/etc/team/settings.ini'),
    'hyperparameters': json.loads(text('/opt/ml/input/config/hyperparameters.json')),
    'writable': [path for path in ('/', '/etc', '/opt', '/opt/ml/model', '/tmp', '/dev/shm') if may_write(path)],
    'capabilities': [status[name] for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd')], 'no_new_privs': status['NoNewPrivs'],
    'groups': os.getgroups(), 'shm': os.statvfs('/dev/shm').f_blocks * os.statvfs('/dev/shm').f_frsize,
}
open('/opt/ml/output/data/seen.json', 'w').write(json.dumps(seen))
open('/opt/ml/model/m', 'w').write('model')
print('line on stdout'); print('line on stderr', file=sys.stderr)
sys.exit(int(os.environ['CODE']))
"""


@pytest.fixture(scope="module")
def session(engine: None) -> Iterator[Embedded]:
    """The emulators, and an S3 that podman's containers reach over the host's network."""
    with embedded(f"evidence-{uuid.uuid4().hex[:8]}") as made:
        made.s3.put_object(Bucket=BUCKET, Key="evidence/train/rows.csv", Body=b"1,2\n")
        made.s3.put_object(Bucket=BUCKET, Key="evidence/code/probe.py", Body=PROGRAM.encode())
        yield made


@pytest.fixture(scope="module")
def podman(lyftlearn_image_tag: str) -> Iterator[Podman]:
    """Podman with our image, in a folder with a short name: podman's own may have 50 characters."""
    with tempfile.TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as directory:
        made = Podman(Path(directory))
        made.load(lyftlearn_image_tag)
        yield made


def compiled_for(image: str, prefix: str, code: int) -> Compiled:
    """A job that ends with a code, as the compiler has it."""
    workload = Training(
        name="probe", image=image, program="/opt/ml/input/data/code/probe.py", arguments="key=value",
        hyperparameters={"depth": 3, "layers": [1, 2], "note": "two words"},
        environment={"CODE": str(code), "TEXT": "a 'b' $HOME"},
        channels={"train": f"s3://{BUCKET}/evidence/train/", "code": f"s3://{BUCKET}/evidence/code/"},
        files={"/etc/team/settings.ini": {"content": "[team]\nname = eta\n"}}, cpus=1, memory_mib=512,
    )  # fmt: skip
    return compile_manifests(workload, Launch("probe-1", f"s3://{BUCKET}/{prefix}", observe_key="00" * 16))


def played(podman: Podman, session: Embedded, compiled: Compiled) -> Ended:
    """The pod of the Job under podman. A cluster's own variables and identity are given to it, for podman has neither."""
    *others, job = compiled.documents
    pod = pod_from_template(job, "0" * 8, None, 0)
    container = pod["spec"]["containers"][0]
    given = {**CLUSTER, **session.endpoint.environment()}
    container["env"] = [*container["env"], *({"name": name, "value": value} for name, value in given.items())]
    return podman.play([*others, pod])


@pytest.mark.parametrize("code", [0, 3])
def test_a_pod_of_ours_is_under_podman_what_it_is_in_the_emulator(
    session: Embedded, podman: Podman, lyftlearn_image_tag: str, tmp_path: Path, code: int
) -> None:
    """Exit code, streams, artifacts and the realised environment, fact by fact."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here = compiled_for(lyftlearn_image_tag, f"podman-{code}/here", code)
    there = compiled_for(lyftlearn_image_tag, f"podman-{code}/there", code)
    # Without a webhook of AWS, which podman has not either: both pods get the same keys.
    emulator = KubernetesEmulator(Machine(session.containers, session.network, session.s3, session.endpoint.environment()))
    ours = emulator.run(here, workspace=tmp_path / "here")
    theirs = played(podman, session, there)
    assert (theirs.exit_code, ours.exit_code) == (code, code), theirs.stderr
    assert theirs.stdout == ours.stdout.read_text() == "line on stdout\n"
    said = [text.replace("there/", "here/") for text in (theirs.stderr, ours.stderr.read_text())]
    assert without_identity(said[0]) == without_identity(said[1])
    collected = s3_archives.download_outputs(session.s3, there.outputs, tmp_path / "there")
    assert (collected["model"] / "m").read_text() == (ours.artifacts["model"] / "m").read_text() == "model"
    found = {
        **differences("seen", seen(ours.artifacts["output"]), seen(collected["output"])),
        **differences("environment", ours.observation, read_observation(collected)),
    }
    expected = [one.what for one in PODMAN]
    del found["environment/observed_at"]
    unexplained = {place: found[place] for place in found if not any(fnmatchcase(place, form) for form in expected)}
    assert unexplained == {}
    gone = [form for form in expected if not any(fnmatchcase(place, form) for place in found)]
    assert not gone


def differences(what: str, ours: Any, theirs: Any) -> dict[str, tuple[str | None, str | None]]:
    """Place → our value and podman's."""
    assert ours is not None
    assert theirs is not None
    return {f"{what}/{one.place}": (one.left, one.right) for one in _compare(ours, theirs)}


def seen(output: Path) -> Any:
    """What the script saw."""
    return json.loads((output / "seen.json").read_text())


def without_identity(stderr: str) -> list[str]:
    """The lines of stderr but for the one in which the shim says as whom it has fetched something."""
    return [line for line in stderr.splitlines() if not line.startswith("lyftlearn: AWS identity: ")]


def test_another_pod_is_another_result(podman: Podman, session: Embedded, lyftlearn_image_tag: str) -> None:
    """A planted fault: another command in the manifest is another result, so the comparison above can fail."""
    compiled = compiled_for(lyftlearn_image_tag, "podman-planted", 0)
    *others, job = compiled.documents
    container = dict(job["spec"]["template"]["spec"]["containers"][0])
    container["env"] = [one if one["name"] != "CODE" else {"name": "CODE", "value": "4"} for one in container["env"]]
    spec = {**job["spec"]["template"]["spec"], "containers": [container]}
    planted = {**job, "spec": {**job["spec"], "template": {**job["spec"]["template"], "spec": spec}}}
    assert played(podman, session, dataclasses.replace(compiled, documents=(*others, planted))).exit_code == 4
