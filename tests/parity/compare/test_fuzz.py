"""The comparators under a coverage-guided fuzzer for some seconds; `make fuzz` gives it minutes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SECONDS = 10


def test_no_input_breaks_a_comparator(tmp_path: Path) -> None:
    """The input that does is in the test's directory."""
    options = [f"-max_total_time={SECONDS}", f"-artifact_prefix={tmp_path}/", "-timeout=60", "-rss_limit_mb=1024"]
    command = [sys.executable, "-m", "tests.parity.compare.fuzz", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3], errors="replace")
    assert done.returncode == 0, done.stderr[-6000:]
    runs = re.search(r"Done (\d+) runs", done.stderr)
    assert runs
    assert int(runs[1]) > 20
