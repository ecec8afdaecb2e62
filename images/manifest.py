"""Writes /opt/lyftlearn/image.json: what is inside the image. Runs once, at the end of the build."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

HERE = Path("/opt/lyftlearn")


def debian_packages():
    """Every installed Debian package with its version."""
    lines = subprocess.check_output(["dpkg-query", "-W", "-f", "${Package} ${Version}\n"], text=True).splitlines()
    return dict(sorted(line.split(" ", 1) for line in lines))


def python_packages():
    """Every package of the venv with its version, from its dist-info."""
    found = {}
    for path in Path("/opt/venv/lib").glob("python3*/site-packages/*.dist-info"):
        name, _, version = path.name[: -len(".dist-info")].rpartition("-")
        found[name.replace("_", "-").lower()] = version
    return dict(sorted(found.items()))


def digest(top):
    """One digest of the paths and contents of every source file below a directory."""
    total = hashlib.sha256()
    for path in sorted(top.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            total.update(str(path.relative_to(top)).encode() + b"\0" + path.read_bytes() + b"\0")
    return "sha256:" + total.hexdigest()


facts = json.loads((HERE / "image-facts.json").read_text())
facts["debian"] = debian_packages()
facts["python"] = python_packages()
facts["runtime"] = digest(HERE / "lyftlearn_runtime")
facts["created"] = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
(HERE / "image.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
