"""The size of the `lyftlearn` image beside what one would write otherwise: the goal is half.

The other has one stage on the same base, the same locked packages, and what such Dockerfiles keep: `build-essential`,
Python's headers, what apt recommends beside them, apt's lists and pip's cache. Both are built here.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import uuid
from pathlib import Path

from benchmarks.report import Measurement, show
from lyftlearn_image.build.builder import build
from lyftlearn_image.build.engine import build_client, ensure_engine
from lyftlearn_image.build.secrets import build_secrets
from lyftlearn_image.build.spec import find_images_dir, load_spec

OTHERWISE = """\
FROM {base}
RUN apt-get update && \\
    apt-get install -y {packages}
RUN python3 -m venv /opt/venv
COPY {lock} /tmp/requirements.txt
RUN --mount=type=secret,id=ca-bundle --mount=type=secret,id=pip-conf \\
    if [ -s /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi; \\
    if [ -s /run/secrets/pip-conf ]; then export PIP_CONFIG_FILE=/run/secrets/pip-conf; fi; \\
    /opt/venv/bin/pip install --require-hashes -r /tmp/requirements.txt
"""
KEPT = ("build-essential", "python3", "python3-dev", "python3-pip", "python3-venv")


def build_otherwise(base: str, images: Path, tag: str) -> None:
    """Builds the other image as `tag`."""
    spec = load_spec("lyftlearn", images)
    packages = " ".join(sorted({*KEPT, *spec.apt.run}))
    with tempfile.TemporaryDirectory() as directory, build_secrets(None, os.environ) as secrets:
        context = Path(directory)
        (context / "Dockerfile").write_text(OTHERWISE.format(base=base, packages=packages, lock=spec.python.lock))
        (context / spec.python.lock).write_bytes((images / spec.name / spec.python.lock).read_bytes())
        command = [str(build_client()), "build", "--progress=plain", f"--tag={tag}", *secrets.arguments, directory]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "DOCKER_BUILDKIT": "1"})


def main() -> None:
    """Builds both and compares what the engine says of their size."""
    images = find_images_dir()
    ours = build("lyftlearn", images_dir=images)
    tag = f"lyftlearn-benchmark-{uuid.uuid4().hex[:8]}:otherwise"
    build_otherwise(ours.base.reference, images, tag)
    with ensure_engine(print).connect() as client:
        otherwise_bytes = int(client.images.get(tag).attrs["Size"])
        client.images.remove(tag)
    instead_is = "one stage, build-essential and pip's cache kept"
    show(Measurement("size of the lyftlearn image", ours.size_bytes / 1e6, otherwise_bytes / 1e6, "MB", 0.5, instead_is))


if __name__ == "__main__":
    main()
