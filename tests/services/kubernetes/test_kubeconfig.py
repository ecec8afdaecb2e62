"""Which cluster a kubeconfig's context names, and what is said where it names none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.services.kubernetes.kubeconfig import open_client

if TYPE_CHECKING:
    from pathlib import Path


def test_a_context_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With those that there are; and so is a missing kubeconfig."""
    config = {"contexts": [{"name": "blue", "context": {"cluster": "c"}}], "clusters": [{"name": "c", "cluster": {}}]}
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    with pytest.raises(InvalidInputError) as told:
        open_client("green")
    assert told.value.hint == "It has: blue."
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(InvalidInputError, match=r"reading the context \(current\): "):
        open_client(None)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ImportError of Python's."""
    monkeypatch.setitem(sys.modules, "lightkube", None)
    with pytest.raises(InvalidInputError) as told:
        open_client(None)
    assert "lyftlearn-image[kubernetes]" in told.value.hint
