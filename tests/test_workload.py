"""The workload: what it accepts, and what it says about the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import jsonschema
import pytest
import yaml
from hypothesis import given, strategies as st
from pydantic import ValidationError

from lyftlearn_image import yamlfile
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.workload import KINDS, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

MINIMAL = "name: job\nimage: team:1\nprogram: train.py\n"


def test_a_minimal_workload_is_a_training_job() -> None:
    """Name, image and program are enough."""
    workload = yamlfile.parse(MINIMAL, Workload, name="job.yaml")
    assert (workload.kind, workload.arguments) == ("training", "--key value")


@pytest.mark.parametrize(
    ("text", "line", "key", "expected"),
    [
        pytest.param(MINIMAL + "programm: x\n", 4, "programm", "Did you mean `program`?", id="misspelt key"),
        pytest.param(MINIMAL + "cpus: -1\n", 4, "cpus", "greater than 0", id="number out of range"),
        pytest.param(MINIMAL + "files:\n  etc/app: {content: x}\n", 5, "files.etc/app", "absolute path", id="relative file"),
        pytest.param(
            MINIMAL + "files:\n  /etc/app: {mode: '0644'}\n", 5, "files./etc/app", "`content` or `secret`", id="no content"
        ),
        pytest.param(MINIMAL + "channels: {a/b: s3://x/}\n", 1, "top level", "channel `a/b`", id="channel name"),
        pytest.param("name: job\nimage: x\n", 1, "top level", "either `program` or `command`", id="nothing to run"),
        pytest.param(MINIMAL + "environment: {A: b}\nsecrets: {A: 'aws-sm://a'}\n", 1, "top level", "keep one", id="twice"),
        pytest.param(MINIMAL + "program: y\n", 4, "program", "stands twice", id="key twice"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, line: int, key: str, expected: str) -> None:
    """The error names the file, the line, the key and what was expected there."""
    with pytest.raises(InvalidInputError) as caught:
        yamlfile.parse(text, Workload, name="job.yaml")
    told = str(caught.value)
    assert "job.yaml" in told
    assert f"line {line}" in told or f"and {line}" in told
    assert key in told
    assert expected in told


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: object) -> None:
    """A missing file is an error of input, not a traceback."""
    from pathlib import Path

    with pytest.raises(InvalidInputError, match="there is no file"):
        yamlfile.load(Path(str(tmp_path)) / "none.yaml", Workload)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No input makes the reader fail with anything but its own error."""
    try:
        yamlfile.parse(text, Workload, name="x.yaml")
    except InvalidInputError as error:
        assert error.what  # noqa: PT017 - either outcome is right; an error must say something


def test_a_change_is_validated_too() -> None:
    """A copy with other fields goes through the same checks."""
    workload = yamlfile.parse(MINIMAL, Workload, name="job.yaml")
    assert workload.with_(cpus=1).cpus == 1
    with pytest.raises(ValueError, match="greater than 0"):
        workload.with_(cpus=0)


FIELDS = {
    "training": {"program": "train.py"},
    "processing": {"command": ["python", "prep.py"]},
    "tuning": {
        "program": "train.py", "objective": "loss", "metrics": {"loss": "loss=(\\S+)"},
        "search_space": {"lr": {"type": "float", "low": 0.1, "high": 1}},
    },
    "transform": {"model": "s3://bucket/model.tar.gz", "input": "s3://bucket/in/"},
    "serving": {"model": "s3://bucket/model/"},
    "notebook": {},
}  # fmt: skip


@pytest.mark.parametrize("kind", list(FIELDS))
def test_the_kind_chooses_the_model(kind: str) -> None:
    """By constructor, by validation and in a file it is the same frozen workload of that kind."""
    data = {"name": "demo", "image": "team:1", "kind": kind, **FIELDS[kind]}
    workload = Workload.model_validate(data)
    assert workload == KINDS[kind](**data) == yamlfile.parse(yaml.safe_dump(data), Workload, name="x.yaml")
    assert type(workload) is KINDS[kind]
    assert workload.with_() == workload
    with pytest.raises(ValidationError, match="frozen"):
        workload.name = "other"


@pytest.mark.parametrize("kind", list(FIELDS))
def test_the_schema_accepts_every_kind(kind: str) -> None:
    """An editor shows no error in a good file of any kind, and one in a file with a key of another kind."""
    data = {"name": "demo", "image": "team:1", "kind": kind, **FIELDS[kind]}
    jsonschema.validate(data, Workload.model_json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**data, "nowhere": 1}, Workload.model_json_schema())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: processing\ncommand: [x]\nprogram: t.py\n", "It is a key of `kind: training`"),
        ("kind: serving\nmodel: s3://bucket/m/\nreplica: 2\n", "Did you mean `replicas`?"),
        ("kind: spark\n", "expected one of training, processing, tuning"),
        ("hyperparameters: {lr: 1}\n", "either `program` or `command`, or the hyperparameter `sagemaker_program`"),
        ("program: t.py\ncommand: [x]\n", "expected either `program` or `command`"),
        ("program: t.py\nspot: {max_wait_s: 10}\n", "at least `max_runtime_s`"),
        ("program: t.py\nspot: {max_wait_s: 4000}\n", "`spot` needs `checkpoints`"),
        ("program: t.py\nnetwork: {subnets: [subnet-1]}\n", "go together"),
        ("program: t.py\nmetrics: {loss: 'loss=.*'}\n", "expected one group"),
        ("program: t.py\nkubernetes: {role_arn: x}\n", "`role_arn` needs `service_account`"),
        ("kind: serving\nmodel: s3://bucket/model.pkl\n", "neither a .tar.gz nor a prefix"),
        ("program: t.py\nsecrets: {P: hunter22!}\n", "`secrets.P`: expected a reference"),
    ],
)
def test_a_mistake_in_an_option_is_told(text: str, told: str) -> None:
    """In words that say what to do, and never with what stands where a secret does."""
    with pytest.raises(InvalidInputError) as caught:
        yamlfile.parse(f"name: job\nimage: team:1\n{text}", Workload, name="job.yaml")
    assert told in str(caught.value)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "hyperparameters: {sagemaker_program: t.py, sagemaker_submit_directory: s3://bucket/code.tar.gz}\n",
        "environment: {SAGEMAKER_PROGRAM: t.py}\n",
        "channels: {code: s3://bucket/code/, sm_drivers: s3://bucket/drivers/}\n",
        (
            "kind: tuning\nhyperparameters: {sagemaker_program: t.py}\nobjective: a\nmetrics: {a: 'a=(.*)'}\n"
            "search_space: {x: {type: int, low: 1, high: 2}}\n"
        ),
    ],
)
def test_a_program_may_come_as_clients_send_it(text: str) -> None:
    """The v2 SDK's hyperparameter, an image's variable, the v3 SDK's channel: `train` finds it."""
    workload = yamlfile.parse(f"name: job\nimage: team:1\n{text}", Workload, name="job.yaml")
    assert getattr(workload, "program", "") is None


@pytest.mark.parametrize("kind", list(FIELDS))
@given(data=st.data())
def test_a_mistake_is_where_it_stands(kind: str, data: st.DataObject) -> None:
    """Of every kind and every field, a wrong value is told at that field's own place, and at no other."""
    good: dict[str, Any] = {"name": "demo", "image": "team:1", "kind": kind, **FIELDS[kind]}
    field = data.draw(st.sampled_from(sorted(KINDS[kind].model_fields.keys() - {"kind"})))
    with pytest.raises(ValidationError) as caught:
        Workload.model_validate({**good, field: object()})
    assert {error["loc"][0] for error in caught.value.errors()} == {field}
    with pytest.raises(InvalidInputError, match=rf"`(?:search_space\.lr\.)?low_{kind}`"):
        yamlfile.parse(yaml.safe_dump(_with_unknown_key(good, f"low_{kind}")), Workload, name="x.yaml")


def _with_unknown_key(fields: dict[str, Any], key: str) -> dict[str, Any]:
    """The fields with a key that nobody knows, as deep as the kind goes."""
    if "search_space" in fields:
        return {**fields, "search_space": {"lr": {**fields["search_space"]["lr"], key: 1}}}
    return {**fields, key: 1}


class Spark(Workload):
    """A kind that the toolkit does not have."""

    kind: Literal["spark"] = "spark"
    main_class: str


@pytest.fixture
def spark() -> Iterator[None]:
    """The registry with that kind in it."""
    Workload.set_members({**KINDS, "spark": Spark})
    yield
    Workload.set_members(KINDS)


def test_a_further_kind_is_a_class_and_a_line_in_the_registry(spark: None) -> None:
    """Files of it are read, its mistakes are told with what it knows, and editors get its schema."""
    text = "name: job\nimage: team:1\nkind: spark\n"
    workload = yamlfile.parse(f"{text}main_class: a.B\n", Workload, name="x.yaml")
    assert workload == Spark(name="job", image="team:1", main_class="a.B")
    with pytest.raises(InvalidInputError, match="Did you mean `main_class`"):
        yamlfile.parse(f"{text}main_clas: a.B\n", Workload, name="x.yaml")
    with pytest.raises(InvalidInputError, match="It is a key of `kind: spark`"):
        yamlfile.parse(f"{MINIMAL}main_class: a.B\n", Workload, name="x.yaml")
    with pytest.raises(InvalidInputError, match=r"expected one of training, .*, spark"):
        yamlfile.parse("name: job\nimage: team:1\nkind: flink\n", Workload, name="x.yaml")
    schema = Workload.model_json_schema()
    jsonschema.validate({"name": "job", "image": "team:1", "kind": "spark", "main_class": "a.B"}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "job", "image": "team:1", "main_class": "a.B"}, schema)


def test_the_registry_says_each_kind_as_the_kind_itself_does() -> None:
    """A line of the registry under another word than the model's own would give workloads that no file can say."""
    assert {kind: model.model_fields["kind"].default for kind, model in KINDS.items()} == {kind: kind for kind in KINDS}


def test_the_family_itself_is_no_workload() -> None:
    """Only a kind has instances: nothing is sent that no compiler knows."""
    with pytest.raises(TypeError, match="make one of training, processing"):
        Workload(name="job", image="team:1", kind="training")


@pytest.mark.parametrize(
    "line",
    [
        "environment: {DB_PASSWORD: [hunter2-RealPw-99Zq]}", "environment: {DB_PASSWORD: 48151623}",
        "hyperparameters: [hunter2-RealPw-99Zq]", "secrets: {X: [hunter2-RealPw-99Zq]}",
        'command: "curl -H Authorization:Bearer-hunter2-RealPw-99Zq"', 'program: ["hunter2-RealPw-99Zq"]\npassword: 1',
        "files: {/etc/a: {content: 5, secret: hunter2-RealPw-99Zq}}", "files: {/etc/a: hunter2-RealPw-99Zq}",
        "tags: [hunter2-RealPw-99Zq]", 'token: "hunter2-RealPw-99Zq"', "secret_sets: hunter2-RealPw-99Zq",
    ],
)  # fmt: skip
def test_nothing_that_may_be_a_secret_is_repeated(line: str) -> None:
    """Not where secrets stand, not under a name that tells of one, not in free text such as a command."""
    with pytest.raises(InvalidInputError) as caught:
        yamlfile.parse(f"name: job\nimage: team:1\n{line}\n", Workload, name="job.yaml")
    assert "hunter2" not in str(caught.value)
    assert "48151623" not in str(caught.value)
