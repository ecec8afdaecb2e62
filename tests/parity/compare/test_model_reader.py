"""Opening models: inside the image that made them, each in a container of its own, where they reach nothing."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lyftlearn_image.errors import RunError
from lyftlearn_image.parity.compare import model_reader
from lyftlearn_image.parity.compare.comparator import ComparatorContext
from lyftlearn_image.parity.compare.model_reader import ModelReader, Rows
from lyftlearn_image.parity.compare.models import compare
from lyftlearn_image.parity.compare.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lyftlearn_image.emulation.docker.containers import Containers


@pytest.fixture(scope="module")
def models(lyftlearn_image_tag: str, docker_cli: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models made inside the image: two alike, one with another parameter, one of other data."""
    directory = tmp_path_factory.mktemp("models")
    program = (
        "import joblib, numpy as np, os\nfrom sklearn.linear_model import Ridge\n"
        "X = np.arange(20.).reshape(10, 2); y = X[:, 0]\n"
        "for name, alpha, shift in (('one', 1, 0), ('two', 1, 0), ('parameter', 2, 0), ('data', 1, 1)):\n"
        "    joblib.dump(Ridge(alpha=alpha).fit(X, y * (1 + shift)), f'/out/{name}.joblib', compress=len(name) % 3)\n"
        "np.save('/out/X.npy', X)\n"
    )
    docker_cli("run", "--rm", "--user", "0", "-v", f"{directory}:/out", lyftlearn_image_tag, "python", "-c", program)
    return directory


@pytest.fixture
def reader(containers: Containers, lyftlearn_image_tag: str) -> ModelReader:
    """What opens models, in the image."""
    return ModelReader(containers, lyftlearn_image_tag)


class Evil:
    """A pickle that runs a program when it is opened."""

    def __init__(self, program: str) -> None:
        self.program = textwrap.dedent(program)

    def __reduce__(self) -> Any:
        """As the case `modelrogue` has it."""
        return (exec, (self.program, {}))


def evil(directory: Path, program: str, name: str = "evil.pkl") -> Path:
    """A model file that runs this program."""
    (directory / name).write_bytes(pickle.dumps(Evil(program)))
    return directory / name


def rows_of(models: Path) -> tuple[Rows, Rows]:
    """The same rows for both."""
    return (Rows((models / "X.npy",), is_given=True),) * 2


@pytest.mark.parametrize(
    ("other", "places"),
    [
        pytest.param("two", [], id="the same"),
        pytest.param("parameter", ["/parameters/alpha", "/predict"], id="a parameter, and so the predictions"),
        pytest.param("data", ["/fitted/coef_", "/predict"], id="other data"),
    ],
)
def test_models_predict_inside_the_image(models: Path, reader: ModelReader, other: str, places: list[str]) -> None:
    """On given rows; their content is compared too."""
    artifacts = {"output": models}
    rule = Rule(compare="sklearn-model", inputs="output/X.npy", rtol=1e-9)
    context = ComparatorContext(reader, artifacts, artifacts)
    found = compare(models / "one.joblib", models / f"{other}.joblib", rule, context)
    told = " ".join(one.place for one in found)
    assert bool(found) == bool(places)
    assert all(place in told for place in places)


def test_a_model_that_runs_code_cannot_reach_the_host(models: Path, reader: ModelReader, tmp_path: Path) -> None:
    """It runs as nobody, with no capability, network, socket of the engine or anything to write to but its own /tmp."""
    path = evil(
        tmp_path,
        f"""
        import os, socket, sys
        told = [str(os.getuid())]
        for attempt in (
            lambda: open({str(tmp_path / "evil-was-here")!r}, "w"), lambda: open("/evil", "w"), lambda: open(sys.argv[1], "a"),
            lambda: socket.create_connection(("1.1.1.1", 53), 2),
            lambda: socket.socket(socket.AF_UNIX).connect("/var/run/docker.sock"),
            lambda: os.setuid(0), lambda: os.kill(-1, 0) or os.mknod("/tmp/disk", 0o60666, 2049),
        ):
            try:
                attempt(); told.append("done")
            except OSError as error:
                told.append(type(error).__name__)
        told.append(next(line for line in open("/proc/self/status") if line.startswith("CapEff")).split()[1])
        told.append(",".join(sorted(os.listdir("/sys/class/net"))))
        raise RuntimeError("TOLD " + " ".join(told))
        """,
    )
    left, right = reader.predict((models / "one.joblib", path), rows_of(models))
    assert not isinstance(left, RunError)
    assert isinstance(right, RunError)
    told = str(right).partition("TOLD ")[2].split()
    assert told[0] == "65534"
    assert "done" not in told
    assert told[-2:] == ["0000000000000000", "lo"]
    assert not (tmp_path / "evil-was-here").exists()


def test_no_model_answers_for_another_one(models: Path, reader: ModelReader, tmp_path: Path) -> None:
    """One that forks, stays and looks for others to answer for sees none: neither of its own pair nor of later ones."""
    forged = {"models": [{"model": "", "rows": "X.npy", "values": {}, "failed": {}}]}
    path = evil(
        tmp_path,
        f"""
        import json, os, time
        for _ in range(20):
            if os.fork() == 0:
                os.setsid()
                deadline = time.time() + 30
                while time.time() < deadline:
                    for process in filter(str.isdecimal, os.listdir("/proc")):
                        for number in (1, 2, 3, 4, 5):
                            try:
                                with open(f"/proc/{{process}}/fd/{{number}}", "w") as file:
                                    file.write({json.dumps(forged)!r})
                            except OSError:
                                pass
        """,
    )
    one, data = models / "one.joblib", models / "data.joblib"
    reader.predict((path, one), rows_of(models))
    before = _running(reader)
    left, right = reader.predict((one, data), rows_of(models))
    assert before == []
    assert not isinstance(left, RunError)
    assert not isinstance(right, RunError)
    assert left.models[0].values != right.models[0].values
    artifacts = {"output": models}
    found = compare(path, data, Rule(compare="model", inputs="output/X.npy"), ComparatorContext(reader, artifacts, artifacts))
    assert any(each.accepted is None for each in found)


def test_two_models_that_forge_the_same_answer_are_still_different(models: Path, reader: ModelReader, tmp_path: Path) -> None:
    """What is in their files is read without them."""
    forged = json.dumps({"models": [{"model": "", "rows": "X.npy", "values": {}, "failed": {}}]})
    program = f"import os; os.write(3, {forged.encode()!r}); os._exit(0)"
    left, right = evil(tmp_path, program, "left.pkl"), evil(tmp_path, program + "  ", "right.pkl")
    found = compare(left, right, Rule(compare="model"), ComparatorContext(reader, {}, {}, (models,)))
    assert any(each.accepted is None for each in found)


def _running(reader: ModelReader) -> list[str]:
    listed = reader._containers.client.containers.list(all=True, filters={"name": f"{reader._containers.run_id}-model-"})
    return [str(each.name) for each in listed]


@pytest.fixture
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that are reached at once, and that a small model keeps."""
    monkeypatch.setattr(model_reader, "_MEMORY_BYTES", 160 << 20)
    monkeypatch.setattr(model_reader, "_PIDS", 40)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import os; os.abort()", "died"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("import sys\nwhile True: sys.stderr.write('x' * 65536)", "writes more than"),
        ("import os\nwhile True: os.write(3, b'x' * 65536)", "writes more than|OSError"),
        ("x = bytearray(200 << 20); x[::4096] = b'x' * len(x[::4096])", "memory|died"),
        ("import os, time\nwhile True:\n  if os.fork() == 0: time.sleep(60)", "BlockingIOError|Resource temporarily"),
        ("open('/tmp/full', 'wb').write(bytes(200 << 20))", "No space left"),
    ],
    ids=["abort", "exit", "stderr", "output", "memory", "fork bomb", "tmp"],
)
@pytest.mark.usefixtures("low_limits")
def test_a_model_is_limited_in_all_that_it_can_use_up(
    models: Path, reader: ModelReader, tmp_path: Path, program: str, why: str
) -> None:
    """Output, memory, processes, disk; the other one of the pair is opened all the same, and nothing stays."""
    left, right = reader.predict((models / "one.joblib", evil(tmp_path, program)), rows_of(models))
    assert isinstance(right, RunError)
    assert re.search(why, str(right)), str(right)
    assert not isinstance(left, RunError), str(left)
    assert _running(reader) == []


def test_a_model_that_never_ends_is_ended(reader: ModelReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time, on both sides at once."""
    monkeypatch.setattr(model_reader, "_TIMEOUT_S", 5)
    path = evil(tmp_path, "import time; time.sleep(600)")
    for answer in reader.predict((path, path), (Rows((), is_given=False),) * 2):
        assert "takes longer than 5 s" in str(answer)
    assert _running(reader) == []


def test_a_model_that_only_its_owner_may_read_is_read(models: Path, reader: ModelReader, tmp_path: Path) -> None:
    """The container's user gets a copy; no copy stays, and none is open to other users of this machine."""
    private = tmp_path / "private.joblib"
    private.write_bytes((models / "one.joblib").read_bytes())
    private.chmod(0o600)
    left, right = reader.predict((private, models / "one.joblib"), rows_of(models))
    assert not isinstance(left, RunError)
    assert left == right
    assert subprocess.run(["ls", "-A", str(tmp_path)], capture_output=True, text=True, check=True).stdout.split() == [
        "private.joblib"
    ]


def test_rows_of_a_channel_are_found(models: Path, reader: ModelReader, tmp_path: Path) -> None:
    """And both predict on them."""
    channel = tmp_path / "train"
    channel.mkdir()
    np.savetxt(channel / "data.csv", np.arange(30.0).reshape(6, 5), delimiter=",", header="a,b,c,d,e", comments="")
    context = ComparatorContext(reader, {}, {}, (channel,))
    rule = Rule(compare="model", ignore=("/fitted/*", "/parameters/*"))
    assert compare(models / "one.joblib", models / "two.joblib", rule, context) == ()
    found = compare(models / "one.joblib", models / "data.joblib", rule, context)
    assert [each.place.partition("[")[0] for each in found] == ["/predict"]


def test_an_image_that_cannot_open_models_is_told(
    models: Path, containers: Containers, probe_image: str, tmp_path: Path
) -> None:
    """With what the engine or its interpreter said, and at once."""
    answers = ModelReader(containers, probe_image).predict((models / "one.joblib", models / "two.joblib"), rows_of(models))
    for answer in answers:
        assert isinstance(answer, RunError)
        assert "refused" in str(answer) or "ModuleNotFoundError" in str(answer)
