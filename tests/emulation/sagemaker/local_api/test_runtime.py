"""What a queued request's headers say of its time, without an endpoint."""

from __future__ import annotations

import pytest
from botocore.session import get_session
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.sagemaker.local_api.runtime import InvocationError, limits_of

HEADERS = {
    "x-amzn-sagemaker-requestttlseconds": ("ttl_s", "RequestTTLSecondsHeader"),
    "x-amzn-sagemaker-invocationtimeoutseconds": ("timeout_s", "InvocationTimeoutSecondsHeader"),
}


def test_no_header_is_the_default() -> None:
    """Which is the order's own."""
    assert limits_of({"content-type": "text/csv"}) == {}


@pytest.mark.parametrize("header", HEADERS)
@given(st.integers(-(10**9), 10**9) | st.sampled_from([0, 1, 59, 60, 3600, 3601, 21_600, 21_601]))
def test_the_bounds_are_those_of_the_api(header: str, seconds: int) -> None:
    """As botocore's model has them."""
    field, shape = HEADERS[header]
    bounds = get_session().get_service_model("sagemaker-runtime").shape_for(shape).metadata
    if bounds["min"] <= seconds <= bounds["max"]:
        assert limits_of({header: str(seconds)}) == {field: float(seconds)}
    else:
        with pytest.raises(InvocationError, match="expected a whole number of seconds"):
            limits_of({header: str(seconds)})


@pytest.mark.parametrize("header", HEADERS)
@given(
    st.text().filter(lambda text: not (text.isascii() and text.isdigit())) | st.sampled_from(["nan", "inf", "1e3", "6 0", "٦٠"])
)
def test_what_is_no_number_is_refused(header: str, text: str) -> None:
    """And nothing else comes of it."""
    with pytest.raises(InvocationError, match="expected a whole number of seconds"):
        limits_of({header: text})
