"""Which containers a prune deletes, deleting them, and the event that tells of any prune."""

from __future__ import annotations

import attrs

from daemon.actors.container.actor import Container
from daemon.actors.container.commands import Remove
from daemon.actors.disk_usage import written_by
from daemon.actors.engine import Engine
from daemon.api.query import Filters, filter_time
from daemon.errors import EngineError
from daemon.journal import EventDraft, Ledger, Transaction


@attrs.frozen
class Pruned:
    """The ids of the containers that are gone, and the room that their files took."""

    ids: tuple[str, ...]
    reclaimed_bytes: int


async def prune_containers(engine: Engine, given: Filters, now_ns: int) -> Pruned:
    """Delete the containers that do not run and that `given` selects.

    Raises:
        InvalidParameter: a filter makes no sense.

    """
    until_ns = filter_time(given, "until", now_ns)
    deleted: dict[str, int] = {}
    for container in engine.containers:
        if _chosen(container, given, until_ns):
            written = await written_by(engine.graph_driver, container.id)
            try:
                await container.mailbox.ask(Remove())
            except EngineError:
                continue  # it has been started or removed meanwhile
            deleted[container.id] = written or 0
    return Pruned(tuple(deleted), sum(deleted.values()))


async def tell_of_prune(ledger: Ledger, type_: str, reclaimed_bytes: int) -> None:
    """Commit the event that ends a prune of objects of a type; it belongs to none of them."""
    told = EventDraft(type_, "prune", "", {"reclaimed": str(reclaimed_bytes)})
    await ledger.commit(Transaction(events=(told,)))


def _chosen(container: Container, given: Filters, until_ns: int | None) -> bool:
    snapshot = container.snapshot
    if not snapshot.idle:
        return False
    labels = snapshot.record.config.labels or {}
    wanted = all(_has(labels, text) for text in given.get("label", ()))
    unwanted = any(_has(labels, text) for text in given.get("label!", ()))
    old_enough = until_ns is None or snapshot.record.created_ns < until_ns
    return wanted and not unwanted and old_enough


def _has(labels: object, text: str) -> bool:
    key, equals, value = text.partition("=")
    return isinstance(labels, dict) and key in labels and (not equals or labels[key] == value)
