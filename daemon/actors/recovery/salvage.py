"""Makes up for what the journal has lost: damaged records are set aside, containers and images found again.

All that comes of it is one transaction, so a crash in the middle means that the next start does it again.
There are no events of it: Docker has none for this, and `create` or `start` would be lies.  Whoever reads the
events of a journal that was replaced is told of a gap, upon which it has to list anyway.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio

from daemon.actors.container.actor import KIND as CONTAINER
from daemon.actors.container.actor import as_record
from daemon.actors.container.snapshot import Stored, restored
from daemon.actors.exec.session import KIND as EXEC
from daemon.actors.recovery.adoption import Adoption
from daemon.actors.recovery.aside import Aside
from daemon.actors.recovery.known import ID, Damaged, Known, read
from daemon.errors import EngineError
from daemon.images import references
from daemon.images.rebuilding import Rebuilding
from daemon.images.records import IMAGE_KIND as IMAGE
from daemon.journal import Held, Hold, Journal, Name, Record, Transaction
from daemon.journal.rescue import rescued_names
from daemon.networks.records import NETWORK_KIND
from daemon.runtimes.layout import Layout
from daemon.runtimes.strays import Monitor, monitors
from daemon.wire import to_record

LOG: Final = structlog.get_logger(__name__)
RESCUE: Final = "rescue"  # the kind of the record that says that a damaged journal was made up for
SUFFIX_LENGTH: Final = 6


@attrs.frozen
class Images:
    """Images that were found again, as the journal will have them."""

    records: tuple[Record, ...] = ()
    names: tuple[Name, ...] = ()


@attrs.frozen
class Salvage:
    """One start's look at the journal; `rescued` is the damaged one that lies beside it, if one does."""

    journal: Journal
    layout: Layout
    rescued: Path | None
    rebuilding: Rebuilding

    async def known(self) -> Known:
        """Return what is known, with what could be found again; the journal then knows it, too."""
        known = read(self.journal)
        written = await trio.to_thread.run_sync(self._set_aside, known.damaged)
        found = named(await self._found(known), known, self.journal.names(CONTAINER))
        images = await trio.to_thread.run_sync(self._images)
        try:
            await self._commit(written, found, images)
        except EngineError as error:  # the next start tries again; this one can do without
            LOG.error("what was found again cannot be written", reason=str(error))
        for stored in found:
            record = stored.record
            LOG.warning("container found again", id=record.id, name=record.name, state=stored.state.value)
        return self._divided(attrs.evolve(known, containers=(*known.containers, *found)))

    def layers(self, known: Known) -> set[str]:
        """Return the unpacked layers that containers need and no image's record names any more."""
        images = {record.id for record in self.journal.records(IMAGE)}
        records = (stored.record for stored in known.containers)
        return {chain for record in records if record.image_id not in images for chain in record.chain_ids}

    @property
    def aside(self) -> Aside:
        """Where damaged records are."""
        return Aside(self.layout.data_root / "damaged")

    def _set_aside(self, damaged: Sequence[Damaged]) -> list[Damaged]:
        """Write files of damaged records, and return those that have one now."""
        written = []
        for record in damaged:
            about = LOG.bind(kind=record.kind, id=record.id, reason=record.reason)
            try:
                path = self.aside.put(record)
            except OSError as error:
                about.error("a damaged record stays in the journal: it cannot be set aside", error=str(error))
            else:
                about.error("a damaged record was set aside", file=str(path))
                written.append(record)
        return written

    async def _found(self, known: Known) -> list[Stored]:
        """Find the containers of which the journal should know and does not."""
        own = await trio.to_thread.run_sync(self._monitors)
        candidates = {*own, *(record.id for record in known.damaged if record.kind == CONTAINER)}
        if self._is_lost:
            candidates.update(path.name for path in self.layout.containers.iterdir())
        candidates.difference_update(stored.record.id for stored in known.containers)
        adoption = Adoption(self.layout, own)
        found = [await adoption.find(one) for one in sorted(candidates) if ID.fullmatch(one)]
        return [stored for stored in found if stored is not None]

    def _images(self) -> Images:
        """Find the images that a lost journal knew, and what names of theirs can be read in it."""
        if not self._is_lost:
            return Images()
        assert self.rescued is not None
        known = {record.id for record in self.journal.records(IMAGE)}
        found = self.rebuilding.images(self.rescued.stat().st_mtime)
        new = {record.id: record for record in found if record.id not in known}
        taken = self.journal.names(IMAGE)
        names = {
            name: owner
            for name, owner in rescued_names(self.rescued, IMAGE).items()
            if owner in new and name not in taken and is_name(name)
        }
        for image_id in new:
            tags = sorted(name for name, owner in names.items() if owner == image_id)
            LOG.warning("image found again", id=image_id, names=tags or "lost; tag it, or load it again")
        return Images(
            tuple(Record(IMAGE, record.id, to_record(record)) for record in new.values()),
            tuple(Name(IMAGE, name, owner) for name, owner in names.items()),
        )

    def _monitors(self) -> dict[str, Monitor]:
        """Return the containers' own monitors; the oldest, where one is just forking."""
        running = [
            one for one in monitors(self.layout.exec_root) if one.directory.parent == self.layout.bundles
        ]
        return {monitor.container_id: monitor for monitor in reversed(running)}

    @property
    def _is_lost(self) -> bool:
        """Whether a whole journal was lost, and not made up for yet."""
        return self.rescued is not None and self.journal.record(RESCUE, self.rescued.name) is None

    async def _commit(self, written: Sequence[Damaged], found: Sequence[Stored], rebuilt: Images) -> None:
        if not (written or found or self._is_lost):
            return
        lost_images = {record.id for record in written if record.kind == IMAGE}
        recorded = {record.id for record in (*self.journal.records(IMAGE), *rebuilt.records)} - lost_images
        transaction = Transaction(
            delete=tuple((record.kind, record.id) for record in written),
            put=(*rebuilt.records, *(as_record(restored(stored)) for stored in found), *self._mark()),
            names=(
                *rebuilt.names,
                *(Name(CONTAINER, stored.record.name, stored.record.id) for stored in found),
            ),
            hold=tuple(_holds(found, recorded)),
        )
        while True:
            try:
                await self.journal.commit(transaction)
            except Held as held:  # a damaged image, by containers that go on without its record
                let_go = tuple(Hold(*holder, held.kind, held.id) for holder in held.holders)
                transaction = attrs.evolve(transaction, unhold=(*transaction.unhold, *let_go))
            else:
                return

    def _mark(self) -> tuple[Record, ...]:
        return (Record(RESCUE, self.rescued.name, b"{}"),) if self.rescued and self._is_lost else ()

    def _divided(self, known: Known) -> Known:
        """Leave out what belongs to containers that nobody looks after, and name what is to be spared."""
        alive = {stored.record.id for stored in known.containers}
        lost = {record.id for record in known.damaged} | self.aside.ids(CONTAINER) | self.aside.ids(EXEC)
        orphans = {found.id for found in known.execs if found.container_id in lost - alive}
        execs = [found for found in known.execs if found.id not in orphans]
        kinds = (CONTAINER, EXEC, IMAGE, NETWORK_KIND)
        incomplete = {kind for kind in kinds if self.rescued or self.aside.ids(kind)}
        return attrs.evolve(
            known,
            execs=execs,
            spared=frozenset(lost | orphans),
            incomplete=frozenset(incomplete | {record.kind for record in known.damaged}),
        )


def named(found: Sequence[Stored], known: Known, names: dict[str, str]) -> list[Stored]:
    """Give each container that was found a name of its own: the journal's, else the one it was started with.

    Where two want the same, the older one has it.
    """
    lost = {record.id for record in known.damaged}
    taken = {name for name, owner in names.items() if owner not in lost}
    kept = {owner: name for name, owner in names.items() if owner in lost}
    results = []
    for stored in sorted(found, key=lambda stored: (stored.record.created_ns, stored.record.id)):
        name = kept.get(stored.record.id, stored.record.name)
        if name in taken:
            name = f"{name}_{stored.record.id[:SUFFIX_LENGTH]}"
        taken.add(name)
        results.append(attrs.evolve(stored, record=attrs.evolve(stored.record, name=name)))
    return results


def is_name(text: str) -> bool:
    """Tell whether `text` is an image's name, as one is written."""
    try:
        return references.parse(text).canonical == text
    except EngineError:
        return False


def _holds(found: Sequence[Stored], images: Collection[str]) -> Iterator[Hold]:
    for stored in found:
        if stored.record.image_id in images:
            yield Hold(CONTAINER, stored.record.id, "image", stored.record.image_id)
