"""Sessions share what they read of AWS's services, and nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lyftlearn_image.aws.session import make_session

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_sessions_share_the_models_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keys, regions and settings are each session's own; a directory of models that a user has is looked through."""
    loaders = []
    for number in range(3):
        session = make_session(aws_access_key_id=f"key-{number}", aws_secret_access_key="s", region_name=f"eu-west-{number}")
        credentials = session.get_credentials()
        assert credentials is not None
        assert (credentials.access_key, session.region_name) == (f"key-{number}", f"eu-west-{number}")
        loaders.append(session._loader)  # boto3 shows it nowhere
    assert loaders[0] is loaders[1] is loaders[2]
    assert len(loaders[0].search_paths) == len(set(loaders[0].search_paths))
    (tmp_path / "mine" / "2026-01-01").mkdir(parents=True)
    (tmp_path / "mine" / "2026-01-01" / "service-2.json").write_text("{}")
    monkeypatch.setenv("AWS_DATA_PATH", os.fspath(tmp_path))
    assert "mine" in make_session().get_available_services()
