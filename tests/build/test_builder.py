"""Builds: what comes out, what is not built again, what is told of a failure, and what is nowhere to be found."""

from __future__ import annotations

import json
import os
import shutil
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.build.builder import KEY_LABEL, BuildOptions, build, build_directory
from lyftlearn_image.build.lock import lock
from lyftlearn_image.build.progress import Silent, State
from lyftlearn_image.build.python_version import python_of_image, require_python_of_image
from lyftlearn_image.build.spec import load_spec
from lyftlearn_image.errors import BuildError, InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.build.builder import BuildResult
    from lyftlearn_image.build.engine import Engine
    from lyftlearn_image.build.progress import Step

IMAGES = Path(__file__).resolve().parents[2] / "images"
PLANTED = (b"planted-index-password", b"planted-company-ca")


class Recorder(Silent):
    """Remembers the steps of a build, and every process's arguments and environment at each of them."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.processes: set[bytes] = set()

    def step(self, step: Step) -> None:
        """Remembers the step, and looks around."""
        self.steps.append(step)
        for process in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if b"docker" in arguments or b"pip" in arguments:
                self.processes.add(arguments)


@pytest.fixture
def tiny(
    tiny_class: Any, builds_here: Path, remove_tags: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., BuildResult]]:
    """Builds the tiny class with the private index; its tags are removed at the end."""
    monkeypatch.setenv("PIP_INDEX_URL", tiny_class.index.url)

    def run(progress: Any = None, **more: Any) -> BuildResult:
        options = BuildOptions(ca_bundle=tiny_class.index.ca_bundle, **more)
        return build(tiny_class.name, images_dir=tiny_class.images_dir, options=options, progress=progress)

    yield run
    remove_tags(tiny_class.name)


@pytest.fixture
def team(tmp_path: Path, probe_image: str, builds_here: Path, remove_tags: Callable[[str], None]) -> Iterator[tuple[Path, str]]:
    """A directory with a Dockerfile on a small image, and a tag for it that is removed at the end."""
    directory = tmp_path / "team"
    directory.mkdir()
    (directory / "Dockerfile").write_text(f"FROM {probe_image}\nCOPY . /opt/ml/code/\n")
    (directory / "train.py").write_text("print('one')\n")
    tag = f"lyftlearn-test-{uuid.uuid4().hex[:8]}:1"
    yield directory, tag
    remove_tags(tag)


def saved(running: Engine, image_id: str) -> bytes:
    """Every byte of an image: its layers, its configuration, its history."""
    with running.connect() as client:
        return b"".join(client.images.get(image_id).save())


def test_a_private_index_and_a_company_ca_serve_the_build_and_stay_out_of_it(
    tiny: Callable[..., BuildResult], tiny_class: Any, running: Engine, builds_here: Path, docker_cli: Callable[..., str]
) -> None:
    """The package came with the password over the company's TLS; neither is in a layer, the history, a log or a process."""
    recorder = Recorder()
    result = tiny(progress=recorder)
    assert result.was_built
    assert 200 in tiny_class.index.answered
    code = "import lyftlearn_test_package as p, sys; print(p.ANSWER, sys.prefix)"
    run = docker_cli("run", "--rm", "--entrypoint", "/opt/venv/bin/python", result.image, "-c", code)
    assert run == "42 /opt/venv\n"

    image = saved(running, result.id)
    log = next(builds_here.iterdir()).read_bytes()
    inside = docker_cli("run", "--rm", "--entrypoint", "cat", result.image, "/opt/lyftlearn/image.json")
    told = " ".join(f"{step.name} {step.detail}" for step in recorder.steps)
    assert b"lyftlearn_test_package" in image
    assert "lyftlearn-test-package" in json.loads(inside)["python"]
    assert recorder.processes
    for secret in PLANTED:
        for where in (image, log, inside.encode(), told.encode(), *recorder.processes, repr(result).encode()):
            assert secret not in where


def test_nothing_changed_means_nothing_built(tiny: Callable[..., BuildResult], tiny_class: Any, running: Engine) -> None:
    """The second call runs no step and gives the same image, under any name; `force` builds."""
    first = tiny()
    recorder = Recorder()
    second = tiny(progress=recorder)
    assert (second.was_built, second.id, second.build_key) == (False, first.id, first.build_key)
    assert recorder.steps == []
    other = tiny(tags=(f"{tiny_class.name}-other:x",))
    assert (other.was_built, other.id, other.tags) == (False, first.id, (f"{tiny_class.name}-other:x",))
    assert tiny(force=True).was_built
    with running.connect() as client:
        assert client.images.get(f"{tiny_class.name}:latest").labels[KEY_LABEL] == first.build_key


def test_an_image_on_top_is_never_taken_for_the_image_below(
    tiny: Callable[..., BuildResult], tiny_class: Any, running: Engine, team: tuple[Path, str]
) -> None:
    """An image inherits the labels of the one that it stands on, the key among them; it is still another image."""
    first = tiny()
    directory, tag = team
    (directory / "Dockerfile").write_text(f"FROM {first.image}\nCOPY . /opt/ml/code/\n")
    on_top = build_directory(directory, tag)
    assert on_top.base.id == first.id
    assert on_top.build_key != first.build_key
    with running.connect() as client:
        for own in first.tags:
            client.images.remove(own)
    again = tiny()
    assert again.was_built
    assert again.id != on_top.id


def test_a_changed_description_is_built(tiny: Callable[..., BuildResult], tiny_class: Any) -> None:
    """A new label in image.yaml gives a new key and a new image, with the cache doing most of it."""
    first = tiny()
    path = tiny_class.images_dir / tiny_class.name / "image.yaml"
    before = path.read_text()
    try:
        path.write_text(before.replace("labels:\n", "labels:\n  dev.lyftlearn.test: changed\n"))
        recorder = Recorder()
        second = tiny(progress=recorder)
    finally:
        path.write_text(before)
    assert second.was_built
    assert second.id != first.id
    assert any(step.state is State.CACHED for step in recorder.steps)


def test_a_stale_lock_is_made_anew_where_that_is_asked_for(
    tiny: Callable[..., BuildResult], tiny_class: Any, index: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And the image has what it says; without being asked, nothing is built."""
    folder = tiny_class.images_dir / tiny_class.name
    lock, requirements = folder / "requirements.lock", folder / "requirements.in"
    before = lock.read_text()
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    try:
        requirements.write_text("lyftlearn_test_package\n")
        with pytest.raises(InvalidInputError, match="does not say what it was made from"):
            tiny()
        made = tiny(relock=True)
        assert made.was_built
        assert "# Inputs: python=3.11 " in lock.read_text()
        assert not tiny().was_built
    finally:
        requirements.unlink()
        lock.write_text(before)


def test_a_package_that_is_not_the_locked_one_stops_the_build(tiny: Callable[..., BuildResult], tiny_class: Any) -> None:
    """The error has the step, what pip said, and what to do; the password is in none of it."""
    lock = tiny_class.images_dir / tiny_class.name / "requirements.lock"
    before = lock.read_text()
    try:
        lock.write_text(f"lyftlearn_test_package==1.0 --hash=sha256:{'0' * 64}\n")
        with pytest.raises(BuildError) as caught:
            tiny()
    finally:
        lock.write_text(before)
    assert "in step [" in caught.value.what
    assert "DO NOT MATCH THE HASHES" in caught.value.where
    assert "lyftlearn-image lock" in caught.value.hint
    assert PLANTED[0].decode() not in str(caught.value)


def test_a_teams_step_reaches_the_private_index(
    index: Any, team: tuple[Path, str], lyftlearn_image_tag: str, running: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the company's certificate and the password; neither is in the image, its history or the log, nor is a mount shown."""
    directory, tag = team
    logs = Path(os.environ["XDG_STATE_HOME"])
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    monkeypatch.setenv("PIP_CERT", str(index.ca_bundle))
    install = "pip install --no-cache-dir lyftlearn_test_package && env"
    (directory / "Dockerfile").write_text(f"FROM {lyftlearn_image_tag}\nRUN {install}\nCOPY . /opt/ml/code/\n")
    recorder = Recorder()
    build_directory(directory, tag, progress=recorder)
    assert any("RUN pip install" in step.name for step in recorder.steps)
    with running.connect() as client:
        program = "import lyftlearn_test_package as p, os; print(p.ANSWER, 'PIP_CERT' in os.environ, *os.walk('/run/secrets'))"
        said = client.containers.run(tag, ["python", "-c", program], remove=True).decode()
        shown = str(client.images.get(tag).history()) + str(client.images.get(tag).attrs)
    # The engine leaves the directory of the mounts, and nothing in it.
    assert said in ("42 False\n", "42 False ('/run/secrets', [], [])\n")
    assert "planted" not in shown
    assert "planted" not in "".join(path.read_text() for path in logs.rglob("*.log"))


def test_a_failing_step_is_told_with_its_last_words_and_its_log(team: tuple[Path, str]) -> None:
    """Which step, the end of what it wrote, and a file with all of it."""
    directory, tag = team
    dockerfile = directory / "Dockerfile"
    dockerfile.write_text(f"{dockerfile.read_text()}RUN seq 1 100 && echo last words && exit 3\n")
    with pytest.raises(BuildError) as caught:
        build_directory(directory, tag)
    assert "RUN seq 1 100" in caught.value.what
    log, *lines = caught.value.where.splitlines()
    assert lines[-1].strip() == "last words"
    assert len(lines) == 15
    assert " 1\n" in Path(log).read_text()


def test_a_failure_outside_of_any_step_is_told_too(team: tuple[Path, str]) -> None:
    """A Dockerfile that the engine cannot read has no step; its own words are shown."""
    directory, tag = team
    dockerfile = directory / "Dockerfile"
    dockerfile.write_text(f"{dockerfile.read_text()}NOSUCHWORD x\n")
    with pytest.raises(BuildError) as caught:
        build_directory(directory, tag)
    assert "unknown instruction: NOSUCHWORD" in caught.value.where


def test_a_base_image_and_a_proxy_that_do_not_answer_are_one_line_each(
    team: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which image or proxy, the engine's or the step's own words, the log, and what to do; the proxy's password nowhere."""
    directory, tag = team
    dockerfile = directory / "Dockerfile"
    below = dockerfile.read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"127.0.0.1:{taken.getsockname()[1]}"
    dockerfile.write_text(f"FROM {closed}/lyftlearn-test:1\n")
    with pytest.raises(UnavailableError, match=f"^the base image {closed}/lyftlearn-test:1 cannot be pulled") as caught:
        build_directory(directory, tag)
    assert "connection refused" in caught.value.where
    monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:planted-word@{closed}")
    dockerfile.write_text(f"{below}RUN echo No matching distribution found for x; exit 1\n")
    with pytest.raises(UnavailableError, match=f"^the proxy {closed} does not answer") as caught:
        build_directory(directory, tag)
    assert "HTTPS_PROXY" in caught.value.hint
    assert "planted-word" not in str(caught.value)
    assert ".log" in caught.value.where


@pytest.mark.parametrize(("name", "text"), [("Team:1", "FROM scratch\n"), ("team:1", "FROM debian:a:b\n")])
def test_what_names_no_image_is_told_before_anything_is_built(tmp_path: Path, engine: None, name: str, text: str) -> None:
    """The tag that is asked for, and what a FROM names, with the place of either."""
    (tmp_path / "Dockerfile").write_text(text)
    with pytest.raises(InvalidInputError, match="names no image"):
        build_directory(tmp_path, name)


def test_a_python_that_the_base_does_not_have_is_told_before_the_build(
    tmp_path: Path, running: Engine, debian_image: str, probe_image: str
) -> None:
    """By the suite without an engine, else by the base image's own files; `lock` says the same."""
    images = tmp_path / "images"
    shutil.copytree(IMAGES, images)
    description = images / "lyftlearn" / "image.yaml"
    text = description.read_text()
    description.write_text(text.replace('version: "3.11"', 'version: "3.12"'))
    for act in (lambda: build("lyftlearn", images_dir=images), lambda: lock(load_spec("lyftlearn", images), images)):
        with pytest.raises(InvalidInputError, match=r"asks for Python 3\.12, and Debian bookworm has Python 3\.11") as caught:
            act()
        assert 'version: "3.11", in quotes' in caught.value.hint
    description.write_text(text.replace('version: "3.11"', "version: 3.10"))
    with pytest.raises(InvalidInputError, match=r"YAML reads 3\.10 as 3\.1"):
        load_spec("lyftlearn", images)
    description.write_text(text.replace('version: "3.11"', 'version: "3.12"').replace("bootstrap: bookworm", ""))
    with running.connect() as client:
        assert [python_of_image(client, image) for image in (debian_image, probe_image)] == ["3.11", "3.11"]
        with pytest.raises(InvalidInputError, match=r"the base image debian:bookworm-slim has Python 3\.11"):
            require_python_of_image(load_spec("lyftlearn", images), images, client, debian_image)


def test_a_directory_is_built_again_when_what_it_brings_has_changed(team: tuple[Path, str]) -> None:
    """A file, its mode, or the Dockerfile count; what .dockerignore names does not."""
    directory, tag = team
    (directory / ".dockerignore").write_text("# results\nresults\n**/*.log\n")
    built = [build_directory(directory, tag)]
    (directory / "results").mkdir()
    (directory / "results" / "out.json").write_text("{}")
    (directory / "run.log").write_text("x")
    built.append(build_directory(directory, tag))
    (directory / "train.py").write_text("print('two')\n")
    built.append(build_directory(directory, tag))
    (directory / "train.py").chmod(0o755)
    built.append(build_directory(directory, tag))
    assert [one.was_built for one in built] == [True, False, True, True]
    assert len({one.build_key for one in built}) == 3


def test_a_directory_is_built_again_when_the_image_below_has_changed(team: tuple[Path, str], running: Engine) -> None:
    """The same files on another base are another image; a stage's name is no base."""
    directory, tag = team
    below = f"{tag}-below"
    dockerfile = directory / "Dockerfile"
    probe = dockerfile.read_text().split()[1]
    dockerfile.write_text(f"ARG BASE={below}\nFROM {probe} AS first\nFROM ${{BASE}} as second\nFROM second\nCOPY . /code/\n")
    other = directory.parent / "other"
    other.mkdir()
    built = []
    for label in ("one", "one", "two"):
        (other / "Dockerfile").write_text(f"FROM {probe}\nLABEL test={label}\n")
        build_directory(other, below)
        built.append(build_directory(directory, tag))
    with running.connect() as client:
        assert client.images.get(tag).labels["test"] == "two"
        client.images.remove(below)
    assert [one.was_built for one in built] == [True, False, True]
    assert built[0].base.reference == below


@pytest.mark.parametrize("text", [None, "# nothing\nRUN true\n"])
def test_a_directory_without_a_usable_dockerfile_says_how_to_begin(tmp_path: Path, engine: None, text: str | None) -> None:
    """The hint has the two lines that are enough."""
    if text is not None:
        (tmp_path / "Dockerfile").write_text(text)
    with pytest.raises(InvalidInputError) as caught:
        build_directory(tmp_path, "lyftlearn-test:none")
    assert "FROM lyftlearn:latest" in caught.value.hint


def test_two_builds_of_one_name_at_once_each_have_their_own_image(
    team: tuple[Path, str], running: Engine, tmp_path: Path, probe_image: str
) -> None:
    """The name is the last one's; each result is the image of its own directory, and each log is of one build."""
    directory, tag = team
    other = tmp_path / "other"
    other.mkdir()
    for number, place in enumerate((directory, other)):
        (place / "Dockerfile").write_text(f"FROM {probe_image}\nRUN sleep 1; echo words of {number}\nLABEL team={number}\n")
    with ThreadPoolExecutor(2) as pool:
        built = list(pool.map(lambda place: build_directory(place, tag), (directory, other)))
    with running.connect() as client:
        assert [client.images.get(one.id).labels["team"] for one in built] == ["0", "1"]
        for one in built:
            client.images.remove(one.id, force=True)
    (log,) = Path(os.environ["XDG_STATE_HOME"]).rglob("*.log")
    assert len({number for number in "01" if f"words of {number}" in log.read_text()}) == 1
