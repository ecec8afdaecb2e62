"""Files that end a job, and JSON ones."""

from __future__ import annotations

import json
import os
from typing import Any

from . import environment


def write_success_file() -> None:
    """Leaves the file by which the toolkit tells success."""
    write_file(os.path.join(environment.output_dir, "success"), "")


def write_failure_file(failure_msg: str) -> None:
    """Leaves the reason of a failure, unless there is one already."""
    path = os.path.join(environment.output_dir, "failure")
    if not os.path.exists(path):
        write_file(path, failure_msg)


def write_file(path: str, data: str, mode: str = "w") -> None:
    """Writes a file."""
    with open(path, mode) as file:
        file.write(data)


def read_file(path: str, mode: str = "r") -> Any:
    """A file's content."""
    with open(path, mode) as file:
        return file.read()


def read_json(path: str) -> Any:
    """What a JSON file holds."""
    with open(path) as file:
        return json.load(file)
