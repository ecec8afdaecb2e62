"""An image class as people describe it in `images/<class>/image.yaml`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lyftlearn_image import yamlfile
from lyftlearn_image.errors import InvalidInputError

_CHECKOUT = Path(__file__).resolve().parents[2]
_PACKAGED = Path(__file__).resolve().parents[1] / "assets"


def _absolute(path: str) -> str:
    if not PurePosixPath(path).is_absolute():
        raise ValueError("expected an absolute path in the image")
    return path


AptPackage = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.\-]+(=[A-Za-z0-9.+:~\-]+)?$")]
UserName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
# A line break would end the instruction in which a value stands.
OneLine = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
LabelName = Annotated[str, Field(pattern=r"^[a-z0-9]+([.\-][a-z0-9]+)*$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Base(_Model):
    """The image below. `bootstrap` is the Debian suite to build it from where it cannot be pulled."""

    image: str = Field(pattern=r"^[a-z0-9]+([._/:\-][A-Za-z0-9]+)*$")
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    bootstrap: str | None = Field(default=None, pattern=r"^[a-z]+$")


class Python(_Model):
    """The interpreter (Debian's own) and what is installed for it."""

    version: str = Field(pattern=r"^3\.[0-9]+$")
    requirements: FileName = "requirements.in"
    lock: FileName = "requirements.lock"


class Apt(_Model):
    """Debian packages: of the final image, and of the build stage only."""

    run: tuple[AptPackage, ...] = ()
    build: tuple[AptPackage, ...] = ()


class User(_Model):
    """A row of /etc/passwd."""

    name: UserName
    uid: int = Field(ge=0, le=65535)
    gid: int = Field(ge=0, le=65535)
    home: Annotated[str, AfterValidator(_absolute), Field(pattern=r"^[A-Za-z0-9/_.\-]+$")]


class ImageSpec(_Model):
    """One image class."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    description: OneLine = ""
    version: str = Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+([.\-][A-Za-z0-9]+)*$")
    base: Base
    python: Python
    apt: Apt = Apt()
    users: tuple[User, ...] = ()
    entrypoint: tuple[OneLine, ...] = Field(default=("/opt/lyftlearn/bin/entrypoint",), min_length=1)
    environment: dict[VariableName, OneLine] = {}
    labels: dict[LabelName, OneLine] = {}


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
