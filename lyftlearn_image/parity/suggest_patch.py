"""Suggestions as people and programs read them: a patch of a suite file in YAML, or JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import yaml

from lyftlearn_image.parity.compare.normalisers import NORMALISERS
from lyftlearn_image.sanitize import dump_json, make_visible_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.parity.suggest import Proposal, Suggestions


def as_json(suggestions: Suggestions) -> str:
    """Everything that was found, and what each normaliser's name means."""
    return dump_json({
        "case": suggestions.case,
        "proposals": [asdict(proposal) for proposal in suggestions.proposals],
        "unexplained": [{"subject": subject, "reason": reason} for subject, reason in suggestions.unexplained],
        "normalisers": {name: each.description for name, each in NORMALISERS.items()},
    })  # fmt: skip


def as_yaml(suggestions: Suggestions, *, with_comments: bool = True) -> str:
    """A patch of the suite file: its parts stand under the case's name, each rule below its reason.

    Without comments, what is no patch is left out.
    """
    return "\n".join(_lines(suggestions) if with_comments else _patch(suggestions))


def _lines(suggestions: Suggestions) -> Iterator[str]:
    if not suggestions.proposals and not suggestions.unexplained:
        yield f"# {suggestions.case}: streams and artifacts are the same; there is nothing to propose."
        return
    yield f"# Proposed for the case {suggestions.case}. Nothing was changed: each rule hides what its reason says."
    yield from _patch(suggestions)
    if suggestions.unexplained:
        yield "# No rule should hide this:"
    for subject, reason in suggestions.unexplained:
        yield f"#   {make_visible_line(subject)}: {make_visible_line(reason)}"


def _patch(suggestions: Suggestions) -> Iterator[str]:
    if suggestions.proposals or suggestions.acceptances:
        yield "cases:"
        yield f"  - name: {suggestions.case}"
    for part in ("streams", "outputs"):
        proposals = [proposal for proposal in suggestions.proposals if proposal.part == part]
        if proposals:
            yield f"    {part}:"
        for proposal in proposals:
            yield f"      # {make_visible_line(proposal.reason)}{_place(proposal)}"
            yield f"      {_flow(proposal.subject)}: {_flow(proposal.rule)}"
    if suggestions.acceptances:
        yield "    accept:"
    for acceptance in suggestions.acceptances:
        told = {name: value for name, value in asdict(acceptance).items() if value}
        yield from (
            f"      {'  ' if number else '- '}{name}: {_flow(value)}" for number, (name, value) in enumerate(told.items())
        )


def _place(proposal: Proposal) -> str:
    return f" (above {make_visible_line(proposal.before)}: the first match wins)" if proposal.before else ""


def _flow(value: Any) -> str:
    """A value as YAML in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
