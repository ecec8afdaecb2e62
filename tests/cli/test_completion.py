"""What a shell completes: quickly, or not at all, and never with a word of anything else."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
import yaml

from lyftlearn_image.cli.completion import complete_context, complete_job
from lyftlearn_image.cli.jobs import logs
from lyftlearn_image.cli.main import VERBS, main
from tests.services.kubernetes.simulator.cluster import simulated_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SUITE = "name: s\nimage: team:1\nnonsense: [\ncases: []\n"
CASES = "name: s\nimage: team:1\nno-such-key: 1\ncases:\n  - {name: train-iris}\n  - {name: train-flights}\n  - {name: score}\n"


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with nothing in it, and no account, cluster or region anywhere."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def completed(words: str, *, shell: str = "bash", environment: Mapping[str, str] | None = None) -> tuple[list[str], str]:
    """What is offered for the last word, and what is written to stderr."""
    typed = f"lyftlearn-image {words}"
    asked = {
        "_LYFTLEARN_IMAGE_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": "" if shell == "fish" else str(len(typed.split(" ")) - 1),
    }
    if shell == "fish":
        asked["COMP_CWORD"] = typed.rpartition(" ")[2]
    command = [sys.executable, "-m", "lyftlearn_image"]
    done = subprocess.run(
        command, env={**os.environ, **asked, **(environment or {})}, capture_output=True, text=True, timeout=120, check=True
    )
    return [line for line in done.stdout.splitlines() if line], done.stderr


def words(typed: str) -> list[str]:
    """The words that bash is offered."""
    return [line.removeprefix("plain,") for line in completed(typed)[0]]


def test_bash_completes_by_the_script_that_is_printed(away: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real one evaluates it, and its function fills what the shell then shows."""
    assert main(["completion", "bash"]) == 0
    program = away / "lyftlearn-image"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lyftlearn_image "$@"\n')
    program.chmod(0o755)
    script = capsys.readouterr().out + (
        "\nCOMP_WORDS=(lyftlearn-image com); COMP_CWORD=1\n"
        f"_lyftlearn_image_completion {program}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["compile", "completion"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_verbs_are_completed_in_every_shell(away: Path, shell: str) -> None:
    """With their lines, in the shells that show them."""
    offered = "\n".join(completed("lo", shell=shell)[0])
    assert all(verb in offered for verb in ("lock", "logs", "local"))
    assert "render" not in offered
    assert (VERBS["logs"][1] in offered) is (shell != "bash")


def test_verbs_within_verbs_and_options_are_completed(away: Path) -> None:
    """As click does it."""
    assert words("parity r") == ["run"]
    assert words("parity run --rep") == ["--report"]
    assert words("schema re") == ["report"]
    assert completed("lint chu")[0] == ["file,chu"]


def test_classes_are_those_of_the_folder(away: Path) -> None:
    """The toolkit's own, or those of `--images`."""
    assert words("build lyft") == ["lyftlearn"]
    for name in ("churn", "chess", "other"):
        (away / "classes" / name).mkdir(parents=True)
        (away / "classes" / name / "image.yaml").touch()
    assert words("render --images classes ch") == ["chess", "churn"]


def test_cases_are_those_of_the_suite(away: Path) -> None:
    """Whatever else is wrong with it; nothing where it cannot be read."""
    Path("suite.yaml").write_text(CASES)
    assert words("parity run suite.yaml --case train") == ["train-iris", "train-flights"]
    Path("suite.yaml").write_text(SUITE)
    assert completed("parity run suite.yaml --case ") == ([], "")
    assert completed("parity run none.yaml --case ") == ([], "")


def test_kept_cases_are_those_of_the_report(away: Path) -> None:
    """For `parity suggest`."""
    for path in ("parity-report/runs/one", "parity-report/runs/two", "elsewhere/runs/three"):
        Path(path).mkdir(parents=True)
        Path(path, "comparison.json").touch()
    assert words("parity suggest ") == ["one", "two"]
    assert words("parity suggest --report elsewhere ") == ["three"]


def test_jobs_and_contexts_are_the_clusters(
    away: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that the toolkit has made, in the context's namespace; SageMaker, which is not there, takes none away."""
    with simulated_cluster() as cluster:
        server = cluster.kubeconfig().cluster.server
        document = {
            "apiVersion": "v1", "kind": "Config", "current-context": "blue",
            "contexts": [{"name": "blue", "context": {"cluster": "c", "user": "u", "namespace": "default"}}],
            "clusters": [{"name": "c", "cluster": {"server": server}}], "users": [{"name": "u", "user": {"token": "t"}}],
        }  # fmt: skip
        (away / "kubeconfig").write_text(yaml.safe_dump(document))
        monkeypatch.setenv("KUBECONFIG", str(away / "kubeconfig"))
        ours = {"app.kubernetes.io/managed-by": "lyftlearn"}
        for job, labels in (("iris-1", ours), ("flights-2", ours), ("somebody-elses", {})):
            manifest = {
                "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": job, "labels": labels},
                "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]}}},
            }  # fmt: skip
            create(server, manifest)
        # On a loaded machine an answer may take longer than a shell waits.
        monkeypatch.setattr("lyftlearn_image.cli.completion.PATIENCE_S", 60.0)
        context = click.Context(logs)
        assert sorted(complete_job(context, logs.params[0], "job/")) == ["job/default/flights-2", "job/default/iris-1"]
        assert complete_job(context, logs.params[0], "jo") == complete_job(context, logs.params[0], "job/default/")
        assert complete_job(context, logs.params[0], "job/default/i") == ["job/default/iris-1"]
        assert complete_context(context, logs.params[0], "bl") == ["blue"]
        assert main(["logs", "job/default/irsi-1"]) == 78
        assert "try: Did you mean iris-1?" in capsys.readouterr().err


def create(server: str, manifest: dict[str, object]) -> None:
    """Creates a Job in the simulated cluster, as any client does."""
    import urllib.request

    request = urllib.request.Request(  # noqa: S310 - a server of ours
        f"{server}/apis/batch/v1/namespaces/default/jobs", json.dumps(manifest).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).close()  # noqa: S310 - as above


@pytest.fixture
def silent_server() -> Iterator[str]:
    """The URL of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("is_there", [False, True])
def test_a_service_that_does_not_answer_is_passed_over(away: Path, silent_server: str, *, is_there: bool) -> None:
    """Without a word: neither an error nor a wait that somebody would notice as one."""
    account = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "none", "AWS_REGION": "us-east-1"}
    environment = {**account, "AWS_ENDPOINT_URL": silent_server} if is_there else {}
    assert completed("logs training/", environment=environment) == ([], "")
    assert completed("wait --events ", environment=environment) == ([], "")
