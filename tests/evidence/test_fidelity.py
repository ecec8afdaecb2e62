"""The page about fidelity: it says what the tables say, whatever is added to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lyftlearn_image.emulation.kubernetes import fields as kubernetes
from lyftlearn_image.emulation.sagemaker import fields as sagemaker
from lyftlearn_image.errors import UnsupportedError
from tests.emulation.kubernetes import test_replay
from tests.evidence import differences, fidelity, local_mode

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "fidelity.md"


def test_the_page_is_what_the_tables_say(request: pytest.FixtureRequest) -> None:
    """docs/explanation/fidelity.md is rendered; `--update-golden` writes it anew, and the change is reviewed as prose."""
    text = fidelity.render()
    if request.config.getoption("--update-golden"):
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text, encoding="utf-8")
    assert text == PAGE.read_text(encoding="utf-8")


def test_every_entry_of_a_request_table_has_a_row() -> None:
    """Every path of every table, as implemented, or ignored for its reason; and nothing twice."""
    tables = fidelity.request_tables(vars(sagemaker))
    assert {"CreateTrainingJob", "CreateProcessingJob"} <= tables.keys()
    for action, table in tables.items():
        rows = fidelity.request_rows(action, table, sagemaker.VALUES)
        told = {row.field: "" if row.verdict == "implemented" else row.note for row in rows if row.verdict != "refused"}
        assert told == {path: reason or "" for path, reason in table.items()}
        assert len({row.field for row in rows}) == len(rows)


@pytest.mark.parametrize(("action", "table"), fidelity.request_tables(vars(sagemaker)).items())
def test_what_the_page_calls_refused_is_refused(action: str, table: Any) -> None:
    """The emulator's own walk refuses each row that says so, by its name."""
    refused = [row.field for row in fidelity.request_rows(action, table, sagemaker.VALUES) if row.verdict == "refused"]
    assert refused
    for path in refused:
        request: Any = "a value"
        for part in reversed(path.replace("[]", ".[]").split(".")):
            request = [request] if part == "[]" else {part.replace("*", "key"): request}
        with pytest.raises(UnsupportedError, match=path.rpartition(".")[2].removesuffix("[]")):
            sagemaker.refuse_unknown(request, table)


def test_a_new_table_and_a_new_field_appear_by_themselves() -> None:
    """A table named after an action is that action's, and a path added to a table changes its row."""
    module = {**vars(sagemaker), "TRANSFORM": {"TransformJobName": None, "MaxPayloadInMB": "a reason"}}
    table = fidelity.request_tables(module)["CreateTransformJob"]
    rows = {row.field: row for row in fidelity.request_rows("CreateTransformJob", table, {"TransformJobName": ("a", True)})}
    assert rows["TransformJobName"] == fidelity.Row("TransformJobName", "implemented", "`a`, `true`")
    assert rows["MaxPayloadInMB"] == fidelity.Row("MaxPayloadInMB", "ignored", "a reason")
    assert rows["TransformInput"] == fidelity.Row("TransformInput", "refused")


def test_tables_by_shape_are_read_too() -> None:
    """Implemented, in part, with a shape or values of its own, ignored and refused, each in its shape's table."""
    module = {
        "IMPLEMENTED": {"Pod": {"spec": "PodSpec"}, "PodSpec": {"os": ("linux",), "hostname": "", "part": ""}},
        "PARTIAL": {"PodSpec.part": "half"},
        "IGNORED": {"PodSpec.affinity": "one node"},
        "REFUSED": {"PodSpec.csi": "no driver"},
    }
    assert fidelity.manifest_rows(module) == {
        "Pod": [fidelity.Row("spec", "implemented", "see PodSpec")],
        "PodSpec": [
            fidelity.Row("os", "implemented", "`linux`"),
            fidelity.Row("hostname", "implemented"),
            fidelity.Row("part", "in part", "half"),
            fidelity.Row("affinity", "ignored", "one node"),
            fidelity.Row("csi", "refused", "no driver"),
        ],
    }


def test_every_reason_of_the_manifest_tables_is_on_the_page() -> None:
    """What is ignored of a Job and a Pod stands there with why."""
    rows = [row for rows in fidelity.manifest_rows(vars(kubernetes)).values() for row in rows]
    reasons = vars(kubernetes).get("IGNORED") or vars(kubernetes)["INEFFECTIVE"]
    told = {(row.field, row.note) for row in rows if row.verdict == "ignored"}
    assert told == {(path.rpartition(".")[2], reason) for path, reason in reasons.items()}


def test_every_known_difference_has_both_sides_and_a_source() -> None:
    """One that says less is no help; and none stands twice."""
    known = (*differences.KNOWN_DIFFERENCES, *local_mode.LOCAL_MODE, *differences.PODMAN)
    for one in known:
        assert all((one.against, one.what, one.here, one.there, one.source)), one
        assert one.here != one.there
    assert len({(one.against, one.what) for one in known}) == len(known)


def test_what_is_said_of_recorded_pods_is_what_is_replayed() -> None:
    """The numbers are those of the recordings, and no recorded pod is known to differ."""
    kinds = [one["kind"] for case in test_replay.PODS.glob("*/manifest.yaml") for one in test_replay.all_of(case.parent)]
    refused = (*test_replay.WRONG, "image-absent")
    cases = len(list(test_replay.PODS.glob("*/manifest.yaml")))
    assert fidelity.Recorded(cases, kinds.count("Pod"), kinds.count("Job"), len(refused)) == fidelity.RECORDED
    assert test_replay.KNOWN == {}
