"""What the journal knows, as far as it can be read: one damaged record must not keep the rest from working.

A record is damaged when its bytes are not what `to_record` writes, or say what no engine could have
written: an actor that began from such a record would crash, again and again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol

import attrs

from daemon.actors.configuration.value import KIND as CONFIGURATION
from daemon.actors.configuration.value import Published
from daemon.actors.container.actor import KIND as CONTAINER
from daemon.actors.container.lifecycle import Effect
from daemon.actors.container.logs import log_of
from daemon.actors.container.resuming import DURABLE, RESUME
from daemon.actors.container.snapshot import ContainerRecord, Stored
from daemon.actors.container.states import State
from daemon.actors.exec.lifecycle import State as ExecState
from daemon.actors.exec.session import KIND as EXEC
from daemon.actors.exec.session import ExecRecord
from daemon.errors import EngineError, Failed
from daemon.images.records import IMAGE_KIND as IMAGE
from daemon.images.records import ImageRecord
from daemon.journal import Record
from daemon.networks.records import LINKLESS, NETWORK_DRIVERS, NETWORK_KIND, NetworkRecord
from daemon.runtimes.base import Run
from daemon.runtimes.table import LockedRuntime
from daemon.wire import parse_record

ID: Final = re.compile(r"[0-9a-f]{64}")
PIDS: Final = range(1, 2**22 + 1)  # proc(5), pid_max


@attrs.frozen
class Damaged:
    """A record that cannot be read, and the names that led to it."""

    kind: str
    id: str
    body: bytes
    names: tuple[str, ...]
    reason: str


@attrs.frozen
class Known:
    """What is known of containers, exec sessions and networks, and what of all records cannot be read.

    `spared` are ids of containers and exec sessions that the engine does not look after and must not clear
    away either, because their records cannot be read.  Of the kinds that are `incomplete` there are or were
    records that cannot be read, and nobody has dealt with them yet: they may refer to anything.  `begun` is
    what came of starts of exec sessions that are in no record (`ExecHost.begun`).
    """

    containers: Sequence[Stored]
    execs: Sequence[ExecRecord]
    damaged: Sequence[Damaged] = ()
    spared: frozenset[str] = frozenset()
    incomplete: frozenset[str] = frozenset()
    networks: Sequence[NetworkRecord] = ()
    begun: Mapping[str, Run | None] = attrs.field(factory=dict)

    @property
    def runtimes(self) -> Sequence[LockedRuntime]:
        """The runtimes that containers are tied to."""
        return [runtime for found in self.containers if (runtime := found.record.runtime) is not None]

    @property
    def unstarted_execs(self) -> Sequence[ExecRecord]:
        """The exec sessions of which no record says that they were started."""
        return [found for found in self.execs if found.state is ExecState.CREATED]

    @property
    def running_execs(self) -> Mapping[str, Run]:
        """The exec sessions that may have processes and files; others have none, or none that count."""
        written = {found.id: found.run for found in self.execs if found.state is ExecState.RUNNING}
        return {name: run for name, run in {**written, **self.begun}.items() if run is not None}

    @property
    def runs(self) -> Sequence[Run]:
        """The runs that somebody looks after."""
        runs = (*(found.run for found in self.containers), *self.running_execs.values())
        return [run for run in runs if run is not None]


class Records(Protocol):
    """What recovery reads of the journal."""

    def records(self, kind: str) -> list[Record]:
        """Return all records of a kind."""
        ...

    def names(self, kind: str) -> dict[str, str]:
        """Return all names of a kind, with the id each stands for."""
        ...


def read(journal: Records) -> Known:
    """Read all records, and tell those that cannot be used from those that can."""
    found: dict[str, list[Any]] = {}
    damaged: list[Damaged] = []
    for kind, (type_, check) in _KINDS.items():
        found[kind] = []
        for record in journal.records(kind):
            try:
                value: Any = parse_record(record.body, type_)
                check(value, record.id)
            except EngineError as error:
                names = tuple(name for name, owner in journal.names(kind).items() if owner == record.id)
                damaged.append(Damaged(kind, record.id, record.body, names, str(error)))
            else:
                found[kind].append(value)
    return Known(found[CONTAINER], found[EXEC], damaged, networks=found[NETWORK_KIND])


def check_record(record: ContainerRecord, record_id: str) -> None:
    """Accept what a container's record says.

    Raises:
        EngineError: no engine has written this.

    """
    _check(ID.fullmatch(record_id) is not None, "this is no container's id")
    _check(record.id == record_id, "it is another container's")
    _check(bool(record.name), "the container has no name")
    log_of(record)


def _check_container(stored: Stored, record_id: str) -> None:
    check_record(stored.record, record_id)
    state = stored.state
    _check(
        DURABLE.get(state, state) is state and state is not State.REMOVED, f"{state.value} is never written"
    )
    _check(stored.run is not None or Effect.WATCH not in RESUME.get(state, ()), "what runs has no process")
    _check(stored.record.runtime is not None or state in {State.CONFIGURED, State.REMOVING, State.DEAD},
           "what has run has no runtime")  # fmt: skip
    _check_run(stored.run)


def _check_exec(record: ExecRecord, record_id: str) -> None:
    _check(record.id == record_id and ID.fullmatch(record_id) is not None, "it is another session's")
    _check((record.exit_code is None) == (record.ended_ns == 0), "it has ended, or not")
    _check_run(record.run)


def _check_image(record: ImageRecord, record_id: str) -> None:
    _check(record.id == record_id, "it is another image's")


def _check_network(record: NetworkRecord, record_id: str) -> None:
    _check(record.id == record_id and ID.fullmatch(record_id) is not None, "it is another network's")
    _check(bool(record.name), "the network has no name")
    _check(record.driver in NETWORK_DRIVERS, f"there is no driver {record.driver}")
    _check(bool(record.link) or record.driver in LINKLESS, "the network stands on no link")


def _check_run(run: Run | None) -> None:
    if run is not None:
        _check(run.pid in PIDS and run.monitor_pid in PIDS, "there are no such processes")


def _check(holds: bool, problem: str) -> None:
    if not holds:
        raise Failed(f"damaged record: {problem}")


_KINDS: Final[Mapping[str, tuple[type, Callable[[Any, str], None]]]] = MappingProxyType(
    {
        CONTAINER: (Stored, _check_container),
        EXEC: (ExecRecord, _check_exec),
        IMAGE: (ImageRecord, _check_image),
        NETWORK_KIND: (NetworkRecord, _check_network),
        CONFIGURATION: (Published, lambda *_: None),
    }
)
