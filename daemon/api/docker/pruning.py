"""Which containers a prune deletes, deleting them, and the event that tells of any prune."""

from __future__ import annotations

from daemon.actors.container.actor import Container
from daemon.actors.container.commands import Remove
from daemon.actors.containers import Containers
from daemon.api.query import Filters, filter_time
from daemon.errors import EngineError
from daemon.journal import EventDraft, Ledger, Transaction


async def prune_containers(containers: Containers, given: Filters, now_ns: int) -> list[str]:
    """Delete the containers that do not run and that `given` selects; return the ids of those that are gone.

    Raises:
        InvalidParameter: a filter makes no sense.

    """
    until_ns = filter_time(given, "until", now_ns)
    deleted = []
    for container in containers:
        if _chosen(container, given, until_ns):
            try:
                await container.mailbox.ask(Remove())
            except EngineError:
                continue  # it has been started or removed meanwhile
            deleted.append(container.id)
    return deleted


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
