"""The actor of the firewall, on a packet filter in memory and the virtual clock."""

from __future__ import annotations

from functools import partial
from ipaddress import ip_address, ip_network

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.firewall import LIMIT_SECONDS, Firewall
from daemon.actors.firewall_commands import Install, Reconcile, Repair, Wish, Withdraw
from daemon.errors import Conflict, Failed, InvalidParameter, Unavailable
from daemon.networks.firewall.elements import of_all
from daemon.networks.firewall.ruleset import Change, Ruleset
from daemon.networks.plans import BridgeRules, PublishedPort
from tests.unit.actors.packetfilter import FakeFilter

RED = BridgeRules("red", (ip_network("10.201.1.0/24"),))
BLUE = BridgeRules("blue", (ip_network("10.201.2.0/24"),))


def port(number: int, protocol: str = "tcp", address: str = "10.201.1.2") -> PublishedPort:
    return PublishedPort(protocol, ip_address("0.0.0.0"), number, ip_address(address), number)


@pytest.fixture
def kernel() -> FakeFilter:
    return FakeFilter()


@pytest.fixture
async def firewall(kernel: FakeFilter, nursery: trio.Nursery) -> Firewall:
    firewall = Firewall(kernel)
    await nursery.start(firewall.run)
    return firewall


async def test_what_was_answered_is_in_the_kernel(firewall: Firewall, kernel: FakeFilter) -> None:
    await firewall.mailbox.ask(Install((RED,), (port(80),)))
    assert kernel.elements == set(of_all([RED], [port(80)]))
    await firewall.mailbox.ask(Install((BLUE,), (port(81),)))
    assert kernel.elements == set(of_all([RED, BLUE], [port(80), port(81)]))
    await firewall.mailbox.ask(Withdraw(("red",), (port(80),)))
    assert kernel.elements == set(of_all([BLUE], [port(81)]))


async def test_only_what_differs_is_told_to_the_kernel(firewall: Firewall, kernel: FakeFilter) -> None:
    await firewall.mailbox.ask(Install((RED,), (port(80),)))
    await firewall.mailbox.ask(Install((RED,), (port(80), port(81))))
    assert kernel.calls[1:] == [Change(ports_new=(port(81),))]


async def test_asking_twice_for_the_same_costs_no_transaction(firewall: Firewall, kernel: FakeFilter) -> None:
    for _ in range(2):
        await firewall.mailbox.ask(Install((RED,), (port(80),)))
    assert len(kernel.calls) == 1


async def test_what_comes_during_a_transaction_is_one_transaction_afterwards(
    firewall: Firewall, kernel: FakeFilter, autojump_clock: MockClock
) -> None:
    kernel.seconds = 1
    async with trio.open_nursery() as askers:
        for number in range(1, 201):
            askers.start_soon(firewall.mailbox.ask, Install(ports=(port(number),)))
    assert trio.current_time() < 3
    assert len(kernel.calls) == 2
    assert kernel.elements == set(of_all([], [port(number) for number in range(1, 201)]))


async def test_a_port_that_is_taken_is_refused_and_the_others_are_not(
    firewall: Firewall, kernel: FakeFilter
) -> None:
    await firewall.mailbox.ask(Install((RED,), (port(80),)))
    with pytest.raises(Conflict, match=r"^Bind for 0\.0\.0\.0:80 failed: port is already allocated$"):
        await firewall.mailbox.ask(Install((), (port(81), port(80, address="10.201.1.3"))))
    assert kernel.elements == set(of_all([RED], [port(80)]))


async def test_a_port_may_go_from_one_container_to_another_in_one_transaction(
    firewall: Firewall, kernel: FakeFilter, autojump_clock: MockClock
) -> None:
    mine, yours = port(80), port(80, address="10.201.1.3")
    await firewall.mailbox.ask(Install((RED,), (mine,)))
    kernel.seconds = 1
    await _together(firewall, Repair(), Withdraw(ports=(mine,)), Install(ports=(yours,)))
    assert kernel.elements == set(of_all([RED], [yours]))
    assert kernel.calls[-1] == Change(ports_gone=(mine,), ports_new=(yours,))


async def test_a_container_that_ended_takes_no_port_from_its_successor(
    firewall: Firewall, kernel: FakeFilter
) -> None:
    mine, yours = port(80), port(80, address="10.201.1.3")
    await firewall.mailbox.ask(Install((RED,), (yours,)))
    await firewall.mailbox.ask(Withdraw(ports=(mine,)))
    assert firewall.wanted == Ruleset.of([RED], [yours])


async def test_only_the_one_at_fault_is_refused(
    firewall: Firewall, kernel: FakeFilter, autojump_clock: MockClock
) -> None:
    kernel.refuses = lambda ports: port(13) in ports
    answers: dict[int, str] = {}

    async def ask(number: int) -> None:
        try:
            await firewall.mailbox.ask(Install(ports=(port(number),)))
        except Failed as error:
            answers[number] = str(error)
        else:
            answers[number] = "done"

    kernel.seconds = 0.1
    async with trio.open_nursery() as askers:
        for number in range(10, 16):
            askers.start_soon(ask, number)
    assert answers == {number: "refused" if number == 13 else "done" for number in range(10, 16)}
    assert kernel.elements == set(of_all([], [port(number) for number in range(10, 16) if number != 13]))
    await firewall.mailbox.ask(Install(ports=(port(99),)))
    assert port(99) in firewall.wanted.ports.values()


async def test_a_table_that_somebody_flushed_comes_back_with_the_next_change(
    firewall: Firewall, kernel: FakeFilter
) -> None:
    await firewall.mailbox.ask(Install((RED,), (port(80),)))
    kernel.table = None
    await firewall.mailbox.ask(Install(ports=(port(81),)))
    assert kernel.elements == set(of_all([RED], [port(80), port(81)]))


async def test_repair_makes_the_table_what_it_should_be(firewall: Firewall, kernel: FakeFilter) -> None:
    await firewall.mailbox.ask(Install((RED,), (port(80),)))
    kernel.table = {}
    await firewall.mailbox.ask(Repair())
    assert kernel.elements == set(of_all([RED], [port(80)]))


async def test_at_the_start_nothing_stays_that_is_not_asked_for(
    firewall: Firewall, kernel: FakeFilter
) -> None:
    await kernel.replace(Ruleset.of([BLUE], [port(443)]))
    await firewall.mailbox.ask(Reconcile((RED,), (port(80),)))
    assert kernel.elements == set(of_all([RED], [port(80)]))
    assert len(kernel.calls) == 2


async def test_without_anything_wanted_there_is_no_table(firewall: Firewall, kernel: FakeFilter) -> None:
    await firewall.mailbox.ask(Install((RED,), (port(80),)))
    await firewall.mailbox.ask(Withdraw(("red",), (port(80),)))
    assert kernel.table is None
    with capture_logs() as logs:
        await firewall.mailbox.ask(Install((RED,), (port(80),)))
    assert logs == []
    assert kernel.elements == set(of_all([RED], [port(80)]))


async def test_a_transaction_that_hangs_is_answered_and_what_comes_next_makes_up_for_it(
    firewall: Firewall, kernel: FakeFilter, autojump_clock: MockClock
) -> None:
    await firewall.mailbox.ask(Install((RED,), (port(80),)))
    kernel.seconds = trio.current_time() + 1000
    with pytest.raises(Failed, match="not answered in 30 seconds"):
        await firewall.mailbox.ask(Install(ports=(port(81),)))
    assert trio.current_time() == pytest.approx(LIMIT_SECONDS)
    with pytest.raises(Failed):
        await firewall.mailbox.ask(Withdraw(ports=(port(80),)))
    kernel.seconds = 0
    await firewall.mailbox.ask(Install(ports=(port(82),)))
    assert kernel.elements == set(of_all([RED], [port(82)]))


async def test_what_is_withdrawn_stays_withdrawn_when_the_kernel_refuses(
    firewall: Firewall, kernel: FakeFilter
) -> None:
    await firewall.mailbox.ask(Install((RED,), (port(80), port(81))))
    kernel.refuses = lambda _ports: True
    with pytest.raises(Failed):
        await firewall.mailbox.ask(Withdraw(ports=(port(80),)))
    kernel.refuses = lambda _ports: False
    await firewall.mailbox.ask(Install())
    assert kernel.elements == set(of_all([RED], [port(81)]))


async def test_connections_to_what_was_withdrawn_are_forgotten_all_at_once(
    firewall: Firewall, kernel: FakeFilter, autojump_clock: MockClock
) -> None:
    ports = tuple(port(number) for number in range(1, 11))
    await firewall.mailbox.ask(Install((RED,), ports))
    kernel.seconds = kernel.forget_seconds = 1
    await _together(firewall, *(Withdraw(ports=(one,)) for one in ports))
    await trio.sleep(5)
    assert set().union(*(gone for gone, _ in kernel.forgotten)) == set(ports)
    assert len(kernel.forgotten) == 2


async def test_connections_to_what_an_engine_before_this_one_published_are_forgotten(
    firewall: Firewall, kernel: FakeFilter
) -> None:
    await kernel.replace(Ruleset.of([RED], [port(80), port(81)]))
    await firewall.mailbox.ask(Reconcile((RED,), (port(80),)))
    await wait_all_tasks_blocked()
    assert kernel.forgotten == [({port(81)}, set())]


async def test_datagrams_to_what_is_newly_published_are_decided_anew(
    firewall: Firewall, kernel: FakeFilter
) -> None:
    await firewall.mailbox.ask(Install((RED,), (port(53, "udp"), port(53))))
    await wait_all_tasks_blocked()
    assert kernel.forgotten == [(set(), {port(53, "udp")})]


async def test_a_container_that_started_again_meanwhile_keeps_its_connections(
    firewall: Firewall, kernel: FakeFilter, autojump_clock: MockClock
) -> None:
    await firewall.mailbox.ask(Install((RED,), (port(80), port(81))))
    kernel.forget_seconds = 10
    for number in (81, 80):
        await firewall.mailbox.ask(Withdraw(ports=(port(number),)))
        await wait_all_tasks_blocked()
    await firewall.mailbox.ask(Install(ports=(port(80),)))
    await trio.sleep(60)
    assert kernel.forgotten == [({port(81)}, set())]


async def test_whoever_left_before_the_transaction_began_is_not_served(
    firewall: Firewall, kernel: FakeFilter, autojump_clock: MockClock
) -> None:
    kernel.seconds = 1
    async with trio.open_nursery() as askers:
        askers.start_soon(firewall.mailbox.ask, Install((RED,)))
        await wait_all_tasks_blocked()
        with trio.move_on_after(0.5):
            await firewall.mailbox.ask(Install(ports=(port(80),)))
    await firewall.mailbox.ask(Install(ports=(port(81),)))
    assert set(firewall.wanted.ports.values()) == {port(81)}


async def test_everybody_is_answered_when_the_actor_ends(
    kernel: FakeFilter, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    firewall = Firewall(kernel)
    life = trio.CancelScope()

    async def live() -> None:
        with life:
            await firewall.run()

    nursery.start_soon(live)
    kernel.seconds = 10
    answers: list[type] = []

    async def ask(number: int) -> None:
        try:
            await firewall.mailbox.ask(Install(ports=(port(number),)))
        except Unavailable as error:
            answers.append(type(error))

    async with trio.open_nursery() as askers:
        askers.start_soon(ask, 80)
        await wait_all_tasks_blocked()
        askers.start_soon(ask, 81)
        await wait_all_tasks_blocked()
        life.cancel()
    assert answers == [Unavailable, Unavailable]


async def test_after_a_crash_the_next_incarnation_knows_what_is_wanted(
    kernel: FakeFilter, nursery: trio.Nursery
) -> None:
    firewall = Firewall(kernel)
    with trio.CancelScope() as life:
        async with trio.open_nursery() as first:
            await first.start(firewall.run)
            await firewall.mailbox.ask(Install((RED,), (port(80),)))
            life.cancel()
    kernel.table = {}
    await nursery.start(firewall.run)
    await firewall.mailbox.ask(Install((), (port(81),)))
    assert kernel.elements == set(of_all([RED], [port(80), port(81)]))


@pytest.mark.parametrize("name", ["", "a b", 'x" } }', "br*", "a-name-of-16-chars", "br\n0"])
async def test_a_bridge_whose_name_cannot_be_written_in_a_rule_is_refused(
    firewall: Firewall, kernel: FakeFilter, name: str
) -> None:
    with pytest.raises(InvalidParameter, match="bridge name"):
        await firewall.mailbox.ask(Install((BridgeRules(name, ()),)))
    assert kernel.calls == []


async def _together(firewall: Firewall, *wishes: Wish) -> None:
    """Say all of them, in this order, before the first is answered."""
    async with trio.open_nursery() as askers:
        for wish in wishes:
            askers.start_soon(partial(firewall.mailbox.ask, wish))
            await wait_all_tasks_blocked()
