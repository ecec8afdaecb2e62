"""Images with what a user would take instead of ours.

Instead of the shim: `sagemaker-training` and boto3, on top of our image. Instead of the model server: `sagemaker-inference`
and its server in Java, on the Debian that ours stands on, with a load generator in C.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.build.base_image import ensure_base
from lyftlearn_image.build.builder import build
from lyftlearn_image.build.engine import build_client, ensure_engine
from lyftlearn_image.build.secrets import build_secrets
from lyftlearn_image.build.spec import find_images_dir, load_spec

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
# As above; its worker in Python imports pkg_resources, too.
SERVER_DOCKERFILE = """\
FROM {base}
RUN --mount=type=secret,id=ca-bundle \\
    mkdir -p /usr/share/man/man1; \\
    if [ -s /run/secrets/ca-bundle ]; then set -- -o Acquire::https::CAInfo=/run/secrets/ca-bundle; fi; \\
    apt-get update -q "$@"; \\
    apt-get install -y -q --no-install-recommends "$@" ca-certificates gcc libc6-dev openjdk-17-jre-headless python3-dev \\
      python3-venv wrk
RUN --mount=type=secret,id=ca-bundle --mount=type=secret,id=pip-conf --mount=type=cache,target=/root/.cache/pip \\
    if [ -s /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi; \\
    if [ -s /run/secrets/pip-conf ]; then export PIP_CONFIG_FILE=/run/secrets/pip-conf; fi; \\
    python3 -m venv /opt/peer && /opt/peer/bin/pip install -q 'setuptools<81' sagemaker-inference multi-model-server
ENV PATH=/opt/peer/bin:/usr/bin:/bin
"""


def run(*arguments: str, check: bool = True) -> str:
    """The output of the docker client."""
    done = subprocess.run([str(build_client()), *arguments], check=check, capture_output=True, text=True)
    return done.stdout


@contextlib.contextmanager
def peer_image(dockerfile: str = DOCKERFILE) -> Iterator[str]:
    """The tag of such an image, which is removed at the end; its layers stay in the build's cache."""
    images = find_images_dir()
    ours = build("lyftlearn", images_dir=images).image
    base = ensure_base(load_spec("lyftlearn", images).base, ensure_engine(print), print).reference
    tag = f"lyftlearn-benchmark-{uuid.uuid4().hex[:8]}:peers"
    with tempfile.TemporaryDirectory() as directory, build_secrets(None, os.environ) as secrets:
        Path(directory, "Dockerfile").write_text(dockerfile.format(image=ours, base=base))
        command = [str(build_client()), "build", "--progress=plain", f"--tag={tag}", *secrets.arguments, directory]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "DOCKER_BUILDKIT": "1"})
    try:
        yield tag
    finally:
        run("rmi", tag, check=False)
