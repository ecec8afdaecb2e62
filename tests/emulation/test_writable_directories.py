"""A script that writes beside itself and where it begins, on both embedded targets: the pod's root is read-only."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.session import BUCKET, embedded
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.run import Status
from lyftlearn_image.workload import Training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.session import Embedded

# As teams build: all is root's, not all is readable, and some of it is read-only. `begin.py` begins in another directory.
DOCKERFILE = """
FROM {image}
COPY script.py helper.py /opt/ml/code/
RUN mkdir -p /opt/ml/code/pkg/deep /app/data "/app/a b" /home/lyftlearn/.config && cd /opt/ml/code && \\
    echo old > table.csv && echo old > pkg/deep/fixed && chmod 0444 pkg/deep/fixed && chmod 0555 pkg/deep && \\
    echo x > closed && chmod 0600 closed && mkdir shut && echo x > shut/in && chmod 0700 shut && \\
    ln -s table.csv link && ln -s /nowhere dangling && mkfifo pipe && touch -d 2001-02-03T04:05:06Z table.csv && \\
    printf '#!/bin/sh\\necho ran\\n' > run.sh && chmod 0751 run.sh && \\
    echo set > /home/lyftlearn/.config/rc && echo 1 > "/app/a b/data"
COPY script.py /app/begin.py
WORKDIR /app
"""
SCRIPT = """
import json, os, subprocess, sys
sys.dont_write_bytecode = False
sys.pycache_prefix = None
here = os.path.dirname(os.path.abspath(__file__))

def tried(do, *arguments):
    try:
        return do(*arguments)
    except OSError as error:
        return error.strerror

def write(path, mode="w"):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, mode) as file:
        file.write("new")
    return open(path).read()

code = "/opt/ml/code"
said = {path: tried(write, path) for path in (
    "result.txt", "logs/run/log.txt", code + "/x", code + "/pkg/deep/new", os.path.expanduser("~/cache/x"),
    "/tmp/x", "/var/tmp/x", "/dev/shm/x", "/opt/ml/model/x",
)}
said["beside"] = tried(write, here + "/beside.txt")
said["beside, deep"] = tried(write, here + "/new/dir/x")
said["time"] = int(os.stat(code + "/table.csv").st_mtime)
said["appended"] = [tried(write, code + "/table.csv", "a"), tried(write, code + "/pkg/deep/fixed", "a")]
said["link"] = [os.readlink(code + "/link"), open(code + "/link").read(), os.readlink(code + "/dangling")]
said["program"] = subprocess.run([code + "/run.sh"], capture_output=True, text=True).stdout
said["mode"] = oct(os.stat(code + "/run.sh").st_mode)
said["renamed"] = tried(os.rename, code + "/table.csv", code + "/pkg/moved")
sys.path.insert(0, code)
import helper
said["bytecode"] = bool(os.listdir(code + "/__pycache__"))
said["read"] = [tried(open("a b/data").read), open(os.path.expanduser("~/.config/rc")).read()] if here != code else None
print(json.dumps(said))
"""
# What differs, and only this: the root of SageMaker reads and enters everything, and writes wherever it likes.
OF_ROOT = """
print(json.dumps([
    tried(open, code + "/closed") == "Permission denied",
    tried(os.listdir, code + "/shut") == "Permission denied",
    tried(write, "/srv/x") == "Read-only file system",
]))
"""


@pytest.fixture(scope="module")
def here(engine: None) -> Iterator[Embedded]:
    """Both targets."""
    with embedded(f"test-{uuid.uuid4().hex[:8]}") as session:
        yield session


@pytest.fixture(scope="module")
def team_image(lyftlearn_image_tag: str, docker_cli: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A team's image, whose working directory is its own."""
    directory = tmp_path_factory.mktemp("team")
    (directory / "Dockerfile").write_text(DOCKERFILE.format(image=lyftlearn_image_tag))
    (directory / "script.py").write_text(SCRIPT + OF_ROOT)
    (directory / "helper.py").write_text("x = 1\n")
    tag = f"{lyftlearn_image_tag.replace(':', '-')}-writes:test"
    docker_cli("build", "-q", "-t", tag, str(directory))
    return tag


def run_on(here: Embedded, name: str, workload: Training, tmp_path: Path) -> list[Any]:
    """What the script said on a target."""
    target = here.targets[name]
    compiled = compile_for(target.name, workload, Launch("writes-1", f"s3://{BUCKET}/{uuid.uuid4().hex}"))
    (tmp_path / name).mkdir()
    run = target.run(compiled, workspace=tmp_path / name)
    assert run.status is Status.COMPLETED, run.stderr.read_text()
    return [json.loads(line) for line in run.stdout.read_text().splitlines()]


@pytest.mark.parametrize(
    ("name", "fields"), [("code", {"program": "script.py"}), ("app", {"command": ("python", "begin.py")})], ids=["code", "app"]
)
def test_a_script_writes_beside_itself_and_where_it_begins(
    here: Embedded, team_image: str, tmp_path: Path, name: str, fields: dict[str, Any]
) -> None:
    """On both targets, whoever's the image's files are. In a pod what root alone may read is closed, and the root read-only."""
    workload = Training(name="writes", image=team_image, **fields)
    on_sagemaker, of_root = run_on(here, "sagemaker", workload, tmp_path)
    in_pod, of_user = run_on(here, "kubernetes", workload, tmp_path)
    assert in_pod == on_sagemaker
    assert {said for place, said in on_sagemaker.items() if "/" in place or "." in place or "beside" in place} == {"new"}
    assert on_sagemaker["appended"] == ["old\nnew", "old\nnew"]
    assert on_sagemaker["time"] == 981173106
    assert (on_sagemaker["program"], on_sagemaker["mode"]) == ("ran\n", "0o100751")
    assert on_sagemaker["bytecode"]
    assert (of_root, of_user) == ([False, False, False], [True, True, True])
