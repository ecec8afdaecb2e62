"""Kept files that hold a secret are named, and a run whose endpoint did not answer is no difference."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.errors import RunError
from lyftlearn_image.parity.endpoint_fault import check_endpoint, find_endpoint_fault
from lyftlearn_image.parity.exposed import AND_MORE, MAX_NAMED, find_exposed
from lyftlearn_image.parity.secrets import find_unmaskable, secret_values
from lyftlearn_image.parity.suite import Case
from lyftlearn_image.run import Run, Status, Timings
from lyftlearn_runtime.secret_forms import forms_of

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "Planted-Secret/77aa"


@pytest.mark.parametrize("form", sorted(forms_of(SECRET)))
def test_a_file_with_any_form_of_a_secret_is_named(form: bytes, tmp_path: Path) -> None:
    """However it is encoded, also across the border of two chunks; a file without one is not named."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "with").write_bytes(b"\0" * ((1 << 20) - len(form) // 2) + form + b"\xff")
    (tmp_path / "a" / "without").write_bytes(b"\0" * 100)
    assert find_exposed(tmp_path, [SECRET]) == ("a/with",)


def test_numpy_keeps_text_as_utf_32(tmp_path: Path) -> None:
    """An array of texts is a file with a secret as any other."""
    import numpy as np

    np.save(tmp_path / "a.npy", np.array([SECRET, "x"]))
    assert find_exposed(tmp_path, [SECRET]) == ("a.npy",)


def test_a_name_and_a_link_may_hold_one(tmp_path: Path) -> None:
    """They are shown by whoever lists the directory; a link is not followed, and a FIFO not waited for."""
    (tmp_path / f"name-{SECRET.replace('/', '_')}").touch()
    (tmp_path / "link").symlink_to(f"/nowhere/{SECRET}")
    (tmp_path / "endless").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "fifo")
    assert find_exposed(tmp_path, [SECRET]) == ("link",)
    assert find_exposed(tmp_path, [SECRET.replace("/", "_")]) == ("name-Planted-Secret_77aa",)


def test_without_a_secret_nothing_is_read(tmp_path: Path) -> None:
    """And of very many files not all are named."""
    for number in range(MAX_NAMED + 2):
        (tmp_path / f"{number:03d}").write_text(SECRET)
    assert find_exposed(tmp_path, ["true"]) == ()
    found = find_exposed(tmp_path, [SECRET])
    assert (len(found), found[-1]) == (MAX_NAMED + 1, AND_MORE)


def test_what_is_too_short_is_named_once() -> None:
    """By the secret's name and the place within, never by its value, however many cases plant it."""
    planted = {"a": "true", "b": json.dumps({"user": "svc", "port": 5432, "password": SECRET, "on": True}), "c": SECRET}
    cases = [
        Case.model_validate({
            "name": f"c{number}", "workload": {"name": "x", "image": "i", "command": ["x"]}, "secret_values": planted,
        })
        for number in range(3)
    ]  # fmt: skip
    assert find_unmaskable(cases) == ("a", "b#port", "b#user")
    assert secret_values(planted) == {planted["b"], SECRET}


URL = "http://172.30.0.1:41234"
UNANSWERED = [
    f"lyftlearn: {URL}: timed out (4 tries)",
    f"lyftlearn: {URL}: [Errno 111] Connection refused (9 tries)",
    f"lyftlearn: {URL}: it answered 503 (3 tries)",
    f'botocore.exceptions.ReadTimeoutError: Read timeout on endpoint URL: "{URL}/bucket/key"',
    f'botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: "{URL}/"',
    f'botocore.exceptions.ConnectionClosedError: Connection was closed before we received a valid response from "{URL}/"',
]
ANSWERED = [
    f"lyftlearn: {URL}: access denied; the job's role needs s3:GetObject",
    "requests.exceptions.ReadTimeout: HTTPConnectionPool(host='10.0.0.1', port=80): Read timed out.",
    "TimeoutError: the script's own",
    f"connecting to {URL}",
    "",
]


def run(tmp_path: Path, line: str, *, exit_code: int = 69, reason: str = "") -> Run:
    """A run that ended so."""
    (tmp_path / "stderr").write_text(f"{'x' * 30_000}\nfirst\n{line}\n")
    (tmp_path / "stdout").touch()
    timings = Timings(0.0, 0.0, 0.0, 0.0)
    return Run(
        "kubernetes", "job", Status.FAILED, exit_code, reason, tmp_path / "stdout", tmp_path / "stderr", {}, None, timings
    )


@pytest.mark.parametrize("line", UNANSWERED)
def test_an_endpoint_that_does_not_answer_is_found(line: str, tmp_path: Path) -> None:
    """In the run's stderr and in the platform's reason; not in a run that ended well."""
    assert find_endpoint_fault(run(tmp_path, line), URL) == line
    assert find_endpoint_fault(run(tmp_path, "", reason=f"exit code 69\n{line}"), URL) == line
    assert find_endpoint_fault(run(tmp_path, line, exit_code=0), URL) is None


@pytest.mark.parametrize("line", ANSWERED)
def test_what_another_peer_or_the_endpoint_said_is_the_scripts(line: str, tmp_path: Path) -> None:
    """A refusal is an answer, and another host is none of ours."""
    assert find_endpoint_fault(run(tmp_path, line), URL) is None


def test_a_run_that_the_endpoint_did_not_answer_is_an_error_of_the_harness(tmp_path: Path) -> None:
    """Unless the case expects just that exit code; one that was answered is compared."""
    failed, fine = run(tmp_path, UNANSWERED[0]), run(tmp_path, UNANSWERED[0], exit_code=0)
    with pytest.raises(RunError, match="did not answer kubernetes") as caught:
        check_endpoint([fine, failed], URL, 0)
    assert caught.value.where == UNANSWERED[0]
    check_endpoint([failed], URL, 69)
    check_endpoint([fine], URL, 0)


def test_a_run_without_a_log_has_no_fault(tmp_path: Path) -> None:
    """There is nothing to read."""
    done = run(tmp_path, "")
    done.stderr.unlink()
    assert find_endpoint_fault(done, URL) is None
