"""The HTTP proxies that are set here: where they are, and whether anybody listens there."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_PORTS = {"https": 443, "http": 80, "socks5": 1080, "socks5h": 1080}


def proxy_addresses(environment: Mapping[str, str]) -> dict[str, str]:
    """`host:port` of each proxy, without credentials → the variable that names it."""
    found: dict[str, str] = {}
    for name in (name for upper in _VARIABLES for name in (upper, upper.lower())):
        if address := address_of(environment.get(name, "")):
            found.setdefault(address, name)
    return found


def address_of(proxy: str) -> str:
    """`host:port` of a proxy as variables name it, with or without a scheme; empty where it names none."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        if parts.hostname:
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            return f"{host}:{parts.port or _PORTS.get(parts.scheme, 80)}"
    return ""


def proxy_for(url: str, environment: Mapping[str, str]) -> str:
    """`host:port` of the proxy through which a URL is asked for; empty where it is asked for directly (NO_PROXY)."""
    from requests.utils import should_bypass_proxies  # noqa: PLC0415 - 100 ms, for the verbs that ask

    scheme = urlsplit(url).scheme
    named = (environment.get(name) for upper in (f"{scheme}_proxy", "all_proxy") for name in (upper, upper.upper()))
    proxy = next(filter(None, named), "")
    no_proxy = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return "" if not proxy or should_bypass_proxies(url, no_proxy) else address_of(proxy)


def refusal(address: str, timeout_s: float) -> str:
    """Why nobody can be reached at `host:port` from here; empty where somebody listens."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout_s):
            return ""
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
