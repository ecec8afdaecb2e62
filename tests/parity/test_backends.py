"""Which backend each target has, as a user asks for it; and streams as a service keeps them."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.place import DEFAULT_PLACE, Place
from lyftlearn_image.emulation.session import BUCKET
from lyftlearn_image.errors import InvalidInputError, RunError
from lyftlearn_image.parity.backends import (
    EMBEDDED_BACKENDS,
    Backend,
    BackendSelection,
    connect_backends,
    embedded_place,
    merge_streams,
    parse_targets,
)
from lyftlearn_image.platforms.launch import DEFAULT_ROLE
from lyftlearn_image.run import Run, Status, Timings
from lyftlearn_image.services.kubernetes.client import KubernetesService
from lyftlearn_image.services.sagemaker.client import SageMakerService

SERVICE: dict[str, Any] = {"s3_prefix": "s3://b/p", "image": "r/i@d", "role_arn": "arn"}
ROLE_ARN = "arn:aws:iam::111122223333:role/ml"
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


def test_a_service_gets_its_objects_when_it_submits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is put for it before."""
    put: list[Any] = []
    monkeypatch.setattr("lyftlearn_image.aws.s3.put_objects", lambda *arguments: put.append(arguments))
    Backend(None, None, "b", "", "arn", is_service=True).put_objects(SimpleNamespace(objects={}))  # type: ignore[arg-type]
    assert put == []


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


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of somebody who has keys, a region and a cluster; nothing of them is asked when it is connected to."""
    config = {
        "contexts": [{"name": "blue", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://localhost:1"}}],
        "users": [{"name": "u", "user": {"token": "x"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    variables = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-west-1"}
    for name, value in {**variables, "KUBECONFIG": str(tmp_path / "config")}.items():
        monkeypatch.setenv(name, value)


SESSION: Any = SimpleNamespace(
    targets={"sagemaker": "sagemaker here", "kubernetes": "kubernetes here"},
    s3="s3 here",
    endpoint=SimpleNamespace(place=DEFAULT_PLACE),
)


def test_embedded_backends_are_those_of_the_session() -> None:
    """With its S3, its bucket, and the role that nobody has to make."""
    assert connect_backends(EMBEDDED_BACKENDS, SESSION, threading.Event()) == {
        target: Backend(f"{target} here", "s3 here", BUCKET, "", DEFAULT_ROLE)  # type: ignore[arg-type]
        for target in ("sagemaker", "kubernetes")
    }


@pytest.mark.parametrize(("prefix", "expected"), [("s3://b/p", "p/"), ("s3://b/p/q/", "p/q/"), ("s3://b", "")])
def test_a_service_is_connected_with_the_users_own(user: None, prefix: str, expected: str) -> None:
    """Its image, its role and its place in S3, each target on its own."""
    selection = parse_targets(
        ("sagemaker=service", "kubernetes=context:blue"), s3_prefix=prefix, role_arn="arn:role", image="r/i@d"
    )
    backends = connect_backends(selection, SESSION, threading.Event())
    assert isinstance(backends["sagemaker"].target, SageMakerService)
    assert isinstance(backends["kubernetes"].target, KubernetesService)
    for backend in backends.values():
        assert (backend.bucket, backend.prefix, backend.role_arn, backend.image) == ("b", expected, "arn:role", "r/i@d")
        assert backend.is_service
        assert backend.s3.meta.region_name == "eu-west-1"


def test_a_cluster_needs_no_role(user: None) -> None:
    """Where none is given, the jobs' own default stands; the other target stays embedded."""
    selection = parse_targets(("kubernetes=context:blue",), s3_prefix="s3://b/p", image="r/i@d")
    backends = connect_backends(selection, SESSION, threading.Event())
    assert backends["kubernetes"].role_arn == DEFAULT_ROLE
    assert backends["sagemaker"].target == "sagemaker here"


@pytest.mark.parametrize("option", ["sagemaker=service", "kubernetes=context:blue"])
def test_a_wait_for_a_service_ends_when_it_is_interrupted(user: None, option: str) -> None:
    """The job goes on where it is, and the error says so; until then a wait is a wait."""
    interrupted = threading.Event()
    target = connect_backends(parse_targets((option,), **SERVICE), SESSION, interrupted)[option.partition("=")[0]].target  # type: ignore[index]
    sleep = target._clock.sleep  # type: ignore[attr-defined]
    sleep(0)
    interrupted.set()
    with pytest.raises(RunError, match="interrupted; the job goes on at its service"):
        sleep(60)


def test_objects_of_an_embedded_target_are_put(monkeypatch: pytest.MonkeyPatch) -> None:
    """Into the session's S3, before the request is played."""
    put: list[Any] = []
    monkeypatch.setattr("lyftlearn_image.aws.s3.put_objects", lambda *arguments: put.append(arguments))
    Backend(None, "s3 here", BUCKET, "", "arn").put_objects(SimpleNamespace(objects={"a": b"1"}))  # type: ignore[arg-type]
    assert put == [("s3 here", {"a": b"1"})]


EKS = "arn:aws:eks:ap-southeast-2:333344445555:cluster/ml-blue"


@pytest.mark.parametrize(
    ("option", "cluster", "role_arn", "expected"),
    [
        ("sagemaker=service", "c", ROLE_ARN, Place("eu-west-1", ROLE_ARN)),
        ("kubernetes=context:blue", EKS, ROLE_ARN, Place("ap-southeast-2", ROLE_ARN, "ml-blue")),
        (
            "kubernetes=context:blue", EKS, None,
            Place("ap-southeast-2", "arn:aws:iam::333344445555:role/lyftlearn", "ml-blue"),
        ),
        ("kubernetes=context:blue", "kind-a", ROLE_ARN, Place("eu-west-1", ROLE_ARN, "kind-a")),
        ("kubernetes=embedded", "c", None, DEFAULT_PLACE),
    ],
)  # fmt: skip
def test_the_embedded_side_is_where_the_real_one_is(  # noqa: PLR0913, PLR0917 - a row of a table
    user: None, tmp_path: Path, option: str, cluster: str, role_arn: str | None, expected: Place
) -> None:
    """Region, account, role and cluster: so they are no difference between the two sides."""
    config = (tmp_path / "config").read_text()
    for field in ("cluster", "name"):
        config = config.replace(f"{field}: c\n", f"{field}: {cluster}\n")
    (tmp_path / "config").write_text(config)
    kinds = {**EMBEDDED_BACKENDS.kinds, **dict([option.split("=", 1)])}
    selection = BackendSelection(kinds, "s3://b/p", role_arn, "i")  # type: ignore[arg-type]
    assert embedded_place(selection) == expected


def test_the_account_is_that_of_whoever_runs_the_toolkit(user: None, moto_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither a role nor the cluster's name says one; and the embedded one where nobody can be asked."""
    selection = parse_targets(("kubernetes=context:blue",), s3_prefix="s3://b/p", image="r/i@d")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    assert embedded_place(selection).account == "123456789012"
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert embedded_place(selection).account == DEFAULT_PLACE.account
