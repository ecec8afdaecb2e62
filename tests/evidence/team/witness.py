"""Writes down everything that a training or processing script can see, and leaves files at every place that is collected.

Told `--exit-code N` it says why in the failure file and ends so.
"""

import json
import os
import sys
from pathlib import Path

ML = Path("/opt/ml")


def described(path):
    if path.is_dir():
        return {"kind": "directory", "writable": os.access(path, os.W_OK)}
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return {"kind": "file", "content": json.loads(text)}
    except ValueError:
        return {"kind": "file", "content": text}


def main():
    skipped = (ML / "code", ML / "input" / "data" / "code", ML / "input" / "data" / "sm_drivers")
    paths = sorted(path for path in ML.rglob("*") if not any(path.is_relative_to(one) for one in skipped))
    seen = {
        "argv": sys.argv[1:],
        "cwd": os.getcwd(),
        "user": [os.getuid(), os.getgid()],
        "home": os.path.expanduser("~"),
        "umask": oct(os.umask(0o22)),
        "terminal": [os.isatty(number) for number in range(3)],
        "environment": dict(os.environ),
        "files": {str(path): described(path) for path in paths},
        "hostname": Path("/etc/hostname").read_text().strip(),
        "shared memory": os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize,
        "open files": __import__("resource").getrlimit(7)[0],
    }
    processing = ML / "processing" / "output"
    output = processing if processing.is_dir() else ML / "output" / "data"
    (output / "witness.json").write_text(json.dumps(seen, indent=1))
    if not processing.is_dir():
        (ML / "model" / "nested").mkdir()
        (ML / "model" / "nested" / "weights.bin").write_bytes(bytes(range(256)))
        (ML / "output" / "beside.txt").write_text("not below output/data")
    print("the witness has seen", len(paths), "paths")
    code = int(sys.argv[sys.argv.index("--exit-code") + 1]) if "--exit-code" in sys.argv else 0
    if code:
        (ML / "output" / "failure").write_text("the data had no rows")
        sys.exit(code)


main()
