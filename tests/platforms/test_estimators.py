"""Estimators of SageMaker's SDK are read from the text of a script: what is plain becomes a workload, the rest is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.estimators import reader

if TYPE_CHECKING:
    from lyftlearn_image.platforms.estimators.reader import Estimator

HEAD = "from sagemaker.estimator import Estimator\nfrom sagemaker.inputs import TrainingInput\n"
MINIMAL = 'Estimator(entry_point="train.py"{})'


def read(text: str, **options: Any) -> Estimator:
    """What is read of a script, on an engine that knows one type."""
    sizes = {"ml.m5.xlarge": (4.0, 16384)}
    return reader.read(text, "launch.py", image="team:latest", size_of=sizes.get, **options)


def workload(arguments: str = "", then: str = "") -> Any:
    """The workload of an estimator with these arguments."""
    return read(f"{HEAD}e = {MINIMAL.format(', ' + arguments if arguments else '')}\n{then}\n").imported.workload


def told(arguments: str = "", then: str = "") -> str:
    """What is told of it as not carried."""
    found = read(f"{HEAD}e = {MINIMAL.format(', ' + arguments if arguments else '')}\n{then}\n")
    return "\n".join(map(str, found.imported.left))


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        ("instance_count=3", "nodes", 3), ("max_run=2 * 3600", "max_runtime_s", 7200), ("volume_size=50", "volume_gb", 50),
        ("hyperparameters={'depth': 3, 'rate': -0.5}", "hyperparameters", {"depth": 3, "rate": -0.5}),
        ("environment={'A': 1}", "environment", {"A": "1"}), ("output_path='s3://runs/out'", "output", "s3://runs/out"),
        ("image_uri='own:3'", "image", "own:3"), ("base_job_name='My_Job'", "name", "my-job"),
        ("role='arn:aws:iam::111122223333:role/r'", "role_arn", "arn:aws:iam::111122223333:role/r"),
        ("metric_definitions=[{'Name': 'loss', 'Regex': 'loss=(.*)'}]", "metrics", {"loss": "loss=(.*)"}),
        ("tags=[{'Key': 'team', 'Value': 'growth'}]", "tags", {"team": "growth"}),
        ("keep_alive_period_in_seconds=60", "warm_pool_s", 60), ("instance_type='ml.m5.xlarge'", "memory_mib", 16384),
    ],
)  # fmt: skip
def test_a_plain_argument_has_its_place(arguments: str, field: str, value: Any) -> None:
    """In the words of a workload; an instance type's size is what a pod may use."""
    assert getattr(workload(arguments), field) == value


def test_what_belongs_together_is_read_together() -> None:
    """Networks, keys, spot capacity with its checkpoints."""
    found = workload(
        "subnets=['subnet-1'], security_group_ids=['sg-1'], enable_network_isolation=True, volume_kms_key='k',"
        "use_spot_instances=True, max_wait=9000, max_run=60, checkpoint_s3_uri='s3://bb/c/'"
    )
    assert (found.network.subnets, found.network.security_groups, found.network.isolated) == (("subnet-1",), ("sg-1",), True)
    assert (found.encryption.volume_key, found.spot.max_wait_s, found.checkpoints) == ("k", 9000, "s3://bb/c/")


@pytest.mark.parametrize(
    ("fit", "channels"),
    [
        ("e.fit('s3://b/rows/')", {"training": "s3://b/rows/"}),
        ("e.fit({'train': 's3://b/a/', 'test': TrainingInput('s3://bb/c/')})", {"train": "s3://b/a/", "test": "s3://bb/c/"}),
        ("e.fit(inputs={'train': TrainingInput(s3_data=f'{BUCKET}/a/', content_type='csv')})", {"train": "s3://b/a/"}),
        ("e.fit({'train': 'file://data'})", {"train": "data"}), ("e.fit()", {}), ("", {}),
    ],
)  # fmt: skip
def test_the_data_of_fit_are_channels(fit: str, channels: dict[str, str]) -> None:
    """By name, or as the SDK's one channel."""
    assert workload(then=f"BUCKET = 's3://b'\n{fit}").channels == channels


def test_a_model_trainer_of_the_third_sdk_is_read_as_well() -> None:
    """With what it has in objects of their own."""
    found = read(
        "from sagemaker.train import ModelTrainer\nfrom sagemaker.train.configs import Compute, InputData, SourceCode\n"
        "t = ModelTrainer(training_image='own:3', base_job_name='trees', hyperparameters={'n': 1},\n"
        "  source_code=SourceCode(source_dir='src', entry_script='fit.py'),\n"
        "  compute=Compute(instance_type='ml.m5.xlarge', instance_count=2, volume_size_in_gb=40))\n"
        "t.train(input_data_config=[InputData(channel_name='train', data_source='s3://b/rows/')])\n"
    )
    made: Any = found.imported.workload
    assert (made.name, made.image, made.program, found.source_dir) == ("trees", "own:3", "fit.py", "src")
    assert (made.instance_type, made.nodes, made.volume_gb, made.channels) == ("ml.m5.xlarge", 2, 40, {"train": "s3://b/rows/"})


@pytest.mark.parametrize(
    ("arguments", "then", "expected"),
    [
        ("role=get_role()", "", "line 3, role: its value is known only when the script runs. Set `role_arn`."),
        ("instance_count=count", "", "instance_count: its value is known only when the script runs. Set `nodes`."),
        ("hyperparameters={'a': 1, 'b': tune()}", "", "hyperparameters.b: its value is known only"),
        ("instance_type='local'", "", "local is no instance type of the service"),
        ("use_spot_instances=True", "", "spot needs `max_wait`"),
        ("profiler_config=1", "", "no word for it"),
        ("", "e.fit(inputs)", "where the data is, is known only"),
        ("", "e.fit({'a': at()})", "Set `channels.a`."),
    ],
)
def test_what_is_computed_is_told_and_not_guessed(arguments: str, then: str, expected: str) -> None:
    """Each with its line and the key to set."""
    assert expected in told(arguments, then)


def test_a_secret_in_the_clear_is_taken_out() -> None:
    """As of a manifest."""
    key = "Pl4nted-t0ken-value"
    arguments = f", environment={ {'API_TOKEN': key} }"
    found = read(f"{HEAD}e = {MINIMAL.format(arguments)}\n")
    assert key not in found.imported.text
    assert found.imported.left


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("print(1)\n", "makes no estimator"), (f"{HEAD}a = Estimator()\nb = Estimator()\n", "a (line 3), b (line 4)"),
        ("def x(:\n", "launch.py, line 1"), ("class Estimator: pass\nEstimator()\n", "makes no estimator"),
        (f"{HEAD}{'(' * 5000}", "is no Python"), ("\0", "is no Python"),
    ],
)  # fmt: skip
def test_what_is_no_script_with_one_estimator_is_told(text: str, expected: str) -> None:
    """With the choice where there are several; nothing deep or broken ends in a traceback."""
    with pytest.raises(InvalidInputError) as caught:
        read(text)
    assert expected in str(caught.value)


def test_one_of_several_is_chosen_by_its_variable() -> None:
    """As --name says."""
    text = f"{HEAD}a = Estimator(entry_point='a.py')\nb = Estimator(entry_point='b.py')\nb.fit('s3://b/rows/')\n"
    assert read(text, main_name="a").imported.workload.channels == {}
    chosen: Any = read(text, main_name="b").imported.workload
    assert (chosen.program, chosen.channels) == ("b.py", {"training": "s3://b/rows/"})


VALUES = st.recursive(
    st.one_of(
        st.text(max_size=8), st.integers(-9, 9), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["tags", "role", "hyperparameters", "environment", "max_run", "subnets", "x"]), VALUES))
def test_any_plain_arguments_are_a_workload_or_one_clear_error(arguments: dict[str, Any]) -> None:
    """Whatever somebody has written there."""
    written = "".join(f", {name}={value!r}" for name, value in arguments.items())
    try:
        made: Any = read(f"{HEAD}e = {MINIMAL.format(written)}\n").imported.workload
    except InvalidInputError:
        return
    assert made.program == "train.py"
