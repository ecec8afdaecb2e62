"""Writes /opt/lyftlearn/image.json: what is inside the image. Runs once, at the end of the build.

`python manifest.py FACTS PIP_REPORT`: what image.yaml says, and what pip wrote down as it installed the wheels.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path("/opt/lyftlearn")


def debian_packages():
    """Every installed Debian package with its version."""
    lines = subprocess.check_output(["dpkg-query", "-W", "-f", "${Package} ${Version}\n"], text=True).splitlines()
    return dict(sorted(line.split(" ", 1) for line in lines))


def python_packages(report):
    """Every package that pip installed, with its version and the SHA-256 of its wheel, which the lock holds too."""
    found = {}
    for package in report["install"]:
        name = re.sub(r"[-_.]+", "-", package["metadata"]["name"]).lower()
        sha256 = package["download_info"]["archive_info"]["hash"].removeprefix("sha256=")
        found[name] = {"version": package["metadata"]["version"], "sha256": sha256}
    return dict(sorted(found.items()))


def digest(top):
    """One digest of the paths and contents of every source file below a directory."""
    total = hashlib.sha256()
    for path in sorted(top.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            total.update(str(path.relative_to(top)).encode() + b"\0" + path.read_bytes() + b"\0")
    return "sha256:" + total.hexdigest()


facts_path, report_path = map(Path, sys.argv[1:])
facts = json.loads(facts_path.read_text())
facts["debian"] = debian_packages()
facts["python"] = python_packages(json.loads(report_path.read_text()))
facts["runtime"] = digest(HERE / "lyftlearn_runtime")
if os.environ.get("SOURCE_DATE_EPOCH"):
    facts["created"] = int(os.environ["SOURCE_DATE_EPOCH"])  # seconds since 1970
(HERE / "image.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
