"""What containers are answered, through the kernel: a real process, real namespaces."""

from __future__ import annotations

import socket

import attrs
import dns.flags
import dns.message
import dns.rcode
import pytest
import trio

from daemon.networks.resolver.client import Resolver
from tests.runtime.resolver.places import SECONDS, Namespace
from tests.unit.networks.resolver.askers import asker, member

pytestmark = pytest.mark.runtime


async def put(resolver: Resolver, spaces: list[Namespace]) -> None:
    web, db, other = spaces
    in_one = member("1", "10.1.0.2 fd00::2", "web www")
    await resolver.put(asker("web", in_one, member("2", "10.2.0.2", "web"), namespace=web.path))
    await resolver.put(asker("db", member("1", "10.1.0.3", "db data", {"w": "web"}), namespace=db.path))
    await resolver.put(asker("other", member("2", "10.2.0.9", "other data"), namespace=other.path))


@pytest.mark.parametrize("tcp", [False, True])
async def test_containers_find_each_other(resolver: Resolver, spaces: list[Namespace], tcp: bool) -> None:
    await put(resolver, spaces)
    [web, db, _] = spaces
    assert await db.texts("WWW", tcp=tcp) == ["10.1.0.2"]
    assert await db.texts("w.net1", tcp=tcp) == ["10.1.0.2"]
    assert await db.texts("web", "AAAA", tcp=tcp) == ["fd00::2"]
    assert await web.texts("web", tcp=tcp) == ["10.1.0.2"]
    assert await db.texts("2.0.1.10.in-addr.arpa", "PTR", tcp=tcp) == ["web.net1."]


async def test_only_shared_networks_are_seen(resolver: Resolver, spaces: list[Namespace]) -> None:
    await put(resolver, spaces)
    web, db, other = spaces
    assert (await db.ask("other")).rcode() == dns.rcode.NXDOMAIN
    assert await other.texts("web") == ["10.2.0.2"]
    assert await web.texts("data.net2") == ["10.2.0.9"]


async def test_a_change_of_names_is_in_force_at_once(resolver: Resolver, spaces: list[Namespace]) -> None:
    await put(resolver, spaces)
    web, db, _ = spaces
    await resolver.put(asker("web", member("1", "10.1.0.7", "renamed"), namespace=web.path))
    assert (await db.ask("web")).rcode() == dns.rcode.NXDOMAIN
    assert await db.texts("renamed") == ["10.1.0.7"]
    await resolver.drop("web")
    assert (await db.ask("renamed")).rcode() == dns.rcode.NXDOMAIN
    with pytest.raises(TimeoutError):
        await attrs.evolve(web, seconds=0.3).ask("renamed")


async def test_what_is_too_long_for_udp_is_told_by_tcp(resolver: Resolver, spaces: list[Namespace]) -> None:
    addresses = " ".join(f"10.1.1.{number}" for number in range(60))
    await resolver.put(asker("web", member("1", addresses, "web"), namespace=spaces[0].path))
    assert (await spaces[0].ask("web")).flags & dns.flags.TC
    assert len(await spaces[0].texts("web", tcp=True)) == 60


async def test_a_container_may_itself_listen_on_port_53(resolver: Resolver, spaces: list[Namespace]) -> None:
    [space, *_] = spaces
    with space.socket(socket.SOCK_DGRAM) as udp, space.socket(socket.SOCK_STREAM) as tcp:
        for one in (udp, tcp):
            one.bind(("0.0.0.0", 53))
        tcp.listen()
        await resolver.put(asker("web", member("1", "10.1.0.2", "web"), namespace=space.path))
        for over_tcp in (False, True):
            assert await space.texts("web", tcp=over_tcp) == ["10.1.0.2"]
        with space.socket(socket.SOCK_DGRAM) as client:
            client.sendto(b"for the container", ("127.0.0.1", 53))
            assert udp.recv(100) == b"for the container"


async def test_garbage_is_refused_or_ignored(resolver: Resolver, spaces: list[Namespace]) -> None:
    await put(resolver, spaces)
    [web, *_] = spaces
    with web.socket(socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.11", 53))
        for packet in (b"", b"x", bytes(12), b"ab\1\0\0\1" + bytes(6) + b"\xff" * 20):
            client.send(packet)
        assert client.recv(100)[3] & 0xF == dns.rcode.FORMERR
    with web.socket(socket.SOCK_STREAM) as client:
        client.connect(("127.0.0.11", 53))
        client.sendall(b"\0\5xxxxx")
        assert client.recv(100) == b""
    assert await web.texts("db") == ["10.1.0.3"]


async def test_idle_connections_do_not_shut_others_out(resolver: Resolver, spaces: list[Namespace]) -> None:
    await put(resolver, spaces)
    web, db, _ = spaces
    held = [web.socket(socket.SOCK_STREAM) for _ in range(40)]
    try:
        for one in held:
            one.connect(("127.0.0.11", 53))
        with trio.fail_after(SECONDS):
            assert await db.texts("web", tcp=True) == ["10.1.0.2"]
            assert await web.texts("db") == ["10.1.0.3"]
    finally:
        for one in held:
            one.close()


async def test_the_answer_keeps_the_case_of_the_question(resolver: Resolver, spaces: list[Namespace]) -> None:
    await put(resolver, spaces)
    answer = await spaces[1].ask("", query=dns.message.make_query("wEb", "A"))
    assert answer.answer[0].name.to_text() == "wEb."
