"""The files of a log are looked after from before a run's first output until it is cleared up."""

from __future__ import annotations

import pytest
from trio.testing import wait_all_tasks_blocked

from daemon.actors.container.actor import as_record
from daemon.actors.container.commands import Start
from daemon.actors.container.logs import log_of
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.errors import RuntimeFailed
from daemon.journal import Name, Transaction
from daemon.model import LogConfig
from daemon.runtimes.base import Run
from tests.unit.actors.test_container_recovery import written
from tests.unit.actors.world import World, a_record
from tests.unit.runtimes.tables import RUNTIMES

RUN = Run(4711, 1, 4710, 1)


async def test_a_log_is_kept_before_its_process_can_write(world: World) -> None:
    container = await world.created()
    starting = world.host.hold("start")
    asked = world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.INITIALIZED)
    await wait_all_tasks_blocked()
    assert world.host.kept_logs == [container.id]
    starting.set()
    await asked.answer()
    assert world.host.kept_logs == [container.id]


async def test_a_log_is_kept_until_the_run_is_over_and_again_in_the_next(world: World) -> None:
    container = await world.running()
    world.host.process.end(0)
    await world.reaches(container, State.EXITED)
    assert world.host.kept_logs == []
    await container.mailbox.ask(Start(RUNTIMES))
    assert world.host.kept_logs == [container.id]


async def test_a_log_is_not_kept_for_a_start_that_has_failed(world: World) -> None:
    container = await world.created()
    world.host.faults["start"] = RuntimeFailed("start", "no")
    with pytest.raises(RuntimeFailed):
        await container.mailbox.ask(Start(RUNTIMES))
    await world.reaches(container, State.EXITED)
    assert world.host.kept_logs == []


async def test_a_new_engine_keeps_the_logs_of_what_runs(world: World) -> None:
    process = world.host.knows(RUN)
    snapshot = ContainerSnapshot(a_record(), State.RUNNING, RUN, started_ns=1)
    name = Name("container", "web", snapshot.id)
    await world.ledger.commit(Transaction(put=(as_record(snapshot),), names=(name,)))
    world.containers.recover(written(world))
    await wait_all_tasks_blocked()
    assert world.host.kept_logs == [snapshot.id]
    process.end(0)
    await world.reaches(world.containers.resolve("web"), State.EXITED)
    assert world.host.kept_logs == []


@pytest.mark.parametrize(
    ("config", "limits"),
    [
        (LogConfig("json-file", {}), (None, 1)),
        (LogConfig("json-file", None), (None, 1)),
        (LogConfig("json-file", {"max-size": "10m"}), (10_000_000, 1)),
        (LogConfig("json-file", {"max-size": "10m", "max-file": "3"}), (10_000_000, 3)),
        (LogConfig("json-file", {"max-file": "3"}), (None, 1)),
    ],
)
def test_the_options_are_the_logs_limits(config: LogConfig, limits: tuple[int | None, int]) -> None:
    log = log_of(a_record(log_config=config))
    assert log is not None
    assert (log.size_max_bytes, log.most_files) == limits


def test_without_logging_there_is_no_log_whatever_its_options() -> None:
    assert log_of(a_record(log_config=LogConfig("none", {"max-size": "?"}))) is None
