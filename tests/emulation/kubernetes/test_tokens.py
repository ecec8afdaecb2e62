"""Which tokens of ServiceAccounts a cluster accepts."""

from __future__ import annotations

import time

import jwt
import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.aws.credentials import TokenError
from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod
from lyftlearn_image.emulation.kubernetes.tokens import sign_token, verify_token

KEY = bytes(32)
POD = Pod({"name": "demo"}, {}, "10.0.0.1")


def claims(**changed: object) -> dict[str, object]:
    """The claims of another pod's token for the audience `a`, which has an hour left."""
    return {"aud": ["a"], "exp": time.time() + 3600, "kubernetes.io": {"pod": {"name": "other"}}, **changed}


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3), st.text("abc", min_size=1, max_size=3))
def test_a_token_gives_back_its_claims(extra: dict[str, str], audience: str) -> None:
    """To whom it is for, by the key that signed it."""
    signed = claims(aud=["first", audience], extra=extra)
    assert verify_token(sign_token(signed, KEY).decode(), KEY, audience) == signed


def test_a_cluster_accepts_its_own_tokens_alone() -> None:
    """For the same audience and before their end. Any other is refused, each for its reason."""
    cluster, other_key = Cluster(), Cluster().signing_key
    good = POD.service_account_token(cluster, "a", 60).decode()
    assert cluster.review_token(good, "a") == "demo"
    assert cluster.review_token(POD.service_account_token(cluster, "b", 60).decode(), "b") == "demo"
    header, body, signature = good.split(".")
    forged = sign_token(claims(), other_key).decode()
    for token, reason in (
        ("", "cannot be parsed"), ("a.b", "cannot be parsed"), ("a.b.c", "cannot be parsed"),
        (f"{header}.{body}.", "invalid"), (f"{header}.{forged.split('.')[1]}.{signature}", "invalid"),
        (forged, "invalid"), (POD.service_account_token(cluster, "b", 60).decode(), "invalid"),
        (jwt.encode(claims(), None, algorithm="none"), "invalid"),
        (sign_token(claims(aud=None), cluster.signing_key).decode(), "invalid"),
        (sign_token(claims(exp=None), cluster.signing_key).decode(), "invalid"),
        (POD.service_account_token(cluster, "a", -1).decode(), "expired"),
    ):  # fmt: skip
        with pytest.raises(TokenError, match=reason):
            cluster.review_token(token, "a")
