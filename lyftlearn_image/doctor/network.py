"""What a build gets of this machine to reach the outside: the CA bundle, proxies, and the package index."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lyftlearn_image.build.proxies import proxy_addresses, proxy_for, refusal
from lyftlearn_image.build.secrets import CA_VARIABLES, find_ca_bundle, index_settings, index_urls, without_credentials
from lyftlearn_image.doctor.checkup import Finding, Level, not_set, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A project that every index of Python packages has or answers for; nothing of it is used.
_PROJECT = "pip"
_MOST_REDIRECTS = 5
_UNTRUSTED = "its certificate is not trusted"
_LOOPBACK = "on this machine's loopback, which a build's steps do not reach"
_NOT_LOOPBACK = "A build's steps have a network of their own: name it by an address that containers reach."
_UNKNOWN, _REFUSED = 404, (401, 403, 407)


def check_ca_bundle(explicit: Path | None, environment: Mapping[str, str]) -> Iterator[Finding]:
    """The bundle that a build would trust, read as OpenSSL reads it."""
    for name in CA_VARIABLES:
        if (value := environment.get(name)) and not Path(value).is_file():
            yield Finding("CA", Level.ERROR, f"{name} names {value}, which is not there", f"Mend it, or unset {name}.")
    bundle = find_ca_bundle(explicit, environment)
    if bundle is None:
        yield not_set(
            "CA", "an image's own certificates are trusted", "A company's bundle: --ca-bundle FILE, or SSL_CERT_FILE."
        )
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=str(bundle))
    except (OSError, ssl.SSLError) as error:
        hint = "Expected certificates in PEM: -----BEGIN CERTIFICATE-----."
        yield Finding("CA", Level.ERROR, f"{bundle} cannot be read: {error.strerror or type(error).__name__}", hint)
        return
    certificates = context.get_ca_certs()
    now = dt.datetime.now(dt.UTC).timestamp()
    # A system's bundle always has some that are over.
    valid = [one for one in certificates if ssl.cert_time_to_seconds(str(one["notAfter"])) > now]
    if not certificates:
        yield Finding("CA", Level.ERROR, f"no CA certificate in {bundle}", "Expected certificates of CAs in PEM.")
    elif not valid:
        yield Finding("CA", Level.ERROR, f"every certificate in {bundle} has expired", "Ask for the new ones.")
    else:
        yield ok("CA", f"{len(valid)} valid certificates in {bundle}")


def check_proxies(environment: Mapping[str, str], timeout_s: float) -> Iterator[Finding]:
    """Each proxy that a build would be given, and whether anybody listens there."""
    named = proxy_addresses(environment)
    if not named:
        yield not_set("proxy", "none: everything is asked directly")
    for address, name in named.items():
        if reason := refusal(address, timeout_s):
            hint = f"Is it up? {name} names it; unset it, or name another."
            yield Finding("proxy", Level.ERROR, f"{address} does not answer: {reason}", hint, is_unavailable=True)
        elif _is_loopback(address.rpartition(":")[0]):
            yield warning("proxy", f"{address} answers, {_LOOPBACK}", _NOT_LOOPBACK)
        else:
            yield ok("proxy", f"{address} answers ({name})")


def check_index(ca_bundle: Path | None, environment: Mapping[str, str], timeout_s: float) -> Iterator[Finding]:
    """Each package index, asked as a build would: through the same proxies, with the same certificates and credentials."""
    if environment.get("PIP_NO_INDEX") not in {None, "", "0", "false"}:
        yield not_set("index", "PIP_NO_INDEX: none is asked")
        return
    trusted = index_settings(environment).get("trusted-host", ())
    for url in index_urls(environment):
        yield _ask_index(url, ca_bundle, trusted, environment, timeout_s)


def _ask_index(
    url: str, ca_bundle: Path | None, trusted: tuple[str, ...], environment: Mapping[str, str], timeout_s: float
) -> Finding:
    proxy = proxy_for(url, environment)
    way = f"{without_credentials(url)} through {proxy}" if proxy else without_credentials(url)
    host = urlsplit(url).hostname or ""
    bundle = find_ca_bundle(ca_bundle, environment)
    is_trusted = any(host == one.partition(":")[0] for one in trusted)
    status, problem = _status(url, False if is_trusted else str(bundle) if bundle else True, timeout_s)
    if problem:
        return Finding("index", Level.ERROR, f"{way}: {problem[0]}", problem[1], is_unavailable=problem[0] != _UNTRUSTED)
    if status in _REFUSED:
        hint = "Check the credentials of its address, or of ~/.netrc."
        return Finding("index", Level.ERROR, f"{way} refuses us ({status})", hint)
    if status == _UNKNOWN:
        return warning("index", f"{way} answers, and has no project {_PROJECT}", "Does the address end with /simple?")
    if status >= 400:  # noqa: PLR2004 - HTTP's errors
        return Finding("index", Level.ERROR, f"{way} answers {status}", "Try again later.", is_unavailable=True)
    if _is_loopback(host):
        return warning("index", f"{way} answers, {_LOOPBACK}", _NOT_LOOPBACK)
    return ok("index", f"{way} answers")


def _status(url: str, verify: bool | str, timeout_s: float) -> tuple[int, tuple[str, str] | None]:  # noqa: FBT001 - of requests
    """The HTTP status of an index, or what is wrong and what to do. Nothing of the answer's body is read."""
    import requests  # noqa: PLC0415 - 100 ms, for the verbs that ask

    try:
        with requests.Session() as session:
            session.max_redirects = _MOST_REDIRECTS
            with session.get(f"{url.rstrip('/')}/{_PROJECT}/", timeout=timeout_s, stream=True, verify=verify) as answer:
                return answer.status_code, None
    except requests.exceptions.SSLError:
        return 0, (_UNTRUSTED, "Give the company's bundle with --ca-bundle, or SSL_CERT_FILE.")
    except requests.exceptions.ProxyError:
        return 0, ("the proxy does not let us through", "Mend the proxy, or add the index's host to NO_PROXY.")
    except requests.exceptions.RequestException as error:
        hint = "Check HTTPS_PROXY and the address: pip's index-url, PIP_INDEX_URL, UV_DEFAULT_INDEX."
        return 0, (f"it does not answer ({type(error).__name__})", hint)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
