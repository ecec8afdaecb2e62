"""What every workload says, whatever its kind, and how a file's `kind` decides what else it may say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator
from pydantic_core import core_schema

from lyftlearn_image.workload.parts import (
    ConfigFile,
    ContainerPath,
    Encryption,
    Kubernetes,
    Model,
    Network,
    Reference,
    Refresh,
    S3Uri,
    VariableName,
)
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

Tag = str


class Discriminated(Model):
    """A family of models of which one key of the data chooses the member.

    Pydantic's own tagged unions put the tag into the place of every error; here an error's place is what stands in the file.
    """

    tag: ClassVar[str] = "kind"
    default_tag: ClassVar[str | None] = None
    members: ClassVar[dict[Tag, type[Discriminated]]]

    @classmethod
    def concrete(cls, data: Any) -> type[Discriminated] | None:
        """The member that this data chooses, None when it chooses none."""
        if "members" not in cls.__dict__:
            return cls
        tag = data.get(cls.tag, cls.default_tag) if isinstance(data, dict) else None
        return cls.members.get(tag) if isinstance(tag, str) else None

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Enters a member, told by the Literal of its tag, into its family."""
        if "members" not in cls.__dict__ and hasattr(cls, "members") and cls.tag in cls.__annotations__:
            tag = cls.model_fields[cls.tag].annotation.__args__[0]  # type: ignore[union-attr]
            cls.members[tag] = cls

    def __new__(cls, **data: Any) -> Self:
        """An instance of the member that the arguments choose."""
        made: Self = super().__new__(cls.concrete(data) or cls)  # type: ignore[assignment]
        return made

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """The member's own schema, or a function that finds the member."""
        if "members" not in cls.__dict__:
            return handler(source)
        return core_schema.no_info_plain_validator_function(cls._validated)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """One of the members."""
        if "members" not in cls.__dict__:
            return handler(schema)
        schemas = []
        for tag, member in cls.members.items():
            found = handler.resolve_ref_schema(handler(member.__pydantic_core_schema__))
            required = [name for name in found.get("required", []) if name != cls.tag]
            schemas.append({**found, "required": [*required, *([cls.tag] if tag != cls.default_tag else [])]})
        return {"oneOf": schemas, "title": cls.__name__, "type": "object"}

    @classmethod
    def _validated(cls, data: Any) -> Discriminated:
        if isinstance(data, cls):
            return data
        if not isinstance(data, dict):
            raise ValueError("expected a mapping")  # noqa: TRY004 - pydantic takes a ValueError as a mistake in the data
        member = cls.concrete(data)
        if member is None:
            found = data.get(cls.tag)
            raise ValueError(f"`{cls.tag}` is {found!r:.40}; expected one of {', '.join(cls.members)}")
        return member.model_validate(data)


class Workload(Discriminated):
    """One job, endpoint or notebook, described once: the only description from which both platforms' requests are compiled.

    Channels, models and outputs are S3 URIs by the time a workload is compiled; a suite or the CLI may accept local paths
    and stage them first.
    """

    default_tag: ClassVar[str | None] = "training"
    members: ClassVar[dict[Tag, type[Discriminated]]] = {}

    name: str = Field(pattern=r"^[a-z0-9](-?[a-z0-9])*$", max_length=40)
    kind: str
    image: str = Field(min_length=1, max_length=255)
    output: S3Uri | None = Field(default=None, description="s3://bucket/prefix below which models, outputs and bundles go.")
    role_arn: str | None = Field(default=None, description="The execution role on SageMaker.")
    environment: dict[VariableName, str] = Field(default={})
    secrets: dict[VariableName, Reference] = Field(default={}, description="Variable → reference (aws-sm://name#key).")
    secret_sets: tuple[Reference, ...] = Field(
        default=(), description="References to sets of variables: aws-ssm-path://path, a JSON secret, confidant://service."
    )
    refresh: Refresh | None = None
    files: dict[ContainerPath, ConfigFile] = Field(default={})
    tags: dict[str, str] = Field(default={}, description="Tags of the AWS resources.")
    network: Network = Network()
    encryption: Encryption = Encryption()
    kubernetes: Kubernetes = Kubernetes()
    instance_type: str = "ml.m5.large"
    cpus: float = Field(default=2, gt=0, description="CPU limit of the pod.")
    memory_mib: int = Field(default=8192, gt=0, description="Memory limit of the pod.")
    gpus: int = Field(default=0, ge=0, description="GPUs of the pod (nvidia.com/gpu).")
    run_as_user: int = Field(default=10001, ge=1, description="UID of the pod; its group is 0. SageMaker runs as root.")

    @model_validator(mode="after")
    def _variables_are_the_workloads_own(self) -> Self:
        mine = self.environment.keys() | self.secrets.keys() | self.kubernetes.secrets.keys()
        if reserved := sorted(mine & set(contract.COMPILED_VARIABLES)):
            raise ValueError(
                f"{', '.join(reserved)}: compiled from the workload's own fields (`program`, `arguments`, …); use those"
            )
        if both := self.environment.keys() & (self.secrets.keys() | self.kubernetes.secrets.keys()):
            raise ValueError(f"{', '.join(sorted(both))}: in `environment` and in `secrets`; keep one")
        return self

    def with_(self, **changes: Any) -> Self:
        """A validated copy with these fields changed."""
        return type(self).model_validate({**self.model_dump(), **changes})


def json_schema() -> dict[str, Any]:
    """The JSON schema of a workload file, for editors."""
    return Workload.model_json_schema()
