"""`run --here`: one workload in a real container of this machine, on either target; only its directory is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.build.own_outputs import MARK
from lyftlearn_image.cli import here
from lyftlearn_image.cli.main import main
from lyftlearn_image.limits import HERE
from tests.emulation.sagemaker.conftest import archive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["archive"]

PROGRAM = """
import json, os, sys
from pathlib import Path
text = Path('/opt/ml/input/data/train/rows.csv').read_text()
print('rows', len(text.splitlines()), flush=True)
print('to stderr', file=sys.stderr)
Path('/opt/ml/model/m').write_text(text)
sys.exit(int(os.environ.get('CODE', '0')))
"""
HANDLERS = (
    "def model_fn(model_dir):\n    return float(open(model_dir + '/weight').read())\n"
    "def predict_fn(data, model):\n    return [model * cell for cell in data.ravel().tolist()]\n"
)
TARGETS = ("sagemaker", "kubernetes")


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs write to the current directory, where no AWS account is known."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path, lyftlearn_image_tag: str) -> Callable[..., Path]:
    """Writes a workload file beside its data."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text("1,2\n3,4\n")

    def make(**fields: Any) -> Path:
        document = {"name": "iris", "image": lyftlearn_image_tag, "cpus": 1, "memory_mib": 512, **fields}
        path = tmp_path / "workload.yaml"
        path.write_text(json.dumps(document))  # JSON is YAML
        return path

    return make


def run(path: Path, target: str, *options: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, Mapping[str, Any], str]:
    """Exit code, what is printed, and stderr."""
    code = main(["run", str(path), "--target", target, "--here", "--json", *options])
    printed = capsys.readouterr()
    assert printed.out, printed.err
    return code, json.loads(printed.out), printed.err


@pytest.mark.parametrize("target", TARGETS)
def test_a_workload_runs_with_what_stands_beside_it(
    target: str, write: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A channel may be a path; the log is shown as it comes, and it and the artifacts are kept."""
    path = write(command=["python", "-c", PROGRAM], channels={"train": "data/"})
    code, document, shown = run(path, target, "-o", "out", capsys=capsys)
    assert (code, document["status"], document["exit_code"]) == (0, "Completed", 0)
    assert document["job"].startswith("training/iris-" if target == "sagemaker" else "job/iris-")
    assert "rows 2\n" in shown
    assert (tmp_path / "out" / "stdout").read_text() == "rows 2\n"
    assert "to stderr" in (tmp_path / "out" / "stderr").read_text()
    assert (Path(document["artifacts"]["model"]) / "m").read_text() == "1,2\n3,4\n"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"stdout", "stderr", "artifacts", MARK}


def test_a_log_without_an_end_is_cut_and_told(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is this machine's: what is kept has an end, and says where."""
    monkeypatch.setattr(here, "HERE", replace(HERE, log_bytes=1000))
    path = write(command=["python", "-c", "print('x' * 5000)"])
    code, document, shown = run(path, "sagemaker", capsys=capsys)
    assert (code, document["status"]) == (0, "Completed")
    assert Path(document["log"]).read_text() == "x" * 1000 + "\n[cut here, after 1000 B]\n"
    assert "note: the log is cut: " in shown


@pytest.mark.parametrize("target", TARGETS)
def test_a_failed_workload_is_exit_code_1(target: str, write: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """With the script's own exit code in what is printed; what it left is kept all the same."""
    path = write(command=["python", "-c", PROGRAM], channels={"train": "data/"}, environment={"CODE": "7"})
    code, document, _ = run(path, target, capsys=capsys)
    assert (code, document["status"], document["exit_code"]) == (1, "Failed", 7)
    assert Path(document["log"]).read_text() == "rows 2\n"


@pytest.mark.parametrize("target", TARGETS)
def test_data_in_a_real_account_is_refused_or_given_a_copy_of(
    target: str, write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """One error that says what to do; with what it says, the script finds the copy."""
    path = write(command=["python", "-c", PROGRAM], channels={"train": "s3://ml-data/churn/"})
    assert main(["run", str(path), "--target", target, "--here"]) == 78
    told = capsys.readouterr().err
    assert "has no copy of `channels.train` (s3://ml-data/churn/)" in told
    assert "--data s3://ml-data/churn/=PATH" in told
    code, document, _ = run(path, target, "--data", "s3://ml-data/churn/=data", capsys=capsys)
    assert (code, Path(document["log"]).read_text()) == (0, "rows 2\n")


@pytest.mark.parametrize("target", TARGETS)
def test_references_are_resolved_from_a_file(
    target: str, write: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A secret and a parameter; and the cluster's own Secret, which has the keys of a secret of its name."""
    secrets = {"prod/db": json.dumps({"password": "p1"}), "db": json.dumps({"password": "p1"})}
    values = {"secret_values": secrets, "parameter_values": {"/prod/key": "k1"}}
    (tmp_path / "values.yaml").write_text(json.dumps(values))
    program = "import os; print(os.environ['DB'] + os.environ['KEY'] == 'p1k1')"
    references = {"DB": "aws-sm://prod/db#password", "KEY": "aws-ssm:///prod/key"}
    path = write(
        command=["python", "-c", program], secrets=references, kubernetes={"secrets": {"DB": "db#password"}}
    )  # fmt: skip
    code, document, _ = run(path, target, "--secrets", "values.yaml", capsys=capsys)
    assert (code, Path(document["log"]).read_text()) == (0, "True\n")


@pytest.mark.parametrize("target", TARGETS)
def test_a_search_tells_its_trials(target: str, write: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """On SageMaker's tuner and on Kubernetes, which has none."""
    Path("code").mkdir()
    Path("code/train.py").write_text("import sys; print('loss=' + sys.argv[sys.argv.index('--depth') + 1])")
    path = write(
        kind="tuning", program="/opt/ml/input/data/code/train.py", channels={"code": "code/"},
        metrics={"loss": r"loss=(\S+)"}, objective="loss", goal="minimize", strategy="grid",
        search_space={"depth": {"type": "choice", "values": [4, 2]}},
    )  # fmt: skip
    code, document, _ = run(path, target, capsys=capsys)
    assert (code, document["job"].partition("/")[0]) == (0, "tuning")
    assert sorted((float(trial["values"]["depth"]), trial["objective"]) for trial in document["trials"]) == [(2, 2), (4, 4)]


@pytest.mark.parametrize("target", TARGETS)
def test_a_transform_takes_its_model_and_input_from_copies(
    target: str, write: Callable[..., Path], archive: Callable[..., bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """A file stands for an object, a directory for a prefix."""
    Path("model/code").mkdir(parents=True)
    Path("model/code/inference.py").write_text(HANDLERS)
    Path("model/weight").write_text("0.5")
    path = write(
        kind="transform", model="s3://models/churn/", input="s3://ml-data/in/", content_type="text/csv",
        accept="application/json",
    )  # fmt: skip
    copies = ("--data", "s3://models/churn/=model", "--data", "s3://ml-data/in/=data/rows.csv")
    code, document, shown = run(path, target, *copies, capsys=capsys)
    assert code == 0, shown
    assert json.loads((Path(document["artifacts"]["output"]) / "rows.csv.out").read_text()) == [0.5, 1.0, 1.5, 2.0]


def test_an_endpoint_is_served_until_ctrl_c(write: Callable[..., Path], tmp_path: Path) -> None:
    """Where it answers is printed; ended, it leaves no container."""
    Path("model/code").mkdir(parents=True)
    Path("model/code/inference.py").write_text(HANDLERS)
    Path("model/weight").write_text("0.5")
    path = write(kind="serving", model="s3://models/churn/", startup_s=120)
    command = [sys.executable, "-m", "lyftlearn_image", "run", str(path), "--target", "sagemaker", "--here"]
    with (
        Path("err").open("w") as stderr,
        subprocess.Popen(
            [*command, "--data", "s3://models/churn/=model"], stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:"), Path("err").read_text()
        request = urllib.request.Request(url, b"2,4", {"Content-Type": "text/csv", "Accept": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - of our own server
            assert json.loads(answer.read()) == [1.0, 2.0]
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert containers_of(process.pid) == []


def test_a_signal_ends_a_run_and_leaves_nothing(write: Callable[..., Path], tmp_path: Path) -> None:
    """SIGTERM as Ctrl-C, however long the script would go on."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('begun', flush=True); time.sleep(600)"
    path = write(command=["python", "-c", deaf])
    command = [sys.executable, "-m", "lyftlearn_image", "run", str(path), "--target", "kubernetes", "--here"]
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        assert "begun\n" in iter(process.stderr.readline, "")
        process.terminate()
        assert process.wait() == 130
        assert "interrupted" in process.stderr.read()
    assert containers_of(process.pid) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def containers_of(pid: int) -> list[str]:
    """The containers on the engine that belong to a process."""
    from lyftlearn_image.build.connection import connect
    from lyftlearn_image.emulation.docker.ownership import OWNER_LABEL

    client = connect()
    owned = client.containers.list(all=True, ignore_removed=True, filters={"label": OWNER_LABEL})
    client.close()
    return [str(container.name) for container in owned if f"/{pid}/" in container.labels[OWNER_LABEL]]


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--here", "--again", "2"), 2, "--again does not go with --here"),
        (("--here", "--context", "blue"), 2, "--context does not go with --here"),
        (("--data", "s3://a/b=."), 2, "--data and --secrets are for --here"),
        (("--here", "--data", "b=."), 78, "--data b=.: expected S3_URI=PATH"),
        (("--here", "--data", "s3://a/b=none"), 78, "there is nothing at none"),
        (("--here", "--data", "s3://a/b=."), 78, "the workload reads no such URI"),
    ],
)
def test_a_mistake_is_one_error(
    options: tuple[str, ...], code: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is started."""
    path = tmp_path / "workload.yaml"
    path.write_text(json.dumps({"name": "iris", "image": "image", "command": ["true"]}))
    assert main(["run", str(path), "--target", "sagemaker", *options]) == code
    assert told in capsys.readouterr().err


def test_a_deployment_is_refused_with_what_runs_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The embedded kubernetes target runs Jobs alone."""
    path = tmp_path / "workload.yaml"
    path.write_text(json.dumps({"name": "lab", "kind": "notebook", "image": "image"}))
    assert main(["run", str(path), "--target", "kubernetes", "--here"]) == 78
    assert "--target sagemaker" in capsys.readouterr().err
