"""Any sequence of reloads, good and bad, against the simplest model: a list of those that happened."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from daemon.actors.configuration.value import ID, KIND, Configuration, Published, fingerprint
from daemon.configuration import InvalidSettings
from daemon.errors import EngineError, Failed
from daemon.runtimes.table import RuntimeTable
from daemon.startup import MissingProgram
from daemon.wire import parse_record
from tests.unit.actors.configuration.samples import AT_RESTART, changed
from tests.unit.actors.configurations import Reloading
from tests.unit.runtimes.tables import RUNTIMES, a_runtime

FAULTS: Final = {
    "read": InvalidSettings("no", "never"),
    "look_up": MissingProgram("crun", "crun"),
    "realize": OSError(28, "No space left on device"),
}
MOVED: Final = attrs.evolve(RUNTIMES, runtimes={**RUNTIMES.runtimes, "crun": a_runtime("crun", "/opt/crun")})


@attrs.frozen
class Attempt:
    """One reload: what the file says, what is installed, and which step fails, if any."""

    keys: Collection[str]
    table: RuntimeTable
    fault: str

    def arrange(self, reloading: Reloading) -> None:
        reloading.host.wanted, reloading.host.table = changed(*self.keys), self.table
        reloading.host.faults = {self.fault: FAULTS[self.fault]} if self.fault in FAULTS else {}
        reloading.ledger.fails = Failed("full") if self.fault == "commit" else None


ATTEMPTS: Final = st.builds(
    Attempt,
    st.sets(st.sampled_from(["debug", "labels", "runtimes", "mtu"])),
    st.sampled_from([RUNTIMES, MOVED]),
    st.sampled_from(["", "", "", *FAULTS, "commit"]),
)


async def all_made(attempts: Sequence[Attempt], reloading: Reloading) -> list[Configuration]:
    """Make the attempts, check each, and return all configurations that were in force in turn."""
    in_turn = [reloading.live.current]
    for attempt in attempts:
        attempt.arrange(reloading)
        try:
            plan = await reloading.live.reload()
        except EngineError:
            assert attempt.fault
            assert reloading.live.current is in_turn[-1]
            assert reloading.live.refusal is not None
            continue
        assert not attempt.fault
        assert reloading.live.refusal is None
        assert reloading.live.current is plan.configuration
        assert {change.key for change in plan.configuration.pending} == AT_RESTART & set(attempt.keys)
        in_turn.append(plan.configuration)
    return in_turn


def check(reloading: Reloading, in_turn: Sequence[Configuration]) -> None:
    contents = [fingerprint(found.settings, found.runtimes) for found in in_turn]
    steps = [
        (later.generation - earlier.generation, content != previous)
        for (earlier, later), (previous, content) in zip(pairwise(in_turn), pairwise(contents), strict=True)
    ]
    assert all(step == different for step, different in steps)
    assert reloading.applied == in_turn[1:]
    assert reloading.generations == [str(found.generation) for found in in_turn[1:]]
    if in_turn[1:]:
        record = reloading.ledger.books.records[KIND, ID]
        assert parse_record(record.body, Published) == Published(in_turn[-1].generation, contents[-1])


@settings(deadline=None)
@given(st.lists(ATTEMPTS, max_size=8))
def test_whatever_is_reloaded_number_record_and_events_agree_with_what_is_in_force(
    attempts: list[Attempt],
) -> None:
    async def live() -> None:
        reloading = Reloading()
        with capture_logs():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reloading.actor.run)
                in_turn = await all_made(attempts, reloading)
                nursery.cancel_scope.cancel()
        check(reloading, in_turn)
        assert reloading.announcer.told == ["reloading", "ready"] * len(attempts)

    trio.run(live)
