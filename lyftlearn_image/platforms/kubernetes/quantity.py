"""Kubernetes quantities (k8s.io/docs/reference/kubernetes-api/common-definitions/quantity)."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from lyftlearn_image.errors import InvalidInputError

_FORM = re.compile(r"([+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+)(m|[kMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?")
_POWERS = "kMGTPE"


def parse_quantity(text: str | float) -> Fraction:
    """The exact number that a quantity such as `1500m`, `2Gi` or `1e3` means."""
    match = _FORM.fullmatch(str(text))
    if match is None:
        raise InvalidInputError(f"{text!r} is no quantity", hint="Write it as 500m, 2, 128Mi or 1.5G.")
    number, suffix = Fraction(match[1]), match[2] or ""
    return number * _factor(suffix)


def _factor(suffix: str) -> Fraction:
    if suffix == "m":
        return Fraction(1, 1000)
    # `Ei` is a power of 1024, though `E` may begin an exponent.
    if suffix.endswith("i"):
        return Fraction(1024 ** (_POWERS.lower().index(suffix[0].lower()) + 1))
    if suffix[:1] in ("e", "E") and len(suffix) > 1:
        return Fraction(f"1e{suffix[1:]}")
    return Fraction(1000 ** (_POWERS.index(suffix) + 1) if suffix else 1)


def divide(text: str | float, divisor: str | int) -> str:
    """A quantity in units of a divisor, rounded up, as the downward API gives it (recorded in pods, case 04)."""
    unit = parse_quantity(divisor) or Fraction(1)
    return str(math.ceil(parse_quantity(text) / unit))
