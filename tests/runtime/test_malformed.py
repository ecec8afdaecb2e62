"""Files and variables that cannot be what they should, as fuzzing found them: refused in one line, before the script."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_runtime import bundle, cluster, context, contract, deadline, hyperparameters, references
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.secret_forms import mask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEEP = '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"
HALF = "\ud800"


def read_bundle(path: Path, text: str) -> bundle.Bundle:
    """The launch bundle of this text."""
    path.write_text(text)
    return bundle.read({contract.BUNDLE: f"{path}#sha256={hashlib.sha256(text.encode()).hexdigest()}"})


@pytest.mark.parametrize(
    "read",
    [
        lambda path: hyperparameters.read(str(path)),
        lambda path: cluster.read_config(path.name, str(path.parent)),
        lambda path: read_bundle(path, DEEP),
    ],
    ids=["hyperparameters", "resourceconfig", "bundle"],
)
def test_json_that_is_nested_too_deeply_is_told(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    """Deeper than the interpreter goes: the file is named."""
    path = tmp_path / "input.json"
    path.write_text(DEEP)
    with pytest.raises(ShimError, match=r"input\.json") as caught:
        read(path)
    assert caught.value.exit_code == 78
    assert context._names_an_app(str(path)) is False


def test_a_value_that_can_be_read_and_not_written_is_told() -> None:
    """Near the interpreter's limit; it is refused in whatever shape it is asked for."""
    value: list[Any] = []
    for _ in range(sys.getrecursionlimit()):
        value = [value]
    for write in (hyperparameters.dumps, hyperparameters.encode):
        with pytest.raises(ShimError, match="nested too deeply"):
            write({"a": value})
    for inside in (value, {"b": value}):
        with pytest.raises(ShimError, match="nested too deeply"):
            hyperparameters.arguments({"a": inside}, "--key value")


@pytest.mark.parametrize(
    "resources",
    [
        {"hosts": 1},
        {"hosts": ["algo-1", 2]},
        {"hosts": ["algo-1"], "current_host": ["algo-1"]},
        {"current_group_name": ["group"]},
        {"current_instance_type": 1},
        {"instance_groups": [1]},
        {"instance_groups": [{}]},
        {"instance_groups": [{"instance_group_name": []}]},
        {"network_interface_name": {"name": "eth0"}},
    ],
)
def test_a_cluster_of_another_kind_is_told(resources: dict[str, Any]) -> None:
    """What SageMaker would not write names the file."""
    with pytest.raises(ShimError, match=r"resourceconfig\.json is malformed"):
        cluster.parse_resource_config(resources)


@pytest.mark.parametrize(
    "part",
    [
        {"files": [{"path": "/etc/a\0b", "content": ""}]},
        {"files": [{"path": f"/etc/{HALF}", "content": ""}]},
        {"files": [{"path": "/etc/", "content": ""}]},
        {"files": [{"path": "/etc/..", "content": ""}]},
        {"files": [{"path": "/etc/a", "content": HALF}]},
        {"files": [{"path": "/etc/a", "content": "", "mode": "-1"}]},
        {"files": [{"path": "/etc/a", "content": "", "mode": "77777"}]},
        {"files": [{"path": "/etc/a", "content": "", "owner": "-5:0"}]},
        {"files": [{"path": "/etc/a", "content": "", "owner": "0:4294967295"}]},
        {"mounted": [1]},
        {"downloads": [{"path": "/opt/ml/a\0", "uri": "s3://bucket/key"}]},
        {"uploads": [{"path": "/opt/ml/a", "uri": 1}]},
    ],
)
def test_a_bundle_that_cannot_be_made_true_is_told(tmp_path: Path, part: dict[str, Any]) -> None:
    """Before anything of it is written: paths that are none, texts that are none, modes and owners that there are not."""
    with pytest.raises(ShimError, match="is malformed") as caught:
        read_bundle(tmp_path / "bundle.json", json.dumps({"version": 1, **part}))
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("text", ["file:///etc/a\0b", f"aws-sm://{HALF}", f"aws-sm://name#{HALF}"])
def test_a_reference_that_nobody_can_be_asked_for_is_told(text: str) -> None:
    """JSON can say what neither a file's name nor a request can hold."""
    with pytest.raises(ShimError, match="has a character that no name has"):
        references.parse(text)


@pytest.mark.parametrize("name", [contract.FETCH_TIMEOUT, contract.GRACE, contract.HOSTS_TIMEOUT])
@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf"])
def test_a_time_that_is_none_is_told(name: str, value: str) -> None:
    """Each with the variable's name."""
    asks: dict[str, Callable[[dict[str, str]], float]] = {
        contract.FETCH_TIMEOUT: deadline.fetch_timeout,
        contract.GRACE: lambda environ: deadline.grace_period(environ, 30),
        contract.HOSTS_TIMEOUT: deadline.hosts_timeout,
    }
    with pytest.raises(ShimError, match=f"{name} is '{value}'; expected seconds"):
        asks[name]({name: value})


def test_a_secret_with_half_a_character_is_masked() -> None:
    """A JSON secret may hold one; it must not stop the masking of everything else."""
    secret = f"planted{HALF}secret"
    assert mask(f"|{secret}|", [secret]) == "|[secret]|"
    assert mask("|planted\\ud800secret|other-planted|", [secret, "other-planted"]) == "|[secret]|[secret]|"


def test_a_secret_in_the_path_of_a_url_is_masked() -> None:
    """There the slash stays a slash; so it does where Python shows bytes."""
    assert mask("https://host/a/b%20c%22d", ['a/b c"d']) == "https://host/[secret]"
    assert mask(f"got {'clé-secrète'.encode()!r}", ["clé-secrète"]) == "got b'[secret]'"
