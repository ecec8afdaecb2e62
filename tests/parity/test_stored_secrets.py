"""Secrets that a case reads and nobody has stored are told before anything runs, with the lines that mend it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, strategies as st

from lyftlearn_image.cli.main import main
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.parity import stored_secrets
from lyftlearn_image.parity.stored_secrets import Need
from lyftlearn_image.parity.suite import Case
from lyftlearn_image.workload import Workload

if TYPE_CHECKING:
    from pathlib import Path

IMPORTED = {"secrets": {"DB": "aws-sm://db#password"}, "kubernetes": {"secrets": {"DB": "db#password"}}}
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)


def workload(**fields: Any) -> Workload:
    """A workload that reads these secrets."""
    return Workload.model_validate({"name": "a", "image": "a:1", "command": ["true"], **fields})


def case(stored: dict[str, str], fields: dict[str, Any] = IMPORTED, **more: Any) -> Case:
    """A case of such a workload."""
    return Case.model_validate({"name": "churn", "workload": workload(**fields), "secret_values": stored, **more})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (IMPORTED, [("db", "password", "the variable DB")]),
        ({"secrets": {"A": "aws-sm://a"}}, [("a", "", "the variable A")]),
        ({"secret_sets": ["aws-sm://db"]}, [("db", "", "the set of variables")]),
        ({"files": {"/etc/k": {"secret": "aws-sm://tls#key"}}}, [("tls", "key", "the file /etc/k")]),
        ({"secrets": {"A": "aws-sm://a?optional#k", "B": "aws-ssm:///b", "C": "aws-sm://c?default=x"}}, []),
    ],
)
def test_what_a_workload_cannot_do_without(fields: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    """Each secret and key once, however it is read; what says itself what to do without is no need."""
    assert [(one.secret, one.key, one.used_by) for one in stored_secrets.needs(workload(**fields))] == expected


@pytest.mark.parametrize(
    ("stored", "is_there"),
    [
        ({"db": '{"password": "p"}'}, True), ({"db": '{"user": "u"}'}, False), ({"db": "no JSON"}, False),
        ({"other": '{"password": "p"}'}, False), ({}, False),
    ],
)  # fmt: skip
def test_a_secret_is_there_with_its_key(stored: dict[str, str], *, is_there: bool) -> None:
    """The Secret of the cluster has the keys of the JSON that is stored under its name."""
    assert (stored_secrets.find_missing(workload(**IMPORTED), stored) == ()) is is_there
    found = stored_secrets.cluster_secrets(workload(**IMPORTED), stored)
    assert (found.get("db", {}).get("password") == "p") is is_there


def test_numbers_of_a_secret_are_texts_in_the_cluster() -> None:
    """As the shim gives them on the other side."""
    stored = {"db": json.dumps({"password": 7, "user": "u"})}
    assert stored_secrets.cluster_secrets(workload(**IMPORTED), stored) == {"db": {"password": "7", "user": "u"}}


def test_a_missing_key_is_told_with_the_lines_to_add() -> None:
    """The secret, the key, what reads it, in which case; the lines are those of the suite file, as they are to stand there."""
    with pytest.raises(InvalidInputError) as caught:
        stored_secrets.check_cases([case({})], "suite.yaml")
    error = caught.value
    reads = "case churn: the variable DB reads the key password of the secret db"
    assert error.what == f"{reads}; a run on this machine has no value for that"
    assert error.where == "suite.yaml, case churn"
    lines = error.hint.partition("\n")[2]
    assert lines == '    secret_values:\n      db: \'{"password": "put-a-test-value-here"}\''
    stored_secrets.check_cases([case(yaml.safe_load(lines)["secret_values"])], "suite.yaml")


def test_a_value_that_is_there_is_not_repeated() -> None:
    """Of a secret with another key."""
    with pytest.raises(InvalidInputError) as caught:
        stored_secrets.check_cases([case({"db": '{"user": "private-user"}'})], "suite.yaml")
    assert "private-user" not in str(caught.value)
    assert '"user": "as-it-is", "password": "put-a-test-value-here"' in str(caught.value)


@pytest.mark.parametrize("more", [{"exit_code": 1}, {"expect": "different", "different_in": ["stdout"]}])
def test_a_case_that_is_to_fail_may_be_about_that(more: dict[str, Any]) -> None:
    """Nothing is told of it beforehand."""
    stored_secrets.check_cases([case({}, **more)], "suite.yaml")


@given(st.lists(st.builds(Need, NAMES, st.one_of(st.just(""), NAMES), st.just("x")), min_size=1))
def test_the_placeholders_are_all_that_is_missing(missing: list[Need]) -> None:
    """Whatever the secrets and their keys are, the lines that are told make them be there."""
    lines = stored_secrets.as_lines(stored_secrets.placeholders(missing, {}), indent=4)
    stored = yaml.safe_load(lines)["secret_values"]
    fields = {f"V{number}": f"aws-sm://{one.secret}{'#' * bool(one.key)}{one.key}" for number, one in enumerate(missing)}
    assert stored_secrets.find_missing(workload(secrets=fields), stored) == ()


def test_a_run_is_refused_before_anything_is_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By both verbs that play the platforms here; no engine is asked for."""
    document = {"name": "churn", "image": "a:1", "command": ["true"], **IMPORTED}
    (tmp_path / "churn.yaml").write_text(json.dumps(document))
    (tmp_path / "suite.yaml").write_text("{name: s, image: 'a:1', build: ., cases: [{workload: churn.yaml}]}")
    assert main(["parity", "run", str(tmp_path / "suite.yaml"), "--report", str(tmp_path / "report")]) == 78
    told = capsys.readouterr().err
    assert "case churn: the variable DB reads the key password of the secret db" in told
    assert '      db: \'{"password": "put-a-test-value-here"}\'' in told
    assert main(["run", str(tmp_path / "churn.yaml"), "--target", "kubernetes", "--here"]) == 78
    told = capsys.readouterr().err
    assert "--secrets FILE" in told
    assert '      db: \'{"password": "put-a-test-value-here"}\'' in told


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("", "data:\n    s3://far/rows/: path/to/a/copy"),
        ("data: {'s3://far/other/': .}", "data:\n    s3://far/rows/: path/to/a/copy"),
        ("data: {'s3://far/rows/': nowhere}", "there is no data at nowhere"),
        ("data: {'no uri': .}", "expected s3://bucket/prefix"),
    ],
)
def test_data_of_a_real_account_needs_a_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: str, expected: str
) -> None:
    """Which channel of which case reads it, and the lines that name the copy."""
    (tmp_path / "churn.yaml").write_text("{name: c, image: 'a:1', command: [x], channels: {train: s3://far/rows/}}")
    (tmp_path / "suite.yaml").write_text(f"name: s\nimage: a:1\nbuild: .\n{data}\ncases: [{{workload: churn.yaml}}]\n")
    assert main(["parity", "run", str(tmp_path / "suite.yaml"), "--report", str(tmp_path / "report")]) == 78
    assert expected in capsys.readouterr().err
