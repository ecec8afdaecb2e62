"""An image with what a user would take instead of the shim: `sagemaker-training` and boto3, on top of ours."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.build.builder import build
from lyftlearn_image.build.engine import build_client
from lyftlearn_image.build.secrets import build_secrets
from lyftlearn_image.build.spec import find_images_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

# The toolkit comes as source with an extension in C. setuptools 80 is the last with the pkg_resources that it imports.
DOCKERFILE = """\
FROM {image}
RUN apt-get update -q && apt-get install -y -q --no-install-recommends gcc libc6-dev python3-dev python3-venv
RUN --mount=type=secret,id=ca-bundle --mount=type=secret,id=pip-conf --mount=type=cache,target=/root/.cache/pip \\
    if [ -s /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi; \\
    if [ -s /run/secrets/pip-conf ]; then export PIP_CONFIG_FILE=/run/secrets/pip-conf; fi; \\
    python3 -m venv /opt/peer && /opt/peer/bin/pip install -q 'setuptools<81' sagemaker-training boto3
ENTRYPOINT []
"""


def run(*arguments: str, check: bool = True) -> str:
    """The output of the docker client."""
    done = subprocess.run([str(build_client()), *arguments], check=check, capture_output=True, text=True)
    return done.stdout


@contextlib.contextmanager
def peer_image() -> Iterator[str]:
    """The tag of that image, which is removed at the end; its layers stay in the build's cache."""
    ours = build("lyftlearn", images_dir=find_images_dir()).image
    tag = f"lyftlearn-benchmark-{uuid.uuid4().hex[:8]}:peers"
    with tempfile.TemporaryDirectory() as directory, build_secrets(None, os.environ) as secrets:
        Path(directory, "Dockerfile").write_text(DOCKERFILE.format(image=ours))
        command = [str(build_client()), "build", "--progress=plain", f"--tag={tag}", *secrets.arguments, directory]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "DOCKER_BUILDKIT": "1"})
    try:
        yield tag
    finally:
        run("rmi", tag, check=False)
