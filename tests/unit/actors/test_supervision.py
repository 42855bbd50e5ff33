"""Who crashes is started again, more and more slowly; nobody else notices."""

from __future__ import annotations

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from daemon.actors.supervision import LONGEST_PAUSE_SECONDS, STABLE_SECONDS, Kept, Supervision


class Crasher:
    """An actor that lives as long as it is told, crashes, and notes when it was born."""

    def __init__(self, *lives_seconds: float) -> None:
        self.began = trio.current_time()
        self.lives = list(lives_seconds)
        self.births: list[float] = []

    async def live(self) -> None:
        self.births.append(round(trio.current_time() - self.began, 3))
        if not self.lives:
            return
        await trio.sleep(self.lives.pop(0))
        raise ZeroDivisionError("a bug of ours")


async def births(*lives_seconds: float) -> list[float]:
    crasher = Crasher(*lives_seconds)
    with capture_logs():
        async with trio.open_nursery() as nursery:
            Supervision(nursery).keep("crasher", crasher.live)
    return crasher.births


async def test_a_crash_loop_slows_down(autojump_clock: MockClock) -> None:
    assert await births(0, 0, 0, 0) == [0, 0.1, 0.3, 0.7, 1.5]


async def test_it_never_becomes_slower_than_the_longest_pause(autojump_clock: MockClock) -> None:
    times = await births(*[0] * 15)
    assert round(times[-1] - times[-2], 3) == LONGEST_PAUSE_SECONDS


async def test_who_lived_long_is_started_again_quickly(autojump_clock: MockClock) -> None:
    assert await births(0, 0, STABLE_SECONDS + 1, 0) == [0, 0.1, 0.3, 61.4, 61.6]


async def test_who_returns_is_not_started_again(autojump_clock: MockClock) -> None:
    assert await births() == [0]


async def test_a_crash_is_logged_with_its_name(autojump_clock: MockClock) -> None:
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            Supervision(nursery).keep("container 1", Crasher(0).live)
    assert [(entry["event"], entry["actor"]) for entry in logs] == [("actor crashed", "container 1")]


async def test_a_crash_in_a_nursery_of_the_actor_is_one_too(autojump_clock: MockClock) -> None:
    crasher = Crasher(1)

    async def live() -> None:
        async with trio.open_nursery() as tasks:
            tasks.start_soon(crasher.live)

    with capture_logs():
        async with trio.open_nursery() as nursery:
            Supervision(nursery).keep("container 1", live)
    assert crasher.births == [0, 1.1]


async def test_the_end_of_the_engine_is_not_a_crash(autojump_clock: MockClock) -> None:
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            Supervision(nursery).keep("actor", trio.sleep_forever)
            Supervision(nursery).see_through("task", trio.sleep_forever)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
    assert logs == []


async def test_what_is_seen_through_is_not_begun_again(autojump_clock: MockClock) -> None:
    crasher = Crasher(0, 0)
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            Supervision(nursery).see_through("create 1", crasher.live)
    assert (crasher.births, [entry["event"] for entry in logs]) == ([0], ["task crashed"])


async def test_what_is_no_bug_ends_the_engine(autojump_clock: MockClock) -> None:
    async def live() -> None:
        raise SystemExit(1)

    with pytest.RaisesGroup(SystemExit):
        async with trio.open_nursery() as nursery:
            Supervision(nursery).keep("actor", live)


async def test_what_became_of_an_actor_can_be_seen_as_long_as_it_is_kept(autojump_clock: MockClock) -> None:
    with capture_logs():
        async with trio.open_nursery() as nursery:
            supervision = Supervision(nursery)
            supervision.keep("crasher", Crasher(5, 5).live)
            assert supervision.kept == {"crasher": Kept()}
            await trio.sleep(5.05)
            crashed = supervision.kept["crasher"]
            assert (crashed.alive, crashed.crashes) == (False, 1)
            await trio.sleep(0.1)
            assert crashed.alive
            await trio.sleep(5)
            assert crashed.crashes == 2
            assert crashed.last_crash is not None
            assert crashed.last_crash.text == "ZeroDivisionError('a bug of ours')"
    assert supervision.kept == {}


async def test_what_is_seen_through_can_be_seen(autojump_clock: MockClock) -> None:
    with capture_logs():
        async with trio.open_nursery() as nursery:
            supervision = Supervision(nursery)
            supervision.see_through("create 1", Crasher(5).live)
            await trio.sleep(1)
            assert [task.name for task in supervision.seen_through] == ["create 1"]
    assert supervision.seen_through == []
