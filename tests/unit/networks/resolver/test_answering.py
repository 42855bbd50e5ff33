"""What queries are answered with."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.reversename
import dns.tsig
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.networks.resolver.answering import OUR_UDP_BYTES, TTL_SECONDS, Forward, consider
from daemon.networks.resolver.directory import Directory
from tests.unit.networks.resolver.askers import asker, member

WEB = asker("web", member("1", "10.1.0.2", "web"))
SIX = asker("six", member("1", "10.1.0.3 fd00::3", "six"))
MANY = [asker(f"m{n}", member("1", f"10.1.1.{n}", f"m{n} many")) for n in range(60)]
INSIDE = asker("inside", member("1", "10.1.0.4", "inside"))
OUTWARD = asker("outward", member("1", "10.1.0.5", "outward"), servers=("192.0.2.1",))
LONG = asker("long", member("1", "10.1.0.6", "x" * 70))


@pytest.fixture(scope="module")
def directory() -> Directory:
    made = Directory()
    for one in (WEB, SIX, INSIDE, OUTWARD, LONG, *MANY):
        made.put(one)
    return made


def answered(
    directory: Directory, query: dns.message.Message, who: object = INSIDE, *, over_tcp: bool = False
) -> dns.message.Message:
    found = consider(directory, who, query.to_wire(), over_tcp=over_tcp)  # type: ignore[arg-type]
    assert isinstance(found, bytes)
    return dns.message.from_wire(found)


def test_a_name_is_answered_as_it_was_asked(directory: Directory) -> None:
    query = dns.message.make_query("wEb.NET1", "A")
    answer = answered(directory, query)
    assert answer.id == query.id
    assert answer.rcode() == dns.rcode.NOERROR
    assert answer.flags & dns.flags.RA
    assert [line.to_text() for line in answer.answer] == [f"wEb.NET1. {TTL_SECONDS} IN A 10.1.0.2"]


def test_each_family_has_its_addresses(directory: Directory) -> None:
    answer = answered(directory, dns.message.make_query("six", "AAAA"))
    assert answer.answer[0].to_text() == f"six. {TTL_SECONDS} IN AAAA fd00::3"


@pytest.mark.parametrize("kind", ["AAAA", "MX", "HTTPS", "ANY", "TXT", "TYPE65280"])
def test_a_known_name_has_nothing_of_other_types_and_is_not_forwarded(
    directory: Directory, kind: str
) -> None:
    answer = answered(directory, dns.message.make_query("web", kind), OUTWARD)
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])


def test_addresses_of_one_alias_come_in_changing_order(directory: Directory) -> None:
    query = dns.message.make_query("many", "A")
    first = {answered(directory, query, over_tcp=True).answer[0][0].to_text() for _ in range(30)}
    assert len(first) > 5


def test_an_address_has_a_name(directory: Directory) -> None:
    for address, name in (("10.1.0.2", "web.net1."), ("fd00::3", "six.net1.")):
        query = dns.message.make_query(dns.reversename.from_address(address), "PTR")
        assert answered(directory, query).answer[0][0].to_text() == name


def test_a_name_that_dns_cannot_carry_is_no_answer(directory: Directory) -> None:
    query = dns.message.make_query(dns.reversename.from_address("10.1.0.6"), "PTR")
    assert answered(directory, query).answer == []


def test_without_a_way_out_unknown_names_do_not_exist(directory: Directory) -> None:
    answer = answered(directory, dns.message.make_query("example.org", "A", use_edns=0))
    assert (answer.rcode(), answer.edns) == (dns.rcode.NXDOMAIN, 0)


@pytest.mark.parametrize("name", ["example.org", "9.9.9.9.in-addr.arpa", "x.in-addr.arpa", "."])
@pytest.mark.parametrize("kind", ["A", "PTR"])
def test_unknown_names_are_forwarded_byte_by_byte(directory: Directory, name: str, kind: str) -> None:
    packet = dns.message.make_query(name, kind, use_edns=0, payload=4000).to_wire()
    found = consider(directory, OUTWARD, packet, over_tcp=False)
    assert isinstance(found, Forward)
    assert (found.packet, found.limit_bytes) == (packet, 4000)
    assert len(packet) - found.question_end == 11  # the OPT record is all that comes behind


def test_what_we_cannot_read_behind_the_question_is_the_servers_business(directory: Directory) -> None:
    query = dns.message.make_query("example.org", "A")
    query.use_tsig(dns.tsig.Key("k", "c2VjcmV0"))
    assert isinstance(consider(directory, OUTWARD, query.to_wire(), over_tcp=False), Forward)


def test_other_classes_are_not_ours(directory: Directory) -> None:
    query = dns.message.make_query("web", "TXT", rdclass="CH")
    assert isinstance(consider(directory, OUTWARD, query.to_wire(), over_tcp=False), Forward)


@pytest.mark.parametrize(("payload", "limit"), [(None, 512), (100, 512), (700, 700), (4096, 4096)])
def test_what_the_client_cannot_take_is_truncated(
    directory: Directory, payload: int | None, limit: int
) -> None:
    query = dns.message.make_query("many", "A", use_edns=payload is not None, payload=payload or 0)
    found = consider(directory, INSIDE, query.to_wire(), over_tcp=False)
    assert isinstance(found, bytes)
    assert len(found) <= limit
    assert bool(dns.message.from_wire(found).flags & dns.flags.TC) == (limit < 900)


def test_by_tcp_all_is_told(directory: Directory) -> None:
    answer = answered(directory, dns.message.make_query("many", "A"), over_tcp=True)
    assert len(answer.answer[0]) == len(MANY)


def test_edns_is_answered_with_our_own_limit(directory: Directory) -> None:
    answer = answered(directory, dns.message.make_query("web", "A", use_edns=0, payload=4096))
    assert (answer.edns, answer.payload) == (0, OUR_UDP_BYTES)


def test_other_operations_are_not_done(directory: Directory) -> None:
    query = dns.message.make_query("web", "A")
    query.set_opcode(dns.opcode.STATUS)
    assert answered(directory, query).rcode() == dns.rcode.NOTIMP


def test_answers_and_scraps_are_ignored(directory: Directory) -> None:
    query = dns.message.make_query("web", "A")
    assert consider(directory, INSIDE, dns.message.make_response(query).to_wire(), over_tcp=False) is None
    assert consider(directory, INSIDE, query.to_wire()[:11], over_tcp=False) is None


@pytest.mark.parametrize("count", [0, 2])
def test_one_question_at_a_time(directory: Directory, count: int) -> None:
    query = dns.message.make_query("web", "A")
    packet = bytearray(query.to_wire())
    packet[5] = count
    packet += packet[12:]
    found = consider(directory, INSIDE, bytes(packet), over_tcp=False)
    assert isinstance(found, bytes)
    assert (found[:2], found[3] & 0xF) == (bytes(packet[:2]), dns.rcode.FORMERR)


@given(st.binary(max_size=80), st.booleans())
def test_garbage_harms_nothing(packet: bytes, over_tcp: bool) -> None:
    check(packet, over_tcp=over_tcp)


@given(
    st.binary(min_size=2, max_size=2),
    st.sampled_from([b"\x01\x00", b"\x00\x10", b"\x01\x20"]),
    st.lists(st.integers(0, 2), min_size=4, max_size=4),
    st.binary(max_size=120),
)
def test_garbage_with_a_header_harms_nothing(
    identity: bytes, flags: bytes, counts: list[int], rest: bytes
) -> None:
    check(identity + flags + b"".join(bytes((0, count)) for count in counts) + rest, over_tcp=False)


@given(st.data())
def test_a_query_with_a_few_other_bytes_harms_nothing(data: st.DataObject) -> None:
    packet = bytearray(dns.message.make_query("web.net1", "A", use_edns=0, payload=1232).to_wire())
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    check(bytes(packet[: data.draw(st.integers(0, len(packet)))]), over_tcp=False)


def check(packet: bytes, *, over_tcp: bool) -> None:
    """See that there is no exception, and that an answer is one to this packet."""
    made = Directory()
    made.put(WEB)
    for who in (WEB, OUTWARD):
        found = consider(made, who, packet, over_tcp=over_tcp)
        if isinstance(found, bytes):
            assert found[:2] == packet[:2]
            assert found[2] & 0x80
