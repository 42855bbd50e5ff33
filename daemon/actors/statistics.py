"""What containers consume, read for whoever wants to know and for nobody else.

The rule: nothing here asks an actor, and the meter reads in a thread.  Clients that follow containers wake
up together, at full seconds of the clock; the first of them has everything read that they all want.  So a
hundred clients cost one visit to a thread each second, and of two that follow the same container one costs
nothing.  No task does that: where nobody waits, nothing is read.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, Protocol, TypeAlias
from weakref import WeakValueDictionary

import attrs
import trio

from daemon.actors.container.actor import Container
from daemon.actors.container.namespaces import PREFIX, Containers
from daemon.actors.container.snapshot import ContainerRecord, ContainerSnapshot
from daemon.errors import EngineError
from daemon.runtimes.usage.sample import Sample, Subject

PERIOD_SECONDS: Final = 1.0
LEAST_SECONDS: Final = 0.5  # a difference over less says little: the host counts in hundredths of a second

Samples: TypeAlias = Mapping[str, Sample]
"""By the container's id; of containers that do not run there is none."""


class Meter(Protocol):
    """Who reads what containers consume."""

    async def read(self, subjects: Mapping[str, Subject]) -> Samples:
        """Return a sample of each of `subjects` that is still there, under its key.

        Raises:
            Failed: they cannot be read.

        """
        ...


@attrs.frozen
class Reading:
    """What one client is told of a container: how it is, and what it consumes, if it runs.

    `before` is what it was told last, if that was in the same run.
    """

    snapshot: ContainerSnapshot
    now: Sample | None
    before: Sample | None = None


@attrs.define(eq=False)
class Round:
    """One reading of all `wanted` containers, at a moment of trio's clock."""

    at_seconds: float
    _read: Callable[[Iterable[Container]], Awaitable[Samples]]
    _wanted: dict[str, Container] = attrs.field(factory=dict, init=False)
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _found: Samples | None = attrs.field(default=None, init=False)

    def want(self, container: Container) -> None:
        """Have `container` read, too."""
        self._wanted[container.id] = container

    async def sample(self, container: Container) -> Sample | None:
        """Return what was found of one that is wanted; who comes first has it found for all.

        If that one is cancelled, the next begins again.
        """
        async with self._turn:
            if self._found is None:
                self._found = await self._read(self._wanted.values())
        return self._found.get(container.id)


@attrs.define(eq=False)
class Statistics:
    """The consumption of containers; `cgroup_of` tells where a container is accounted for."""

    containers: Containers
    cgroup_of: Callable[[ContainerRecord], str]
    meter: Meter
    _rounds: WeakValueDictionary[float, Round] = attrs.field(factory=WeakValueDictionary, init=False)

    def watch(self, container: Container) -> Watch:
        """Return the way of one client through the consumption of a container."""
        return Watch(self, container)

    async def read(self, containers: Iterable[Container]) -> Samples:
        """Return what containers consume now.

        Raises:
            Failed: it cannot be read.

        """
        found = ((one.id, self._subject(one.snapshot)) for one in containers)
        subjects = {key: subject for key, subject in found if subject is not None}
        return await self.meter.read(subjects) if subjects else {}

    def next_round(self) -> Round:
        """Return the next reading that is not too close."""
        at_seconds = math.ceil((trio.current_time() + LEAST_SECONDS) / PERIOD_SECONDS) * PERIOD_SECONDS
        found = self._rounds.get(at_seconds) or Round(at_seconds, self.read)
        self._rounds[at_seconds] = found
        return found

    def _subject(self, snapshot: ContainerSnapshot) -> Subject | None:
        """Return what to read of a container, None if it does not run."""
        if not snapshot.running or (run := snapshot.run) is None:
            return None
        return Subject(self.cgroup_of(snapshot.record), run.pid, run.started_ticks, self._links(snapshot))

    def _links(self, snapshot: ContainerSnapshot) -> tuple[str, ...]:
        """Return the links that lead to networks; where it shares another container's, those of that one."""
        mode = snapshot.record.host_config.network_mode
        if mode.startswith(PREFIX):
            try:
                snapshot = self.containers.resolve(mode.removeprefix(PREFIX)).snapshot
            except EngineError:  # it has been removed, and nobody knows its links any more
                return ()
        return tuple(found.link for found in snapshot.attachments.networks if found.link)


@attrs.define(eq=False)
class Watch:
    """One client's way through the consumption of a container: now, and then once a second."""

    _statistics: Statistics
    _container: Container
    _last: Sample | None = attrs.field(default=None, init=False)
    _begun: bool = attrs.field(default=False, init=False)

    async def next(self) -> Reading | None:
        """Return the next reading when it is time for it; None as soon as the container is removed.

        Raises:
            Failed: it cannot be read.

        """
        sample = await (self._later() if self._begun else self._now())
        snapshot = self._container.snapshot
        if snapshot.removed:
            return None
        before, self._last, self._begun = self._last, sample, True
        return Reading(snapshot, sample, before if sample is not None and sample.continues(before) else None)

    async def _now(self) -> Sample | None:
        return (await self._statistics.read([self._container])).get(self._container.id)

    async def _later(self) -> Sample | None:
        own_round = self._statistics.next_round()
        own_round.want(self._container)
        with trio.move_on_at(own_round.at_seconds):
            await self._container.cell.wait_for(lambda now: now.removed)
            return None
        return await own_round.sample(self._container)
