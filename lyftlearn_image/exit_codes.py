"""The exit codes of the command line, all of them: what raises one takes it from here, and so does what explains them."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExitCode(IntEnum):
    """How a verb ends. 69 and 78 are those of sysexits.h, 130 is a shell's for Ctrl-C."""

    DONE = 0
    NO = 1
    FAILED = 2
    UNAVAILABLE = 69
    WRONG_INPUT = 78
    INTERRUPTED = 130


MEANINGS: Mapping[int, str] = {
    ExitCode.DONE: "done",
    ExitCode.NO: "no: a difference, a job or a build that failed, a breach",
    ExitCode.FAILED: "the command line is wrong, or the toolkit itself failed",
    ExitCode.UNAVAILABLE: "Docker, a registry, AWS or a cluster did not answer",
    ExitCode.WRONG_INPUT: "a file or argument is wrong, or asks for what is not emulated",
    ExitCode.INTERRUPTED: "interrupted: Ctrl-C, SIGTERM or SIGHUP",
}
# Verb → what its own answers mean, where that is more than MEANINGS says.
OF_VERBS: Mapping[str, Mapping[int, str]] = {
    "build": {
        ExitCode.NO: "the build failed, or a lock could not be made",
        ExitCode.UNAVAILABLE: "no engine, no client or no base image",
        ExitCode.WRONG_INPUT: "image.yaml or an argument is wrong, or the lock is stale",
    },
    "doctor": {
        ExitCode.DONE: "nothing is wrong",
        ExitCode.NO: "something is wrong",
        ExitCode.UNAVAILABLE: "nothing is wrong here, and something does not answer",
    },
    "lock": {ExitCode.NO: "there is no solution; with --check: the lock is not current"},
    "lint": {ExitCode.DONE: "nothing would be refused", ExitCode.NO: "something would be refused"},
    "run": {ExitCode.DONE: "the job completed, or the server serves", ExitCode.NO: "it did not"},
    "wait": {ExitCode.DONE: "all jobs completed", ExitCode.NO: "one failed or was stopped"},
    "collect": {ExitCode.DONE: "the job had completed", ExitCode.NO: "it had not"},
    "parity run": {
        ExitCode.DONE: "every case came out as its suite file expects",
        ExitCode.NO: "a difference that the suite does not expect",
        ExitCode.FAILED: "the harness failed, or the image's build, or a limit of time ended one side; a wrong command line",
    },
    "parity suggest": {
        ExitCode.DONE: "rules were found for all of it, or there is no difference",
        ExitCode.NO: "something is left that none explains",
    },
}


def meanings(verb: str) -> Mapping[int, str]:
    """Every exit code of a verb, such as `parity run`, and what it means there."""
    return {**MEANINGS, **OF_VERBS.get(verb, {})}
