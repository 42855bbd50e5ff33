"""All exec sessions that can still be inspected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import attrs

from daemon.actors.container.actor import Container
from daemon.actors.containers import Containers, new_id
from daemon.actors.exec.actor import ExecActor
from daemon.actors.exec.changes import command_line, exec_event
from daemon.actors.exec.host import ExecHost
from daemon.actors.exec.lifecycle import State
from daemon.actors.exec.session import KIND, ExecRecord, ExecSession, ExecSnapshot
from daemon.actors.mailbox import Mailbox
from daemon.actors.published import Cell, Registry
from daemon.actors.supervision import Supervision
from daemon.errors import Conflict, InvalidParameter, NotFound
from daemon.failpoints import reached
from daemon.journal import Ledger, Transaction
from daemon.model import ExecConfig
from daemon.runtimes.stages import show_in


@attrs.define(eq=False)
class Execs:
    """The exec sessions of all containers."""

    host: ExecHost
    ledger: Ledger
    supervision: Supervision
    containers: Containers
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

        """
        check_can_exec(container)
        if not config.cmd:
            raise InvalidParameter("no exec command specified")
        record = ExecRecord(new_id(), container.id, config)
        created = exec_event(container, record.id, f"exec_create: {command_line(config)}")
        await self.ledger.commit(Transaction(events=(created,)))
        reached("exec-create-committed")
        return self._adopt(container, ExecSnapshot(record))

    def recover(self, records: Sequence[ExecRecord]) -> None:
        """Go on watching the sessions that ran when the engine ended."""
        for record in records:
            try:
                container = self.containers.resolve(record.container_id)
            except NotFound:
                # Removed while the session was ending; the engine died before that was written.
                forgotten = Transaction(delete=((KIND, record.id),))
                self.supervision.see_through("forget exec", partial(self.ledger.commit, forgotten))
                continue
            self._adopt(container, ExecSnapshot(record, State.RUNNING))

    def _adopt(self, container: Container, snapshot: ExecSnapshot) -> ExecSession:
        exec_id = snapshot.record.id
        session = ExecSession(exec_id, Mailbox(f"exec {exec_id}"), Cell(snapshot))
        self._registry.add(exec_id, session)
        self.supervision.keep(session.mailbox.name, partial(self._own, container, session))
        return session

    async def _own(self, container: Container, session: ExecSession) -> None:
        show_in(session.stages)
        await ExecActor(session, container, self.host, self.ledger).run()
        self._registry.remove(session.id)
        session.mailbox.close(f"No such exec instance: {session.id}")


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
