"""When containers' consumption is read, for whom, and how often; all times are virtual."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.actor import Container
from daemon.actors.container.attachments import Attachments
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.mailbox import Mailbox
from daemon.actors.published import Cell
from daemon.actors.statistics import LEAST_SECONDS, Reading, Statistics, Watch
from daemon.errors import Failed, NotFound
from daemon.runtimes.base import Run
from daemon.runtimes.usage.sample import Disks, Processors, Sample, Subject, Usage
from tests.unit.actors.attaching import a_place
from tests.unit.actors.world import a_record

RUN: Final = Run(11, 1, 10, 1)
SECONDS: Final = 3


def a_container(name: str, state: State = State.RUNNING, **changes: Any) -> Container:
    attachments = changes.pop("attachments", Attachments())
    snapshot = ContainerSnapshot(a_record(name, **changes), state, RUN, attachments=attachments)
    return Container(snapshot.id, Mailbox(f"container {name}"), Cell(snapshot))


def become(container: Container, **changes: Any) -> None:
    container.cell.publish(container.snapshot.replace(**changes))


@attrs.define(eq=False)
class FakeMeter:
    """Counts readings; a sample's processor time says how many there had been, `gone` cgroups have none."""

    takes_seconds: float = 0
    readings: list[tuple[float, list[Subject]]] = attrs.field(factory=list)
    gone: set[str] = attrs.field(factory=set)
    failure: Failed | None = None

    async def read(self, subjects: Mapping[str, Subject]) -> dict[str, Sample]:
        self.readings.append((trio.current_time(), list(subjects.values())))
        await trio.sleep(self.takes_seconds)
        if self.failure is not None:
            raise self.failure
        usage = Usage(Processors(len(self.readings)), None, None, Disks())
        return {
            key: Sample(subject, 0, usage, 0, 1, None)
            for key, subject in subjects.items()
            if subject.cgroup not in self.gone
        }


@attrs.define(eq=False)
class Rig:
    """Statistics of containers that have no actor, so nobody could be asked."""

    containers: dict[str, Container]
    meter: FakeMeter = attrs.field(factory=FakeMeter)
    statistics: Statistics = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.statistics = Statistics(self, lambda record: f"/docker/{record.name}", self.meter)

    @classmethod
    def of(cls, *containers: Container) -> Rig:
        return cls({one.snapshot.record.name: one for one in containers})

    def resolve(self, reference: str) -> Container:
        if reference not in self.containers:
            raise NotFound(f"No such container: {reference}")
        return self.containers[reference]

    def watch(self, name: str) -> Watch:
        return self.statistics.watch(self.containers[name])

    async def first(self, name: str) -> Reading:
        found = await self.watch(name).next()
        assert found is not None
        return found

    async def follow(self, name: str, readings: int = SECONDS) -> None:
        watch = self.watch(name)
        for _ in range(readings):
            await watch.next()


def counted(sample: Sample | None) -> int | None:
    return sample.usage.processors.total_ns if sample else None


async def test_a_client_is_told_at_once_and_then_every_second(autojump_clock: MockClock) -> None:
    rig = Rig.of(a_container("web"))
    watch, times = rig.watch("web"), []
    await trio.sleep(math.ceil(trio.current_time()) + 0.3 - trio.current_time())
    began = trio.current_time() - 0.3
    for _ in range(4):
        await watch.next()
        times.append(trio.current_time() - began)
    assert times == pytest.approx([0.3, 1, 2, 3])


@pytest.mark.parametrize("after", [0.0, 0.3, 0.49, 0.51, 0.99])
async def test_two_readings_are_never_too_close(autojump_clock: MockClock, after: float) -> None:
    rig = Rig.of(a_container("web"))
    await trio.sleep(after)
    await rig.follow("web", 2)
    (first, _), (second, _) = rig.meter.readings
    assert LEAST_SECONDS <= second - first < LEAST_SECONDS + 1


async def test_a_reading_has_the_one_before(autojump_clock: MockClock) -> None:
    watch = Rig.of(a_container("web")).watch("web")
    found = [await watch.next() for _ in range(3)]
    assert [(counted(one.before), counted(one.now)) for one in found if one] == [(None, 1), (1, 2), (2, 3)]


async def test_a_hundred_clients_have_one_reading_a_second(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig.of(*(a_container(f"web{number}") for number in range(50)))
    for _ in range(2):
        for name in rig.containers:
            nursery.start_soon(rig.follow, name)
    await trio.sleep(SECONDS + 1)
    later = [subjects for _, subjects in rig.meter.readings if len(subjects) > 1]
    assert [len(subjects) for subjects in later] == [50] * (SECONDS - 1)
    assert len(rig.meter.readings) == 100 + len(later)


async def test_where_nobody_waits_nothing_is_read(autojump_clock: MockClock) -> None:
    rig = Rig.of(a_container("web"))
    await rig.follow("web")
    await trio.sleep(60)
    assert len(rig.meter.readings) == SECONDS


async def test_clients_stay_together_though_a_reading_takes_its_time(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig.of(a_container("one"), a_container("two"))
    rig.meter.takes_seconds = 0.2
    nursery.start_soon(rig.follow, "one")
    await trio.sleep(0.1)
    nursery.start_soon(rig.follow, "two")
    await trio.sleep(SECONDS + 1)
    assert [len(subjects) for _, subjects in rig.meter.readings] == [1, 1, 2, 2]


async def test_one_that_leaves_while_it_reads_for_all_takes_nothing_from_the_others(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    web = a_container("web")
    rig = Rig.of(web)
    rig.meter.takes_seconds = 0.5
    found, scope, round_ = [], trio.CancelScope(), rig.statistics.next_round()
    round_.want(web)

    async def leave() -> None:
        with scope:
            await round_.sample(web)

    async def stay() -> None:
        found.append(counted(await round_.sample(web)))

    for client in (leave, stay, stay):
        nursery.start_soon(client)
        await wait_all_tasks_blocked()
    scope.cancel()
    await trio.sleep(5)
    assert (found, len(rig.meter.readings)) == ([2, 2], 2)


@pytest.mark.parametrize("state", [State.CONFIGURED, State.STARTING, State.EXITED, State.RESTARTING])
async def test_what_does_not_run_is_not_read(autojump_clock: MockClock, state: State) -> None:
    rig = Rig.of(a_container("web", state))
    assert (await rig.first("web")).now is None
    assert rig.meter.readings == []


@pytest.mark.parametrize("state", [State.PAUSED, State.STOPPING])
async def test_what_has_processes_is_read(autojump_clock: MockClock, state: State) -> None:
    assert (await Rig.of(a_container("web", state)).first("web")).now is not None


async def test_a_stream_goes_on_through_a_stop_and_does_not_compare_across_it(
    autojump_clock: MockClock,
) -> None:
    web = a_container("web")
    watch, found = Rig.of(web).watch("web"), []
    for changes in (
        {},
        {},
        {"state": State.EXITED},
        {"state": State.RUNNING, "run": Run(12, 2, 10, 1)},
        {},
        {"run": Run(12, 3, 10, 1)},
    ):
        become(web, **changes)
        found.append(await watch.next())
    told = [(counted(one.before), counted(one.now)) for one in found if one]
    assert told == [(None, 1), (1, 2), (None, None), (None, 3), (3, 4), (None, 5)]


async def test_a_cgroup_that_has_just_gone_is_that_of_a_container_that_does_not_run(
    autojump_clock: MockClock,
) -> None:
    rig = Rig.of(a_container("web"))
    rig.meter.gone.add("/docker/web")
    assert (await rig.first("web")).now is None


async def test_a_removal_ends_a_stream_at_once(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    web = a_container("web")
    watch = Rig.of(web).watch("web")
    await watch.next()
    ends: list[tuple[float, Reading | None]] = []

    async def follow() -> None:
        reading = await watch.next()
        ends.append((trio.current_time(), reading))

    nursery.start_soon(follow)
    await wait_all_tasks_blocked()
    removed = trio.current_time()
    become(web, state=State.REMOVED)
    await trio.sleep(2)
    assert ends == [(removed, None)]


async def test_a_container_that_is_removed_while_it_is_read_is_gone(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    web = a_container("web")
    rig = Rig.of(web)
    rig.meter.takes_seconds = 0.1
    watch = rig.watch("web")
    nursery.start_soon(lambda: _removed_after(0.05, web))
    assert await watch.next() is None


async def _removed_after(seconds: float, container: Container) -> None:
    await trio.sleep(seconds)
    become(container, state=State.REMOVED)


async def test_its_name_is_the_one_it_has_by_then(autojump_clock: MockClock) -> None:
    web = a_container("web")
    watch = Rig.of(web).watch("web")
    await watch.next()
    become(web, record=attrs.evolve(web.snapshot.record, name="db"))
    found = await watch.next()
    assert found is not None
    assert found.snapshot.record.name == "db"


async def test_the_links_are_those_that_lead_somewhere(autojump_clock: MockClock) -> None:
    places = (a_place("one", "eth0"), a_place("nowhere", ""), a_place("two", "eth1"))
    rig = Rig.of(a_container("web", attachments=Attachments(places)))
    await rig.first("web")
    [(_, [subject])] = rig.meter.readings
    assert subject == Subject("/docker/web", RUN.pid, RUN.started_ticks, ("eth0", "eth1"))


async def test_who_shares_a_network_has_the_links_of_the_other_as_long_as_that_is_there(
    autojump_clock: MockClock,
) -> None:
    places = Attachments((a_place("one", "eth0"),))
    other = a_container("other", attachments=places)
    rig = Rig.of(other, a_container("web", network_mode="container:other"))
    await rig.first("web")
    del rig.containers["other"]
    await rig.first("web")
    links = [subject.links for _, subjects in rig.meter.readings for subject in subjects]
    assert links == [("eth0",), ()]


async def test_what_cannot_be_read_is_told_to_all_who_asked(autojump_clock: MockClock) -> None:
    rig = Rig.of(a_container("web"))
    watches = [rig.watch("web") for _ in range(3)]
    for watch in watches:
        await watch.next()
    rig.meter.failure = Failed("statistics cannot be read: no more files")
    refused = []

    async def follow(watch: Watch) -> None:
        with pytest.raises(Failed, match="no more files") as told:
            await watch.next()
        refused.append(told)

    async with trio.open_nursery() as nursery:
        for watch in watches:
            nursery.start_soon(follow, watch)
    assert len(refused) == 3
