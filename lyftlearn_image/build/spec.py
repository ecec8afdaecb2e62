"""An image class as people describe it in `images/<class>/image.yaml`."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import core_schema

from lyftlearn_image import yamlfile
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

_CHECKOUT = Path(__file__).resolve().parents[2]
_PACKAGED = Path(__file__).resolve().parents[1] / "assets"


@dataclass(frozen=True)
class Text:
    """A string that matches `pattern` as a whole; an error says what was expected, and the schema has the pattern."""

    pattern: str
    expected: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^{self.pattern}$", "description": self.expected}

    def _check(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"expected {self.expected}")
        return text


# A line break would end the instruction in which a value stands.
OneLine = Annotated[str, Text(r"[^\x00-\x1f\x7f]*", "text on one line, without control characters")]
ClassName = Annotated[str, Text(r"[a-z0-9]+(-[a-z0-9]+)*", "lower-case letters, digits and single hyphens")]
Version = Annotated[str, Text(r"[0-9]+\.[0-9]+\.[0-9]+([.\-][A-Za-z0-9]+)*", "a version such as 1.2.3 or 1.2.3-rc1")]
ImageName = Annotated[
    str, Text(r"[a-z0-9]+([._/:\-]+[A-Za-z0-9]+)*", "an image such as debian:bookworm-slim, without a digest")
]
Digest = Annotated[str, Text(r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits")]
Suite = Annotated[str, Text(r"[a-z]+", "a Debian suite such as bookworm")]
PythonVersion = Annotated[str, Text(r"3\.[0-9]+", "a version in quotes, such as '3.11'")]
FileName = Annotated[str, Text(r"[A-Za-z0-9][A-Za-z0-9._-]*", "the name of a file beside image.yaml")]
AptPackage = Annotated[
    # A hyphen at the end would have apt remove the package.
    str,
    Text(r"[a-z0-9][a-z0-9+.\-]*[a-z0-9+](=[A-Za-z0-9.+:~\-]+)?", "a Debian package such as libgomp1 or libgomp1=12.2.0-14"),
]
UserName = Annotated[str, Text(r"[a-z_][a-z0-9_-]{0,31}", "a user name: up to 32 of a-z, 0-9, _ and -")]
HomePath = Annotated[str, Text(r"(/[A-Za-z0-9_][A-Za-z0-9_.\-]*)+", "an absolute path of letters, digits, _, . and -")]
VariableName = Annotated[str, Text(r"[A-Za-z_][A-Za-z0-9_]*", "a variable's name: letters, digits and _")]
LabelName = Annotated[str, Text(r"[a-z0-9]+([.\-][a-z0-9]+)*", "a label's name such as org.opencontainers.image.title")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Base(_Model):
    """The image below. `bootstrap` is the Debian suite to build it from where it cannot be pulled."""

    image: ImageName
    digest: Digest
    bootstrap: Suite | None = None


class Python(_Model):
    """The interpreter (Debian's own) and what is installed for it."""

    version: PythonVersion
    requirements: FileName = "requirements.in"
    lock: FileName = "requirements.lock"


class Apt(_Model):
    """Debian packages: of the final image, and of the build stage only."""

    run: tuple[AptPackage, ...] = ()
    build: tuple[AptPackage, ...] = ()


class User(_Model):
    """A row of /etc/passwd. UIDs of Studio's users end at 65535."""

    name: UserName
    uid: int = Field(ge=1, le=65535)
    gid: int = Field(ge=0, le=65535)
    home: HomePath


class ImageSpec(_Model):
    """One image class."""

    name: ClassName
    description: OneLine = ""
    version: Version
    base: Base
    python: Python
    apt: Apt = Apt()
    users: tuple[User, ...] = ()
    entrypoint: tuple[OneLine, ...] = Field(default=("/opt/lyftlearn/bin/entrypoint",), min_length=1)
    environment: dict[VariableName, OneLine] = {}
    labels: dict[LabelName, OneLine] = {}

    @field_validator("users")
    @classmethod
    def _users_differ(cls, users: tuple[User, ...]) -> tuple[User, ...]:
        for what in ("name", "uid"):
            value, count = Counter(getattr(user, what) for user in users).most_common(1)[0] if users else ("", 0)
            if count > 1:
                raise ValueError(f"expected users of different {what}s, and {value} stands {count} times")
        return users

    @field_validator("environment")
    @classmethod
    def _contract_stays(cls, environment: Mapping[str, str]) -> Mapping[str, str]:
        for name in ("PATH", "HOME"):
            if name in environment:
                raise ValueError(f"expected no {name}: the LyftLearn contract sets it in every image")
        return environment

    @model_validator(mode="after")
    def _requirements_are_not_the_lock(self) -> Self:
        if self.python.requirements == self.python.lock:
            raise ValueError("expected different files as python.requirements and python.lock")
        return self


def find_assets() -> Path:
    """The directory that holds `images/` and `entrypoints/`: packaged with the toolkit, or its checkout."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def find_images_dir(explicit: Path | None = None) -> Path:
    """Where image classes are: the one that was asked for, `./images`, or the toolkit's own."""
    if explicit is not None:
        if not explicit.is_dir():
            raise InvalidInputError(
                f"there is no directory {explicit}", hint="Give --images a directory with a folder a class."
            )
        return explicit
    here = Path("images")
    return here if here.is_dir() and list_specs(here) else find_assets() / "images"


def find_shared_file(name: str, images_dir: Path) -> Path:
    """A file that all classes share (the template, a program of the build): of `images_dir`, else the toolkit's own."""
    own = images_dir / name
    return own if own.is_file() else find_assets() / "images" / name


def list_specs(images_dir: Path) -> list[str]:
    """The names of the image classes in a directory."""
    return sorted(path.parent.name for path in images_dir.glob("*/image.yaml"))


def load_spec(class_name: str, images_dir: Path) -> ImageSpec:
    """The description of a class. Raises InvalidInputError with file, line, key and what was expected."""
    path = images_dir / class_name / "image.yaml"
    if not path.is_file():
        known = ", ".join(list_specs(images_dir)) or "none"
        raise InvalidInputError(f"there is no image class {class_name}", where=str(images_dir), hint=f"Classes here: {known}.")
    spec = yamlfile.load(path, ImageSpec)
    if spec.name != class_name:
        raise InvalidInputError(f"`name` is {spec.name}, the folder {class_name}", where=str(path), hint="Make them the same.")
    return spec


def json_schema() -> dict[str, Any]:
    """The JSON schema of an image.yaml, for editors."""
    return ImageSpec.model_json_schema()
