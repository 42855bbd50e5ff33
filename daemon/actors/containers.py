"""All containers: how one comes into being, how it is found, and how it is found again after a restart."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import attrs
import structlog
import trio

from daemon.actors.container.actor import KIND, Container, ContainerActor, as_record
from daemon.actors.container.commands import Rename, Revive
from daemon.actors.container.events import draft
from daemon.actors.container.host import ContainerHost
from daemon.actors.container.names import check_name, invented_name, name_conflict
from daemon.actors.container.restarting import LONGEST_BACKOFF_NS, NANOSECONDS, at_engine_start, revives
from daemon.actors.container.snapshot import ContainerRecord, ContainerSnapshot, Stored, restored
from daemon.actors.container.states import CLEARING, LAUNCHING, State
from daemon.actors.mailbox import Command, Mailbox, Request
from daemon.actors.published import Cell, Registry
from daemon.actors.supervision import Supervision
from daemon.errors import EngineError, InvalidParameter, NotFound, Unavailable
from daemon.failpoints import reached
from daemon.journal import Hold, Ledger, Missing, Name, NameTaken, Transaction
from daemon.runtimes.stages import show_in
from daemon.runtimes.table import RuntimeTable

LOG = structlog.get_logger(__name__)
ID_BYTES: Final = 32
FOUND_OUT: Final = frozenset(State) - {*CLEARING, *LAUNCHING}  # how a container that was found is


@attrs.frozen
class Create(Command[Container]):
    """A container that does not exist yet: its record is complete but for the journal's consent."""

    record: ContainerRecord
    name_is_invented: bool


@attrs.define(eq=False)
class Containers:
    """The containers of this engine, oldest first; `runtimes` returns those in force."""

    host: ContainerHost
    ledger: Ledger
    supervision: Supervision
    runtimes: Callable[[], RuntimeTable]
    now_ns: Callable[[], int] = time.time_ns
    _registry: Registry[Container] = attrs.field(factory=Registry, init=False)

    def __iter__(self) -> Iterator[Container]:
        return iter(self._registry)

    def __len__(self) -> int:
        return len(self._registry)

    def resolve(self, reference: str) -> Container:
        """Return the container with this id, else this name, else this unique beginning of an id.

        Raises:
            NotFound: there is none.
            InvalidParameter: the beginning fits several.

        """
        exact = self._registry.get(reference) or self._named(reference.removeprefix("/"))
        if exact is not None:
            return exact
        found = self._registry.with_prefix(reference) if reference else []
        if len(found) > 1:
            raise InvalidParameter(f"multiple IDs found with provided prefix: {reference}")
        if not found:
            raise NotFound(f"No such container: {reference}")
        return found[0]

    async def create(self, record: ContainerRecord) -> Container:
        """Bring a container into being; one without a name is given one.

        Once begun it is completed, even if the asker is cancelled.

        Raises:
            Conflict: the name is taken.
            NotFound: the image is gone.

        """
        invented = not record.name
        named = attrs.evolve(record, name=invented_name()) if invented else record
        request = Request(Create(named, invented))
        self.supervision.see_through(f"create {record.id[:12]}", partial(self._bear, request))
        return await request.outcome()

    async def rename(self, container: Container, name: str) -> None:
        """Give a container another name.

        Raises:
            InvalidParameter: it is no name, or the one it has.
            Conflict: the name is taken.

        """
        wanted = name.removeprefix("/")
        if not wanted:
            raise InvalidParameter("Neither old nor new names may be empty")
        if wanted == container.snapshot.record.name:
            raise InvalidParameter("Renaming a container with the same name as its current name")
        check_name(wanted)
        await container.mailbox.ask(Rename(wanted))

    def recover(self, found: Sequence[Stored]) -> None:
        """Take up again what the journal knows; each actor then finds out how its container is."""
        for stored in sorted(found, key=lambda stored: stored.record.created_ns):
            container = self._adopt(at_engine_start(restored(stored, self.now_ns())))
            if stored.started_ns:  # who was never started is not started by a policy either
                self.supervision.see_through(
                    f"revive {stored.record.id[:12]}", partial(self._revive, container)
                )

    async def _revive(self, container: Container) -> None:
        """Start a container that was found ended, if its restart policy wants it; nobody waits for it.

        What hinders it may pass, as a full disk does: it is tried as long as the container wants it.
        """
        while revives(await container.cell.wait_for(lambda now: now.state in FOUND_OUT)):
            try:
                await container.mailbox.ask(Revive(self.runtimes()))
            except InvalidParameter as gone:
                LOG.error("not started with the engine", container=container.id, reason=str(gone))
                return
            except EngineError as error:
                LOG.error("not started with the engine yet", container=container.id, reason=str(error))
                await trio.sleep(LONGEST_BACKOFF_NS / NANOSECONDS)
            else:
                return

    def _named(self, name: str) -> Container | None:
        return next((found for found in self._registry if found.snapshot.record.name == name), None)

    async def _bear(self, request: Request[Container]) -> None:
        assert isinstance(request.command, Create)
        record = request.command.record
        try:
            snapshot = await self._commit_birth(record, request.command.name_is_invented)
        except NameTaken as taken:
            request.refuse(name_conflict(taken.name, taken.holder_id))
        except Missing:
            request.refuse(NotFound(f"No such image: {record.image_reference}"))
        except EngineError as error:
            request.refuse(error)
        else:
            container = self._adopt(snapshot)
            reached("create-adopted")
            request.answer(container)
        finally:
            request.refuse(Unavailable("the engine ended before the container was made"))

    async def _commit_birth(self, record: ContainerRecord, name_is_invented: bool) -> ContainerSnapshot:
        """Write the container's first record; an invented name that is taken is invented anew, longer."""
        try:
            return await self._commit_record(record)
        except NameTaken:
            if not name_is_invented:
                raise
        name = f"{invented_name()}_{record.id[:6]}"
        return await self._commit_record(attrs.evolve(record, name=name))

    async def _commit_record(self, record: ContainerRecord) -> ContainerSnapshot:
        snapshot = ContainerSnapshot(record)
        await self.ledger.commit(
            Transaction(
                put=(as_record(snapshot),),
                names=(Name(KIND, record.name, record.id),),
                hold=(Hold(KIND, record.id, "image", record.image_id),),
                events=(draft(record, "create", {}),),
            )
        )
        return snapshot

    def _adopt(self, snapshot: ContainerSnapshot) -> Container:
        container = Container(snapshot.id, Mailbox(f"container {snapshot.id}"), Cell(snapshot))
        self._registry.add(container.id, container)
        self.supervision.keep(container.mailbox.name, partial(self._own, container))
        return container

    async def _own(self, container: Container) -> None:
        """Be one incarnation of the container's owner; a later one begins from what the journal has."""
        show_in(container.stages)
        container.cell.publish(restored(container.snapshot.stored(), self.now_ns()))
        forget = partial(self._registry.remove, container.id)
        await ContainerActor(container, self.host, self.ledger, forget, self.runtimes, self.now_ns).run()
        container.mailbox.close(f"No such container: {container.id}")


def new_id() -> str:
    """Return an id nobody has: 64 hexadecimal digits, not all decimal in the first twelve.

    A short id is a container's default host name, and a host name of digits only is taken for a number.
    """
    while (fresh := secrets.token_hex(ID_BYTES))[:12].isdecimal():
        continue
    return fresh
