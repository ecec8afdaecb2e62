"""The keys that requests are signed with, as a value."""

from __future__ import annotations

from lyftlearn_runtime.frozen import namedtuple

# `source` says where they came from, in words; `expires` is in seconds of time.time(), None for those that do not.
Credentials = namedtuple("Credentials", ["access_key", "secret_key", "token", "source", "expires"])
