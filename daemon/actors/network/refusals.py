"""Which commands a network refuses, by its state and by who is in it, and the texts, which are Docker's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from daemon.actors.mailbox import Command
from daemon.actors.network.lifecycle import step
from daemon.actors.network.messages import Join, Remove
from daemon.actors.network.snapshot import NetworkSnapshot
from daemon.errors import Conflict, EngineError, Forbidden, NotFound
from daemon.networks.records import NetworkRecord


def gone(record: NetworkRecord) -> NotFound:
    """Return what whoever asks for a removed network is told."""
    return NotFound(f"network {record.name} not found")


def refusal(snapshot: NetworkSnapshot, command: Command[Any]) -> EngineError | None:
    """Return why `command` is refused, or None if it is not."""
    check = CHECKS.get(type(command))
    refused = check(snapshot, command) if check is not None else None
    if refused is None and step(snapshot.state, command) is None:
        return Conflict(f"network {snapshot.record.name} is being removed")
    return refused


def _join(snapshot: NetworkSnapshot, join: Join) -> EngineError | None:
    taken = (
        endpoint.container_name == join.container_name
        for container_id, endpoint in snapshot.endpoints.items()
        if container_id != join.container_id
    )
    if any(taken):
        network = snapshot.record.name
        return Forbidden(f"endpoint with name {join.container_name} already exists in network {network}")
    return None


def _remove(snapshot: NetworkSnapshot, _: Remove) -> EngineError | None:
    record = snapshot.record
    if record.predefined:
        return Forbidden(f"{record.name} is a pre-defined network and cannot be removed")
    if snapshot.endpoints:
        return Forbidden(
            f"error while removing network: network {record.name} id {record.id} has active endpoints"
        )
    return None


CHECKS: Final[Mapping[type[Command[Any]], Callable[[NetworkSnapshot, Any], EngineError | None]]] = (
    MappingProxyType({Join: _join, Remove: _remove})
)
