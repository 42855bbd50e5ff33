"""Changes to the catalog, as pure functions: what to commit, and what the catalog is after that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from daemon.actors.image_catalog import Catalog, ImageSnapshot
from daemon.actors.image_deletion import Deletion
from daemon.images.digests import Measured
from daemon.images.loading import Brought
from daemon.images.records import IMAGE_KIND
from daemon.images.references import Reference
from daemon.journal import EventDraft, Name, Record, Transaction
from daemon.wire import to_record

TAGGING: Final = frozenset(
    {"import", "create"}
)  # what clients have named is told of; what a load brings is not


@attrs.frozen
class Change:
    """A transaction, and the catalog to publish once it is committed."""

    transaction: Transaction
    catalog: Catalog


def event(image: ImageSnapshot, action: str, name: str) -> EventDraft:
    """Return an image's event: its labels, and `name`, as Docker has them."""
    return EventDraft("image", action, image.id, {**image.labels, "name": name})


def record(catalog: Catalog, brought: Iterable[Brought], action: str, now_ns: int) -> Change:
    """Add what a job has brought; of an image that is there already only the names are new."""
    transaction = Transaction()
    for new in brought:
        known = catalog.images.get(new.record.id)
        image = known or ImageSnapshot(new.record, new.document)
        image = _named(image, new.tags, now_ns)
        catalog = catalog.with_image(image)
        tagged = [event(image, "tag", tag.familiar) for tag in new.tags if action in TAGGING]
        transaction = Transaction(
            put=(*transaction.put, _entry(image)),
            move=(*transaction.move, *(_name(tag, image) for tag in new.tags)),
            events=(*transaction.events, *tagged, event(image, action, image.id)),
        )
    return Change(transaction, catalog)


def pulled(catalog: Catalog, new: Brought, name: Reference, digest: str, now_ns: int) -> Change:
    """Add what was pulled as `name`, which the registry knows by `digest`; a name by digest gives no tag."""
    image = catalog.images.get(new.record.id) or ImageSnapshot(new.record, new.document)
    if not name.digest:
        image = _named(image, (name,), now_ns)
    return _known_to_registry(catalog, image, name, digest, "pull")


def pushed(catalog: Catalog, image: ImageSnapshot, name: Reference, digest: str) -> Change:
    """Note that a registry knows `image` by `digest` since it was pushed as `name`."""
    return _known_to_registry(catalog, image, name, digest, "push")


def packed(catalog: Catalog, diff_id: str, became: Measured) -> Change:
    """Note, with every image that has it, what a layer that is kept plain becomes when it is packed."""
    changed = []
    for image in catalog:
        layers = tuple(
            attrs.evolve(layer, packed=became) if layer.is_plain and layer.diff_id == diff_id else layer
            for layer in image.record.layers
        )
        if layers != image.record.layers:
            changed.append(attrs.evolve(image, record=attrs.evolve(image.record, layers=layers)))
    for image in changed:
        catalog = catalog.with_image(image)
    return Change(Transaction(put=tuple(map(_entry, changed))), catalog)


def _known_to_registry(
    catalog: Catalog, image: ImageSnapshot, name: Reference, digest: str, action: str
) -> Change:
    repo_digest = attrs.evolve(name, tag="", digest=digest).familiar
    losers = [other.id for other in catalog if repo_digest in other.repo_digests and other.id != image.id]
    known = tuple(dict.fromkeys((*image.repo_digests, repo_digest)))
    image = attrs.evolve(image, record=attrs.evolve(image.record, repo_digests=known))
    catalog = catalog.with_image(image)
    told = EventDraft("image", action, name.familiar, {**image.labels, "name": name.familiar_repository})
    transaction = Transaction(
        put=(_entry(image), *(_entry(catalog.images[loser]) for loser in losers)),
        move=tuple(_name(tag, image) for tag in image.tags),
        events=(told,),
    )
    return Change(transaction, catalog)


def tag(catalog: Catalog, image: ImageSnapshot, name: Reference, now_ns: int) -> Change:
    """Give `image` one more name, taking it from whoever has it."""
    named = _named(image, (name,), now_ns)
    transaction = Transaction(
        put=(_entry(named),), move=(_name(name, named),), events=(event(named, "tag", name.familiar),)
    )
    return Change(transaction, catalog.with_image(named))


def remove(catalog: Catalog, image: ImageSnapshot, deletion: Deletion) -> Change:
    """Take names from `image`, and the image itself if `deletion` says so."""
    gone = {name.familiar for name in (*deletion.untag, *deletion.forget)}
    events = [event(image, "untag", image.id) for _ in gone]
    if deletion.delete:
        events.append(event(image, "delete", image.id))
        transaction = Transaction(delete=((IMAGE_KIND, image.id),), events=tuple(events))
        return Change(transaction, catalog.without_image(image.id))
    tags = tuple(name for name in image.tags if name.familiar not in gone)
    repo_digests = tuple(digest for digest in image.repo_digests if digest not in gone)
    left = attrs.evolve(image, tags=tags, record=attrs.evolve(image.record, repo_digests=repo_digests))
    released = tuple((IMAGE_KIND, name.canonical) for name in deletion.untag)
    put = (_entry(left),) if deletion.forget else ()
    return Change(Transaction(put=put, release=released, events=tuple(events)), catalog.with_image(left))


def _named(image: ImageSnapshot, tags: Iterable[Reference], now_ns: int) -> ImageSnapshot:
    names = sorted({*image.tags, *tags}, key=lambda name: name.canonical)
    return attrs.evolve(image, tags=tuple(names), record=attrs.evolve(image.record, tagged_ns=now_ns))


def _entry(image: ImageSnapshot) -> Record:
    return Record(IMAGE_KIND, image.id, to_record(image.record))


def _name(name: Reference, image: ImageSnapshot) -> Name:
    return Name(IMAGE_KIND, name.canonical, image.id)
