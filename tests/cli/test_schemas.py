"""The schemas: every key of every file is described, and an editor finds the one of a file that the toolkit wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from lyftlearn_image.cli.main import main
from lyftlearn_image.cli.schemas import SCHEMAS, write_with_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {name: churn}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: "team:1", command: [python, train.py]}]
"""


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_is_described(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of every model that a schema is made of: what an editor shows, and the reference is rendered from."""
    assert main(["schema", name]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]

    properties = list(_properties(schema))
    assert [key for key, each in properties if not str(each.get("description", "")).strip()] == []
    assert len(properties) > 10


def test_a_key_without_a_description_is_noticed() -> None:
    """Wherever it stands, so that the check above can fail."""
    schema = {"$defs": {"A": {"properties": {"b": {"type": "object", "properties": {"c": {"type": "string"}}}}}}}
    assert [key for key, each in _properties(schema) if not each.get("description")] == ["b", "c"]


def test_a_file_that_is_written_names_the_schema_beside_it(tmp_path: Path) -> None:
    """Its first line is the one that editors read, the schema is there, and the file is as the schema says."""
    manifest, workload = tmp_path / "job.yaml", tmp_path / "churn.yaml"
    manifest.write_text(JOB)
    assert main(["import", str(manifest), "-o", str(workload)]) == 0

    first, _, text = workload.read_text().partition("\n")
    comment, _, path = first.partition("=")
    assert comment == "# yaml-language-server: $schema"
    schema = json.loads((tmp_path / path).read_text())
    jsonschema.validate(yaml.safe_load(text), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**yaml.safe_load(text), "imaeg": "x"}, schema)
    assert main(["lint", str(workload), "--target", "kubernetes"]) == 0


def test_the_schema_of_a_file_is_this_versions(tmp_path: Path) -> None:
    """One that an older version has left there is replaced."""
    (tmp_path / ".lyftlearn").mkdir()
    (tmp_path / ".lyftlearn" / "suite.schema.json").write_text("{}")
    write_with_schema(tmp_path / "suite.yaml", "suite", "name: x\n")
    assert "cases" in json.loads((tmp_path / ".lyftlearn" / "suite.schema.json").read_text())["properties"]


def _properties(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key that a schema has, with what it says of it."""
    if isinstance(schema, list):
        for each in schema:
            yield from _properties(each)
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for word, part in schema.items():
            # These two have names of their own as keys; all other words of a schema hold schemas, or lists of them.
            yield from _properties(list(part.values()) if word in {"properties", "$defs"} else part)
