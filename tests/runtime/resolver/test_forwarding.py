"""Names that no network has: asked for on the host's network."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import trio

from daemon.networks.resolver.client import Resolver
from daemon.networks.resolver.upstream import FIRST_SECONDS
from tests.runtime.resolver.places import Handler, Namespace, upstream
from tests.unit.networks.resolver.askers import asker, member

pytestmark = pytest.mark.runtime
TRIES = 3  # one of them is not held up by a busy machine


def addresses(query: dns.message.Message, count: int = 1) -> bytes:
    answer = dns.message.make_response(query)
    texts = [f"192.0.2.{number + 1}" for number in range(count)]
    answer.answer.append(dns.rrset.from_text_list(query.question[0].name, 60, "IN", "A", texts))
    return answer.to_wire()


def long(query: dns.message.Message) -> bytes:
    return addresses(query, 50)


def truncated(query: dns.message.Message) -> bytes:
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.TC
    return answer.to_wire()


def silent(_query: dns.message.Message) -> None:
    return None


def refusing(query: dns.message.Message) -> bytes:
    answer = dns.message.make_response(query)
    answer.set_rcode(dns.rcode.REFUSED)
    return answer.to_wire()


def forging(query: dns.message.Message) -> bytes:
    packet = addresses(query, 2)
    return bytes((packet[0] ^ 1,)) + packet[1:]


async def put(resolver: Resolver, space: Namespace, *servers: str) -> None:
    await resolver.put(asker("a", member("1", "10.1.0.2", "a"), servers=servers, namespace=space.path))


async def test_a_resolver_on_the_hosts_loopback_answers(resolver: Resolver, spaces: list[Namespace]) -> None:
    async with upstream(addresses) as server:
        await put(resolver, spaces[0], server.address)
        query = dns.message.make_query("eXample.org", "A", use_edns=0, payload=3333)
        answer = await spaces[0].ask("", query=query)
        assert answer.answer[0].to_text() == "eXample.org. 60 IN A 192.0.2.1"
    [(protocol, asked)] = server.asked
    assert (protocol, asked.payload, asked.question) == ("udp", 3333, query.question)
    assert asked.question[0].name.to_text() == "eXample.org."


async def test_what_came_by_tcp_is_asked_by_tcp(resolver: Resolver, spaces: list[Namespace]) -> None:
    async with upstream(silent, long) as server:
        await put(resolver, spaces[0], server.address)
        assert len(await spaces[0].texts("example.org", tcp=True)) == 50


async def test_names_of_containers_are_never_asked_outside(
    resolver: Resolver, spaces: list[Namespace]
) -> None:
    async with upstream(addresses) as server:
        await put(resolver, spaces[0], server.address)
        assert await spaces[0].texts("a", "MX") == []
        assert server.asked == []


async def test_a_truncated_answer_is_asked_for_by_tcp(resolver: Resolver, spaces: list[Namespace]) -> None:
    async with upstream(truncated, long) as server:
        await put(resolver, spaces[0], server.address)
        wide = dns.message.make_query("example.org", "A", use_edns=0, payload=4096)
        assert len((await spaces[0].ask("", query=wide)).answer[0]) == 50
        narrow = await spaces[0].ask("example.org")
        assert narrow.flags & dns.flags.TC
    assert [protocol for protocol, _ in server.asked] == ["udp", "tcp"] * 2


@pytest.mark.parametrize("bad", [silent, refusing, forging])
async def test_the_next_server_is_asked(resolver: Resolver, spaces: list[Namespace], bad: Handler) -> None:
    async with upstream(bad) as first, upstream(addresses) as second:
        await put(resolver, spaces[0], first.address, second.address)
        assert await spaces[0].texts("example.org") == ["192.0.2.1"]
        assert len(first.asked) == 1


async def seconds_of_an_answer(space: Namespace, tcp: bool) -> float:
    began = trio.current_time()
    assert await space.texts("example.org", tcp=tcp) == ["192.0.2.1"]
    return trio.current_time() - began


@pytest.mark.parametrize("tcp", [False, True])
async def test_a_server_where_nobody_listens_is_passed_over_at_once(
    resolver: Resolver, spaces: list[Namespace], tcp: bool
) -> None:
    async with upstream(addresses) as gone:
        pass
    async with upstream(addresses) as second:
        await put(resolver, spaces[0], gone.address, second.address)
        assert min([await seconds_of_an_answer(spaces[0], tcp) for _ in range(TRIES)]) < FIRST_SECONDS
    await put(resolver, spaces[0], gone.address)
    assert (await spaces[0].ask("example.org")).rcode() == dns.rcode.SERVFAIL


async def test_a_server_that_refuses_is_quoted_if_no_other_knows(
    resolver: Resolver, spaces: list[Namespace]
) -> None:
    async with upstream(refusing) as server:
        await put(resolver, spaces[0], server.address)
        assert (await spaces[0].ask("example.org")).rcode() == dns.rcode.REFUSED


async def test_a_slow_server_holds_nobody_else_up(resolver: Resolver, spaces: list[Namespace]) -> None:
    async with upstream(silent) as server, trio.open_nursery() as nursery:
        await put(resolver, spaces[0], server.address)
        over = trio.Event()

        async def ask_in_vain() -> None:
            assert (await spaces[0].ask("example.org")).rcode() == dns.rcode.SERVFAIL
            over.set()

        nursery.start_soon(ask_in_vain)
        await server.was_asked.wait()
        assert await spaces[0].texts("a") == ["10.1.0.2"]
        assert not over.is_set()
