"""Whether each run of a container had a reason: somebody had asked for it, or its restart policy wanted it.

Read from the records on the disk: a run begins where the record becomes STARTING.  Whoever left before that
moment must not have caused it, and neither must a policy after a stop by hand.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from tests.simulation.disk import Entry
from tests.simulation.history import History, Operation

STARTING: Final = "starting"
WAITING: Final = "restarting"
STARTS: Final = ("start", "restart")


@attrs.define(eq=False)
class Judge:
    """Judges the runs of one container."""

    container_id: str
    history: History
    policy: str
    entries: list[Entry]

    def judge(self) -> list[str]:
        """Return the runs without a reason."""
        complaints, before = [], ""
        for entry in self.entries:
            state = entry.state_of(self.container_id)
            if state is None:
                continue
            if state["state"] == STARTING != before and not self._has_reason(entry, before, state):
                complaints.append(
                    f"{self.container_id[:6]} was started at #{entry.asked}, and nobody wanted it"
                )
            before = state["state"]
        return complaints

    def _has_reason(self, entry: Entry, before: str, state: dict[str, Any]) -> bool:
        starts = self.history.of(self.container_id, *STARTS)
        if any(start.may_act_at(entry.asked) or self._was_begun(start) for start in starts):
            return True
        if self.policy in {"", "no"} or not state["started_ns"]:
            return False
        return before == WAITING or (
            self._booted_since_last_wish(entry.asked) and not self._stopped(entry.asked)
        )

    def _was_begun(self, start: Operation) -> bool:
        """Tell whether it is a restart whose client left after its stop was begun: that is completed."""
        return start.kind == "restart" and any(
            start.begun < entry.asked < start.ended and entry.state_of(self.container_id)
            for entry in self.entries
        )

    def _booted_since_last_wish(self, tick: int) -> bool:
        return any(boot < tick for boot in self.history.boots[1:])

    def _stopped(self, tick: int) -> bool:
        """Tell whether a stop by hand was answered, nobody has wanted a start since, and the policy cares."""
        stops = [stop for stop in self.history.of(self.container_id, "stop", "kill") if stop.done]
        return any(
            stop.ended < tick
            and not self._wanted_since(stop, tick)
            and not (self.policy == "always" and self._booted_between(stop.ended, tick))
            for stop in stops
        )

    def _wanted_since(self, stop: Operation, tick: int) -> bool:
        starts = self.history.of(self.container_id, *STARTS)
        return any(start.ended > stop.begun and start.begun < tick for start in starts)

    def _booted_between(self, first: int, last: int) -> bool:
        return any(first < boot < last for boot in self.history.boots)
