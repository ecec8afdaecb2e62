"""Families of models, where one key of the data chooses the member: pydantic's tagged unions, with errors at their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, Union

from pydantic import Discriminator, Tag, ValidationError
from pydantic_core import InitErrorDetails, core_schema

from lyftlearn_image.workload.parts import Model

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidatorFunctionWrapHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import ErrorDetails


class TaggedUnion(Model):
    """What the members of a family have in common. After `set_members`, data validated as the family becomes a member.

    `default` is the tag of data that has none, None where it must have one.
    """

    discriminator: ClassVar[str] = "kind"
    default: ClassVar[str | None] = None
    members: ClassVar[Mapping[str, type[TaggedUnion]]] = {}

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """A member; the family itself has no instances."""
        if cls.is_union():
            raise TypeError(f"make one of {', '.join(cls.members)}, or use {cls.__name__}.model_validate")
        return super().__new__(cls)

    @classmethod
    def set_members(cls, members: Mapping[str, type[TaggedUnion]]) -> None:
        """Makes this class stand for these members: tag, the value of the key `discriminator`, → model."""
        cls.members = members
        cls.model_rebuild(force=True)

    @classmethod
    def is_union(cls) -> bool:
        """Whether this class stands for its members; a member stands for itself."""
        return bool(cls.__dict__.get("members"))

    @classmethod
    def concrete(cls, data: Any) -> type[TaggedUnion] | None:
        """The member that this data chooses, None when it chooses none."""
        return cls.members.get(cls._tag(data) or "") if cls.is_union() else cls

    @classmethod
    def _tag(cls, data: Any) -> str | None:
        tag = data.get(cls.discriminator, cls.default) if isinstance(data, dict) else getattr(data, cls.discriminator, None)
        return tag if isinstance(tag, str) else None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """The union of the members; the schema of its own fields for a member."""
        if not cls.is_union():
            return handler(source)
        choices = tuple(Annotated[member, Tag(tag)] for tag, member in cls.members.items())
        union = handler.generate_schema(Annotated[Union[choices], Discriminator(cls._tag)])  # noqa: UP007 - made of a tuple
        return core_schema.no_info_wrap_validator_function(cls._validated, union)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """One of the members, each of which must say its tag unless it is the default: pydantic requires it of none."""
        if not cls.is_union():
            return handler(schema)
        schemas = []
        for tag, member in cls.members.items():
            found = handler.resolve_ref_schema(handler(member.__pydantic_core_schema__))
            required = [name for name in found.get("required", []) if name != cls.discriminator]
            schemas.append({**found, "required": [*required, *([cls.discriminator] if tag != cls.default else [])]})
        return {"oneOf": schemas, "title": cls.__name__, "type": "object"}

    @classmethod
    def _validated(cls, data: Any, union: ValidatorFunctionWrapHandler) -> Any:
        """The member. Pydantic puts its tag into the place of every error; here a place is what stands in the file."""
        if not isinstance(data, dict | cls):
            raise ValueError("expected a mapping")  # noqa: TRY004 - pydantic takes a ValueError as a mistake in the data
        if isinstance(data, dict) and cls._tag(data) not in cls.members:
            raise ValueError(
                f"`{cls.discriminator}` is {data.get(cls.discriminator)!r:.40}; expected one of {', '.join(cls.members)}"
            )
        try:
            return union(data)
        except ValidationError as error:
            details = [_without_tag(detail) for detail in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(error.title, details) from None


def _without_tag(detail: ErrorDetails) -> InitErrorDetails:
    context = detail.get("ctx", {})
    return InitErrorDetails(type=detail["type"], loc=detail["loc"][1:], input=detail["input"], ctx=context)
