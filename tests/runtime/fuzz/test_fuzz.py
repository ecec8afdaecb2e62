"""The parsers under a coverage-guided fuzzer, each for a few seconds; its laws are in parsers.py and answers.py."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
SECONDS = 7
# Words that no mutation finds by itself, for the laws that read a text as it is.
DICTIONARY = """\
"://" "aws-sm://" "aws-ssm://" "aws-ssm-path://" "confidant://" "s3://" "env://" "file:///" "REFERENCE" "#key" "?optional"
"?last-known-good" "&" "default=" "?sha256=" "version=" "stage=" "udp://" "unixgram:///" ":HUP" "300" "nan" "1e400" "inf"
"#sha256=" "train" "kubernetes" "200 OK" "\\x0d\\x0a" "Content-Length: " "Transfer-Encoding: chunked" "Mon, 23 Nov 2026 "
"00:00:00 " "+0100" "{" "}" "[" "]"
"""


def fuzz(law: str, place: Path) -> tuple[int, str]:
    """The harness' exit code for a law, and the end of what it said."""
    words = place / "words.dict"
    words.write_text("\n".join(DICTIONARY.replace('" "', '"\n"').split("\n")))
    seeds = place / "seeds"
    seeds.mkdir()
    log = place / "log"
    options = [f"-max_total_time={SECONDS}", f"-artifact_prefix={place}/", f"-dict={words}", "-max_len=300", "-timeout=10"]
    options.append("-len_control=0")  # documents need many bytes from the start
    environment = {**os.environ, "TMPDIR": str(place)}
    with log.open("wb") as file:
        command = [sys.executable, str(HERE / "harness.py"), law, *options, str(seeds)]
        done = subprocess.run(command, stdout=file, stderr=file, check=False, timeout=SECONDS * 10, env=environment)
    return done.returncode, log.read_bytes()[-6000:].decode("utf-8", "replace")


@pytest.mark.parametrize(
    "law",
    [
        "references",
        "bundles",
        "hyperparameters",
        "clusters",
        "settings",
        "redaction",
        "answers in JSON",
        "answers in XML",
        "answers of HTTP",
    ],
)
def test_no_input_breaks_a_law(law: str, tmp_path: Path) -> None:
    """Only ShimError comes out of a parser, whatever it reads; the input that breaks it is in the test's directory."""
    code, said = fuzz(law, tmp_path)
    assert code == 0, said
    done = re.search(r"Done (\d+) runs", said)
    assert done, said
    assert int(done[1]) > 100


@pytest.mark.parametrize(("law", "told"), [("planted fault", "IndexError: planted"), ("planted leak", "a secret is left")])
def test_a_planted_fault_is_found(law: str, told: str, tmp_path: Path) -> None:
    """A parser that fails behind two characters, and a redactor that knows no borders, do not pass."""
    code, said = fuzz(law, tmp_path)
    assert code != 0
    assert told in said
    assert list(tmp_path.glob("crash-*"))
