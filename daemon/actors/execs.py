"""All exec sessions that can still be inspected."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import attrs
import structlog
import trio

from daemon.actors.container.actor import Container
from daemon.actors.containers import Containers, new_id
from daemon.actors.exec.actor import ExecActor
from daemon.actors.exec.changes import command_line, exec_event
from daemon.actors.exec.host import ExecHost
from daemon.actors.exec.lifecycle import State
from daemon.actors.exec.session import KIND, ExecRecord, ExecSession, ExecSnapshot, as_record
from daemon.actors.mailbox import Mailbox
from daemon.actors.published import Cell, Registry
from daemon.actors.supervision import Supervision
from daemon.errors import Conflict, EngineError, InvalidParameter, NotFound
from daemon.failpoints import reached
from daemon.journal import Ledger, Transaction
from daemon.model import ExecConfig
from daemon.runtimes.base import Run
from daemon.runtimes.stages import show_in

LOG = structlog.get_logger(__name__)


@attrs.define(eq=False)
class Execs:
    """The exec sessions of all containers."""

    host: ExecHost
    ledger: Ledger
    supervision: Supervision
    containers: Containers
    now_ns: Callable[[], int] = time.time_ns
    _registry: Registry[ExecSession] = attrs.field(factory=Registry, init=False)

    def __iter__(self) -> Iterator[ExecSession]:
        return iter(self._registry)

    def resolve(self, exec_id: str) -> ExecSession:
        """Return the session with exactly this id.

        Raises:
            NotFound: there is none, or it ended long ago.

        """
        found = self._registry.get(exec_id)
        if found is None:
            raise NotFound(f"No such exec instance: {exec_id}")
        return found

    def of(self, container: Container) -> list[ExecSession]:
        """Return the sessions of a container that have not ended."""
        return [
            session
            for session in self._registry
            if session.snapshot.record.container_id == container.id
            and session.snapshot.state is not State.EXITED
        ]

    async def create(self, container: Container, config: ExecConfig) -> ExecSession:
        """Make a session that is not started yet.

        Raises:
            Conflict: the container does not run, or is paused.
            InvalidParameter: there is no command.
            Failed: the disk would not take it.

        """
        check_can_exec(container)
        if not config.cmd:
            raise InvalidParameter("no exec command specified")
        snapshot = ExecSnapshot(ExecRecord(new_id(), container.id, config))
        created = exec_event(container, snapshot.record.id, f"exec_create: {command_line(config)}")
        with trio.CancelScope(shield=True):  # what is written is shown, even if whoever asked has left
            await self.ledger.commit(Transaction(put=(as_record(snapshot),), events=(created,)))
        reached("exec-create-committed")
        return self._adopt(container, snapshot)

    def recover(self, records: Sequence[ExecRecord], begun: Mapping[str, Run | None]) -> None:
        """Take up again the sessions that the journal knows; those of removed containers are forgotten.

        `begun` is what came of starts that it does not know of (`ExecHost.begun`).
        """
        for record in records:
            try:
                container = self.containers.resolve(record.container_id)
            except NotFound:
                self.supervision.see_through("forget exec", partial(self._forget, record.id))
            else:
                state = State.STARTING if record.id in begun else record.state
                self._adopt(container, ExecSnapshot(record, state), begun.get(record.id))

    def _adopt(self, container: Container, snapshot: ExecSnapshot, begun: Run | None = None) -> ExecSession:
        exec_id = snapshot.record.id
        session = ExecSession(exec_id, Mailbox(f"exec {exec_id}"), Cell(snapshot))
        self._registry.add(exec_id, session)
        self.supervision.keep(session.mailbox.name, partial(self._own, container, session, begun))
        return session

    async def _own(self, container: Container, session: ExecSession, begun: Run | None) -> None:
        show_in(session.stages)
        await ExecActor(session, container, self.host, self.ledger, self.now_ns, begun).run()
        self._registry.remove(session.id)
        session.mailbox.close(f"No such exec instance: {session.id}")
        await self._forget(session.id)

    async def _forget(self, exec_id: str) -> None:
        """Have the journal forget a session; what it will not forget now, the next start has it forget."""
        try:
            await self.ledger.commit(Transaction(delete=((KIND, exec_id),)))
        except EngineError as error:
            LOG.warning("the record of an exec session stays for now", exec=exec_id, reason=str(error))


def check_can_exec(container: Container) -> None:
    """Accept that a process be started in `container`.

    Raises:
        Conflict: it does not run, or is paused.

    """
    snapshot = container.snapshot
    if snapshot.restarting:
        raise Conflict(f"Container {snapshot.id} is restarting, wait until the container is running")
    if not snapshot.running:
        raise Conflict(f"container {snapshot.id} is not running")
    if snapshot.paused:
        raise Conflict(f"container {snapshot.record.name} is paused, unpause the container before exec")
