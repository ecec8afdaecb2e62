"""Workloads that end by themselves: training, processing and tuning."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, JsonValue, model_validator

from lyftlearn_image.workload.base import Workload
from lyftlearn_image.workload.parts import ContainerPath, MetricRegex, Model, S3Uri
from lyftlearn_image.workload.tagged_union import TaggedUnion

if TYPE_CHECKING:
    from collections.abc import Mapping

# botocore's ChannelName; a dot or a hyphen is legal here though not in a shell variable.
_CHANNEL = re.compile(r"[A-Za-z0-9.\-_]{1,64}")

_OF_A_CLIENT = "the hyperparameter `sagemaker_program`, as SageMaker's clients send it"


class Spot(Model):
    """Managed spot training: cheaper hosts that may be taken away, and a job that starts again from its checkpoint."""

    max_wait_s: int = Field(ge=1, description="Seconds for waiting and running together; at least `max_runtime_s`.")


class Job(Workload):
    """What training, processing and tuning have in common."""

    arguments: Literal["--key value", "key=value", "none"] = Field(
        default="--key value", description="How hyperparameters reach the command line."
    )
    hyperparameters: dict[str, JsonValue] = Field(default={}, description="Name → value, of any JSON type.")
    channels: dict[str, str] = Field(default={}, description="Channel name → s3://bucket/prefix/ of its files.")
    nodes: int = Field(default=1, ge=1, description="InstanceCount; an Indexed Job on Kubernetes.")
    volume_gb: int = Field(default=30, ge=1, description="Disk of each host on SageMaker.")
    max_runtime_s: int = Field(
        default=3600,
        ge=1,
        description="Seconds after which the platform ends the job: MaxRuntimeInSeconds, activeDeadlineSeconds.",
    )

    @model_validator(mode="after")
    def _channels_are_directories(self) -> Self:
        for name in self.channels:
            if not _CHANNEL.fullmatch(name):
                raise ValueError(f"channel `{name}`: expected 1-64 of A-Z a-z 0-9 . - _")
            if name in {".", ".."}:
                raise ValueError(f"channel `{name}` would be another directory; use another name")
        return self


class Trainable(Job):
    """What a training job and a trial of a tuning job have in common."""

    metrics: dict[str, MetricRegex] = Field(default={}, description="Metric → regular expression with one group, its value.")
    checkpoints: S3Uri | None = Field(default=None, description="Prefix that /opt/ml/checkpoints is kept the same as.")
    spot: Spot | None = Field(default=None, description="Run on spare capacity, on SageMaker.")

    @model_validator(mode="after")
    def _spot_is_complete(self) -> Self:
        if self.spot and self.spot.max_wait_s < self.max_runtime_s:
            raise ValueError("`spot.max_wait_s` counts waiting and running: expected at least `max_runtime_s`")
        if self.spot and not self.checkpoints:
            raise ValueError("`spot` needs `checkpoints`: without them an interrupted job begins from nothing")
        return self

    @property
    def brings_program(self) -> bool:
        """Whether it names its program as SageMaker's clients do: the v2 SDK's hyperparameter, the v3 SDK's channel."""
        return (
            bool(self.hyperparameters.get("sagemaker_program"))
            or "SAGEMAKER_PROGRAM" in self.environment
            or "sm_drivers" in self.channels
        )


class Training(Trainable):
    """A training job."""

    kind: Literal["training"] = Field(default="training", description="A training job.")
    program: str | None = Field(default=None, description="What `train` runs: a path below /opt/ml/code, or absolute.")
    command: tuple[str, ...] | None = Field(default=None, description="Exactly this argv, instead of a program.")
    warm_pool_s: int | None = Field(default=None, ge=1, description="Seconds for which the hosts are kept for the next job.")

    @model_validator(mode="after")
    def _one_thing_to_run(self) -> Self:
        if self.program is not None and self.command is not None:
            raise ValueError("expected either `program` or `command`")
        if self.program is None and self.command is None and not self.brings_program:
            raise ValueError(f"expected either `program` or `command`, or {_OF_A_CLIENT}")
        if self.command is not None and not self.command:
            raise ValueError("`command` is empty; expected at least one word")
        # API reference, ResourceConfig: spot instances are not for warm pools.
        if self.spot and self.warm_pool_s:
            raise ValueError("`spot` and `warm_pool_s` exclude each other on SageMaker; keep one")
        return self


class Processing(Job):
    """A processing job: a command over inputs, whose outputs are directories."""

    kind: Literal["processing"] = Field(default="processing", description="A processing job.")
    command: tuple[str, ...] = Field(min_length=1, description="Exactly this argv: SageMaker passes no program to it.")
    local_paths: dict[str, ContainerPath] = Field(
        default={}, description="Channel → its directory below /opt/ml/processing, else input/ and its name."
    )
    outputs: dict[str, ContainerPath] = Field(default={}, description="Output name → directory below /opt/ml/processing.")

    @model_validator(mode="after")
    def _local_paths_are_those_of_channels(self) -> Self:
        for name, path in self.local_paths.items():
            if name not in self.channels:
                raise ValueError(f"`local_paths` has {name}; expected one of `channels`")
            # API reference, ProcessingS3Input.
            if not path.startswith("/opt/ml/processing/"):
                raise ValueError(f"the path {path} of the channel {name} does not begin with /opt/ml/processing/")
            if list(self.local_paths.values()).count(path) > 1:
                raise ValueError(f"`local_paths` has {path} for two channels; expected a directory of its own for each")
        return self


class Range(TaggedUnion):
    """Which values of a hyperparameter a tuning job tries."""

    discriminator: ClassVar[str] = "type"


class FloatRange(Range):
    """Any number between two."""

    type: Literal["float"] = Field(default="float", description="Any number between two.")
    low: float = Field(description="The least value.")
    high: float = Field(description="The largest value.")
    log: bool = Field(default=False, description="Try values on a logarithmic scale.")

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        _check_numbers(self.low, self.high, log=self.log)
        return self


class IntegerRange(Range):
    """Any whole number between two, both included."""

    type: Literal["int"] = Field(default="int", description="Any whole number between two.")
    low: int = Field(description="The least value.")
    high: int = Field(description="The largest value.")
    log: bool = Field(default=False, description="Try values on a logarithmic scale.")

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        _check_numbers(self.low, self.high, log=self.log)
        return self


class Choice(Range):
    """One of these values."""

    type: Literal["choice"] = Field(default="choice", description="One of these values.")
    values: tuple[str | bool | int | float, ...] = Field(min_length=1, description="The values to choose from.")


Range.set_members({"float": FloatRange, "int": IntegerRange, "choice": Choice})


class Tuning(Trainable):
    """A tuning job: trials of one training with hyperparameters from a search space, towards an objective."""

    kind: Literal["tuning"] = Field(default="tuning", description="A tuning job.")
    program: str | None = Field(default=None, description="What `train` runs in every trial: trials take no command.")
    search_space: dict[str, Range] = Field(min_length=1, description="Hyperparameter → its range.")
    objective: str = Field(description="The metric, one of `metrics`.")
    goal: Literal["minimize", "maximize"] = Field(
        default="maximize", description="Whether the objective is to be small or large."
    )
    strategy: Literal["bayesian", "random", "grid"] = Field(
        default="bayesian", description="How values are chosen: by what was reached before, by chance, or all combinations."
    )
    max_trials: int = Field(default=10, ge=1, description="A grid has as many as it has combinations.")
    parallel_trials: int = Field(default=1, ge=1, description="Trials at the same time.")
    early_stopping: bool = Field(default=False, description="End trials that will reach nothing, on SageMaker.")
    seed: int = Field(default=0, ge=0, description="The same seed tries the same values.")

    @model_validator(mode="after")
    def _has_a_program(self) -> Self:
        if self.program is None and not self.brings_program:
            raise ValueError(f"expected `program`, or {_OF_A_CLIENT}")
        return self

    @model_validator(mode="after")
    def _objective_is_measured(self) -> Self:
        if self.objective not in self.metrics:
            raise ValueError(f"`objective` is {self.objective}; expected one of `metrics`, with its regular expression")
        if both := self.search_space.keys() & self.hyperparameters.keys():
            raise ValueError(f"{', '.join(sorted(both))}: in `hyperparameters` and in `search_space`; keep one")
        if self.strategy == "grid" and any(not isinstance(one, Choice) for one in self.search_space.values()):
            raise ValueError("`strategy: grid` takes choices only (API reference, HyperParameterTuningJobConfig)")
        return self

    @property
    def trials(self) -> int:
        """How many trials there are: of a grid, every combination (API reference, ResourceLimits)."""
        if self.strategy != "grid":
            return self.max_trials
        return math.prod(len(one.values) for one in self.search_space.values() if isinstance(one, Choice))

    def as_trial(self, values: Mapping[str, JsonValue]) -> Training:
        """The training of one trial, with these values from the search space.

        It has the hyperparameter that SageMaker's tuner adds (developer guide,
        automatic-model-tuning-define-metrics-variables).
        """
        said = {name: getattr(self, name) for name in Training.model_fields if name in type(self).model_fields}
        added = {**self.hyperparameters, **values, "_tuning_objective_metric": self.objective}
        return Training.model_validate({**said, "kind": "training", "hyperparameters": added})


def _check_numbers(low: float, high: float, *, log: bool) -> None:
    if low >= high:
        raise ValueError("expected `low` below `high`")
    if log and low <= 0:
        raise ValueError("a logarithmic range begins above 0")
