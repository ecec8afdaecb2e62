"""Progress bars as tqdm, Keras and pip draw them: over and over in one line, with times and speeds in it."""

from __future__ import annotations

import re

# What shows that a stretch between two carriage returns was a bar: `40%|`, `4/10 [`, `9.5it/s`, `3ms/step`, `━`.
_BAR = re.compile(r"\d%\||\d/\d{1,12} \[|\d[a-zA-Zµ]{1,12}/(?:s|it|step)\b|\?it/s|[━█▏▎▍▌▋▊▉]")
_ELAPSED = r"\d{1,6}+(?::\d\d){1,2}"
# tqdm: `[00:01<00:00,  9.98it/s`, where what follows, such as `, loss=0.1]`, is the script's own.
TQDM = re.compile(
    rf"\[{_ELAPSED}(?:<(?:\?|{_ELAPSED}))?, *+(?:\?|\d++(?:\.\d++)?+)[ ]?[A-Za-zµ]{{0,12}}(?:/[A-Za-zµ]{{1,12}})?"
)
# Keras: `2s 3ms/step`.
KERAS = re.compile(r"\d(?<!\w\d)\d{0,8}+(?:us|µs|ms|s|m|h)?(?::\d\d){0,2} \d{1,9}+(?:us|µs|ms|s)/(?:step|epoch|batch|sample)\b")


def settle_progress_bars(text: str) -> str:
    """The text as a terminal shows it in the end: of a bar only its last state.

    What a carriage return leads back over and is no bar stays. The times and speeds of the last state are still in it.
    """
    if "\r" not in text:
        return text
    return "\n".join(_settle_line(line) if "\r" in line else line for line in text.split("\n"))


def _settle_line(line: str) -> str:
    states = line.split("\r")
    last = max((number for number, state in enumerate(states) if state), default=0)
    return "\r".join(state for number, state in enumerate(states) if number >= last or (state and not _BAR.search(state)))
