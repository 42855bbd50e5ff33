"""Probes one container as long as it runs.

The task of one run: it waits, has the host run one probe, and reports it to the actor, which alone judges
(`health.py`).  There is one probe at a time, and while the container is anything but running there is none;
a probe that is under way then is broken off and says nothing any more.  Each container has its own phase,
from its own start, so many of them do not probe at the same moment.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
import trio

from daemon.actors.container.health import SECOND, Check, HealthStatus, check_of, next_probe_ns, result_of
from daemon.actors.container.host import ContainerHost
from daemon.actors.container.reports import Probed
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.mailbox import Mailbox
from daemon.actors.published import Cell


@attrs.frozen
class Probing:
    """What probing one container needs."""

    cell: Cell[ContainerSnapshot]
    mailbox: Mailbox
    host: ContainerHost
    now_ns: Callable[[], int]

    async def run(self) -> None:
        """Probe the container whenever it runs; return if it has no health check."""
        check = check_of(self.cell.current.record.config)
        while check is not None:
            await self.cell.wait_for(_runs)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._probe_again_and_again, check)
                await self.cell.wait_for(lambda now: not _runs(now))
                nursery.cancel_scope.cancel()

    async def _probe_again_and_again(self, check: Check) -> None:
        while True:
            now = self.cell.current
            status = now.health.status if now.health else HealthStatus.STARTING
            wait_ns = next_probe_ns(check, status, self.now_ns() - now.started_ns)
            await trio.sleep(wait_ns / SECOND)
            await self._probe(check)

    async def _probe(self, check: Check) -> None:
        """Probe once; return when nothing of the probe is left, which may be long after its report."""
        start_ns, record = self.now_ns(), self.cell.current.record
        async with trio.open_nursery() as nursery:
            probe = partial(self.host.probe, record, check.timeout_ns / SECOND)
            outcome = await nursery.start(probe)
            await self.mailbox.tell(Probed(result_of(outcome, check, start_ns, self.now_ns())))


def _runs(now: ContainerSnapshot) -> bool:
    return now.state is State.RUNNING
