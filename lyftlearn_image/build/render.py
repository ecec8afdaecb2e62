"""From an image class to its Dockerfile: the same text for the same description."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from lyftlearn_image.build.spec import ImageSpec

TEMPLATE = "Dockerfile.j2"


def render(spec: ImageSpec, images_dir: Path) -> str:
    """The Dockerfile of a class. It needs BuildKit (cache and secret mounts), and no `# syntax` line."""
    import jinja2  # noqa: PLC0415 - 60 ms, for the verbs that render

    environment = jinja2.Environment(  # noqa: S701 - a Dockerfile is no HTML; `quoted` and the model's patterns escape
        loader=jinja2.FileSystemLoader(images_dir), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["quoted"] = quoted
    environment.filters["tojson"] = json.dumps
    return environment.get_template(TEMPLATE).render(spec=spec, labels=labels(spec))


def labels(spec: ImageSpec) -> dict[str, str]:
    """The image's labels: the class's own, and those of the OCI that follow from the rest."""
    own = {
        "org.opencontainers.image.description": spec.description,
        "org.opencontainers.image.version": spec.version,
        "org.opencontainers.image.base.name": spec.base.image,
        "org.opencontainers.image.base.digest": spec.base.digest,
        "dev.lyftlearn.class": spec.name,
    }
    return dict(sorted({**own, **spec.labels}.items()))


def quoted(value: str) -> str:
    """A value for ENV or LABEL that means exactly itself: quotes, backslashes and dollars are escaped."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
