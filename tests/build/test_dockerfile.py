"""A team's Dockerfile with this machine's secrets in its steps, and in nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import given, strategies as st

from lyftlearn_image.build.dockerfile import mount_flags, mount_secrets

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BOTH = ("ca-bundle", "pip-conf")
DOCKERFILE = r"""# syntax=docker/dockerfile:1
# escape=\
ARG BASE=lyftlearn:latest
FROM ${BASE} AS one
RUN pip install a \
    # a comment
    RUN-like \

    && run more
run --network=none echo x
COPY . /opt/ml/code/
RUN <<EOF
FROM here
RUN there
EOF
COPY <<-'END' /run.sh
	RUN no
	END
RUN python -c "print(1<<x)" <<<word
RUN ["echo", "json"]
ENV RUN=1
From one
	RUN	tabbed
"""


def test_every_step_has_the_secrets_and_nothing_else_is_touched() -> None:
    """Continued lines, comments in them, here-documents, small letters, stages; all else stays as it is."""
    flags = mount_flags(BOTH)
    added = mount_secrets(DOCKERFILE, BOTH, {})
    expected = DOCKERFILE
    for step in ("RUN pip", "run --network", "RUN <<EOF", "RUN python", 'RUN ["echo"', "RUN\ttabbed"):
        expected = expected.replace(step, f"{step[:3]}{flags}{step[3:]}", 1)
    assert [line for line in added.splitlines() if not line.startswith("ARG ") or "BASE" in line] == expected.splitlines()
    assert added.count("ARG PIP_CERT=/run/secrets/ca-bundle\n") == 2
    assert added.count("ARG PIP_CONFIG_FILE=/run/secrets/pip-conf\n") == 2
    assert added.index("ARG PIP_CERT") > added.index("FROM ${BASE}")


@given(st.text(max_size=200) | st.lists(st.sampled_from(["RUN a", "FROM b", "\\", "# x", "", "<<E", "E", " "])).map("\n".join))
def test_without_a_secret_nothing_changes_and_with_one_no_line_is_lost(text: str) -> None:
    """Whatever stands in the file: an error in it is the builder's to tell."""
    assert mount_secrets(text, (), {}) == text
    kept = mount_secrets(text, BOTH, {}).replace(mount_flags(BOTH), "").splitlines()
    lines = iter(kept)
    assert all(line in lines for line in text.splitlines())


def test_a_bundle_for_pip_alone_is_not_everybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both curl and git keep what the image trusts."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("x")
    monkeypatch.setattr("lyftlearn_image.build.secrets._ADDED_BY_HAND", tmp_path / "none")
    assert "CURL_CA_BUNDLE" not in mount_secrets("FROM x\n", ("ca-bundle",), {"PIP_CERT": os.fspath(bundle)})
    assert "CURL_CA_BUNDLE" in mount_secrets("FROM x\n", ("ca-bundle",), {"SSL_CERT_FILE": os.fspath(bundle)})
