"""What every `PacketFilter` keeps to: the kernel's, and the one in memory that the actor is tested with."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address, ip_network
from typing import Any

import attrs
import pytest
import trio

from daemon.actors.firewall import Firewall
from daemon.actors.firewall_commands import Install, Repair, Withdraw
from daemon.errors import Failed
from daemon.networks.firewall.base import PacketFilter
from daemon.networks.firewall.elements import NUMBERS, Element, of_all
from daemon.networks.firewall.kernel import KernelFilter
from daemon.networks.firewall.ruleset import Change, Ruleset
from daemon.networks.plans import BridgeRules, PublishedPort
from tests.runtime.networks.topology import BRIDGES, Topology
from tests.unit.actors.packetfilter import FakeFilter

RED = BridgeRules("red", (ip_network("10.201.1.0/24"), ip_network("fd00:201:1::/64")), internal=True)
BLUE = BridgeRules("blue", (ip_network("10.201.2.0/24"),), masquerade=False)
QUIET = BridgeRules("quiet", (ip_network("10.201.3.0/24"),), between_containers=False)


def port(number: int, front: str = "0.0.0.0", own: str = "10.201.1.2") -> PublishedPort:
    return PublishedPort("tcp", ip_address(front), number, ip_address(own), number)


@attrs.frozen
class Rig:
    """A packet filter, what it has, and how somebody else empties it."""

    filter: PacketFilter
    elements: Callable[[], set[Element]]
    flush: Callable[[], object]


@pytest.fixture(params=["fake", pytest.param("kernel", marks=pytest.mark.runtime)])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    if request.param == "fake":
        fake = FakeFilter()
        yield Rig(fake, lambda: fake.elements, fake.flush)
        return
    hosts: Topology = request.getfixturevalue("hosts")
    kernel = hosts.inside("host", KernelFilter)
    yield Rig(kernel, lambda: _listed(hosts), lambda: hosts.run("host", "nft", "flush", "ruleset"))
    await kernel.replace(Ruleset())
    kernel.close()


async def test_the_whole_takes_the_place_of_what_was_there(rig: Rig) -> None:
    for bridges, ports in (([RED, BLUE], [port(80)]), ([QUIET], [port(81), port(80, "192.0.2.1")]), ([], [])):
        await rig.filter.replace(Ruleset.of(bridges, ports))
        assert rig.elements() == set(of_all(bridges, ports))


async def test_what_is_replaced_and_no_longer_published_is_told(rig: Rig) -> None:
    mixed = [port(80), port(81, "192.0.2.1"), port(82, "::", "fd00::2"), port(83, "2001:db8::1", "fd00::2")]
    for protocol in ("udp", "sctp"):
        mixed += [attrs.evolve(one, protocol=protocol) for one in mixed[:4]]
    assert await rig.filter.replace(Ruleset.of([RED], mixed)) == set()
    assert await rig.filter.replace(Ruleset.of([RED], mixed[:3])) == set(mixed[3:])
    rig.flush()
    assert await rig.filter.replace(Ruleset()) == set()


async def test_a_change_takes_away_and_adds(rig: Rig) -> None:
    await rig.filter.replace(Ruleset.of([RED, BLUE], [port(80), port(81)]))
    moved = port(80, own="10.201.1.3")
    other = attrs.evolve(RED, internal=False)
    await rig.filter.change(Change((RED, BLUE), (other, QUIET), (port(80),), (moved, port(82))))
    assert rig.elements() == set(of_all([other, QUIET], [moved, port(81), port(82)]))


@pytest.mark.parametrize(
    "change",
    [
        Change(ports_gone=(port(90),), ports_new=(port(91),)),
        Change(ports_new=(port(91), port(80, own="10.201.1.3"))),
        Change(bridges_gone=(QUIET,), ports_new=(port(91),)),
    ],
)
async def test_a_change_that_does_not_fit_is_refused_and_nothing_of_it_is_done(
    rig: Rig, change: Change
) -> None:
    await rig.filter.replace(Ruleset.of([RED], [port(80)]))
    with pytest.raises(Failed):
        await rig.filter.change(change)
    assert rig.elements() == set(of_all([RED], [port(80)]))


async def test_a_change_of_what_somebody_flushed_is_refused(rig: Rig) -> None:
    await rig.filter.replace(Ruleset.of([RED], [port(80)]))
    rig.flush()
    with pytest.raises(Failed):
        await rig.filter.change(Change(ports_new=(port(81),)))


async def test_the_actor_keeps_its_word_on_it(rig: Rig, nursery: trio.Nursery) -> None:
    firewall = Firewall(rig.filter)
    await nursery.start(firewall.run)
    await firewall.mailbox.ask(Install((RED, BLUE), (port(80), port(81))))
    await firewall.mailbox.ask(Withdraw(("blue",), (port(80),)))
    assert rig.elements() == set(of_all([RED], [port(81)]))
    rig.flush()
    await firewall.mailbox.ask(Install((QUIET,), (port(82),)))
    assert rig.elements() == set(of_all([RED, QUIET], [port(81), port(82)]))
    rig.flush()
    await firewall.mailbox.ask(Repair())
    assert rig.elements() == set(of_all([RED, QUIET], [port(81), port(82)]))


def _listed(hosts: Topology) -> set[Element]:
    objects = json.loads(hosts.run("host", "nft", "-j", "list", "ruleset"))["nftables"]
    places = [next(iter(one.values())) for one in objects if one.keys() & {"set", "map"}]
    return {_element(place["name"], one, "map" in place) for place in places for one in place.get("elem", ())}


def _element(place: str, one: Any, leads: bool) -> Element:
    key, value = one if leads else (one, {"concat": []})
    return Element(place, _parts(key), _parts(value))


def _parts(told: Any) -> tuple[str | int, ...]:
    if isinstance(told, dict) and "concat" in told:
        return tuple(part for one in told["concat"] for part in _parts(one))
    if isinstance(told, dict):
        return (f"{told['prefix']['addr']}/{told['prefix']['len']}",)
    return (f'"{told}"' if told in BRIDGES else NUMBERS.get(told, told),)
