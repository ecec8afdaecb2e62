"""One typed set of values in every shape."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.platforms import bundle as toolkit_bundle
from lyftlearn_runtime import bundle, execve, hyperparameters, placement, start
from lyftlearn_runtime.errors import ShimError

if TYPE_CHECKING:
    from pathlib import Path

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
SETS = st.dictionaries(st.text(max_size=12), VALUES, max_size=4)
LONE_SURROGATE = "\ud800"


@given(SETS)
def test_toolkit_and_shim_agree_on_the_strings(values: dict[str, Any]) -> None:
    """What the toolkit encodes the shim decodes to the same values, and encodes to the same strings again."""
    strings = toolkit_bundle.encode_hyperparameters(values)
    assert hyperparameters.decode(strings) == values
    assert hyperparameters.encode(hyperparameters.decode(strings)) == strings


@given(SETS | st.just({"x": LONE_SURROGATE}))
def test_json_of_variables_is_ascii_compact_and_sorted(values: dict[str, Any]) -> None:
    """The bytes of the v2 toolkit, which any locale and any shell can carry."""
    text = hyperparameters.dumps(values)
    assert text == json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert json.loads(text) == values


def test_what_only_looks_like_json_stays_a_string() -> None:
    """Deep nesting and numbers without end included."""
    strings = {"deep": "[" * 100_000, "word": "sgd", "path": "/opt/ml", "almost": "{'a': 1}", "quoted": '"5"', "number": "5"}
    decoded = hyperparameters.decode(strings)
    assert decoded == {**strings, "quoted": "5", "number": 5}


@given(st.dictionaries(st.from_regex(r"[a-z][a-z-]{0,8}", fullmatch=True), VALUES, max_size=4))
def test_arguments_are_sorted_pairs(values: dict[str, Any]) -> None:
    """Every value has its flag before it, in sorted order; `none` passes nothing."""
    found = hyperparameters.arguments(values, "--key value")
    assert [flag for flag, _ in found] == [("-" if len(key) == 1 else "--") + key for key in sorted(values)]
    assert [word for [word] in hyperparameters.arguments(values, "key=value")] == [
        f"{key}={value}" for key, (_, value) in zip(sorted(values), found, strict=True)
    ]
    assert hyperparameters.arguments(values, "none") == []


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (0.1, "0.1"), (3, "3"), ("a b", "a b"), ("", ""), (None, ""), (True, "True"), (False, "False"),
        ([1, 2], "[1, 2]"), (["a"], '["a"]'), ({"b": 2, "a": True}, "a=True,b=2"), ({}, ""),
    ],
)  # fmt: skip
def test_an_argument_is_written_as_the_toolkit_writes_it(value: object, word: str) -> None:
    """aws/sagemaker-training-toolkit mapping.py; a list is JSON, as the v3 driver has it."""
    assert hyperparameters.arguments({"key": value}, "--key value") == [["--key", word]]


def test_an_unknown_style_names_the_known_ones() -> None:
    """LYFTLEARN_ARGUMENTS is written by people."""
    with pytest.raises(ShimError, match="'--key value', 'key=value', 'none'"):
        hyperparameters.arguments({}, "flags")


def test_both_spellings_of_a_name_are_there() -> None:
    """The toolkit keeps the hyphen, the driver makes it an underscore; the name that is spelt so keeps its value."""
    found = hyperparameters.sm_variables({"batch-size": 1, "a_b": "own", "a-b": "other", "x.y": True, "none": None, "l": [1]})
    assert found["SM_HP_BATCH-SIZE"] == found["SM_HP_BATCH_SIZE"] == "1"
    assert (found["SM_HP_A_B"], found["SM_HP_A-B"]) == ("own", "other")
    assert (found["SM_HP_X.Y"], found["SM_HP_NONE"], found["SM_HP_L"]) == ("true", "", "[1]")


def test_what_the_sdks_add_is_not_the_scripts() -> None:
    """An argparse that knows only its own flags must not meet `--sagemaker_program` or a tuner's metric."""
    values = {
        "lr": 1, "sagemaker_program": "t.py", "sagemaker_mpi_enabled": True, "_tuning_objective_metric": "auc",
        "default_user_module_name": "m",
    }  # fmt: skip
    assert hyperparameters.script_values(values) == {"lr": 1}
    assert hyperparameters.framework_values(values) == {"sagemaker_mpi_enabled": True}


@pytest.mark.parametrize("data", [b"{", b"[]", b"\xff\xfe", b'"text"', b""])
def test_a_malformed_file_names_itself(tmp_path: Path, data: bytes) -> None:
    """Not JSON, no object, not UTF-8, nothing."""
    path = tmp_path / "hyperparameters.json"
    path.write_bytes(data)
    with pytest.raises(ShimError) as caught:
        hyperparameters.read(str(path))
    assert str(path) in caught.value.message
    assert caught.value.exit_code == 78


def test_a_missing_file_is_an_empty_set(tmp_path: Path) -> None:
    """A processing job has none."""
    assert hyperparameters.read(str(tmp_path / "none.json")) == {}


@pytest.mark.parametrize("word", ["x" * execve.LONGEST_STRING, "a\0b", LONE_SURROGATE])
def test_a_word_that_cannot_be_one_stays_out_by_name(word: str) -> None:
    """Execve refuses it; the rest of the command line is not worse for it."""
    groups = [["--a", "1"], ["--big", word], ["--c", "3"]]
    assert execve.fit_arguments(["a", "big", "c"], groups) == (["--a", "1", "--c", "3"], ["big"])


def test_the_longest_word_that_execve_takes_is_kept() -> None:
    """131,071 bytes and a NUL."""
    longest = "x" * (execve.LONGEST_STRING - 1)
    assert execve.fit_arguments(["a"], [["--a", longest]]) == (["--a", longest], [])


def test_the_largest_variables_stay_out_first() -> None:
    """So that as many as possible are there, and always the same ones."""
    derived = {f"SM_HP_{number:02}": "x" * (20_000 + number) for number in range(40)} | {"SM_MODEL_DIR": "/opt/ml/model"}
    found, left = execve.fit_variables({"OWN": "1"}, derived, 0)
    assert found["SM_MODEL_DIR"] == "/opt/ml/model"
    assert found["OWN"] == "1"
    assert left == [f"SM_HP_{number:02}" for number in range(40 - len(left), 40)]
    assert sum(len(name) + len(value) for name, value in found.items()) > 450_000
    assert execve.fit_variables({"OWN": "1"}, dict(reversed(derived.items())), 0)[0] == found


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"BIG": "x" * 200_000}, "'BIG' cannot be a variable: Linux takes at most 131072 bytes"),
        ({"BAD": "planted\0secret"}, "'BAD' cannot be a variable: there is a NUL in it"),
        ({"A=B": "x"}, "'A=B' cannot be a variable: its name is empty or has a `=` in it"),
        ({f"N{number}": "x" * 100_000 for number in range(200)}, "bytes more than Linux takes"),
    ],
)
def test_a_variable_of_the_workload_that_cannot_be_one_stops_the_start(own: dict[str, str], told: str) -> None:
    """It is never left out in silence; its value is not shown."""
    with pytest.raises(ShimError) as caught:
        execve.fit_variables(own, {}, 0)
    assert told in caught.value.message
    assert "planted" not in caught.value.message


@pytest.mark.parametrize(
    ("signal", "expected"),
    [("TRAINING_JOB_ARN", {"rate": 0.1, "epochs": 3}), ("KUBERNETES_SERVICE_HOST", {"epochs": 3})],
)
def test_a_tuners_values_join_those_of_the_bundle(
    signal: str, expected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SageMaker they come by the request, also where the others had no room in it; a pod's bundle has all of them."""
    path = tmp_path / "hyperparameters.json"
    path.write_text('{"rate": "0.1"}')
    monkeypatch.setattr(hyperparameters, "PATH", str(path))
    monkeypatch.setattr(hyperparameters, "TYPED", str(tmp_path / "typed.json"))
    monkeypatch.setattr(hyperparameters, "read", functools.partial(hyperparameters.read, str(path)))
    launch_bundle = bundle.EMPTY._replace(hyperparameters={"epochs": 3})
    inputs = start.read(start.detect(["train"], {signal: "x"}))._replace(bundle=launch_bundle)
    assert placement.write_hyperparameters(start.resolve(inputs)) == (expected, str(tmp_path / "typed.json"))
    assert json.loads((tmp_path / "typed.json").read_text()) == expected
    assert json.loads(path.read_text()) == {name: str(value) for name, value in expected.items()}
