"""Reading manifests: ours come back as they were, and of others' nothing is dropped without a word."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import assume, example, given, strategies as st

from lyftlearn_image import clear_secrets, yamlfile
from lyftlearn_image.cli.main import main
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms import serialize
from lyftlearn_image.platforms.compile import compile_for, launch_for
from lyftlearn_image.platforms.kubernetes.importer import workload_file
from lyftlearn_image.workload import Workload
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable

MANIFESTS = Path(__file__).parent / "manifests"
WORKLOADS = sorted((Path(__file__).parent.parent / "workloads").glob("*.yaml"))
JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "job"},
    "spec": {
        "backoffLimit": 0, "activeDeadlineSeconds": 60, "ttlSecondsAfterFinished": 60,
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": "team:1", "args": ["run"]}]}},
    },
}  # fmt: skip


def back(workload: Workload, job_name: str | None = None) -> workload_file.Imported:
    """What is read from the text that was compiled from a workload."""
    launch = launch_for(workload, job_name=job_name)
    return workload_file.read(serialize.as_text(compile_for("kubernetes", workload, launch)), "m.yaml")


@pytest.mark.parametrize("path", WORKLOADS, ids=lambda path: path.stem)
@pytest.mark.parametrize("job_name", [None, "another-name-1"])
def test_a_compiled_workload_comes_back(path: Path, job_name: str | None) -> None:
    """Of every kind, with everything that it says to either platform, and nothing is told to be lost."""
    workload = yamlfile.load(path, Workload)
    imported = back(workload, job_name)
    assert imported.left == ()
    assert imported.workload == workload


def test_the_downward_api_comes_back() -> None:
    """As the reference that both platforms answer."""
    secrets = {"POD": "downward://metadata.name", "CPUS": "downward://limits.cpu"}
    workload = Workload.model_validate(
        {"name": "demo", "image": "team:1", "program": "t.py", "output": "s3://bucket/x", "secrets": secrets}
    )
    imported = back(workload)
    assert imported.left == ()
    assert imported.workload == workload


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from("$\n()"), max_size=60)


@examples(80)
@given(
    st.dictionaries(
        st.from_regex(r"V[A-Z_.-]{0,6}", fullmatch=True) | st.text("äX 1-", min_size=1, max_size=4), TEXTS, max_size=4
    ),
    st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.integers() | TEXTS | st.lists(TEXTS), max_size=4),
    st.dictionaries(st.sampled_from(["/etc/a/x", "/etc/a/y z", "/etc/b/x", "/srv/k"]), TEXTS, max_size=4),
    st.lists(TEXTS, min_size=1, max_size=4),
)
def test_any_texts_come_back(
    environment: dict[str, str], hyperparameters: dict[str, Any], files: dict[str, str], command: list[str]
) -> None:
    """Dollars, line breaks, names that are no variables: through YAML, expansion and the bundle."""
    workload = Workload.model_validate(
        {
            "name": "demo", "image": "team:1", "command": command, "output": "s3://bucket/runs", "environment": environment,
            "hyperparameters": hyperparameters, "files": {path: {"content": text} for path, text in files.items()},
        }
    )  # fmt: skip
    # What looks like a secret is taken out on purpose.
    assume(not list(clear_secrets.find_secrets(workload.model_dump(mode="json"))))
    assert back(workload).workload == workload


@pytest.mark.parametrize("name", ["cronjob", "deployment"])
def test_a_manifest_of_others_is_the_golden_workload(name: str, golden: Callable[[str, str], None]) -> None:
    """The workload, and below it everything that it does not carry, reviewed as prose; no secret is in either."""
    imported = workload_file.read((MANIFESTS / f"{name}.yaml").read_text(), f"{name}.yaml")
    left = "".join(f"# {one}\n" for one in imported.left)
    for secret in ("planted", "Pl4nted", "Tr0ub4dor", "cGxhbnRlZC"):
        assert secret not in imported.text + left
    golden(f"{name}.workload.yaml", imported.text + left)


@pytest.mark.parametrize("name", ["cronjob", "deployment"])
def test_every_field_of_a_manifest_is_carried_or_told(name: str) -> None:
    """A field with a name that nobody knows, put anywhere, is in the list."""
    documents = list(yaml.safe_load_all((MANIFESTS / f"{name}.yaml").read_text()))
    main = next(one for one in documents if one["kind"].lower() == name)
    places: list[dict[str, Any]] = []

    def collect(value: Any, key: str = "") -> None:
        if isinstance(value, dict):
            # Beside free keys, and in what is left as a whole, there is nothing to tell.
            if key not in _WHOLE:
                places.append(value)
                for below, inner in value.items():
                    collect(inner, below)
        elif isinstance(value, list) and key not in _WHOLE:
            for inner in value:
                collect(inner, key)

    spec = main["spec"]["jobTemplate"]["spec"] if name == "cronjob" else main["spec"]
    del spec["template"]["spec"]["containers"][1:]
    collect(main)
    for place in places:
        place["surprise"] = 1
        left = workload_file.read(yaml.safe_dump_all(documents), "m.yaml").left
        del place["surprise"]
        assert any(one.place.endswith(".surprise") for one in left), place


_WHOLE = (
    "labels", "annotations", "nodeSelector", "limits", "requests", "matchLabels", "selector", "initContainers", "livenessProbe",
    "readinessProbe", "ports", "fieldRef", "persistentVolumeClaim", "emptyDir",
)  # fmt: skip


# Words that one reader of YAML or another takes for something else than a text.
NULLS = ("null", "~", "Null", "NULL")
ODD = (
    st.sampled_from(["yes", "Yes", "YES", "no", "on", "off", "true", "True", "false", "y", "Y", "n", *NULLS])
    | st.sampled_from(["0", "010", "0o10", "0x1F", "0b101", "1_000", "-1", "+1", "12:30:45", "190:20:30.15", "1:20"])
    | st.sampled_from(["1.5", "1e5", "1E5", "6.8523015e+5", ".5", "1.", ".inf", "-.INF", ".nan", ".NaN", "="])
    | st.sampled_from(["2024-01-01", "2001-12-14t21:59:43.10-05:00"])
)
PLAIN = ODD | st.from_regex(r"[0-9][0-9:._eE+-]{0,6}[0-9]", fullmatch=True)


@given(st.lists(PLAIN, min_size=1, max_size=4, unique=True))
@example(["yes", "010", "2024-01-01", "1e5", "null", "12:30:45"])
def test_an_unquoted_word_is_carried_as_it_is_written_and_told(words: list[str]) -> None:
    """In variables, words of the command, labels and ConfigMaps, as keys too; each with its place and its line."""
    lines = [
        *("apiVersion: batch/v1", "kind: Job", "metadata: {name: job, labels: {team: x}}", "spec:", "  backoffLimit: 0"),
        *("  activeDeadlineSeconds: 0x3c", "  ttlSecondsAfterFinished: 60", "  template:", "    metadata:", "      labels:"),
        *(f"        {word}: {word}" for word in words if word not in ("~", "=")),
        *("        quoted: 'yes'", "    spec:", "      restartPolicy: Never", "      containers:", "      - name: main"),
        *("        image: team:1", "        command:", *(f"        - {word}" for word in words), "        env:"),
        *(f"        - {{name: N{number}, value: {word}}}" for number, word in enumerate(words)),
    ]
    imported = workload_file.read("\n".join(lines), "m.yaml")
    job = imported.workload
    meant = ["" if word in NULLS else word for word in words]
    assert job.command == tuple(meant)
    assert job.environment == {f"N{number}": word for number, word in enumerate(meant)}
    as_keys = {word: text for word, text in zip(words, meant, strict=True) if word not in ("~", "=")}
    assert dict(job.kubernetes.labels) == {"team": "x", "quoted": "yes", **as_keys}
    assert job.max_runtime_s == 60
    told = {one.place for one in imported.left if "unquoted" in one.why}
    odd = {number for number, word in enumerate(words) if word != "=" and not isinstance(yaml.safe_load(word), str)}
    assert {f"Job.spec.template.spec.containers[0].env[{number}].value" for number in odd} <= told
    assert {f"Job.spec.template.spec.containers[0].command[{number}]" for number in odd} <= told
    for one in imported.left:
        if "unquoted" in one.why:
            assert any(word in lines[int(one.why.split()[1]) - 1] for word in words)


@given(ODD)
def test_what_is_compiled_is_text_to_every_reader(word: str) -> None:
    """A text that is a number or a flag without quotes has them."""
    assert re.fullmatch(r"- (['\"]).*\1", serialize.as_yaml([word]).strip())


def test_what_is_quoted_or_left_empty_is_not_told() -> None:
    """Nor what is a number or a flag to the API too."""
    text = yaml.safe_dump(JOB).replace(
        "name: x", "name: x\n        env: [{name: A, value: '010'}, {name: B, value:}, {name: C, value: abc}]"
    )
    assert not [one for one in workload_file.read(text, "m.yaml").left if "unquoted" in one.why]


def test_a_volume_that_only_has_a_name_of_ours_is_told() -> None:
    """Volumes are passed over in manifests of our own compiler alone."""
    job = json.loads(json.dumps(JOB))
    job["spec"]["template"]["spec"]["volumes"] = [{"name": "client-certs", "hostPath": {"path": "/etc/ssl"}}]
    assert any("hostPath" in one.place for one in workload_file.read(yaml.safe_dump(job), "m.yaml").left)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("spec", "backoffLimit"), None, ""),
        (("spec", "activeDeadlineSeconds"), None, "no limit"),
        (("spec", "completions"), 3, "no hosts of one job"),
        (("spec", "template", "spec", "hostNetwork"), True, "`restricted`"),
        (("spec", "template", "spec", "securityContext"), {"runAsUser": 0}, "not root"),
        (("spec", "template", "spec", "containers", 0, "args"), [], "ENTRYPOINT runs"),
        (("spec", "template", "spec", "containers", 0, "securityContext"), {"privileged": True}, "`restricted`"),
        (("metadata", "name"), "a_b--c", "it is a-b-c now"),
    ],
)
def test_what_changes_is_told_with_advice(path: tuple[Any, ...], value: Any, told: str) -> None:
    """Defaults of Kubernetes included: what is not said has a meaning there."""
    job = json.loads(json.dumps(JOB))
    at = job
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    imported = workload_file.read(yaml.safe_dump(job), "m.yaml")
    if told:
        (one,) = [one for one in imported.left if told in one.why]
        assert one.advice
    else:
        assert imported.workload.kubernetes.retries == 6


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "not valid YAML"),
        ("a: 1", "without a `kind`"),
        ("kind: ConfigMap\nmetadata: {name: x}", "no Job or CronJob or Deployment"),
        (yaml.safe_dump_all([JOB, JOB]), "Job job, Job job"),
        (yaml.safe_dump({**JOB, "spec": []}), "is not a mapping"),
        (yaml.safe_dump({**JOB, "spec": {"template": {"spec": {"containers": []}}}}), "no container"),
        (yaml.safe_dump({**JOB, "spec": {**JOB["spec"], "backoffLimit": "many"}}), "no manifest that the API takes"),
    ],
)
def test_what_is_no_manifest_is_refused(text: str, told: str) -> None:
    """By an error of ours, with the file's name."""
    with pytest.raises(InvalidInputError, match=told):
        workload_file.read(text, "m.yaml")


@examples(150)
@given(st.data())
def test_no_manifest_makes_the_reader_fail(data: st.DataObject) -> None:
    """Whatever stands at any place of a Job: it is read, or refused by an error of ours."""
    job = json.loads(json.dumps(JOB))
    at: Any = job
    while isinstance(at, dict | list) and at:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if data.draw(st.booleans()) or not isinstance(at[key], dict | list):
            at[key] = data.draw(st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2))
            break
        at = at[key]
    try:
        workload_file.read(yaml.safe_dump(job), "m.yaml")
    except InvalidInputError as error:
        assert error.what  # noqa: PT017 - either outcome is right; an error must say something


def test_a_clear_secret_anywhere_is_not_repeated() -> None:
    """In arguments, annotations and files: it is told, and the text has a reference or nothing in its place."""
    job = json.loads(json.dumps(JOB))
    job["metadata"]["annotations"] = {"note": "AKIAABCDEFGHIJKLMNOP"}
    pod = job["spec"]["template"]["spec"]
    pod["containers"][0] |= {"args": ["run", "ghp_" + "a" * 36], "volumeMounts": [{"name": "c", "mountPath": "/etc/c"}]}
    pod["volumes"] = [{"name": "c", "configMap": {"name": "c"}}]
    settings = {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a.ini": "password = Tr0ub4dor&3\n", "b": "x"}}
    imported = workload_file.read(yaml.safe_dump_all([job, settings]), "m.yaml")
    assert imported.workload.files["/etc/c/a.ini"].secret == "aws-sm://job/a.ini"
    assert len([one for one in imported.left if "not repeated" in one.why]) == 3
    for secret in ("AKIA", "ghp_", "Tr0ub4dor"):
        assert secret not in imported.text + "".join(map(str, imported.left))


def test_what_somebody_has_edited_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the workload nor its suite, and neither is written without the other; --force writes both."""
    source, target, suite = str(MANIFESTS / "cronjob.yaml"), tmp_path / "workload.yaml", tmp_path / "suite.yaml"
    command = ["import", source, "-o", str(target), "--suite", str(suite)]
    assert main(command) == 0
    made, made_suite = target.read_text(), suite.read_text()
    assert main(command) == 0, "the same text is written over nobody's work"
    target.write_text(f"{made}# of mine\n")
    suite.unlink()
    for more in ([], ["--json"]):
        assert main([*command, *more]) == 78
        assert f"{target} is there already" in capsys.readouterr().err
    assert (target.read_text(), suite.exists()) == (f"{made}# of mine\n", False)
    target.unlink()
    suite.write_text("# of mine\n")
    assert main(command) == 78
    assert "overwrite it with --force" in capsys.readouterr().err
    assert (target.exists(), suite.read_text()) == (False, "# of mine\n")
    assert main([*command, "--force"]) == 0
    assert (target.read_text(), suite.read_text()) == (made, made_suite)


def test_the_verb_writes_a_file_and_tells_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The workload goes to stdout or a file, what is lost to stderr, and all of it into the JSON."""
    source, target = MANIFESTS / "cronjob.yaml", tmp_path / "workload.yaml"
    assert main(["import", str(source)]) == 0
    streams = capsys.readouterr()
    assert main(["import", str(source), "-o", str(target)]) == 0
    assert target.read_text().partition("\n")[2] == streams.out
    assert "schedule: a workload is one run" in streams.err
    capsys.readouterr()
    assert main(["import", str(source), "--json", "--kind", "processing"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["workload"]["kind"] == "processing"
    assert any("schedule" in one["place"] for one in said["left"])
    # SageMaker takes no image from where this one is.
    assert main(["lint", str(target), "--target", "kubernetes"]) == 0
