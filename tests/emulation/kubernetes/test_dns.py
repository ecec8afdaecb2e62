"""The cluster's DNS."""

from __future__ import annotations

from lyftlearn_image.emulation.kubernetes.dns import ClusterDns


def test_the_dns_answers_for_the_cluster_alone() -> None:
    """An address for a published name, in any case of letters and to pods of the same run; no such name otherwise."""
    dns = ClusterDns("127.0.0.1", "cluster.local")
    dns.publish(1, ("a.svc.cluster.local",), "10.0.0.7")
    query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01A\x03svc\x07cluster\x05local\x00\x00%c\x00\x01"
    with dns.client("10.0.0.8", 1), dns.client("10.0.0.9", 2):
        found = dns.answer(query % 1, "10.0.0.8")
        assert found.startswith(b"\x12\x34\x85\x80\x00\x01\x00\x01")
        assert found.endswith(bytes([10, 0, 0, 7]))
        assert dns.answer(query % 28, "10.0.0.8")[3:8] == b"\x80\x00\x01\x00\x00"
        assert dns.answer(query % 1, "10.0.0.9")[3] == 0x83
        dns.withdraw(1, ("a.svc.cluster.local",), "10.0.0.7")
        assert dns.answer(query % 1, "10.0.0.8")[3] == 0x83
