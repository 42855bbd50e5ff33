"""What a query is answered with: a pure function of the directory, the asker and the packet.

A name that containers know is ours in every type: asked for what we do not have, the answer is that there is
none, never a question to a server outside (a container's name must not leak, and clients take NXDOMAIN for
the AAAA as the end of the A).  Everything else goes on as the bytes that came, so that what we do not know
of (EDNS options, TSIG, types of tomorrow) passes unharmed.

Without a server the answer is NXDOMAIN, where dockerd says SERVFAIL: musl asks for five seconds more when it
hears SERVFAIL.  It carries no SOA, so nobody keeps it (RFC 2308, 5).

Source: RFC 1035, RFC 6891 (EDNS), RFC 7766 (TCP).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

import attrs
import dns.exception
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from daemon.networks.plans import Address, Asker
from daemon.networks.resolver.directory import Directory

# Not dockerd's 600: a container that is made anew has another address, and nginx, the JVM and caches in
# containers heed this.
TTL_SECONDS: Final = 5
HEADER_BYTES: Final = 12
CLASSIC_UDP_BYTES: Final = 512
OUR_UDP_BYTES: Final = 1232  # what passes without fragments anywhere (DNS flag day 2020)
TCP_BYTES: Final = 65535
_RESPONSE: Final = 0x8000
_KEPT_FLAGS: Final = 0x7900  # opcode and "recursion desired" of the query
_CAN_RECURSE: Final = 0x0080
_FAMILY: Final[Mapping[int, int]] = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}
_RECORD: Final[Mapping[int, type[A | AAAA]]] = {dns.rdatatype.A: A, dns.rdatatype.AAAA: AAAA}


@attrs.frozen
class Forward:
    """A query for a server outside.

    Attributes:
        packet: as it came.
        question_end: where its first section ends.
        limit_bytes: the longest answer that the client takes.

    """

    packet: bytes
    question_end: int
    limit_bytes: int


def consider(directory: Directory, asker: Asker, packet: bytes, *, over_tcp: bool) -> bytes | Forward | None:
    """Return the answer to `packet`, or what is to be forwarded, or None if it is not worth an answer."""
    if len(packet) < HEADER_BYTES or packet[2] & 0x80:
        return None
    if packet[2] >> 3 & 0xF != dns.opcode.QUERY:
        return failure(packet, dns.rcode.NOTIMP)
    try:
        # Only the question: the rest is for whoever answers, and may be what this library cannot read.
        asked = dns.message.from_wire(packet, question_only=True)
    except dns.exception.DNSException:
        return failure(packet, dns.rcode.FORMERR)
    if len(asked.question) != 1 or struct.unpack_from("!H", packet, 4)[0] != 1:
        return failure(packet, dns.rcode.FORMERR)
    question = asked.question[0]
    records = _records(directory, asker, question) if question.rdclass == dns.rdataclass.IN else None
    query = _whole(packet)
    limit_bytes = TCP_BYTES if over_tcp else max(CLASSIC_UDP_BYTES, query.payload if query else 0)
    if records is not None:
        return _answer(query or asked, dns.rcode.NOERROR, records, limit_bytes)
    if not asker.servers:
        return _answer(query or asked, dns.rcode.NXDOMAIN, [], limit_bytes)
    return Forward(packet, HEADER_BYTES + len(question.name.to_digestable()) + 4, limit_bytes)


def failure(packet: bytes, code: dns.rcode.Rcode) -> bytes:
    """Return an answer to `packet` that says nothing but `code`, with its question if that can be read."""
    identity, flags = struct.unpack_from("!HH", packet)
    header = struct.pack("!HH", identity, flags & _KEPT_FLAGS | _RESPONSE | _CAN_RECURSE | code)
    try:
        question = dns.message.from_wire(packet, question_only=True).question
        end = HEADER_BYTES + len(question[0].name.to_digestable()) + 4
    except (dns.exception.DNSException, IndexError):
        return header + bytes(8)
    return header + struct.pack("!HHHH", 1, 0, 0, 0) + packet[HEADER_BYTES:end]


def _records(directory: Directory, asker: Asker, question: dns.rrset.RRset) -> list[dns.rdata.Rdata] | None:
    """Return what we have for the question, or None if its name is not ours."""
    if question.rdtype == dns.rdatatype.PTR:
        return _names(directory, asker, question.name)
    found = directory.addresses(asker, question.name.to_text(omit_final_dot=True))
    return None if found is None else _addresses(found, question.rdtype)


def _addresses(found: tuple[Address, ...], kind: dns.rdatatype.RdataType) -> list[dns.rdata.Rdata]:
    wanted = [str(address) for address in found if address.version == _FAMILY.get(kind)]
    return [_RECORD[kind](dns.rdataclass.IN, kind, text) for text in wanted]


def _names(directory: Directory, asker: Asker, reverse: dns.name.Name) -> list[dns.rdata.Rdata] | None:
    address = _address(reverse)
    name = directory.name_of(asker, address) if address else None
    if name is None:
        return None
    try:
        target = dns.name.from_text(name)
    except dns.exception.DNSException:  # a name that DNS cannot carry, e.g. one longer than 63 bytes
        return []
    return [PTR(dns.rdataclass.IN, dns.rdatatype.PTR, target)]  # type: ignore[no-untyped-call]


def _address(reverse: dns.name.Name) -> Address | None:
    try:
        return ip_address(dns.reversename.to_address(reverse))
    except (dns.exception.DNSException, ValueError):
        return None


def _whole(packet: bytes) -> dns.message.Message | None:
    """Return the query with its EDNS, or None if something behind the question cannot be read."""
    try:
        return dns.message.from_wire(packet, ignore_trailing=True)
    except dns.exception.DNSException:
        return None


def _answer(
    query: dns.message.Message, code: dns.rcode.Rcode, records: list[dns.rdata.Rdata], limit_bytes: int
) -> bytes:
    answer = dns.message.make_response(query, recursion_available=True, our_payload=OUR_UDP_BYTES)
    answer.set_rcode(code)
    if records:
        answer.answer.append(dns.rrset.from_rdata_list(query.question[0].name, TTL_SECONDS, records))
    return answer.to_wire(max_size=limit_bytes, prefer_truncation=True)  # it shuffles the addresses
