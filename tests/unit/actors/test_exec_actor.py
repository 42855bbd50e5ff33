"""Exec sessions: the table, the actor over a fake host, and the collection of them."""

from __future__ import annotations

import itertools
import time

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.actor import Container
from daemon.actors.container.commands import ForceRemove, Stop
from daemon.actors.exec.actor import KEEP_SECONDS
from daemon.actors.exec.lifecycle import (
    TABLE,
    ExecExited,
    ExecFailed,
    ExecStarted,
    NoteExec,
    ResizeExec,
    StartExec,
    State,
)
from daemon.actors.exec.session import KIND, ExecRecord, ExecSession, ExecSnapshot, as_record
from daemon.actors.seeing_out import PATIENCE_SECONDS, PERIOD_SECONDS
from daemon.errors import Conflict, Failed, InvalidParameter, NotFound, RuntimeFailed, Unavailable
from daemon.journal import Transaction
from daemon.model import ExecConfig
from daemon.runtimes.base import Run
from daemon.wire import parse_record
from tests.unit.actors.fakes import fill
from tests.unit.actors.world import World, refused

ECHO = ExecConfig(cmd=("echo", "hi"))


async def created(world: World) -> ExecSession:
    return await world.execs.create(await world.running(), ECHO)


async def started(world: World) -> ExecSession:
    session = await created(world)
    await session.mailbox.ask(StartExec())
    return session


async def reaches(session: ExecSession, state: State) -> ExecSnapshot:
    return await session.cell.wait_for(lambda now: now.state is state)


def actions(world: World) -> list[str]:
    return [action for action in world.actions if action.startswith("exec")]


REPORTS = {ExecStarted: {State.STARTING}, ExecFailed: {State.STARTING}, ExecExited: {State.RUNNING}}


def test_the_table_knows_every_report_where_it_can_come_and_nowhere_else() -> None:
    messages = {message for _, message in TABLE}
    assert messages == {StartExec, ResizeExec, NoteExec, *REPORTS}
    for state, report in itertools.product(State, REPORTS):
        assert ((state, report) in TABLE) == (state in REPORTS[report])
    assert {target for target, _ in TABLE.values()} | {State.CREATED} == set(State)


async def test_a_session_runs_and_ends_with_its_own_code(world: World) -> None:
    session = await created(world)
    assert (session.snapshot.state, session.snapshot.exit_code) == (State.CREATED, None)
    stdio = await session.mailbox.ask(StartExec(console_size=(24, 80)))
    assert stdio.connection is not None
    assert (session.snapshot.running, session.snapshot.pid) == (True, 1000)
    assert [detail for _, detail in world.exec_host.asked("execute")] == [StartExec(console_size=(24, 80))]
    world.exec_host.process.end(7)
    ended = await reaches(session, State.EXITED)
    assert (ended.exit_code, ended.pid) == (7, 0)
    assert actions(world) == ["exec_create: echo hi", "exec_start: echo hi", "exec_die"]
    assert world.ledger.events[-1].attributes.items() >= {"execID": session.id, "exitCode": "7"}.items()
    assert world.ledger.events[-1].actor_id == session.snapshot.record.container_id


async def test_a_detached_session_is_never_connected(world: World) -> None:
    stdio = await (await created(world)).mailbox.ask(StartExec(attach=False))
    assert stdio.connection is None


async def test_a_session_is_in_the_journal_as_long_as_it_can_be_inspected(
    world: World, autojump_clock: MockClock
) -> None:
    session = await created(world)
    assert world.ledger.records("exec") == [as_record(session.snapshot)]
    await session.mailbox.ask(StartExec())
    assert world.ledger.records("exec") == [as_record(session.snapshot)]
    world.exec_host.process.end(7)
    await reaches(session, State.EXITED)
    assert world.ledger.records("exec") == [as_record(session.snapshot)]
    await trio.sleep(KEEP_SECONDS + 1)
    assert world.ledger.records("exec") == []


async def test_making_a_session_is_one_commit_and_a_start_with_an_end_are_two_more(world: World) -> None:
    container = await world.running()
    before = len(world.ledger.history)
    session = await world.execs.create(container, ECHO)
    assert len(world.ledger.history) == before + 1
    await session.mailbox.ask(StartExec())
    world.exec_host.process.end(0)
    await reaches(session, State.EXITED)
    assert len(world.ledger.history) == before + 3


async def test_whoever_leaves_while_a_session_is_written_does_not_hide_it(world: World) -> None:
    container = await world.running()
    world.ledger.gate = trio.Event()

    async def create() -> None:
        with asker:
            await world.execs.create(container, ECHO)

    asker = trio.CancelScope()
    world.nursery.start_soon(create)
    await wait_all_tasks_blocked()
    asker.cancel()
    await wait_all_tasks_blocked()
    world.ledger.gate.set()
    await wait_all_tasks_blocked()
    assert [as_record(session.snapshot) for session in world.execs] == world.ledger.records("exec") != []


async def test_a_full_disk_keeps_the_record_of_a_session_and_not_the_session(
    world: World, autojump_clock: MockClock
) -> None:
    session = await started(world)
    world.exec_host.process.end(0)
    await reaches(session, State.EXITED)
    world.ledger.fails = Failed("full")
    await trio.sleep(KEEP_SECONDS + 1)
    with pytest.raises(NotFound):
        world.execs.resolve(session.id)
    assert len(world.ledger.records("exec")) == 1
    assert [log["reason"] for log in world.logs if log["log_level"] == "warning"] == ["full"]


@pytest.mark.parametrize(
    ("said", "error", "code"),
    [
        ("no such file or directory", InvalidParameter, 127),
        ("Permission denied", InvalidParameter, 126),
        ("x", RuntimeFailed, 128),
    ],
)
async def test_a_process_that_cannot_be_started_is_told_and_kept(
    world: World, said: str, error: type[Exception], code: int
) -> None:
    session = await created(world)
    world.exec_host.faults["execute"] = RuntimeFailed("exec", said)
    with pytest.raises(error):
        await session.mailbox.ask(StartExec())
    assert (session.snapshot.state, session.snapshot.exit_code) == (State.EXITED, code)
    assert actions(world) == ["exec_create: echo hi", "exec_die"]
    await wait_all_tasks_blocked()
    assert world.exec_host.stages == ["execute", "clean_up"]


async def test_a_lost_process_is_not_a_success(world: World) -> None:
    session = await started(world)
    world.exec_host.process.lose()
    assert (await reaches(session, State.EXITED)).exit_code == 255


async def test_a_session_is_started_once(world: World) -> None:
    session = await started(world)
    with refused(Conflict, f"exec command {session.id} is already running"):
        await session.mailbox.ask(StartExec())
    world.exec_host.process.end(0)
    await reaches(session, State.EXITED)
    with refused(Conflict, f"exec command {session.id} has already run"):
        await session.mailbox.ask(StartExec())


async def test_a_terminal_is_resized_only_while_there_is_one(world: World) -> None:
    session = await created(world)
    with refused(Conflict, f"exec command {session.id} is not running"):
        await session.mailbox.ask(ResizeExec(1, 2))
    await session.mailbox.ask(StartExec())
    await session.mailbox.ask(ResizeExec(24, 80))
    assert [detail for _, detail in world.exec_host.asked("resize")] == [(24, 80)]
    world.exec_host.faults["resize"] = Failed("no")
    with refused(Failed, "no"):
        await session.mailbox.ask(ResizeExec(1, 2))
    assert session.snapshot.running


async def test_a_note_is_an_event_of_its_container_while_it_runs_and_after(world: World) -> None:
    session = await started(world)
    await session.mailbox.ask(NoteExec("exec_detach"))
    world.exec_host.process.end(0)
    await reaches(session, State.EXITED)
    await session.mailbox.ask(NoteExec("exec_detach"))
    assert actions(world)[2:] == ["exec_detach", "exec_die", "exec_detach"]


async def test_whoever_leaves_before_the_process_runs_leaves_no_connection_open(world: World) -> None:
    """An unread connection would stop the monitor, and the process with it."""
    session = await created(world)
    gate = world.exec_host.hold("execute")

    async def ask() -> None:
        with asker:
            await session.mailbox.ask(StartExec())

    asker = trio.CancelScope()
    world.nursery.start_soon(ask)
    await reaches(session, State.STARTING)
    asker.cancel()
    await wait_all_tasks_blocked()
    gate.set()
    await reaches(session, State.RUNNING)
    [(near, _)] = world.exec_host.sockets
    with pytest.raises(trio.ClosedResourceError):
        await near.receive_batch()


async def test_a_session_can_be_inspected_for_a_while_after_its_end(
    world: World, autojump_clock: MockClock
) -> None:
    session = await started(world)
    world.exec_host.process.end(0)
    await reaches(session, State.EXITED)
    await trio.sleep(KEEP_SECONDS - 1)
    await session.mailbox.ask(NoteExec("exec_detach"))  # which does not keep it any longer
    assert world.execs.resolve(session.id) is session
    await trio.sleep(2)
    with refused(NotFound, f"No such exec instance: {session.id}"):
        world.execs.resolve(session.id)
    with refused(NotFound, f"No such exec instance: {session.id}"):
        await session.mailbox.ask(StartExec())


async def test_a_start_that_cannot_be_written_still_runs(world: World) -> None:
    session = await created(world)
    world.ledger.fails = Failed("full")
    assert (await session.mailbox.ask(StartExec())).connection is not None
    world.ledger.fails = None
    world.exec_host.process.end(0)
    await reaches(session, State.EXITED)
    assert actions(world) == ["exec_create: echo hi", "exec_start: echo hi", "exec_die"]


async def test_a_note_that_cannot_be_written_is_refused(world: World) -> None:
    session = await started(world)
    world.ledger.fails = Failed("full")
    with refused(Failed, "full"):
        await session.mailbox.ask(NoteExec("exec_detach"))


async def test_a_crash_while_starting_is_answered_and_the_session_is_over(
    world: World, autojump_clock: MockClock
) -> None:
    session = await created(world)
    world.exec_host.faults["execute"] = ZeroDivisionError("a bug of ours")
    with refused(Unavailable, f"the engine stopped looking after exec session {session.id}"):
        await session.mailbox.ask(StartExec())
    assert (await reaches(session, State.EXITED)).exit_code == 255


async def test_a_crash_while_it_runs_changes_nothing_for_the_process(
    world: World, autojump_clock: MockClock
) -> None:
    session = await started(world)
    await session.mailbox.tell(ExecFailed(Failed("which nobody expects"), 1))
    await trio.sleep(1)
    world.exec_host.process.end(3)
    assert (await reaches(session, State.EXITED)).exit_code == 3


async def test_a_command_that_meets_a_bug_is_answered(world: World, autojump_clock: MockClock) -> None:
    session = await started(world)
    world.ledger.fails = ZeroDivisionError("a bug of ours")
    with pytest.raises(Unavailable):
        await session.mailbox.ask(NoteExec("exec_detach"))


async def test_files_that_cannot_be_deleted_do_not_bring_a_session_back(
    world: World, autojump_clock: MockClock
) -> None:
    session = await started(world)
    world.exec_host.faults["clean_up"] = ZeroDivisionError("a bug of ours")
    world.exec_host.process.end(3)
    assert (await reaches(session, State.EXITED)).exit_code == 3
    await trio.sleep(1)
    assert session.snapshot.exit_code == 3
    await trio.sleep(KEEP_SECONDS)
    with pytest.raises(NotFound):
        world.execs.resolve(session.id)


async def test_sessions_of_a_container_are_those_that_have_not_ended(world: World) -> None:
    container, other = await world.running("web"), await world.running("shop")
    first, second = [await world.execs.create(container, ECHO) for _ in range(2)]
    await world.execs.create(other, ECHO)
    await first.mailbox.ask(StartExec())
    assert world.execs.of(container) == [first, second]
    world.exec_host.process.end(0)
    await reaches(first, State.EXITED)
    assert world.execs.of(container) == [second]


@pytest.mark.parametrize("reference", ["", "nope"])
async def test_a_session_is_found_by_its_whole_id_only(world: World, reference: str) -> None:
    session = await created(world)
    for wrong in (reference, session.id[:12]):
        with refused(NotFound, f"No such exec instance: {wrong}"):
            world.execs.resolve(wrong)


async def test_a_session_needs_a_running_container_and_a_command(world: World) -> None:
    container = await world.running()
    with refused(InvalidParameter, "no exec command specified"):
        await world.execs.create(container, ExecConfig())
    await container.mailbox.ask(Stop(10))
    with refused(Conflict, f"container {container.id} is not running"):
        await world.execs.create(container, ECHO)


async def test_a_session_in_a_paused_container_is_refused(world: World) -> None:
    with refused(Conflict, "container web is paused, unpause the container before exec"):
        await world.execs.create(await world.paused(), ECHO)


async def test_a_session_that_cannot_be_written_is_not_made(world: World) -> None:
    container = await world.running()
    world.ledger.fails = Failed("full")
    with refused(Failed, "full"):
        await world.execs.create(container, ECHO)
    assert world.execs.of(container) == []


def a_record_of(container: Container, run: Run) -> ExecSnapshot:
    return ExecSnapshot(ExecRecord("e" * 64, container.id, ECHO, run), State.RUNNING)


async def test_a_new_engine_watches_what_an_old_one_started(world: World) -> None:
    container = await world.running()
    run = world.exec_host.make_process()
    world.execs.recover([a_record_of(container, run).record], {})
    session = world.execs.resolve("e" * 64)
    assert session.snapshot.pid == run.pid
    world.exec_host.process.end(3)
    assert (await reaches(session, State.EXITED)).exit_code == 3


async def test_a_start_that_an_old_engine_did_not_live_to_write_has_happened(world: World) -> None:
    container = await world.running()
    run = world.exec_host.make_process()
    world.execs.recover([ExecRecord("e" * 64, container.id, ECHO)], {"e" * 64: run})
    session = world.execs.resolve("e" * 64)
    assert (await reaches(session, State.RUNNING)).pid == run.pid
    assert world.ledger.records(KIND) == [as_record(session.snapshot)]
    with refused(Conflict, f"exec command {session.id} is already running"):
        await session.mailbox.ask(StartExec())
    world.exec_host.process.end(3)
    assert (await reaches(session, State.EXITED)).exit_code == 3
    assert actions(world) == ["exec_start: echo hi", "exec_die"]


async def test_a_start_of_which_nobody_knows_whether_it_has_happened_is_not_repeated(world: World) -> None:
    container = await world.running()
    world.execs.recover([ExecRecord("e" * 64, container.id, ECHO)], {"e" * 64: None})
    session = world.execs.resolve("e" * 64)
    refusal = (
        f"exec command {session.id} is not run again: "
        "the engine ended while it was being started, and it may have run"
    )
    assert (await reaches(session, State.EXITED)).exit_code == 255
    with refused(Conflict, refusal):
        await session.mailbox.ask(StartExec())
    assert actions(world) == ["exec_die"]
    assert world.exec_host.asked("execute") == []
    (record,) = world.ledger.records(KIND)
    assert ExecSnapshot(parse_record(record.body, ExecRecord), State.EXITED).interrupted


async def test_a_new_engine_starts_what_was_made_under_an_old_one(world: World) -> None:
    container = await world.running()
    world.execs.recover([ExecRecord("e" * 64, container.id, ECHO)], {})
    session = world.execs.resolve("e" * 64)
    assert session.snapshot.state is State.CREATED
    assert (await session.mailbox.ask(StartExec())).connection is not None


@pytest.mark.parametrize("elapsed", [0, KEEP_SECONDS - 10, -1000], ids="{} s ago".format)
async def test_a_new_engine_still_knows_how_a_session_ended(
    world: World, autojump_clock: MockClock, elapsed: int
) -> None:
    container = await world.running()
    ended_ns = time.time_ns() - elapsed * 10**9
    world.execs.recover([ExecRecord("e" * 64, container.id, ECHO, Run(1, 1, 1, 1), 7, ended_ns)], {})
    await wait_all_tasks_blocked()
    assert world.execs.resolve("e" * 64).snapshot.exit_code == 7
    await trio.sleep(min(KEEP_SECONDS - elapsed, KEEP_SECONDS) + 1)
    with pytest.raises(NotFound):
        world.execs.resolve("e" * 64)


async def test_a_new_engine_forgets_what_ended_long_ago(world: World) -> None:
    container = await world.running()
    long_ago = ExecRecord("e" * 64, container.id, ECHO, Run(1, 1, 1, 1), 7, 1)
    await world.ledger.commit(Transaction(put=(as_record(ExecSnapshot(long_ago)),)))
    world.execs.recover([long_ago], {})
    await wait_all_tasks_blocked()
    with pytest.raises(NotFound):
        world.execs.resolve("e" * 64)
    assert world.ledger.records(KIND) == []


async def test_a_session_whose_container_is_gone_is_not_taken_up(world: World) -> None:
    doomed = ExecSnapshot(ExecRecord("e" * 64, "0" * 64, ECHO, Run(1, 1, 1, 1)))
    await world.ledger.commit(Transaction(put=(as_record(doomed),)))
    world.execs.recover([doomed.record], {})
    with pytest.raises(NotFound):
        world.execs.resolve("e" * 64)
    await wait_all_tasks_blocked()
    assert world.ledger.records(KIND) == []


async def test_a_session_that_was_never_started_goes_with_its_container(world: World) -> None:
    session = await created(world)
    await world.containers.resolve("web").mailbox.ask(ForceRemove())
    await wait_all_tasks_blocked()
    with pytest.raises(NotFound):
        world.execs.resolve(session.id)
    with pytest.raises(NotFound):
        await session.mailbox.ask(StartExec())
    assert world.ledger.records(KIND) == []


async def test_output_that_nobody_takes_does_not_keep_a_session_from_ending(
    world: World, autojump_clock: MockClock
) -> None:
    session = await started(world)
    (_, monitor) = world.exec_host.sockets[-1]
    world.exec_host.process.died.set()
    fill(monitor)
    await trio.sleep(PATIENCE_SECONDS + PERIOD_SECONDS)
    assert monitor.send(b"\x02more") > 0
    world.exec_host.process.end(0)
    assert (await reaches(session, State.EXITED)).exit_code == 0
