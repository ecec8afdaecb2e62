"""Images that teams have already get the shim: they run as before, and nothing else of them changes."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lyftlearn_image.build import adopt as adopting, image_probe
from lyftlearn_image.build.connection import connect
from lyftlearn_image.build.image_probe import ImageProbe, unstarted
from lyftlearn_image.cli.main import main
from lyftlearn_image.errors import InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import docker

    MakeImage = Callable[..., str]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SAYS = b"import json, os, sys\nprint(json.dumps([sys.argv[1:], os.getcwd(), os.getuid(), sys.executable]))\n"
ENGINES = {".dockerenv", "dev", "etc", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc", "sys"}
TRAINS = b"""
import json, os
import teammod
with open("/opt/ml/input/config/hyperparameters.json") as file:
    rate = float(json.load(file)["rate"])
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"), "w") as file:
    json.dump({"answer": teammod.ANSWER * rate}, file)
print("trained with", os.environ["SM_HPS"])
"""
# A script that begins in the image's own directory begins there on both sides where the root can be written.
WORKLOAD = {"command": ["train"], "hyperparameters": {"rate": 0.5}, "kubernetes": {"read_only_root": False}}
SUITE = {
    "name": "adopted",
    "cases": [
        {"name": "default-program", "workload": WORKLOAD},
    ],
}


@pytest.fixture(scope="module")
def client(engine: None) -> Iterator[docker.DockerClient]:
    """The engine."""
    connected = connect()
    yield connected
    connected.close()


@pytest.fixture(scope="module")
def make_image(client: docker.DockerClient, probe_image: str) -> Iterator[MakeImage]:
    """Makes an image with these files and this configuration, on Debian with Python 3.11 unless another is named."""
    made: list[str] = []

    def make(files: Mapping[str, tuple[bytes, int]] | None = None, on: str = "", **config: Any) -> str:
        tag = f"lyftlearn-test-adopt:{uuid.uuid4().hex[:12]}"
        made.extend((tag, f"{tag}-lyftlearn"))
        container = client.containers.create(on or probe_image, [], entrypoint=["/never"])
        output = io.BytesIO()
        with tarfile.open(fileobj=output, mode="w") as archive:
            for name, (content, mode) in (files or {}).items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), mode
                archive.addfile(member, io.BytesIO(content))
        container.put_archive("/", output.getvalue())
        plain = {"Entrypoint": ["/never"], "Cmd": [], "User": "", "WorkingDir": "/", "Env": [f"PATH={PATH}"]}
        repository, _, version = tag.partition(":")
        container.commit(repository, version, conf={**plain, **config})
        container.remove(v=True)
        return tag

    yield make
    for tag in made:
        if client.images.list(tag):
            client.images.remove(tag, force=True)


def adopt(client: docker.DockerClient, image: str, **options: str) -> adopting.Adopted:
    """As the verb does it."""
    return adopting.adopt(client, image, on_line=lambda _: None, **options)


def run(image: str, *words: str, entrypoint: str = "") -> str:
    """What a container of the image writes."""
    flags = ["--rm", "--network", "none", *(["--entrypoint", entrypoint] if entrypoint else [])]
    done = subprocess.run(["docker", "run", *flags, image, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tree(client: docker.DockerClient, image: str) -> dict[str, tuple[Any, ...]]:
    """Every path of an image's file system, with all that a tar archive says of it, and a digest of its content.

    What the engine itself makes in every container is left out.
    """
    container = client.containers.create(image, [], entrypoint=["/never"])
    found: dict[str, tuple[Any, ...]] = {}
    with tempfile.TemporaryFile() as file:
        for piece in container.export():
            file.write(piece)
        container.remove(v=True)
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            for one in archive:
                if one.name in ENGINES or one.name.startswith("dev/"):
                    continue
                content = archive.extractfile(one) if one.isreg() else None
                digest = hashlib.sha256(content.read()).hexdigest() if content else ""
                said = (one.type, one.mode, one.uid, one.gid, one.mtime, one.linkname, sorted(one.pax_headers), digest)
                found[one.name.rstrip("/")] = said
    return found


def test_nothing_else_of_an_image_changes(client: docker.DockerClient, make_image: MakeImage) -> None:
    """Every other file, directory, owner, mode and time is the same, and so is the rest of its configuration."""
    config = {
        "User": "1234:77",
        "WorkingDir": "/app",
        "Env": ["A=b c", f"PATH=/app/bin:{PATH}"],
        "Labels": {"team": "pricing"},
        "ExposedPorts": {"9000/tcp": {}},
        "StopSignal": "SIGQUIT",
        "Healthcheck": {"Test": ["CMD", "true"]},
        "OnBuild": ["RUN exit 1"],
    }
    files = {"app/main.py": (SAYS, 0o640), "opt/ml/keep": (b"theirs", 0o600), "opt/tool": (b"x", 0o4755)}
    image = make_image(files, Entrypoint=["python3"], Cmd=["/app/main.py"], **config)
    result = adopt(client, image)
    before, after = tree(client, image), tree(client, result.image)
    new = sorted(set(after) - set(before))
    for grown in ("home", "opt", "opt/ml"):  # the time of a directory is that of its last new entry
        before[grown], after[grown] = (tuple(one for one in said if one != said[4]) for said in (before[grown], after[grown]))
    assert {path: said for path, said in after.items() if path in before} == before
    assert [path for path in new if not path.startswith(("opt/lyftlearn", "opt/ml/", "home/lyftlearn"))] == []
    owners = {after[path][2:4] for path in new}
    assert owners == {(0, 0)}
    writable = {path for path in new if after[path][1] & 0o022 and path.startswith("opt/lyftlearn") and not after[path][5]}
    assert writable == set()
    assert any(path.endswith(".pyc") for path in new)
    old, now = (client.images.get(one).attrs for one in (image, result.image))
    assert {key: now["Config"][key] for key in config if key not in {"Env", "Labels"}} == {
        key: old["Config"][key] for key in config if key not in {"Env", "Labels"}
    }
    path = f"PATH=/app/bin:{PATH}"
    environment = {path: f"{path}:/opt/lyftlearn/bin"}
    expected = [*(environment.get(one, one) for one in old["Config"]["Env"]), "HOME=/home/lyftlearn"]
    assert sorted(now["Config"]["Env"]) == sorted(expected)
    assert old["Config"]["Labels"].items() <= now["Config"]["Labels"].items()
    layers = [attrs["RootFS"]["Layers"] for attrs in (old, now)]
    assert (layers[1][:-1], len(layers[1])) == (layers[0], len(layers[0]) + 1)
    again = adopt(client, image)
    assert (again.was_made, again.id, again.programs) == (False, result.id, result.programs)


@pytest.mark.parametrize(
    ("config", "train", "serve"),
    [
        pytest.param(
            {"Entrypoint": ["python3", "/app/main.py"], "Cmd": ["--a", "b c"]}, ["--a", "b c"], ["--a", "b c"], id="both"
        ),
        pytest.param({"Entrypoint": [], "Cmd": ["python3", "/app/main.py", "x"]}, ["x"], ["x"], id="command alone"),
        pytest.param(
            {"Entrypoint": [], "Cmd": ["python3", "/app/main.py", "x"], "Env": [f"PATH=/opt/program:{PATH}"]},
            ["own", "train"],
            ["x"],
            id="a program of that name",
        ),
    ],
)
def test_what_an_image_ran_by_itself_is_its_default_program(
    config: dict[str, Any], train: list[str], serve: list[str], client: docker.DockerClient, make_image: MakeImage
) -> None:
    """With `train`, with `serve`, and with no word at all; any other word is the program."""
    own = b'#!/bin/sh\nexec python3 /app/main.py own "${0##*/}" "$@"\n'
    image = make_image(
        {"app/main.py": (SAYS, 0o644), "opt/program/train": (own, 0o755)}, WorkingDir="/app", User="1234", **config
    )
    adopted = adopt(client, image).image
    for word, expected in (("train", train), ("serve", serve)):
        assert json.loads(run(adopted, word, "more")) == [[*expected, "more"], "/app", 1234, "/usr/bin/python3"]
    assert json.loads(run(adopted)) == json.loads(run(image))
    assert run(adopted, "python3", "-c", "print(1)") == "1\n"


def test_a_virtual_environment_runs_the_programs(client: docker.DockerClient, make_image: MakeImage) -> None:
    """The first Python of PATH is the team's, with the packages beside it; the shim takes one that is new enough."""
    old = b'#!/bin/sh\necho \'{"version": [3, 7, 1], "missing": [], "packages": []}\'\n'
    garbage = b"#!/bin/sh\nhead -c 1000000 /dev/zero\n"
    files = {
        "opt/conda/pyvenv.cfg": (b"home = /usr/bin\n", 0o644),
        "opt/conda/bin/python": (b"", 0o755),
        "opt/conda/lib/python3.11/site-packages/teammod.py": (b"ANSWER = 42\n", 0o644),
        "opt/conda/lib/python3.11/site-packages/team-1.0.dist-info/METADATA": (b"Name: team\n", 0o644),
        "opt/ml/code/uses.py": (b"import sys, teammod\nprint(teammod.ANSWER, sys.prefix)\n", 0o644),
        "opt/old/python3": (old, 0o755),
        "opt/garbage/python3": (garbage, 0o755),
    }
    # As `python -m venv` makes it: a link.
    plain = make_image({name: one for name, one in files.items() if name != "opt/conda/bin/python"})
    container = client.containers.create(plain, ["-ec", LINK], entrypoint=["/bin/sh"])
    container.start()
    assert container.wait()["StatusCode"] == 0
    image = f"lyftlearn-test-adopt:{uuid.uuid4().hex[:12]}"
    path = f"PATH=/opt/garbage:/opt/old:/opt/conda/bin:{PATH}"
    container.commit(*image.split(":"), conf={"Env": [path], "Entrypoint": ["/bin/sh"], "Cmd": [], "User": "7"})
    container.remove(v=True)
    try:
        result = adopt(client, image)
        assert (result.shim.executable, result.shim.version[:4]) == ("/opt/conda/bin/python3", "3.11")
        assert result.python is not None
        assert result.python.packages[0] == "/opt/conda/lib/python3.11/site-packages"
        assert result.python.executable == "/opt/conda/bin/python"
        said = run(result.image, "-c", "LYFTLEARN_PROGRAM=uses.py lyftlearn-exec train", entrypoint="/bin/sh")
        assert said == "42 /opt/conda\n"
    finally:
        for tag in (image, f"{image}-lyftlearn"):
            client.images.remove(tag, force=True)


LINK = "mkdir -p /opt/conda/bin; for n in python python3; do ln -s /usr/bin/python3 /opt/conda/bin/$n; done"


def test_what_cannot_be_adopted_is_told(client: docker.DockerClient, make_image: MakeImage, debian_image: str) -> None:
    """One error that says what was seen and what to do; nothing is left on the engine."""
    count = len(client.containers.list(all=True, filters={"ancestor": debian_image}))
    with pytest.raises(InvalidInputError, match="no Python that the shim can run on") as none:
        adopt(client, debian_image)
    assert "none on its PATH" in none.value.where
    assert len(client.containers.list(all=True, filters={"ancestor": debian_image})) == count
    old = b'#!/bin/sh\necho \'{"version": [3, 7, 1], "missing": [], "packages": []}\'\n'
    image = make_image(
        {"opt/a/python3": (old, 0o755), "opt/a/lone": (b"#!/none\n", 0o755), "opt/a/waits": (b"#!/bin/sh\nsleep 60\n", 0o755)},
        on=debian_image,
    )
    with unstarted(client, image) as still, pytest.MonkeyPatch.context() as patch:
        # A program that does not end is no Python, and the next one is asked.
        patch.setattr(image_probe, "_TIMEOUT_S", 1)
        assert ImageProbe(client, image, {}, still).ask("/opt/a/waits", site=False) is None
    for path, words in (("/opt/a/python3", "is Python 3.7.1"), ("/opt/a/lone", "is no Python"), ("/opt/none", "is no Python")):
        with pytest.raises(InvalidInputError) as wrong:
            adopt(client, image, python=path)
        assert f"{path} " in wrong.value.where
        assert words in wrong.value.where
    hidden = make_image({}, Volumes={"/opt": {}})
    with pytest.raises(InvalidInputError, match="a VOLUME at /opt"):
        adopt(client, hidden)
    with pytest.raises(InvalidInputError, match="has the shim already"):
        adopt(client, adopt(client, make_image({})).image)
    with pytest.raises(UnavailableError, match="cannot be pulled"):
        adopt(client, "127.0.0.1:1/nowhere:1")
    for name in ("UPPER/Case", "a b", ""):
        with pytest.raises((InvalidInputError, UnavailableError)):
            adopt(client, name)


def test_names_are_those_of_a_command_line(client: docker.DockerClient, make_image: MakeImage) -> None:
    """A tag without a version is `latest`, a port is no version; an interpreter is found on PATH, and none with a blank."""
    files = {"opt/my env/bin/python3": (b'#!/bin/sh\nexec python3 "$@"\n', 0o755)}
    image = make_image(files, Entrypoint=[], Cmd=["python3", "-c", "print(1)"])
    repository = f"127.0.0.1:5000/lyftlearn-test-adopt-{uuid.uuid4().hex[:12]}"
    try:
        result = adopt(client, image, tag=repository, python="python3")
        assert client.images.get(f"{repository}:latest").id == result.id
        assert (result.shim.executable, run(repository)) == ("/usr/bin/python3", "1\n")
    finally:
        client.images.remove(repository, force=True)
    with pytest.raises(InvalidInputError) as blank:
        adopt(client, image, python="/opt/my env/bin/python3")
    assert "no blank" in blank.value.where


def test_an_adopted_image_is_in_parity(make_image: MakeImage, client: docker.DockerClient, tmp_path: Path) -> None:
    """Its own program trains on both platforms, as root and as a pod's user, on a read-only root."""
    files = {"srv/train.py": (TRAINS, 0o644), "srv/teammod.py": (b"ANSWER = 42\n", 0o644)}
    image = make_image(files, Entrypoint=["python3", "train.py"], WorkingDir="/srv")
    adopted = adopt(client, image).image
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump({**SUITE, "image": adopted}))
    report = tmp_path / "report"
    assert main(["parity", "run", str(tmp_path / "suite.yaml"), "--report", str(report), "--quiet"]) == 0
    (case,) = json.loads((report / "report.json").read_text())["cases"]
    assert (case["standing"], [one["exit_code"] for one in case["runs"]]) == ("parity", [0, 0])


@pytest.mark.parametrize(
    ("reference", "tag"),
    [
        ("team", "team:latest-lyftlearn"),
        ("team:7", "team:7-lyftlearn"),
        ("host:5000/team", "host:5000/team:latest-lyftlearn"),
        ("host:5000/a/team:7@sha256:" + "0" * 64, "host:5000/a/team:7-lyftlearn"),
    ],
)
def test_the_new_image_has_a_name_like_the_old_one(reference: str, tag: str) -> None:
    """Unless another is given."""
    assert adopting.default_tag(reference) == tag
