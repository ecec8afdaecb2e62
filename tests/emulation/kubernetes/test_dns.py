"""The answers of the cluster's DNS server."""

from __future__ import annotations

import contextlib

from dnslib import QTYPE, RCODE, DNSError, DNSRecord
from hypothesis import example, given, strategies as st

from lyftlearn_image.emulation.kubernetes.dns import ClusterDns

NAME = "a.svc.cluster.local"


def ask(dns: ClusterDns, client: str, name: str, kind: str = "A") -> DNSRecord:
    """The answer to a question, as dnslib reads it."""
    query = DNSRecord.question(name, kind)
    reply = DNSRecord.parse(dns.answer(query.pack(), client))
    assert (reply.header.id, reply.header.qr, reply.header.aa, reply.header.ra) == (query.header.id, 1, 1, 1)
    assert reply.q == query.q
    return reply


def test_a_published_name_is_seen_in_its_own_scope_until_it_is_withdrawn() -> None:
    """In any case of letters; a query for another type is answered without a record; other pods see no such name."""
    dns = ClusterDns("127.0.0.1", "cluster.local")
    dns.publish(1, (NAME,), "10.0.0.7")
    dns.publish(1, (NAME,), "10.0.0.6")
    with dns.client("10.0.0.8", 1), dns.client("10.0.0.9", 2):
        reply = ask(dns, "10.0.0.8", NAME.upper())
        assert [(record.rtype, str(record.rdata)) for record in reply.rr] == [(QTYPE.A, "10.0.0.7"), (QTYPE.A, "10.0.0.6")]
        empty = ask(dns, "10.0.0.8", NAME, "AAAA")
        assert (empty.header.rcode, empty.rr) == (RCODE.NOERROR, [])
        assert ask(dns, "10.0.0.9", NAME).header.rcode == RCODE.NXDOMAIN
        dns.withdraw(1, (NAME,), "10.0.0.7")
        assert [str(record.rdata) for record in ask(dns, "10.0.0.8", NAME).rr] == ["10.0.0.6"]
        dns.withdraw(1, (NAME,), "10.0.0.6")
        assert ask(dns, "10.0.0.8", NAME).header.rcode == RCODE.NXDOMAIN
    assert ask(dns, "10.0.0.8", NAME).header.rcode == RCODE.NXDOMAIN


def test_a_name_of_the_world_fails_where_no_name_server_answers() -> None:
    """As a resolver says it: the name may exist, but nobody could be asked."""
    reply = ask(ClusterDns("127.0.0.1", "cluster.local", upstream=()), "10.0.0.8", "example.com")
    assert reply.header.rcode == RCODE.SERVFAIL


def test_single_words_are_not_forwarded() -> None:
    """A bare hostname of a pod, which the engine's own DNS would know, does not exist in a cluster."""
    assert ask(ClusterDns("127.0.0.1", "cluster.local"), "10.0.0.8", "demo").header.rcode == RCODE.NXDOMAIN


@given(st.binary(max_size=80))
@example(b"")
@example(bytes(12))
@example(b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01")  # a name that points at itself
def test_what_is_no_query_is_dropped(data: bytes) -> None:
    """With the one error that the server expects, or with an answer."""
    dns = ClusterDns("127.0.0.1", "cluster.local", upstream=())
    with contextlib.suppress(DNSError):
        DNSRecord.parse(dns.answer(data, "10.0.0.8"))
