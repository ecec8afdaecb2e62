"""The API's limits: read from botocore's model, and all of them checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.sagemaker import api_model
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST: dict[str, Any] = {
    "TrainingJobName": "job-1",
    "AlgorithmSpecification": {"TrainingImage": "team:1", "TrainingInputMode": "File"},
    "RoleArn": "arn:aws:iam::000000000000:role/lyftlearn",
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


def is_accepted(**changes: Any) -> bool:
    """Whether the request with these changes passes."""
    try:
        api_model.validate_request("CreateTrainingJob", {**REQUEST, **changes})
    except InvalidInputError:
        return False
    return True


def patterns(action: str) -> Iterator[str]:
    """Every pattern that the model has for an action's request."""
    seen: set[str] = set()
    todo: list[Any] = [api_model._service().operation_model(action).input_shape]
    while todo:
        shape = todo.pop()
        if shape.name in seen:
            continue
        seen.add(shape.name)
        if shape.type_name == "structure":
            todo += shape.members.values()
        elif shape.type_name == "list":
            todo.append(shape.member)
        elif shape.type_name == "map":
            todo += [shape.key, shape.value]
        elif "pattern" in shape.metadata:
            yield shape.metadata["pattern"]


PATTERNS = sorted({*patterns("CreateTrainingJob"), *patterns("CreateProcessingJob")})


def test_limits_come_from_the_model() -> None:
    """The processing API takes half of what the training API takes, as the reference has it."""
    assert api_model.map_limits("CreateTrainingJob", "Environment")[:3] == (100, 512, 512)
    assert api_model.map_limits("CreateProcessingJob", "Environment")[:3] == (100, 256, 256)
    assert api_model.map_limits("CreateTrainingJob", "HyperParameters")[:3] == (100, 256, 2500)


def test_the_request_that_the_others_change_is_accepted() -> None:
    """Without this, every refusal below could have another cause."""
    api_model.validate_request("CreateTrainingJob", REQUEST)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"HyperParameters": {"k": "x" * 2501}}, "HyperParameters.k: 2501 characters, at most 2500"),
        ({"HyperParameters": {f"k{i}": "1" for i in range(101)}}, "HyperParameters: 101 entries, at most 100"),
        ({"HyperParameters": {"k": "a\nb"}}, r"HyperParameters.k: 'a\nb' does not match .*"),
        ({"TrainingJobName": "no_underscore"}, "TrainingJobName: 'no_underscore' does not match"),
        ({"Environment": {"1X": "a"}}, "Environment.1X: the key '1X'"),
        ({"Environment": {"A": "x" * 513}}, "Environment.A: 513 characters"),
        ({"OutputDataConfig": {}}, 'Missing required parameter in OutputDataConfig: "S3OutputPath"'),
        ({"TrainingJobName": ""}, "valid min length: 1"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": "60"}}, "Invalid type for parameter StoppingCondition"),
        ({"Surprise": 1}, 'Unknown parameter in input: "Surprise"'),
        ({"RetryStrategy": {"MaximumRetryAttempts": 31}}, "RetryStrategy.MaximumRetryAttempts: 31, at most 30"),
        ({"Tags": [{"Key": "a;b", "Value": "x"}]}, "Tags[0].Key: 'a;b' does not match"),
    ],
)
def test_a_breach_is_told_with_its_path(changes: dict[str, Any], told: str) -> None:
    """Counts, lengths, patterns, required members, types and names are all looked at."""
    with pytest.raises(InvalidInputError) as caught:
        api_model.validate_request("CreateTrainingJob", {**REQUEST, **changes})
    assert told in str(caught.value)


def test_a_wrong_choice_is_told_with_the_nearest_right_ones() -> None:
    """Among two hundred instance types, the one that was meant is shown."""
    resources = {**REQUEST["ResourceConfig"], "InstanceType": "ml.m5.lrage"}
    with pytest.raises(InvalidInputError, match=r"ResourceConfig\.InstanceType: 'ml.m5.lrage' is none of the .* ml\.m5\.large"):
        api_model.validate_request("CreateTrainingJob", {**REQUEST, "ResourceConfig": resources})


def test_all_breaches_are_told_at_once() -> None:
    """What botocore's validator finds does not hide what it does not look for."""
    with pytest.raises(InvalidInputError) as caught:
        api_model.validate_request("CreateTrainingJob", {"TrainingJobName": "a_b", "Environment": {"1": "x" * 600}, "Nope": 1})
    for told in ("RoleArn", "Nope", "TrainingJobName", "Environment.1: the key '1'", "Environment.1: 600 characters"):
        assert told in str(caught.value)


def test_an_error_does_not_repeat_megabytes() -> None:
    """A value of any size is cut in the message."""
    with pytest.raises(InvalidInputError) as caught:
        api_model.validate_request(
            "CreateTrainingJob", {**REQUEST, "HyperParameters": {"k": "x" * 10**6}, "RoleArn": ["y" * 10**6]}
        )
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("separator", ["\n", "\r", "\x85", "\u2028", "\u2029"])
def test_a_hyperparameter_is_one_line(separator: str) -> None:
    """The dot of the model's patterns stops at every line separator, not only at Python's."""
    assert not api_model.fits("CreateTrainingJob", "HyperParameters", {"k": f"a{separator}b"})
    assert api_model.fits("CreateTrainingJob", "Environment", {"K": f"a{separator}b"})


def test_letters_of_every_script_are_letters() -> None:
    r"""The model's \p{L} covers what Unicode calls a letter, and nothing else."""
    assert is_accepted(Tags=[{"Key": "Größe 日本", "Value": "1"}])
    assert not is_accepted(Tags=[{"Key": "Größe\u0301", "Value": "1"}])


@pytest.mark.parametrize("pattern", sorted({*PATTERNS, *patterns("UpdateModelPackage"), *patterns("CreateEndpointConfig")}))
def test_every_pattern_of_the_model_can_be_read(pattern: str) -> None:
    """No pattern of a request goes unchecked because Python spells it otherwise."""
    api_model._translate(pattern)


@examples(200)
@given(st.sampled_from([one for one in PATTERNS if r"\p" not in one and r"\uD800" not in one]), st.data())
def test_a_pattern_means_the_same_when_it_is_translated(pattern: str, data: st.DataObject) -> None:
    """For text of one line in ASCII, the model's patterns are Python's, matching and not."""
    line = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
    text = data.draw(st.one_of(line, st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True).filter(one_line)))
    assert bool(api_model._translate(pattern).fullmatch(text)) == bool(re.compile(pattern, re.ASCII).fullmatch(text))


def one_line(text: str) -> bool:
    """Whether it has none of the separators at which the dots of Python and of the model differ."""
    return text.isascii() and "\n" not in text and "\r" not in text


@examples(150)
@given(
    st.sampled_from(["HyperParameters", "Environment"]),
    st.dictionaries(st.text(max_size=8) | st.just("x" * 600), st.text(max_size=8) | st.just("y" * 3000), max_size=4),
)
def test_what_fits_is_what_is_accepted(member: str, values: dict[str, str]) -> None:
    """Compiling and interpreting hold the same opinion of every map."""
    assert api_model.fits("CreateTrainingJob", member, values) == is_accepted(**{member: values})
