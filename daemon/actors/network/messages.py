"""What may be said to a network, and what its own tasks report to it."""

from __future__ import annotations

import attrs

from daemon.actors.mailbox import Command, Event
from daemon.errors import EngineError
from daemon.model import EndpointConfig
from daemon.networks.records import Lease, NetworkRecord


@attrs.frozen
class Join(Command[Lease]):
    """Give a container a place; one that has a place is told which, whatever it wishes now.

    The network is in the kernel when the answer comes.  The lease is nowhere on disk but where the
    container's record has it.
    """

    container_id: str
    container_name: str
    wish: EndpointConfig = attrs.field(factory=EndpointConfig)


@attrs.frozen
class Leave(Command[Lease | None]):
    """Take a container's place back and answer which it was; None if it had none."""

    container_id: str


@attrs.frozen
class Rename(Command[None]):
    """Note that a container has another name; one that is not here is passed over."""

    container_id: str
    container_name: str


@attrs.frozen
class Remove(Command[None]):
    """Remove the network; refused while anybody has a place in it."""


@attrs.frozen
class Raised(Event):
    """The network is in the kernel, as `record` says."""

    record: NetworkRecord


@attrs.frozen
class RaiseFailed(Event):
    """The kernel would not have it."""

    error: EngineError


@attrs.frozen
class Removed(Event):
    """The network is neither in the kernel nor in the journal any more."""


@attrs.frozen
class RemoveFailed(Event):
    """The network is still in the journal; in the kernel it may be, or a part of it."""

    error: EngineError
