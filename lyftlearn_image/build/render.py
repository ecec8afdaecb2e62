"""From an image class to its Dockerfile: the same text for the same description."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from lyftlearn_image.build.spec import find_shared_file
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

    from lyftlearn_image.build.spec import ImageSpec

TEMPLATE = "Dockerfile.j2"


def render(spec: ImageSpec, images_dir: Path, *, bootstrapped: bool = False) -> str:
    """The Dockerfile of a class. It needs BuildKit (cache, secret and bind mounts), and no `# syntax` line.

    The template is that of `images_dir`, else the toolkit's own. `bootstrapped`: the base is not the image that the
    description names, but one built from its Debian suite; the labels then say so. Raises InvalidInputError with the
    line of a template that cannot be used.
    """
    import jinja2  # noqa: PLC0415 - 60 ms, for the verbs that render

    environment = jinja2.Environment(  # noqa: S701 - a Dockerfile is no HTML; the filters escape
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["quoted"] = quoted
    environment.filters["shell"] = lambda value: shlex.quote(str(value))
    environment.filters["tojson"] = json.dumps
    path = find_shared_file(TEMPLATE, images_dir)
    try:
        template = environment.from_string(path.read_text(encoding="utf-8"))
        # Sorted: no variable refers to another, so their order in the file says nothing.
        variables = dict(sorted(spec.environment.items()))
        return template.render(spec=spec, environment=variables, labels=labels(spec, bootstrapped=bootstrapped))
    except jinja2.TemplateSyntaxError as error:
        raise InvalidInputError(f"the template is wrong: {error.message}", where=f"{path}, line {error.lineno}") from None
    except jinja2.TemplateError as error:
        raise InvalidInputError(f"the template cannot be rendered: {error.message}", where=str(path)) from None


def labels(spec: ImageSpec, *, bootstrapped: bool = False) -> dict[str, str]:
    """The image's labels: the class's own, and those of the OCI that follow from the rest.

    An image on a bootstrapped base has no base digest: no registry has ever seen that base.
    """
    own = {
        "org.opencontainers.image.description": spec.description,
        "org.opencontainers.image.version": spec.version,
        "org.opencontainers.image.base.name": spec.base.image,
        "dev.lyftlearn.class": spec.name,
    }
    if bootstrapped and spec.base.bootstrap:
        own["dev.lyftlearn.bootstrapped-from"] = spec.base.bootstrap
    else:
        own["org.opencontainers.image.base.digest"] = spec.base.digest
    return dict(sorted({**own, **spec.labels}.items()))


def quoted(value: str) -> str:
    """A value for ENV or LABEL that means exactly itself: quotes, backslashes and dollars are escaped."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
