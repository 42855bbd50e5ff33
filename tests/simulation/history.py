"""What clients asked, and what became of it: the one side of what the checker compares."""

from __future__ import annotations

import enum
from typing import Any

import attrs

from daemon.errors import EngineError
from tests.simulation.trace import Trace


class Outcome(enum.Enum):
    """How an operation ended for its client."""

    UNDER_WAY = "under way"
    DONE = "done"
    REFUSED = "refused"
    LEFT = "left"  # the client did not wait for the answer
    CUT_OFF = "cut off"  # the engine died before it answered
    NEVER = "never"  # nobody answered


@attrs.define(eq=False)
class Operation:
    """One operation: between the trace numbers `begun` and `ended` it may have taken effect."""

    kind: str
    target: str
    begun: int
    ended: int = 1 << 60
    outcome: Outcome = Outcome.UNDER_WAY
    error: EngineError | None = None
    value: Any = None

    def may_act_at(self, tick: int) -> bool:
        """Tell whether something that was begun at `tick` may be its doing."""
        return self.begun < tick < self.ended or (self.outcome is Outcome.CUT_OFF and self.begun < tick)

    @property
    def done(self) -> bool:
        return self.outcome is Outcome.DONE


@attrs.define(eq=False)
class History:
    """All operations, in the order they were begun; `boots` are the starts of the engine."""

    trace: Trace
    operations: list[Operation] = attrs.field(factory=list)
    boots: list[int] = attrs.field(factory=list)

    def begin(self, kind: str, target: str) -> Operation:
        operation = Operation(kind, target, self.trace.note("ask", kind, target[:6]))
        self.operations.append(operation)
        return operation

    def end(self, operation: Operation, outcome: Outcome) -> None:
        operation.outcome = outcome
        error = type(operation.error).__name__ if operation.error else ""
        operation.ended = self.trace.note(outcome.value, operation.kind, operation.target[:6], error)

    def boot(self) -> None:
        self.boots.append(self.trace.note("boot"))

    def of(self, target: str, *kinds: str) -> list[Operation]:
        """Return the operations of these kinds on one container."""
        return [found for found in self.operations if found.target == target and found.kind in kinds]
