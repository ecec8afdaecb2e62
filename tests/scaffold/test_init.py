"""`init`: what lies in a directory becomes files that run; nothing that is there is changed, and nothing of it is run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lyftlearn_image.cli.main import main
from lyftlearn_image.parity.suite import load_suite
from lyftlearn_image.workload import Workload
from lyftlearn_image.yamlfile import load
from tests.scaffold.teams import ESTIMATED, JOB, LAUNCH, TRAIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCRIPT = "import os\nopen(os.environ['SM_CHANNEL_TRAIN'] + '/x')\nprint('/opt/ml/input/data/test/rows.csv')\n"
MODULE = "import os\nX = os.environ\ndef f():\n    print(1)\n"
BOOBY_TRAP = "open('it-was-run', 'w')\nraise SystemExit(1)\n"


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Writes files into a directory `team`, calls `init` there, and gives what it says, or its exit code and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*options: str, **files: str) -> Any:
        team = tmp_path / "team"
        team.mkdir(exist_ok=True)
        for name, text in files.items():
            path = team / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        code = main(["init", "team", "--json", *options])
        printed = capsys.readouterr()
        return json.loads(printed.out) if code == 0 else (code, printed.out + printed.err)

    return call


def suite_of(tmp_path: Path) -> Any:
    """The suite that was written, as the harness reads it."""
    return load_suite(tmp_path / "team" / "suite.yaml")


def test_a_script_and_its_channels(init: Callable[..., Any], tmp_path: Path) -> None:
    """The channels are those whose data it reads; a copy of each is where a directory of that name is, or is to be."""
    (tmp_path / "team" / "train").mkdir(parents=True)
    told = init(run_py=SCRIPT, lib_py=MODULE, requirements_txt="numpy\n")
    assert told["written"] == ["Dockerfile", ".dockerignore", "team.yaml", "suite.yaml"]
    assert told["found"] == ["run.py: a script", "requirements.txt: packages"]
    suite = suite_of(tmp_path)
    assert suite.data == {"s3://your-bucket/team/train/": "train/", "s3://your-bucket/team/test/": "data/test/"}
    (case,) = suite.cases
    assert (case.workload.program, case.workload.image, suite.image) == ("run.py", "team:latest", "team:latest")
    assert told["next"][0] == "aws s3 cp --recursive s3://your-bucket/team/test/ team/data/test/"
    assert told["next"][1] == "lyftlearn-image build lyftlearn"
    dockerfile = (tmp_path / "team" / "Dockerfile").read_text()
    assert dockerfile.splitlines()[0] == "FROM lyftlearn:latest"
    assert "install --no-cache-dir --root-user-action=ignore -r /tmp/requirements.txt" in dockerfile
    assert {"parity-report/", "suite.yaml", "team.yaml", "train/"} <= set(
        (tmp_path / "team" / ".dockerignore").read_text().splitlines()
    )


def test_a_manifest_with_its_own_place_for_code(init: Callable[..., Any], tmp_path: Path) -> None:
    """Where its command expects the script, the image has it; its Secret has a placeholder; limits are the pod's."""
    told = init(k8s__job_yaml=JOB, train_py=TRAIN)
    assert "COPY . /app/\n" in (tmp_path / "team" / "Dockerfile").read_text()
    (case,) = suite_of(tmp_path).cases
    assert case.secret_values == {"churn-db": '{"url": "put-a-test-value-here"}'}
    assert (case.workload.cpus, case.workload.memory_mib) == (1, 1024)
    assert load(tmp_path / "team" / "churn.yaml", Workload).image == "registry.example.com/churn:3"
    assert [one["place"] for one in told["left"]]
    name = "registry.example.com/churn:3"
    assert told["notes"] == [
        f"churn.yaml names the image {name}: before it is submitted, push team:latest and name that instead"
    ]


def test_a_manifest_has_its_name_in_the_way(init: Callable[..., Any], tmp_path: Path) -> None:
    """The file of the manifest is not written over, and the workload stands beside it."""
    told = init(churn_yaml=JOB, train_py=TRAIN)
    assert "churn.workload.yaml" in told["written"]
    assert (tmp_path / "team" / "churn.yaml").read_text() == JOB
    assert init()["kept"] == told["written"]


def test_several_manifests_and_an_estimator_are_cases_of_one_suite(init: Callable[..., Any], tmp_path: Path) -> None:
    """Each with a file of its own."""
    other = JOB.replace("name: churn", "name: other", 1)
    init(a_yaml=f"{JOB}---\n{other}", launch_py=LAUNCH, train_py=TRAIN, src__fit_py=ESTIMATED)
    assert [case.name for case in suite_of(tmp_path).cases] == ["churn", "other", "means"]


def test_what_a_manifest_cannot_become_is_told_and_the_rest_is_made(init: Callable[..., Any], tmp_path: Path) -> None:
    """A wrong one, a server, a helm template beside it."""
    broken = JOB.replace("name: churn", "name: broken", 1).replace("containers:", "containers: []\n      was:")
    server = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: server}\n"
        "spec: {template: {spec: {containers: [{name: main, image: 'a:1'}]}}}\n"
    )
    told = init(a_yaml=f"{JOB}---\n{broken}---\n{server}", chart_yaml="{{- if .Values.x }}\nkind: Job\n", train_py=TRAIN)
    assert any(note.startswith("a.yaml, Job broken: the pod has no container") for note in told["notes"])
    assert "server.yaml is a serving workload, which no suite runs" in told["notes"]
    assert [case.name for case in suite_of(tmp_path).cases] == ["churn"]


def test_a_job_without_a_command_runs_the_script(init: Callable[..., Any], tmp_path: Path) -> None:
    """Its image's entry point is not known; where there is one script, it is that."""
    init(job_yaml=JOB.replace('          command: [python, /app/train.py, --depth, "3"]\n', ""), train_py=TRAIN)
    workload: Any = load(tmp_path / "team" / "churn.yaml", Workload)
    assert (workload.program, workload.command) == ("train.py", None)


def test_nothing_at_all_gets_an_example(init: Callable[..., Any], tmp_path: Path) -> None:
    """A script that runs as it is."""
    told = init()
    assert told["written"][0] == "train.py"
    assert told["found"] == ["train.py: an example"]
    assert suite_of(tmp_path).cases[0].workload.program == "train.py"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a_py": SCRIPT, "b_py": SCRIPT}, ["several things to run: a.py, b.py", "lyftlearn-image init team --script a.py"]),
        ({"a_py": SCRIPT, "pkg____main___py": SCRIPT}, ["several things to run: a.py, pkg"]),
        ({"x_ipynb": "{}"}, ["has no script, but x.ipynb", "jupyter nbconvert --to script x.ipynb"]),
        ({"x_ipynb": "{}", "y_ipynb": "{}"}, ["x.ipynb, y.ipynb"]),
    ],
)
def test_several_things_to_run_are_a_choice(
    init: Callable[..., Any], tmp_path: Path, files: dict[str, str], expected: list[str]
) -> None:
    """That nobody guesses; nothing is written before it is made."""
    if "pkg____main___py" in files:
        (tmp_path / "team" / "pkg").mkdir(parents=True)
        (tmp_path / "team" / "pkg" / "__main__.py").write_text(files.pop("pkg____main___py"))
    code, told = init(**files)
    assert code == 78
    for words in expected:
        assert words in told
    assert not (tmp_path / "team" / "Dockerfile").exists()


@pytest.mark.parametrize(
    ("script", "runs"),
    [("b.py", ("b.py", None)), ("pkg", (None, ("python", "-m", "pkg"))), ("pkg/fit.py", ("pkg/fit.py", None))],
)
def test_the_choice_is_made_by_name(init: Callable[..., Any], tmp_path: Path, script: str, runs: Any) -> None:
    """A script, one of a package, or a package."""
    (tmp_path / "team" / "pkg").mkdir(parents=True)
    for name in ("__main__.py", "fit.py"):
        (tmp_path / "team" / "pkg" / name).write_text(SCRIPT)
    init("--script", script, a_py=SCRIPT, b_py=SCRIPT)
    workload = suite_of(tmp_path).cases[0].workload
    assert (workload.program, workload.command) == runs


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("c.py", "there is no script c.py"),
        ("../a.py", "there is no script"),
        ("x.ipynb", "nbconvert"),
        ("pkg", "no __main__.py"),
    ],
)
def test_a_choice_that_is_none_is_told(init: Callable[..., Any], tmp_path: Path, script: str, expected: str) -> None:
    """And nothing is written."""
    (tmp_path / "team" / "pkg").mkdir(parents=True)
    (tmp_path / "a.py").write_text(SCRIPT)
    code, told = init("--script", script, a_py=SCRIPT, x_ipynb="{}")
    assert code == 78
    assert expected in told
    assert not (tmp_path / "team" / "Dockerfile").exists()


def test_files_that_are_there_stay_and_are_told(init: Callable[..., Any], tmp_path: Path) -> None:
    """With what to do where they are not what the rest stands on; a dangling link is there, too."""
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / ".dockerignore").symlink_to("nowhere")
    mine = {"Dockerfile": "FROM python:3.11-slim\n", "suite.yaml": "mine\n"}
    for name, text in mine.items():
        (tmp_path / "team" / name).write_text(text)
    told = init(train_py=TRAIN)
    assert told["written"] == ["team.yaml"]
    assert told["kept"] == ["Dockerfile", ".dockerignore", "suite.yaml"]
    assert {name: (tmp_path / "team" / name).read_text() for name in mine} == mine
    assert not (tmp_path / "team" / "nowhere").exists()
    about_base = "Dockerfile stands on python:3.11-slim: make it `FROM lyftlearn:latest`, with the code in /opt/ml/code/"
    assert any(note.startswith(about_base) for note in told["notes"])
    assert "suite.yaml is as it was; its `cases` may take: workload: team.yaml" in told["notes"]


def test_nothing_that_lies_there_is_run(init: Callable[..., Any], tmp_path: Path) -> None:
    """Neither a script nor what starts jobs; and what is no Python is passed over."""
    init("--script", "a.py", a_py=BOOBY_TRAP, launch_py=BOOBY_TRAP + LAUNCH, src__fit_py=BOOBY_TRAP, broken_py="def (")
    assert list(tmp_path.rglob("it-was-run")) == []


def test_people_are_told_the_same(init: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was found, written and kept, and the commands that come next, by paths from where they stand."""
    told = init(job_yaml=JOB, train_py=TRAIN)
    assert main(["init", str(tmp_path / "team")]) == 0
    printed = capsys.readouterr().out
    assert "kept as it is:\n  Dockerfile\n  .dockerignore\n  churn.yaml\n  suite.yaml\n" in printed
    assert f"  lyftlearn-image parity run {tmp_path}/team/suite.yaml\n" in printed
    assert "lyftlearn-image parity run team/suite.yaml" in told["next"]


def test_a_directory_with_a_blank_is_one_word_of_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands run as they are printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my team").mkdir()
    assert main(["init", "my team", "--json"]) == 0
    assert "lyftlearn-image parity run 'my team/suite.yaml'" in json.loads(capsys.readouterr().out)["next"]
    assert main(["init", "nowhere"]) == 78
    assert "there is no directory nowhere" in capsys.readouterr().err


def test_import_writes_a_suite_for_what_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a manifest and of an estimator, beside a Dockerfile or without one; a suite that is there is not written over."""
    monkeypatch.chdir(tmp_path)
    for name, text in {"job.yaml": JOB, "launch.py": LAUNCH}.items():
        (tmp_path / name).write_text(text)
    assert main(["import", "job.yaml", "-o", "churn.yaml", "--suite", "ci/suite.yaml"]) != 0  # no directory ci
    (tmp_path / "ci").mkdir()
    capsys.readouterr()
    assert main(["import", "job.yaml", "-o", "churn.yaml", "--suite", "ci/suite.yaml"]) == 0
    assert "the suite runs registry.example.com/churn:3 as this engine has it" in capsys.readouterr().err
    suite = load_suite(tmp_path / "ci" / "suite.yaml")
    assert (suite.build, suite.image, suite.cases[0].name) == (None, "registry.example.com/churn:3", "churn")
    assert set(suite.cases[0].secret_values) == {"churn-db"}
    (tmp_path / "Dockerfile").write_text("FROM lyftlearn:latest\n")
    assert main(["import", "launch.py", "-o", "means.yaml", "--suite", "suite.yaml"]) == 0
    told = capsys.readouterr().err
    assert "a copy of the data is missing: aws s3 cp --recursive s3://ml-data/rows/ data/train" in told
    assert "next: lyftlearn-image parity run suite.yaml" in told
    suite = load_suite(tmp_path / "suite.yaml")
    assert (suite.build, suite.data) == (tmp_path, {"s3://ml-data/rows/": "data/train/"})
    kept = (tmp_path / "suite.yaml").read_text()
    assert main(["import", "job.yaml", "-o", "churn.yaml", "--suite", "suite.yaml"]) == 78
    assert "suite.yaml is there already" in capsys.readouterr().err
    assert (tmp_path / "suite.yaml").read_text() == kept
    assert main(["import", "job.yaml", "--suite", "other.yaml"]) == 2
    assert yaml.safe_load(kept)["cases"] == [{"workload": "means.yaml"}]
