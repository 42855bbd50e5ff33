"""A reload happens as a whole or not at all, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.configuration.actor import LiveConfiguration, Refusal, ReloadRefused
from daemon.actors.configuration.plan import Plan
from daemon.actors.configuration.value import ID, KIND, Published, fingerprint
from daemon.actors.supervision import Supervision
from daemon.configuration import InvalidSettings
from daemon.errors import EngineError, Failed, Unavailable
from daemon.settings import Settings
from daemon.startup import MissingProgram
from daemon.wire import parse_record
from tests.unit.actors.configuration.samples import changed
from tests.unit.actors.configurations import Reloading
from tests.unit.runtimes.tables import a_table

FOR_EVER_SECONDS = 1000
WANTED = changed("debug", "labels")


def recorded(reloading: Reloading) -> Published:
    return parse_record(reloading.ledger.books.records[KIND, ID].body, Published)


def keep_asking(nursery: trio.Nursery, live: LiveConfiguration) -> list[Plan]:
    """Have a reload asked by a task of its own; return where its answer will be."""
    answers: list[Plan] = []

    async def ask() -> None:
        answers.append(await live.reload())

    nursery.start_soon(ask)
    return answers


async def test_a_reload_puts_the_file_in_force_and_says_what_that_meant(reloading: Reloading) -> None:
    reloading.host.wanted = WANTED
    plan = await reloading.live.reload()
    now = reloading.live.current
    assert (now.settings, now.generation) == (WANTED, 2)
    assert plan.configuration is now
    assert [change.key for change in plan.changes] == ["debug", "labels"]
    assert reloading.applied == [now]
    assert reloading.generations == ["2"]
    assert recorded(reloading) == Published(2, fingerprint(now.settings, now.runtimes))


async def test_nothing_is_in_force_before_it_is_written(reloading: Reloading, nursery: trio.Nursery) -> None:
    before = reloading.live.current
    reloading.host.wanted = WANTED
    reloading.ledger.gate = trio.Event()
    answers = keep_asking(nursery, reloading.live)
    await wait_all_tasks_blocked()
    assert reloading.host.steps == ["read", "look_up", "realize"]
    assert len(reloading.ledger.history) == 1
    assert (reloading.live.current is before, reloading.applied, answers) == (True, [], [])
    reloading.ledger.gate.set()
    await wait_all_tasks_blocked()
    assert (reloading.live.current.settings, reloading.applied) == (WANTED, [reloading.live.current])
    assert len(answers) == 1


async def test_nothing_is_written_before_the_scripts_are(reloading: Reloading, nursery: trio.Nursery) -> None:
    writing = reloading.host.hold("realize")
    keep_asking(nursery, reloading.live)
    await wait_all_tasks_blocked()
    assert (reloading.ledger.history, reloading.announcer.told) == ([], ["reloading"])
    writing.set()
    await wait_all_tasks_blocked()
    assert (len(reloading.ledger.history), reloading.announcer.told) == (1, ["reloading", "ready"])


async def test_a_reload_without_a_difference_keeps_its_number_and_is_an_event(reloading: Reloading) -> None:
    first = (await reloading.live.reload()).configuration
    reloading.host.wanted = WANTED
    for _ in range(2):
        await reloading.live.reload()
    assert (first.generation, reloading.live.current.generation) == (1, 2)
    assert reloading.generations == ["1", "2", "2"]


async def test_a_dry_run_says_what_a_reload_would_do_and_leaves_no_trace(reloading: Reloading) -> None:
    before = reloading.live.current
    reloading.host.wanted = WANTED
    foreseen = await reloading.live.plan()
    assert (foreseen.configuration.generation, reloading.live.current is before) == (2, True)
    assert reloading.host.steps == ["read", "look_up"]
    assert (reloading.ledger.history, reloading.applied, reloading.announcer.told) == ([], [], [])
    assert await reloading.live.reload() == foreseen


async def test_a_dry_run_that_is_refused_is_nobodys_failed_reload(reloading: Reloading) -> None:
    reloading.host.faults["read"] = InvalidSettings("a", "b")
    with pytest.raises(ReloadRefused) as refused:
        await reloading.live.plan()
    assert (refused.value.problems, reloading.live.refusal) == (("a", "b"), None)


async def test_runtimes_are_looked_up_for_the_data_root_that_is_in_force(reloading: Reloading) -> None:
    reloading.host.wanted = attrs.evolve(WANTED, data_root=Path("/elsewhere"))
    await reloading.live.plan()
    await reloading.live.reload()
    assert reloading.host.looked_up == [WANTED, WANTED]


def full_disk(reloading: Reloading) -> None:
    reloading.ledger.fails = Failed("the journal cannot be written")


def failing(step: str, error: Exception) -> Callable[[Reloading], None]:
    return lambda reloading: reloading.host.faults.update({step: error})


FAILURES: list[tuple[Callable[[Reloading], None], type[EngineError], tuple[str, ...]]] = [
    (failing("read", InvalidSettings("mtu: no", "bip: no")), ReloadRefused, ("mtu: no", "bip: no")),
    (
        failing("look_up", MissingProgram("crun", "crun")),
        ReloadRefused,
        ("crun not found: apt install crun",),
    ),
    (
        failing("look_up", OSError(5, "Input/output error")),
        Failed,
        ("runtimes cannot be looked up: [Errno 5] Input/output error",),
    ),
    (
        failing("realize", OSError(28, "No space left on device")),
        Failed,
        ("a runtime's wrapper script cannot be written: [Errno 28] No space left on device",),
    ),
    (full_disk, Failed, ("the journal cannot be written",)),
]
STEPS = ["read", "look up", "look", "realize", "commit"]


@pytest.mark.parametrize(("fail", "error", "problems"), FAILURES, ids=STEPS)
async def test_whatever_fails_leaves_the_old_one_as_it_was(
    reloading: Reloading,
    fail: Callable[[Reloading], None],
    error: type[EngineError],
    problems: tuple[str, ...],
) -> None:
    before = reloading.live.current
    reloading.host.wanted = WANTED
    fail(reloading)
    with capture_logs() as logs, pytest.raises(error) as refused:
        await reloading.live.reload()
    assert reloading.live.current is before
    assert (reloading.applied, reloading.ledger.history) == ([], [])
    assert reloading.live.refusal == Refusal(7, problems)
    assert [entry["problems"] for entry in logs if entry["log_level"] == "error"] == [problems]
    assert all(problem in str(refused.value) for problem in problems)
    assert reloading.announcer.told == ["reloading", "ready"]


@pytest.mark.parametrize("fail", [fail for fail, *_ in FAILURES], ids=STEPS)
async def test_after_a_failure_the_next_good_reload_happens(
    reloading: Reloading, fail: Callable[[Reloading], None]
) -> None:
    reloading.host.wanted = WANTED
    fail(reloading)
    with pytest.raises(EngineError):
        await reloading.live.reload()
    reloading.host.faults.clear()
    reloading.ledger.fails = None
    await reloading.live.reload()
    assert (reloading.live.current.settings, reloading.live.refusal) == (WANTED, None)
    assert reloading.generations == ["2"]
    assert reloading.announcer.told == ["reloading", "ready"] * 2


async def test_two_reloads_at_once_happen_one_after_the_other(
    reloading: Reloading, nursery: trio.Nursery
) -> None:
    reloading.host.wanted = WANTED
    reading = reloading.host.hold("realize")
    both = [keep_asking(nursery, reloading.live) for _ in range(2)]
    await wait_all_tasks_blocked()
    assert reloading.host.steps == ["read", "look_up", "realize"]
    reloading.host.wanted = Settings()
    reading.set()
    await wait_all_tasks_blocked()
    assert reloading.host.steps == ["read", "look_up", "realize"] * 2
    assert reloading.announcer.told == ["reloading", "ready"] * 2
    assert reloading.generations == ["2", "3"]
    answered = {plan.configuration.generation: plan.configuration.settings for (plan,) in both}
    assert answered == {2: WANTED, 3: Settings()}


async def test_whoever_asked_may_leave_and_the_reload_goes_on(
    reloading: Reloading, nursery: trio.Nursery
) -> None:
    reloading.host.wanted = WANTED
    writing = reloading.host.hold("realize")
    with trio.CancelScope() as asker:
        nursery.start_soon(cancelled_once_all_wait, asker)
        await reloading.live.reload()
    assert asker.cancelled_caught
    writing.set()
    await wait_all_tasks_blocked()
    assert (reloading.live.current.settings, reloading.generations) == (WANTED, ["2"])


async def cancelled_once_all_wait(scope: trio.CancelScope) -> None:
    await wait_all_tasks_blocked()
    scope.cancel()


async def test_a_crash_is_answered_and_the_next_reload_happens(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    reloading = Reloading()
    before = reloading.live.current
    reloading.host.wanted = WANTED
    reloading.host.faults["look_up"] = ZeroDivisionError()
    with capture_logs():
        Supervision(nursery).keep("configuration", reloading.actor.run)
        with (
            trio.fail_after(FOR_EVER_SECONDS),
            pytest.raises(Unavailable, match="before the configuration was reloaded"),
        ):
            await reloading.live.reload()
        assert (reloading.live.current is before, reloading.announcer.told) == (True, ["reloading", "ready"])
        assert reloading.live.refusal is not None
        assert reloading.live.refusal.problems == ("ZeroDivisionError()",)
        reloading.host.faults.clear()
        await reloading.live.reload()
    assert reloading.live.current.settings == WANTED


async def test_a_plan_sees_what_else_is_in_force_by_then(reloading: Reloading, nursery: trio.Nursery) -> None:
    looking = reloading.host.hold("look_up")
    plans: list[Plan] = []

    async def plan() -> None:
        plans.append(await reloading.live.plan())

    nursery.start_soon(plan)
    await wait_all_tasks_blocked()
    now: Any = attrs.evolve(reloading.live.current, runtimes=a_table("crun", "runc", generation=5))
    reloading.live.cell.publish(now)
    looking.set()
    await wait_all_tasks_blocked()
    assert [plan.configuration.generation for plan in plans] == [5]
