"""BuildKit's plain output, read as steps and shown."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, strategies as st
from rich.console import Console

from lyftlearn_image.build.progress import BuildOutput, Lines, Live, State, Step, open_progress

# As Docker 20.10 wrote it, shortened.
OUTPUT = """\
#1 [internal] load build definition from Dockerfile
#1 sha256:46ac54c66d6d0d3e8d5d5f5d0a1a2a6a
#1 transferring dockerfile: 120B done
#1 DONE 0.0s

#4 [1/3] FROM docker.io/library/debian:bookworm-slim
#4 sha256:21cd7ebef4f3
#4 CACHED

#5 [2/3] RUN --mount=type=cache,target=/root/.cache   echo one;     echo two
#5 sha256:aaaa
#5 0.346 one
#5 0.350 two
#5 ...

#6 [other 1/1] RUN sleep 9
#6 sha256:cccc
#6 CANCELED

#5 [2/3] RUN --mount=type=cache,target=/root/.cache   echo one;     echo two
#5 DONE 1.4s

#7 [3/3] RUN exit 3
#7 sha256:bbbb
#7 0.301 what went wrong
#7 ERROR: executor failed running [/bin/sh -c exit 3]: exit code: 3
------
 > [3/3] RUN exit 3:
------
executor failed running [/bin/sh -c exit 3]: exit code: 3
"""


@pytest.fixture
def output() -> BuildOutput:
    """The sample, read to its end."""
    read = BuildOutput()
    for line in OUTPUT.splitlines():
        read.feed(line)
    return read


def test_steps_have_names_states_and_times(output: BuildOutput) -> None:
    """A step's name is one line that begins with what it does; a step that is shown again stays one step."""
    assert {step.number: (step.name, step.state, step.duration_s) for step in output.steps.values() if step.number > 1} == {
        4: ("[1/3] FROM docker.io/library/debian:bookworm-slim", State.CACHED, 0.0),
        5: ("[2/3] RUN echo one; echo two", State.DONE, 1.4),
        6: ("[other 1/1] RUN sleep 9", State.CANCELED, 0.0),
        7: ("[3/3] RUN exit 3", State.FAILED, 0.0),
    }
    assert output.steps[1].is_internal


def test_the_failed_step_keeps_what_it_wrote(output: BuildOutput) -> None:
    """What explains a failure is the step's own output, not the client's repetition of it."""
    assert output.failed == output.steps[7]
    assert output.tail(output.failed) == ["what went wrong"]
    assert output.tail(None)[-1].startswith("executor failed")


@given(st.lists(st.text(max_size=60)))
def test_no_output_breaks_the_reader(lines: list[str]) -> None:
    """Whatever a build prints, reading goes on: a program's output may look like anything."""
    output = BuildOutput()
    for line in ["#1 [1/1] RUN x", *lines, *(f"#1 {line}" for line in lines)]:
        output.feed(line)
    assert 1 in output.steps


def test_lines_show_each_step_once_when_it_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    """A log has one line of at most 110 characters a step, and nothing of BuildKit's own business."""
    shown = Lines()
    output = BuildOutput()
    for line in [*OUTPUT.splitlines(), f"#8 [4/4] RUN {'x' * 200}", "#8 DONE 2.0s"]:
        if step := output.feed(line):
            shown.step(step)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[:4] == [
        "= [1/3] FROM docker.io/library/debian:bookworm-slim  cached",
        "- [other 1/1] RUN sleep 9  canceled",
        "✓ [2/3] RUN echo one; echo two  1.4 s",
        "✗ [3/3] RUN exit 3  failed",
    ]
    assert len(err.splitlines()[4]) == 110


def test_a_terminal_shows_running_steps_with_their_last_line() -> None:
    """What runs stands below what is over; text that looks like markup is shown as it is."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, color_system=None)
    with Live(console) as live:
        live.note("a [bold]note[/bold]")
        live.step(Step(1, "[1/2] RUN sleep", detail="[red] still [/red] busy"))
        live._live.refresh()
        live.step(Step(1, "[1/2] RUN sleep", State.DONE, 3.0))
    text = screen.getvalue()
    assert "a [bold]note[/bold]" in text
    assert "[red] still [/red] busy" in text
    assert "✓ [1/2] RUN sleep  3.0 s" in text


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """With --quiet there is no progress at all; without a terminal there are lines."""
    with open_progress(quiet=True) as silent:
        silent.note("a note")
        silent.step(Step(1, "[1/1] RUN x", State.DONE))
    with open_progress(quiet=False) as lines:
        lines.note("another note")
    assert capsys.readouterr() == ("", "another note\n")
