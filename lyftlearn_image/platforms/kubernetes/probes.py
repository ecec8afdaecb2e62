"""Probes of servers, as SageMaker asks them."""

from __future__ import annotations

import math
from typing import Any

# A probe of SageMaker waits 2 seconds for /ping (developer guide, your-algorithms-inference-code).
TIMEOUT_S = 2
PERIOD_S = 5


def ping(within_s: int) -> dict[str, Any]:
    """A probe of /ping that gives up after so many seconds."""
    get = {"httpGet": {"path": "/ping", "port": "http"}, "timeoutSeconds": TIMEOUT_S, "periodSeconds": PERIOD_S}
    return {**get, "failureThreshold": math.ceil(within_s / PERIOD_S)}
