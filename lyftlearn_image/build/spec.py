"""An image class as people describe it in `images/<class>/image.yaml`."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import core_schema

from lyftlearn_image import yamlfile
from lyftlearn_image.build.misnamed import IMAGES, SPEC_FILE, find_misnamed, find_misnamed_in_class, find_misplaced
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.nearest import did_you_mean

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


def _in_quotes(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError('expected a version in quotes, such as "3.11": without them YAML reads 3.10 as 3.1')  # noqa: TRY004 - pydantic's
    return value


# A line break would end the instruction in which a value stands.
OneLine = Annotated[str, Text(r"[^\x00-\x1f\x7f]*", "text on one line, without control characters")]
ClassName = Annotated[str, Text(r"[a-z0-9]+(-[a-z0-9]+)*", "lower-case letters, digits and single hyphens")]
Version = Annotated[str, Text(r"[0-9]+\.[0-9]+\.[0-9]+([.\-][A-Za-z0-9]+)*", "a version such as 1.2.3 or 1.2.3-rc1")]
ImageName = Annotated[
    str, Text(r"[a-z0-9]+([._/:\-]+[A-Za-z0-9]+)*", "an image such as debian:bookworm-slim, without a digest")
]
Digest = Annotated[str, Text(r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits")]
Suite = Annotated[str, Text(r"[a-z]+", "a Debian suite such as bookworm")]
PythonVersion = Annotated[str, BeforeValidator(_in_quotes), Text(r"3\.[0-9]+", 'a version in quotes, such as "3.11"')]
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

    image: ImageName = Field(description="Name of the base image, such as debian:bookworm-slim, without its digest.")
    digest: Digest = Field(description="The base image's digest: sha256: and 64 hexadecimal digits.")
    bootstrap: Suite | None = Field(default=None, description="Debian suite to build the base from where it cannot be pulled.")


class Python(_Model):
    """The interpreter (Debian's own) and what is installed for it."""

    version: PythonVersion = Field(description="The base's own Python, in quotes, such as '3.11'.")
    requirements: FileName = Field(
        default="requirements.in", description="File beside image.yaml with the requirements that people write."
    )
    lock: FileName = Field(
        default="requirements.lock",
        description="File beside image.yaml that `lyftlearn-image lock` writes: versions and hashes.",
    )


class Apt(_Model):
    """Debian packages: of the final image, and of the build stage only."""

    run: tuple[AptPackage, ...] = Field(default=(), description="Debian packages of the finished image.")
    build: tuple[AptPackage, ...] = Field(
        default=(), description="Debian packages for building alone; they are not in the image."
    )


class User(_Model):
    """A row of /etc/passwd. UIDs of Studio's users end at 65535."""

    name: UserName = Field(description="Login name: up to 32 of a-z, 0-9, _ and -.")
    uid: int = Field(ge=1, le=65535, description="UID, from 1 to 65535.")
    gid: int = Field(ge=0, le=65535, description="GID, from 0 to 65535.")
    home: HomePath = Field(description="Home directory, an absolute path.")


class ImageSpec(_Model):
    """One image class."""

    name: ClassName = Field(description="Name of the class: its folder's name, and its image's.")
    description: OneLine = Field(default="", description="What the class is for, on one line.")
    version: Version = Field(description="Version of the image, such as 1.2.3.")
    base: Base = Field(description="The image below.")
    python: Python = Field(description="The interpreter and what is installed for it.")
    apt: Apt = Field(default=Apt(), description="Debian packages.")
    users: tuple[User, ...] = Field(default=(), description="Users that the image has beside root.")
    entrypoint: tuple[OneLine, ...] = Field(
        default=("/opt/lyftlearn/bin/entrypoint",), min_length=1, description="ENTRYPOINT in exec form."
    )
    environment: dict[VariableName, OneLine] = Field(
        default={}, description="Variable → value, in every container of the image."
    )
    labels: dict[LabelName, OneLine] = Field(default={}, description="Label → value of the image.")

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
    """Where image classes are: the one that was asked for, `./images`, or the toolkit's own where there is none of them here.

    Raises InvalidInputError for what looks like a class here and is none: the toolkit's own would be taken for it.
    """
    if explicit is not None:
        if not explicit.is_dir():
            raise InvalidInputError(
                f"there is no directory {explicit}", hint="Give --images a directory with a folder a class."
            )
        return explicit
    here = Path(IMAGES)
    if list_specs(here):
        return here
    for error in (*find_misnamed(here), *find_misplaced(Path())):
        raise error
    return find_assets() / IMAGES


def find_shared_file(name: str, images_dir: Path) -> Path:
    """A file that all classes share (the template, a program of the build): of `images_dir`, else the toolkit's own."""
    own = images_dir / name
    return own if own.is_file() else find_assets() / "images" / name


def list_specs(images_dir: Path) -> list[str]:
    """The names of the image classes in a directory."""
    return sorted(path.parent.name for path in images_dir.glob(f"*/{SPEC_FILE}"))


def list_all_specs(images_dir: Path) -> list[ImageSpec]:
    """The classes of a directory. Raises InvalidInputError for one that is wrong, and for what looks like one and is none."""
    for error in find_misnamed(images_dir):
        raise error
    return [load_spec(name, images_dir) for name in list_specs(images_dir)]


def load_spec(class_name: str, images_dir: Path) -> ImageSpec:
    """The description of a class. Raises InvalidInputError with file, line, key and what was expected."""
    path = images_dir / class_name / SPEC_FILE
    known = list_specs(images_dir)
    for error in find_misnamed_in_class(path.parent):
        raise error
    # By its name in the folder: some file systems find `Image.yaml`, too.
    if class_name not in known:
        for error in find_misnamed(images_dir):
            raise error
        raise InvalidInputError(
            f"there is no image class {class_name}: expected {path}",
            where=str(images_dir),
            hint=f"{did_you_mean(class_name, known)}Classes here: {', '.join(known) or 'none'}.",
        )
    spec = yamlfile.load(path, ImageSpec)
    if spec.name != class_name:
        raise InvalidInputError(f"`name` is {spec.name}, the folder {class_name}", where=str(path), hint="Make them the same.")
    return spec


def json_schema() -> dict[str, Any]:
    """The JSON schema of an image.yaml, for editors."""
    return ImageSpec.model_json_schema()
