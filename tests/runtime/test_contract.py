"""What every `ContainerHost` must do: the fake and the real ones answer the same questions."""

from __future__ import annotations

import pytest
import trio

from daemon.errors import RuntimeFailed
from daemon.runtimes.base import Exit
from daemon.runtimes.failures import launch_failure
from tests.runtime.hosts import DEAF, OBEDIENT, REAL_SECONDS, Rig, discarded, launched, started
from tests.unit.actors.fakes import KILL, TERM


@pytest.mark.parametrize("code", [0, 1, 7, 127, 128, 255])
async def test_the_exit_code_is_the_processs_own(rig: Rig, code: int) -> None:
    async with started(rig, rig.record("sh", "-c", f"exit {code}")) as container:
        assert await container.wait() == Exit(code)


async def test_wait_does_not_return_while_the_process_runs(rig: Rig) -> None:
    async with started(rig, rig.record(*DEAF)) as container:
        assert await container.still_runs()


async def test_sigkill_ends_a_process_with_137(rig: Rig) -> None:
    async with started(rig, rig.record(*DEAF)) as container:
        rig.host.signal(container.run, KILL)
        assert await container.wait() == Exit(137)


async def test_a_process_may_obey_a_signal(rig: Rig) -> None:
    async with started(rig, rig.record(*OBEDIENT)) as container:
        await container.ready()
        rig.host.signal(container.run, TERM)
        assert await container.wait() == Exit(143)


async def test_a_process_may_ignore_a_signal(rig: Rig) -> None:
    async with started(rig, rig.record(*DEAF)) as container:
        await container.ready()
        rig.host.signal(container.run, TERM)
        assert await container.still_runs()


async def test_a_signal_to_what_has_ended_is_no_error(rig: Rig) -> None:
    async with started(rig, rig.record("sh", "-c", "exit 0")) as container:
        await container.wait()
        rig.host.signal(container.run, KILL)


async def test_a_frozen_process_hears_signals_when_it_is_thawed(rig: Rig) -> None:
    async with started(rig, rig.record(*OBEDIENT)) as container:
        await container.ready()
        await rig.host.freeze(container.record)
        rig.host.signal(container.run, TERM)
        assert await container.still_runs()
        await rig.host.thaw(container.record)
        assert await container.wait() == Exit(143)


async def test_thawing_what_is_not_frozen_is_no_error(rig: Rig) -> None:
    """After a crash nobody knows whether it was done."""
    async with started(rig, rig.record(*DEAF)) as container:
        await rig.host.thaw(container.record)
        await rig.host.freeze(container.record)
        await rig.host.freeze(container.record)
        await rig.host.thaw(container.record)
        await rig.host.thaw(container.record)
        assert await container.still_runs()


async def test_a_killed_monitor_leaves_an_exit_that_nobody_knows(rig: Rig) -> None:
    async with started(rig, rig.record(*DEAF)) as container:
        assert rig.host.monitored(container.run)
        await rig.lose(container.run)
        assert await container.wait() is None
        assert not rig.host.monitored(container.run)


async def test_a_frozen_container_without_a_monitor_can_be_cleaned_up(rig: Rig) -> None:
    async with started(rig, rig.record(*DEAF)) as container:
        await rig.host.freeze(container.record)
        await rig.lose(container.run)
        assert await container.wait() is None


@pytest.mark.parametrize("times", [1, 2])
async def test_cleaning_up_leaves_nothing_of_the_run(rig: Rig, times: int) -> None:
    async with started(rig, rig.record(*DEAF)) as container:
        for _ in range(times):
            await rig.host.clean_up(container.record, container.run)
        await rig.host.delete(container.record)
        assert rig.left(container.record) == []


async def test_deleting_twice_is_no_error(rig: Rig) -> None:
    record = rig.record("sh")
    await rig.host.delete(record)
    await rig.host.delete(record)
    assert rig.left(record) == []


async def test_deleting_takes_what_could_not_be_cleaned_up(rig: Rig) -> None:
    async with started(rig, rig.record("sh", "-c", "exit 0")) as container:
        await container.wait()
        await rig.host.delete(container.record)
        assert rig.left(container.record) == []


async def test_a_missing_executable_is_told_and_leaves_nothing(rig: Rig) -> None:
    record = rig.record("/nonesuch")
    with trio.fail_after(REAL_SECONDS):
        try:
            with pytest.raises(RuntimeFailed) as raised:
                await launched(rig, record)
        finally:
            await discarded(rig, record)
    assert launch_failure(raised.value)[1] == 127
    assert rig.left(record) == []


async def test_a_container_runs_again_after_it_was_cleaned_up(rig: Rig) -> None:
    record = rig.record("sh", "-c", "exit 3")
    for _ in range(2):
        async with started(rig, record) as container:
            assert await container.wait() == Exit(3)


async def test_a_container_whose_clean_up_failed_runs_again(rig: Rig) -> None:
    record = rig.record("sh", "-c", "exit 3")
    with trio.fail_after(REAL_SECONDS):
        run, _ = await rig.host.create(record)
        await rig.host.start(record, run)
        await rig.host.wait(record, run)
    async with started(rig, record) as container:
        assert await container.wait() == Exit(3)
