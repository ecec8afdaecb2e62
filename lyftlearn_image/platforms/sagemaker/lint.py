"""What SageMaker would refuse of a workload's requests, in terms of the workload's fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.platforms.findings import Finding
from lyftlearn_image.platforms.sagemaker import api_model
from lyftlearn_image.platforms.sagemaker.all_kinds import workload_kind
from lyftlearn_image.platforms.sagemaker.field_paths import field_of
from lyftlearn_image.platforms.sagemaker.instance_choice import lint_instance_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.platforms.launch import Compiled
    from lyftlearn_image.workload import Workload

# Schemes that are resolved by asking somebody.
_REMOTE_SCHEMES = ("aws-", "s3://", "confidant://")
# Fields of every kind that only Kubernetes has a word for.
_IGNORED = ("run_as_user",)


def lint_requests(workload: Workload, compiled: Compiled) -> Iterator[Finding]:
    """What the API refuses, and what a variable would lack."""
    kind = workload_kind(workload.kind)
    for action, request in compiled.requests():
        for breach in api_model.find_breaches(action, request):
            why = breach.why if breach.path not in breach.why else breach.why.replace(f" {breach.path}", "", 1)
            yield Finding(field_of(breach.path, request, workload), f"{action} refuses {breach.path or 'it'}: {why}")
    yield from kind.lint(workload)
    yield from lint_instance_type(workload)
    yield from _lint_isolation(workload, compiled)
    for index, word in enumerate(getattr(workload, "command", None) or ()):
        # The API's own limit is none: what is longer than that goes by the bundle.
        if (size := len(word.encode()) + 1) > api_model.LONGEST_STRING_BYTES:
            why = f"{size} bytes, at most {api_model.LONGEST_STRING_BYTES} for one argument"
            yield Finding(("command", index), why, "Put it into a file.")
    for name in sorted(workload.kubernetes.secrets.keys() - workload.secrets.keys()):
        yield Finding(
            ("kubernetes", "secrets", name),
            f"SageMaker has no Kubernetes Secrets: {name} would be missing there",
            f"Add it to `secrets` too: {name}: aws-sm://name#key.",
        )
    for name in (*_IGNORED, *kind.ignored):
        if name in workload.model_fields_set:
            yield Finding((name,), "has no effect on SageMaker", level="note")


def _lint_isolation(workload: Workload, compiled: Compiled) -> Iterator[Finding]:
    """An isolated container reaches nothing and has no credentials (developer guide, mkt-algo-model-internet-free)."""
    if not workload.network.isolated:
        return
    for name, texts in (
        ("secrets", list(workload.secrets.values())),
        ("secret_sets", list(workload.secret_sets)),
        ("files", [file.secret or "" for file in workload.files.values()]),
    ):
        if any(text.startswith(_REMOTE_SCHEMES) for text in texts):
            yield Finding((name,), "an isolated container cannot resolve references", "Set `network.isolated: false`.")
    if compiled.objects:
        yield Finding(
            ("network", "isolated"),
            "an isolated container cannot fetch the launch bundle that `files`, long texts and many hyperparameters need",
            "Bring them with the image or by a channel, or set `network.isolated: false`.",
        )
