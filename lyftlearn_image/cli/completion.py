"""What a shell completes beside verbs, options and files: image classes, cases, contexts, and jobs.

Each is a callback of click's `shell_complete`. None of them ever fails, or keeps a shell waiting: what is not known in time
is not offered.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click

    Complete = Callable[[click.Context, click.Parameter, str], list[str]]

# A shell hangs meanwhile.
PATIENCE_S = 2.0


def _completed(find: Callable[[click.Context, str], Iterable[Callable[[], Iterable[str]]]]) -> Complete:
    """A callback from a function that says what is to be asked, all at once, with what has been typed so far."""

    @functools.wraps(find)
    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        found: list[str] = []
        questions: list[Callable[[], Iterable[str]]] = []
        # What is imported takes as long as it does, and is no part of the waiting.
        with contextlib.suppress(Exception):
            questions.extend(find(ctx, incomplete))

        def ask(question: Callable[[], Iterable[str]]) -> None:
            # There may be no file, no account, no cluster, no right to look, or a library missing.
            with contextlib.suppress(BaseException):
                found.extend(question())

        until = time.monotonic() + PATIENCE_S
        threads = [threading.Thread(target=ask, args=(each,), daemon=True) for each in questions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0))
        return [word for word in list(found) if word.startswith(incomplete)]

    return complete


@_completed
def complete_class(ctx: click.Context, _: str) -> Iterable[Callable[[], Iterable[str]]]:
    """The image classes."""
    from lyftlearn_image.build.spec import find_images_dir, list_specs  # noqa: PLC0415 - every import here waits for its use

    images = ctx.params.get("images")
    yield lambda: list_specs(find_images_dir(Path(images) if images else None))


@_completed
def complete_case(ctx: click.Context, _: str) -> Iterable[Callable[[], Iterable[str]]]:
    """The cases of the suite file that stands before; what is wrong with it elsewhere does not matter."""
    from lyftlearn_image import yaml_loader  # noqa: PLC0415

    # Where the option's own value is still to come, click leaves the arguments as they were typed.
    path = Path(ctx.params.get("suite_file") or ctx.args[0])
    data = yaml_loader.compose_mapping(yaml_loader.read_text(path), str(path)).construct()
    yield lambda: [str(case["name"]) for case in data["cases"]]


@_completed
def complete_kept_case(ctx: click.Context, _: str) -> Iterable[Callable[[], Iterable[str]]]:
    """The cases whose runs are kept in a report directory."""
    from lyftlearn_image.parity.kept_run import list_kept  # noqa: PLC0415

    for report in ctx.params.get("reports") or ("parity-report",):
        yield lambda report=Path(report): list_kept(report)  # type: ignore[misc]


@_completed
def complete_context(_: click.Context, __: str) -> Iterable[Callable[[], Iterable[str]]]:
    """The contexts of the kubeconfig."""
    import lightkube  # noqa: PLC0415

    yield lambda: list(lightkube.KubeConfig.from_env().contexts)


@_completed
def complete_job(ctx: click.Context, incomplete: str) -> Iterable[Callable[[], Iterable[str]]]:
    """The newest jobs of both services, whichever answer in time."""
    from lyftlearn_image.services.job_list import searches  # noqa: PLC0415

    return searches(incomplete, ctx.params.get("context"), ctx.params.get("namespace"))
