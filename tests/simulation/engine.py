"""One life of the engine over the machine and the disk, from recovery to the kill."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import attrs
import trio

from daemon.actors.container.actor import KIND as CONTAINER
from daemon.actors.container.snapshot import Stored
from daemon.actors.containers import Containers
from daemon.actors.exec.lifecycle import State
from daemon.actors.exec.session import KIND as EXEC
from daemon.actors.exec.session import ExecRecord
from daemon.actors.execs import Execs
from daemon.actors.supervision import Supervision
from daemon.runtimes.table import RuntimeTable
from daemon.wire import parse_record
from tests.simulation.disk import Disk, SimulatedLedger
from tests.simulation.hosts import Faults, SimulatedExecHost, SimulatedHost
from tests.simulation.machine import Machine
from tests.simulation.scheduler import now_ns
from tests.unit.runtimes.tables import a_table

TABLES: Final = (a_table("crun", "runc"), a_table("runc"))


@attrs.define(eq=False)
class SimulatedEngine:
    """What clients see of one life; `connections` are theirs, and end with it."""

    containers: Containers
    execs: Execs
    hosts: tuple[SimulatedHost, SimulatedExecHost]
    ledger: SimulatedLedger
    runtimes: RuntimeTable = TABLES[0]
    dead: bool = False
    connections: dict[trio.CancelScope, None] = attrs.field(factory=dict)

    def kill(self) -> None:
        """Be killed: nothing is done any more, and nobody is answered."""
        self.dead = True
        self.ledger.kill()
        for host in self.hosts:
            host.dead = True
        for scope in self.connections:
            scope.cancel()


@asynccontextmanager
async def running(machine: Machine, disk: Disk, faults: Faults) -> AsyncGenerator[SimulatedEngine]:
    """Recover what is on the disk and run the actors, as `daemon.actors.engine` does; on leaving, kill."""
    async with trio.open_nursery() as nursery:
        hosts = SimulatedHost(machine, faults), SimulatedExecHost(machine, faults)
        ledger = SimulatedLedger(disk)
        supervision = Supervision(nursery)
        containers = Containers(hosts[0], ledger, supervision, lambda: engine.runtimes, now_ns)
        execs = Execs(hosts[1], ledger, supervision, containers, now_ns)
        engine = SimulatedEngine(containers, execs, hosts, ledger)
        nursery.start_soon(ledger.run)
        _recover(engine, machine, disk)
        try:
            yield engine
        finally:
            engine.kill()
            nursery.cancel_scope.cancel()


def _recover(engine: SimulatedEngine, machine: Machine, disk: Disk) -> None:
    known = [parse_record(record.body, Stored) for record in disk.records(CONTAINER)]
    execs = [parse_record(record.body, ExecRecord) for record in disk.records(EXEC)]
    running = [found for found in execs if found.state is State.RUNNING]
    begun = machine.begun(found.id for found in execs if found.state is State.CREATED)
    runs = (*(found.run for found in known), *(found.run for found in running), *begun.values())
    machine.end_strays({run.pid for run in runs if run is not None})
    machine.prune({found.record.id for found in known})
    engine.containers.recover(known)
    engine.execs.recover(execs, begun)
