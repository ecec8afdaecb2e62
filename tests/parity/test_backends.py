"""Which backend each target has, as a user asks for it; and streams as a service keeps them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.parity.backends import EMBEDDED_BACKENDS, Backend, BackendSelection, merge_streams, parse_targets
from lyftlearn_image.run import Run, Status, Timings

SERVICE: dict[str, Any] = {"s3_prefix": "s3://b/p", "image": "r/i@d", "role_arn": "arn"}
EXPECTED = "Expected sagemaker=embedded, sagemaker=service, kubernetes=embedded or kubernetes=context:NAME."


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ((), ("embedded", "embedded")),
        (("kubernetes=embedded",), ("embedded", "embedded")),
        (("sagemaker=service",), ("service", "embedded")),
        (("kubernetes=context:blue",), ("embedded", "context:blue")),
        (("sagemaker=service", "kubernetes=context:a=b"), ("service", "context:a=b")),
        (("sagemaker=service", "sagemaker=embedded"), ("embedded", "embedded")),
    ],
)
def test_a_target_that_nobody_names_is_embedded(options: tuple[str, ...], kinds: tuple[str, str]) -> None:
    """The last option of a target counts."""
    selection = parse_targets(options, **SERVICE)
    assert selection == BackendSelection(dict(zip(("sagemaker", "kubernetes"), kinds, strict=True)), "s3://b/p", "arn", "r/i@d")  # type: ignore[arg-type]
    assert selection.has_services == (kinds != ("embedded", "embedded"))


def test_the_embedded_backends_need_nothing() -> None:
    """No role, no image, no place in S3."""
    assert parse_targets(()) == EMBEDDED_BACKENDS == BackendSelection({"sagemaker": "embedded", "kubernetes": "embedded"})


@pytest.mark.parametrize(
    "option",
    ["moon=service", "kubernetes=service", "sagemaker=context:a", "sagemaker", "=service", "kubernetes=", "sagemaker=embeded"],
)
def test_a_target_that_is_none_is_refused(option: str) -> None:
    """Before anything runs, with what was expected."""
    with pytest.raises(InvalidInputError) as caught:
        parse_targets(("sagemaker=service", option), **SERVICE)
    assert caught.value.what == f"--target {option}: there is no such target"
    assert caught.value.hint == EXPECTED


@pytest.mark.parametrize("missing", ["s3_prefix", "image"])
@pytest.mark.parametrize("option", ["sagemaker=service", "kubernetes=context:a"])
def test_a_service_needs_an_image_and_a_place_in_s3(missing: str, option: str) -> None:
    """It cannot see this machine's."""
    with pytest.raises(InvalidInputError, match="needs an image that it can pull and a place in S3") as caught:
        parse_targets((option,), **{**SERVICE, missing: None})
    assert "lyftlearn-image push" in caught.value.hint


def test_sagemaker_needs_a_role() -> None:
    """No default stands for it; a cluster needs none."""
    with pytest.raises(InvalidInputError, match="needs an execution role") as caught:
        parse_targets(("sagemaker=service",), **{**SERVICE, "role_arn": None})
    assert caught.value.hint == "Give --role-arn."
    assert parse_targets(("kubernetes=context:a",), **{**SERVICE, "role_arn": None}).role_arn is None


def test_a_service_gets_its_objects_when_it_submits() -> None:
    """Nothing is put for it before."""
    Backend(None, None, "b", "", "arn", is_service=True).put_objects(None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        Backend(None, None, "b", "", "arn").put_objects(None)  # type: ignore[arg-type]


LINES = st.lists(st.binary(max_size=3).filter(lambda line: b"\n" not in line), max_size=5)


@given(LINES, LINES, st.randoms(use_true_random=False))
def test_two_streams_become_one_log_in_any_order(stdout: list[bytes], stderr: list[bytes], random: Any) -> None:
    """Lines that are not empty, from whichever stream; whom the shim fetched as is left out, and so are metrics."""
    lines = [line for line in (*stdout, *stderr) if line]
    random.shuffle(lines)
    with tempfile.TemporaryDirectory() as directory:
        paths = Path(directory, "stdout"), Path(directory, "stderr")
        paths[0].write_bytes(b"\n".join(stdout))
        paths[1].write_bytes(b"\n".join([*stderr, b"lyftlearn: AWS identity: role", b""]))
        run = Run("sagemaker", "job", Status.COMPLETED, 0, "", *paths, {}, None, Timings(0, None, 0, 0), metrics=("a:1|c",))
        merged = merge_streams(run)
        assert paths[0].read_bytes() == b"".join(line + b"\n" for line in sorted(lines))
        assert paths[1].read_bytes() == b""
    assert merged.metrics == ()
    assert (merged.stdout, merged.stderr) == paths
