"""A run is tied to the runtime that it was started with, whatever is configured later."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import attrs
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from daemon.actors.container.actor import Container, as_record
from daemon.actors.container.attachments import Attachments
from daemon.actors.container.commands import Kill, Pause, Remove, Restart, Start, Stop, Unpause
from daemon.actors.container.snapshot import ContainerRecord, ContainerSnapshot, Stored, restored
from daemon.actors.container.states import State
from daemon.actors.exec.lifecycle import StartExec
from daemon.actors.exec.session import ExecRecord
from daemon.errors import Failed, InvalidParameter, NotModified
from daemon.journal import Name, Transaction
from daemon.model import ExecConfig
from daemon.runtimes.attach import AttachSession
from daemon.runtimes.base import Run
from daemon.runtimes.table import LockedRuntime, Runtime, RuntimeTable
from daemon.wire import parse_record
from tests.unit.actors.fakes import KILL, FakeExecHost, FakeHost
from tests.unit.actors.world import World, a_record, refused
from tests.unit.runtimes.tables import a_table

WRAPPED = Runtime("crun", "crun", "/usr/bin/crun", "/data/runtimes/crun.0", ("--debug", "a b"))
OLD = RuntimeTable({"crun": WRAPPED}, "crun", 3)
NEW = a_table("crun", "runc", generation=4)
WITHOUT = a_table("runc", generation=5)
LOCKED = LockedRuntime("crun", "/data/runtimes/crun.0", "/usr/bin/crun", ("--debug", "a b"), 3)
RELOCKED = LockedRuntime("crun", "/usr/bin/crun", "/usr/bin/crun", (), 4)
VANISHED = "unknown or invalid runtime name: crun"
RUN = Run(4711, 1, 4710, 1)


@attrs.define(eq=False)
class SeeingHost(FakeHost):
    """A host that remembers which runtime each step was to be done with."""

    used: list[tuple[str, LockedRuntime | None]] = attrs.field(factory=list)

    async def create(self, record: ContainerRecord) -> tuple[Run, Attachments]:
        self.used.append(("create", record.runtime))
        return await super().create(record)

    async def freeze(self, record: ContainerRecord) -> None:
        self.used.append(("freeze", record.runtime))
        await super().freeze(record)

    async def thaw(self, record: ContainerRecord) -> None:
        self.used.append(("thaw", record.runtime))
        await super().thaw(record)

    async def clean_up(self, record: ContainerRecord, run: Run | None) -> None:
        self.used.append(("clean up", record.runtime))
        await super().clean_up(record, run)

    async def delete(self, record: ContainerRecord) -> None:
        self.used.append(("delete", record.runtime))
        await super().delete(record)


@attrs.define(eq=False)
class SeeingExecHost(FakeExecHost):
    """The same for exec sessions, which go by what their container shows."""

    used: list[LockedRuntime | None] = attrs.field(factory=list)

    async def execute(
        self, container: Container, record: ExecRecord, start: StartExec
    ) -> tuple[Run, AttachSession]:
        self.used.append(container.snapshot.record.runtime)
        return await super().execute(container, record, start)


@attrs.define(eq=False)
class SeeingWorld(World):
    host: SeeingHost = attrs.field(factory=SeeingHost)
    exec_host: SeeingExecHost = attrs.field(factory=SeeingExecHost)

    @property
    def written(self) -> Stored:
        [record] = self.ledger.records("container")
        return parse_record(record.body, Stored)


@pytest.fixture
async def world() -> AsyncGenerator[SeeingWorld, None]:
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            world = SeeingWorld(nursery, logs)
            yield world
            world.host.close()
            world.exec_host.close()
            nursery.cancel_scope.cancel()


async def started(world: SeeingWorld) -> Container:
    container = await world.created()
    await container.mailbox.ask(Start(OLD))
    return container


async def test_a_start_writes_down_what_the_name_means(world: SeeingWorld) -> None:
    container = await world.created()
    assert (container.snapshot.record.runtime, world.written.record.runtime) == (None, None)
    await container.mailbox.ask(Start(OLD))
    assert (container.snapshot.record.runtime, world.written.record.runtime) == (LOCKED, LOCKED)
    assert world.host.used == [("create", LOCKED)]


async def test_it_is_written_before_anything_is_executed(world: SeeingWorld) -> None:
    container = await world.created()
    world.host.hold("create")
    world.ask(container, Start(OLD))
    await world.reaches(container, State.STARTING)
    assert (world.written.state, world.written.record.runtime) == (State.STARTING, LOCKED)


async def test_everything_done_to_a_run_uses_the_runtime_it_was_started_with(world: SeeingWorld) -> None:
    container = await started(world)
    for asked in (Start(NEW), Start(WITHOUT)):
        with pytest.raises(NotModified):
            await container.mailbox.ask(asked)
    with pytest.raises(InvalidParameter):
        await container.mailbox.ask(Restart(runtimes=WITHOUT))
    session = await world.execs.create(container, ExecConfig(cmd=("true",)))
    await session.mailbox.ask(StartExec())
    for command in (Pause(), Unpause(), Kill()):
        await container.mailbox.ask(command)
    await world.reaches(container, State.EXITED)
    assert world.written.record.runtime == LOCKED
    await container.mailbox.ask(Remove())
    assert [step for step, _ in world.host.used] == ["create", "freeze", "thaw", "clean up", "delete"]
    assert ({runtime for _, runtime in world.host.used}, world.exec_host.used) == ({LOCKED}, [LOCKED])


async def test_the_next_start_uses_what_the_name_means_by_then(world: SeeingWorld) -> None:
    container = await started(world)
    await container.mailbox.ask(Stop(10))
    await world.reaches(container, State.EXITED)
    assert container.snapshot.record.runtime == LOCKED
    await container.mailbox.ask(Start(NEW))
    assert (container.snapshot.record.runtime, world.written.record.runtime) == (RELOCKED, RELOCKED)
    assert world.host.used == [("create", LOCKED), ("clean up", LOCKED), ("create", RELOCKED)]


async def test_a_restart_ends_the_old_run_with_the_old_runtime(world: SeeingWorld) -> None:
    container = await started(world)
    await container.mailbox.ask(Pause())
    await container.mailbox.ask(Restart(10, runtimes=NEW))
    assert world.host.used == [
        *(("create", LOCKED), ("freeze", LOCKED), ("thaw", LOCKED), ("clean up", LOCKED)),
        ("create", RELOCKED),
    ]


async def test_a_start_that_waits_for_a_stop_uses_the_table_it_was_asked_with(world: SeeingWorld) -> None:
    world.host.obeys = frozenset({KILL})
    container = await started(world)
    stop = world.ask(container, Stop(-1))
    await world.reaches(container, State.STOPPING)
    start = world.ask(container, Start(NEW))
    await wait_all_tasks_blocked()
    assert (start.pending, container.snapshot.record.runtime) == (True, LOCKED)
    world.host.process.end(0)
    await stop.answer()
    await start.answer()
    assert container.snapshot.record.runtime == RELOCKED


async def test_a_start_that_cannot_be_written_ties_nothing(world: SeeingWorld) -> None:
    container = await started(world)
    await container.mailbox.ask(Stop(10))
    await world.reaches(container, State.EXITED)
    world.ledger.fails = Failed("full")
    with pytest.raises(Failed):
        await container.mailbox.ask(Start(NEW))
    assert container.snapshot.record.runtime == LOCKED


async def test_a_name_that_vanished_cannot_be_started(world: SeeingWorld) -> None:
    container = await world.created()
    with refused(InvalidParameter, VANISHED):
        await container.mailbox.ask(Start(WITHOUT))
    with refused(InvalidParameter, VANISHED):
        await container.mailbox.ask(Restart(runtimes=WITHOUT))
    assert (container.snapshot.state, container.snapshot.error) == (State.CONFIGURED, "")
    assert (world.written.state, world.actions, world.host.calls) == (State.CONFIGURED, [], [])
    await container.mailbox.ask(Start(NEW))


@pytest.mark.parametrize("pause", [False, True])
async def test_what_runs_is_not_stopped_for_a_restart_that_cannot_come_to_anything(
    world: SeeingWorld, pause: bool
) -> None:
    container = await started(world)
    if pause:
        await container.mailbox.ask(Pause())
    before = container.snapshot
    with refused(InvalidParameter, VANISHED):
        await container.mailbox.ask(Restart(10, runtimes=WITHOUT))
    await wait_all_tasks_blocked()
    assert container.snapshot is before
    assert "signal" not in world.host.stages
    assert world.actions == ["start", "pause"][: 1 + pause]


async def test_what_runs_is_running_already_whatever_its_runtime_is_called(world: SeeingWorld) -> None:
    container = await started(world)
    with refused(NotModified, "container web is already running"):
        await container.mailbox.ask(Start(WITHOUT))


async def test_a_start_that_would_have_to_wait_is_refused_at_once(world: SeeingWorld) -> None:
    world.host.obeys = frozenset({KILL})
    container = await started(world)
    stop = world.ask(container, Stop(-1))
    await world.reaches(container, State.STOPPING)
    with refused(InvalidParameter, VANISHED):
        await container.mailbox.ask(Start(WITHOUT))
    assert stop.pending
    world.host.process.end(0)
    await stop.answer()


async def test_a_new_engine_goes_on_with_the_runtime_of_the_run(world: SeeingWorld) -> None:
    world.host.knows(RUN)
    snapshot = ContainerSnapshot(attrs.evolve(a_record(), runtime=LOCKED), State.RUNNING, RUN, started_ns=1)
    name = Name("container", "web", snapshot.id)
    await world.ledger.commit(Transaction(put=(as_record(snapshot),), names=(name,)))
    world.containers.recover([world.written])
    container = world.containers.resolve("web")
    assert container.snapshot.record.runtime == LOCKED
    session = await world.execs.create(container, ExecConfig(cmd=("true",)))
    await session.mailbox.ask(StartExec())
    await container.mailbox.ask(Stop(10))
    await world.reaches(container, State.EXITED)
    assert (world.exec_host.used, world.host.used) == ([LOCKED], [("clean up", LOCKED)])


@pytest.mark.parametrize("runtime", [None, LOCKED, RELOCKED])
def test_what_is_locked_in_can_be_read_again(runtime: LockedRuntime | None) -> None:
    snapshot = ContainerSnapshot(attrs.evolve(a_record(), runtime=runtime), State.DEAD)
    again = restored(parse_record(as_record(snapshot).body, Stored))
    assert (again.record, again.record.runtime) == (snapshot.record, runtime)
