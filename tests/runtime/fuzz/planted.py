"""Faults that are planted: a harness that does not find them finds nothing."""

from __future__ import annotations

import parsers
from documents import text_of

from lyftlearn_runtime import references
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.redact import Redactor


def _parse(text: str) -> None:
    """A parser that has a fault behind the second character."""
    if text[:1] == "x" and text[1:2] == ":":
        raise IndexError("planted")
    references.parse(text)


def planted_fault(data: bytes) -> None:
    """As the law of references, with the faulty parser."""
    try:
        _parse(text_of(data))
    except ShimError:
        return


class _Forgetful(Redactor):
    """Masks each chunk by itself, so that a secret across the border of two stays."""

    def feed(self, data: bytes) -> bytes:
        """This chunk alone."""
        return super().feed(data) + super().flush()


def planted_leak(data: bytes) -> None:
    """The law of redaction, for one that forgets."""
    parsers.law_of_redaction(data, _Forgetful)


LAWS = {"planted fault": planted_fault, "planted leak": planted_leak}
