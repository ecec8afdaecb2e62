"""The context that a handler gets, and what it puts into the log, without a server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_runtime.serving.request_context import ModelFacts, RequestContext
from lyftlearn_runtime.serving.request_metrics import RequestMetrics

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)


@given(headers=st.dictionaries(NAMES.map(str.lower), st.text(max_size=5), max_size=4), name=NAMES)
def test_a_header_is_found_however_its_name_is_spelt(headers: dict[str, str], name: str) -> None:
    """By all the ways there are to ask, and all of them are JSON."""
    context = RequestContext(ModelFacts("/nowhere"), headers)
    assert context.request_processor is not None
    (processor,) = context.request_processor
    for spelt in (name, name.lower(), name.upper(), name.title()):
        found = headers.get(name.lower())
        assert context.get_request_header(0, spelt) == found
        assert processor.get_request_property(spelt) == found
        assert processor.get_request_properties().get(spelt, None) == found
        assert (spelt in processor.get_request_properties()) == (found is not None)
    assert json.loads(json.dumps(processor.get_request_properties())) == headers


def test_the_status_and_headers_of_the_answer_are_set_by_either_name() -> None:
    """Those of the context and those of its processor are the same."""
    context = RequestContext(ModelFacts("/nowhere"), {})
    assert context.request_processor is not None
    assert context.get_response_status(0) == (200, None)
    context.set_response_status(code=201, phrase="Made")
    assert context.request_processor[0].get_response_status_code() == 201
    context.request_processor[0].report_status(404, reason_phrase="Gone")
    assert context.get_response_status(0) == (404, "Gone")
    context.request_processor[0].add_response_property("X-One", "1")
    context.set_response_content_type(0, "a/b")
    assert context.get_response_headers(0) == {"x-one": "1", "content-type": "a/b"}
    assert context.get_response_content_type(0) == "a/b"


def test_at_the_start_there_is_no_request(tmp_path: Path) -> None:
    """model_fn's context has the model's facts alone, with the manifest of an archive that has one."""
    (tmp_path / "MAR-INF").mkdir()
    (tmp_path / "MAR-INF" / "MANIFEST.json").write_text('{"model": {"modelName": "m"}}')
    context = RequestContext(ModelFacts(str(tmp_path)))
    assert context.request_processor is None
    assert context.manifest == {"model": {"modelName": "m"}}
    assert context.system_properties["model_dir"] == str(tmp_path)
    context.set_response_status(500)
    assert context.get_response_status(0) == (200, None)


def test_figures_are_lines_as_the_multi_model_server_writes_them() -> None:
    """A counter adds up, all else is the last value; the model and the request stand beside it."""
    metrics = RequestMetrics("churn", {0: "id-1"})
    metrics.add_counter("hits", 1)
    metrics.add_counter("hits", 2)
    metrics.add_time("spent", 3.5)
    metrics.add_time("spent", 4.5)
    metrics.add_size("read", 7, None, "kB")
    metrics.add_percent("full", 50, 0)
    metrics.add_metric("odd", 1, unit="furlongs")
    metrics.add_error("failed", "why")
    model = "ModelName:churn,Level:Model|#hostname:here,12,id-1"
    assert metrics.lines(12, "here") == [
        f"[METRICS]hits.Count:3|#{model}",
        f"[METRICS]spent.Milliseconds:4.5|#{model}",
        f"[METRICS]read.Kilobytes:7|#{model}",
        f"[METRICS]full.Percent:50|#{model}",
        f"[METRICS]odd.furlongs:1|#{model}",
        "[METRICS]failed.:why|#Level:Error|#hostname:here,12",
    ]
    with pytest.raises(ValueError, match="'h'; expected one of ms, s"):
        metrics.add_time("spent", 1, unit="h")
