"""Which events a transition puts into the journal (api-contract section 3.13).

Some tell of the message (`die`), some of an effect (`kill`, whatever sent the signal), some of what
clients had asked for and now have (`stop`, `restart`).  They are committed together with the
record, in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from daemon.actors.container.commands import Attach, Note, Rename, Resize, Restart, Stop
from daemon.actors.container.lifecycle import Effect
from daemon.actors.container.reports import (
    Connected,
    Deleted,
    Disconnected,
    Exited,
    Frozen,
    Lost,
    Probed,
    Relapsed,
    Started,
    Thawed,
    Updated,
)
from daemon.actors.container.signals import signal_of
from daemon.actors.container.snapshot import ContainerRecord, ContainerSnapshot
from daemon.actors.container.states import BETWEEN_RUNS
from daemon.journal import EventDraft

Named = Iterable[tuple[str, dict[str, str]]]
Drafts = Iterable[EventDraft]
NANOSECONDS: Final = 1_000_000_000
OBSERVED_LATE: Final = MappingProxyType({"observedAtRecovery": "true"})  # the end came while no engine ran


@attrs.frozen
class Transition:
    """One transition, as far as its events are concerned; `wanted` are the commands not answered yet."""

    before: ContainerSnapshot
    after: ContainerSnapshot
    message: Any
    effects: tuple[Effect, ...]
    wanted: Collection[type]

    @property
    def moved(self) -> bool:
        """Whether the state has changed."""
        return self.before.state is not self.after.state


def draft(record: ContainerRecord, action: str, attributes: Mapping[str, str]) -> EventDraft:
    """Return an event about the container, with its labels, image and name among the attributes."""
    labels = record.config.labels or {}
    common = {"image": record.image_reference, "name": record.name}
    return EventDraft("container", action, record.id, {**labels, **common, **attributes})


def events_of(transition: Transition) -> tuple[EventDraft, ...]:
    """Return the events that `transition` commits."""
    told = OF_MESSAGE.get(type(transition.message))
    named = [*_signals(transition), *(told(transition) if told else ())]
    own = [draft(transition.after.record, action, attributes) for action, attributes in named]
    of_networks = OF_NETWORKS.get(type(transition.message))
    return (*(of_networks(transition) if of_networks else ()), *own)


def _signals(transition: Transition) -> Named:
    for effect in transition.effects:
        if effect in {Effect.SIGNAL, Effect.KILL}:
            number = signal_of(effect, transition.message, transition.before.record.config)
            yield "kill", {"signal": str(number)}


def _started(transition: Transition) -> Named:
    yield "start", {}
    if Restart in transition.wanted:
        yield "restart", {}


def _ended(transition: Transition) -> Named:
    after = transition.after
    if after.oom_killed:
        yield "oom", {}
    lasted_seconds = (after.finished_ns - after.started_ns) // NANOSECONDS
    late = OBSERVED_LATE if _is_late(transition.message) else {}
    yield "die", {"exitCode": str(after.exit_code), "execDuration": str(lasted_seconds), **late}
    if Stop in transition.wanted or Restart in transition.wanted:
        yield "stop", {}


def _is_late(message: Any) -> bool:
    end: Exited | Lost = message.end if isinstance(message, Relapsed) else message
    return end.late


def _probed(transition: Transition) -> Named:
    before, after = transition.before.health, transition.after.health
    if after is not None and (before is None or before.status is not after.status):
        yield f"health_status: {after.status.value}", {}


def _stopped(transition: Transition) -> Named:
    # Else its end tells: there was a process.
    if transition.before.state in BETWEEN_RUNS:
        yield "stop", {}


def _thawed(transition: Transition) -> Named:
    # A restart thaws what might be frozen, and perhaps nobody had been told that it was.
    if transition.before.told_paused and transition.moved:
        yield "unpause", {}


def _renamed(transition: Transition) -> Named:
    yield "rename", {"oldName": f"/{transition.before.record.name}"}


def _resized(transition: Transition) -> Named:
    yield "resize", {"height": str(transition.message.height), "width": str(transition.message.width)}


def _network(action: str, network_id: str, name: str, driver: str, container_id: str) -> EventDraft:
    attributes = {"container": container_id, "name": name, "type": driver}
    return EventDraft("network", action, network_id, attributes)


def _all_networks(action: str) -> Callable[[Transition], Drafts]:
    """Make a teller of an event for each network that the run is in."""

    def tell(transition: Transition) -> Drafts:
        for attachment in transition.before.attachments.networks:
            lease = attachment.lease
            yield _network(action, lease.network_id, lease.network_name, lease.driver, transition.after.id)

    return tell


def _connected(transition: Transition) -> Drafts:
    before, after = transition.before.attachments, transition.after.attachments
    for attachment in after.networks:
        if before.named(attachment.lease.network_id) is None:
            lease = attachment.lease
            yield _network("connect", lease.network_id, lease.network_name, lease.driver, transition.after.id)


def _disconnected(transition: Transition) -> Drafts:
    message = transition.message
    if message.network_id:  # or else it is gone, and there is nothing to tell about
        yield _network("disconnect", message.network_id, message.network, message.driver, transition.after.id)


def _noted(transition: Transition) -> Named:
    yield transition.message.action, dict(transition.message.attributes)


def _simply(action: str) -> Callable[[Transition], Named]:
    return lambda _: [(action, {})]


def _if_moved(action: str) -> Callable[[Transition], Named]:
    return lambda transition: [(action, {})] if transition.moved else []


OF_MESSAGE: Final[Mapping[type, Callable[[Transition], Named]]] = MappingProxyType(
    {
        Started: _started,
        Exited: _ended,
        Lost: _ended,
        Relapsed: _ended,
        Probed: _probed,
        Stop: _stopped,
        Restart: _stopped,
        Frozen: _if_moved("pause"),
        Thawed: _thawed,
        Attach: _simply("attach"),
        Deleted: _simply("destroy"),
        Rename: _renamed,
        Updated: _simply("update"),
        Resize: _resized,
        Note: _noted,
    }
)

OF_NETWORKS: Final[Mapping[type, Callable[[Transition], Drafts]]] = MappingProxyType(
    {
        Started: _all_networks("connect"),
        Exited: _all_networks("disconnect"),
        Lost: _all_networks("disconnect"),
        Relapsed: _all_networks("disconnect"),
        Connected: _connected,
        Disconnected: _disconnected,
    }
)
"""Events about networks; they come before the container's own, as dockerd has them since version 23."""
