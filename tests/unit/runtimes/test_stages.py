"""What slow work is at: shown while it lasts, by whoever is meant, and by nobody else."""

from __future__ import annotations

import contextlib

import pytest
import trio

from daemon.runtimes.stages import Stage, Stages, show_in, stage


@pytest.fixture
def stages() -> Stages:
    """Where these tests show what they are at; it is always one second past the epoch."""
    return Stages(lambda: 10**9)


def names(stages: Stages) -> list[str]:
    return [one.name for one in stages]


async def test_a_stage_is_shown_while_it_lasts(stages: Stages) -> None:
    show_in(stages)
    with stage("mounting"):
        assert stages.latest == Stage("mounting", 10**9, None)
    assert stages.latest is None


async def test_a_deadline_is_a_time_of_day(stages: Stages) -> None:
    show_in(stages)
    with stage("crun create", 1.5):
        assert stages.latest == Stage("crun create", 10**9, 2_500_000_000)


async def test_a_stage_that_fails_is_over(stages: Stages) -> None:
    show_in(stages)
    with contextlib.suppress(ZeroDivisionError), stage("mounting"):
        raise ZeroDivisionError
    assert names(stages) == []


async def test_child_tasks_show_theirs_too_and_the_latest_that_lasts_counts(stages: Stages) -> None:
    show_in(stages)

    async def child(name: str, over: trio.Event, *, task_status: trio.TaskStatus[None]) -> None:
        with stage(name):
            task_status.started()
            await over.wait()

    first, second = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(child, "unmounting", first)
        await nursery.start(child, "crun delete", second)
        assert names(stages) == ["unmounting", "crun delete"]
        second.set()
        await trio.testing.wait_all_tasks_blocked()
        assert stages.latest is not None
        assert stages.latest.name == "unmounting"
        first.set()


async def test_what_nobody_wants_to_know_is_not_told(stages: Stages) -> None:
    other = Stages()

    async def another() -> None:
        show_in(other)
        with stage("mounting"):
            assert (names(stages), names(other)) == ([], ["mounting"])

    with stage("on nobody's behalf"):
        show_in(stages)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(another)
    assert (names(stages), names(other)) == ([], [])
