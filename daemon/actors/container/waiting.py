"""What it means to wait for a container (api-contract section 3.10)."""

from __future__ import annotations

import attrs

from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.errors import InvalidParameter

CONDITIONS = ("not-running", "next-exit", "removed")


@attrs.frozen
class Waiting:
    """One waiter's condition; `exits` is how often the container had ended when the wait began."""

    condition: str
    exits: int

    def is_over(self, now: ContainerSnapshot) -> bool:
        """Whether the condition holds."""
        if self.condition == "removed" or now.removed:
            return now.removed
        return now.exits > self.exits or (self.condition == "not-running" and now.idle)

    def exit_code(self, now: ContainerSnapshot) -> int:
        """Return the code to answer with once the condition holds."""
        return now.exit_code


def waiting_for(now: ContainerSnapshot, condition: str) -> Waiting:
    """Begin to wait for `condition`; "" is Docker's default, not-running.

    Raises:
        InvalidParameter: there is no such condition.

    """
    wanted = condition or "not-running"
    if wanted not in CONDITIONS:
        raise InvalidParameter(f'invalid condition: "{condition}"')
    return Waiting(wanted, now.exits)
