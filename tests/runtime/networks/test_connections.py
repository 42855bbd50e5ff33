"""What becomes of connections when the rules change under them."""

from __future__ import annotations

import socket

import pytest
import trio

from daemon.actors.firewall import Firewall
from daemon.actors.firewall_commands import Install, Reconcile, Withdraw
from daemon.networks.firewall.kernel import KernelFilter
from daemon.networks.firewall.ruleset import Change, Ruleset
from daemon.networks.plans import PublishedPort
from tests.runtime.networks.topology import ANY, BRIDGES, HOST, Topology, address, rules_of
from tests.runtime.networks.traffic import SILENCE_SECONDS, Traffic, ask

pytestmark = [pytest.mark.runtime, pytest.mark.parametrize("version", [4, 6])]
ALL_BRIDGES = [rules_of(bridge) for bridge in BRIDGES]


def published(protocol: str, container: str, version: int, host_port: int = 8080) -> PublishedPort:
    return PublishedPort(protocol, ANY[version], host_port, address(container, version), 80)


async def test_connections_go_on_and_new_ones_begin_while_the_table_is_replaced(
    kernel: KernelFilter, traffic: Traffic, hosts: Topology, version: int
) -> None:
    rules = Ruleset.of(ALL_BRIDGES, [published("tcp", "red1", version), published("udp", "red1", version)])
    await kernel.replace(rules)
    traffic.serve("red1", "tcp", version, 80)
    traffic.serve("red1", "udp", version, 80)
    answers: list[str | None] = []
    over = trio.Event()

    async def keep_asking(protocol: str) -> None:
        while not over.is_set():
            answers.append(await traffic.ask("outside", protocol, HOST[version], 8080))

    async def keep_talking(talk: trio.socket.SocketType) -> None:
        while not over.is_set():
            await talk.send(b"still there?")
            answers.append((await talk.recv(100)).decode())

    lasting = hosts.socket("outside", version, socket.SOCK_STREAM)
    lasting.setblocking(False)
    with trio.socket.from_stdlib_socket(lasting) as talk:
        assert await ask(talk, HOST[version], 8080)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_asking, "tcp")
            nursery.start_soon(keep_asking, "udp")
            nursery.start_soon(keep_talking, talk)
            for _ in range(100):
                await kernel.replace(rules)
            over.set()
    assert len(answers) > 20
    assert None not in answers


async def test_datagrams_follow_a_port_to_its_next_container(
    kernel: KernelFilter, traffic: Traffic, hosts: Topology, version: int
) -> None:
    before, after = published("udp", "red1", version), published("udp", "red2", version)
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [before]))
    traffic.serve("red1", "udp", version, 80, says=" red1")
    traffic.serve("red2", "udp", version, 80, says=" red2")
    client = hosts.socket("outside", version, socket.SOCK_DGRAM)
    client.setblocking(False)
    with trio.socket.from_stdlib_socket(client) as talk:
        assert (await ask(talk, HOST[version], 8080) or "").endswith("red1")
        await kernel.change(Change(ports_gone=(before,), ports_new=(after,)))
        assert (await ask(talk, HOST[version], 8080) or "").endswith("red1"), "the test itself is broken"
        await kernel.forget([before], [])
        assert (await ask(talk, HOST[version], 8080) or "").endswith("red2")


async def test_the_actor_has_datagrams_follow_a_port_to_its_next_container(
    kernel: KernelFilter, traffic: Traffic, hosts: Topology, nursery: trio.Nursery, version: int
) -> None:
    firewall = Firewall(kernel)
    await nursery.start(firewall.run)
    before, after = published("udp", "red1", version), published("udp", "red2", version)
    await firewall.mailbox.ask(Reconcile(tuple(ALL_BRIDGES), (before,)))
    traffic.serve("red1", "udp", version, 80, says=" red1")
    traffic.serve("red2", "udp", version, 80, says=" red2")
    client = hosts.socket("outside", version, socket.SOCK_DGRAM)
    client.setblocking(False)
    with trio.socket.from_stdlib_socket(client) as talk:
        assert (await ask(talk, HOST[version], 8080) or "").endswith("red1")
        await firewall.mailbox.ask(Withdraw(ports=(before,)))
        await firewall.mailbox.ask(Install(ports=(after,)))
        answer: str | None = ""
        with trio.fail_after(60):
            while not (answer or "").endswith("red2"):
                answer = await ask(talk, HOST[version], 8080, SILENCE_SECONDS)


async def test_datagrams_that_were_sent_before_a_port_was_published_are_sent_on_afterwards(
    kernel: KernelFilter, traffic: Traffic, hosts: Topology, version: int
) -> None:
    port = published("udp", "red1", version)
    await kernel.replace(Ruleset.of(ALL_BRIDGES, []))
    traffic.serve("host", "udp", version, 8080, at=HOST[version], says=" host")
    traffic.serve("red1", "udp", version, 80, says=" red1")
    client = hosts.socket("outside", version, socket.SOCK_DGRAM)
    client.setblocking(False)
    with trio.socket.from_stdlib_socket(client) as talk:
        assert (await ask(talk, HOST[version], 8080) or "").endswith("host")
        await kernel.change(Change(ports_new=(port,)))
        assert (await ask(talk, HOST[version], 8080) or "").endswith("host"), "the test itself is broken"
        await kernel.forget([], [port])
        assert (await ask(talk, HOST[version], 8080) or "").endswith("red1")


async def test_an_unpublished_stream_ends_and_others_go_on(
    kernel: KernelFilter, traffic: Traffic, hosts: Topology, version: int
) -> None:
    gone, stays = published("tcp", "red1", version), published("tcp", "red1", version, 8081)
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [gone, stays]))
    traffic.serve("red1", "tcp", version, 80)
    talks = {}
    for port in (8080, 8081):
        made = hosts.socket("outside", version, socket.SOCK_STREAM)
        made.setblocking(False)
        talks[port] = trio.socket.from_stdlib_socket(made)
        assert await ask(talks[port], HOST[version], port)
    await kernel.change(Change(ports_gone=(gone,)))
    await kernel.forget([gone], [])
    await talks[8081].send(b"still there?")
    assert await talks[8081].recv(100)
    await talks[8080].send(b"still there?")
    with pytest.raises(ConnectionResetError):
        await talks[8080].recv(100)
    for talk in talks.values():
        talk.close()
