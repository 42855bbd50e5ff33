"""What may be said to the images' actor, and what it answers."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from daemon.actors.image_catalog import ImageSnapshot
from daemon.actors.mailbox import Command
from daemon.archives.sandbox import Archive
from daemon.images.committing import Description as CommitDescription
from daemon.images.digests import Measured
from daemon.images.importing import Import as Description
from daemon.images.layerfile import WrittenLayer
from daemon.images.loading import Brought
from daemon.images.platforms import Platform
from daemon.images.progress import Tell, to_nobody
from daemon.images.references import Reference
from daemon.images.spool import Spool


@attrs.frozen
class Load(Command[tuple[str, ...]]):
    """Bring in the archive whose files `parts` are; answers what to tell the client, a line for each name.

    The files, in `spool`, are gone when the answer comes.  With `platform`, nothing for another one is
    brought in.  `tell` hears of each layer that is unpacked.
    """

    spool: Spool
    parts: Archive
    platform: Platform | None = None
    tell: Tell = to_nobody


@attrs.frozen
class Import(Command[str]):
    """Make an image of the file system tar at `tar`; answers the id.

    The file is gone when the answer comes.
    """

    tar: Spool
    description: Description
    tag: Reference | None = None


@attrs.frozen
class AddLayer(Command[str]):
    """Make an image of a recorded one and one more layer, which lies at `spool`, or none; answers the id.

    The file is gone when the answer comes.
    """

    spool: Spool
    layer: WrittenLayer | None
    parent_id: str
    description: CommitDescription
    tag: Reference | None = None


@attrs.frozen
class Tag(Command[None]):
    """Give the image that `reference` means the name `tag`, whoever has it now."""

    reference: str
    tag: Reference


@attrs.frozen
class Removed:
    """What a deletion did, in order."""

    untagged: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    def __add__(self, other: Removed) -> Removed:
        """Return what two did, one after the other."""
        return Removed(self.untagged + other.untagged, self.deleted + other.deleted)


@attrs.frozen
class Delete(Command[Removed]):
    """Remove a name or an image, whichever `reference` means.

    With `parents` those that the image was made of go too, as far as nothing else keeps them.
    """

    reference: str
    force: bool = False
    parents: bool = True


@attrs.frozen
class Pruned:
    """What a prune did; `reclaimed_bytes` counts layers nobody else has."""

    removed: Removed
    reclaimed_bytes: int


@attrs.frozen
class Prune(Command[Pruned]):
    """Remove every image that no container uses and `accepts` likes.

    One of which others were made loses its names, and goes with the last of these.
    """

    accepts: Callable[[ImageSnapshot], bool]


@attrs.frozen
class NoteSaved(Command[None]):
    """Report that images are being saved."""

    image_ids: tuple[str, ...]


@attrs.frozen
class Record(Command[tuple[ImageSnapshot, ...]]):
    """Record what a job has brought; said by the actor's own jobs."""

    brought: tuple[Brought, ...]
    action: str


@attrs.frozen
class RecordPulled(Command[None]):
    """Record what a pull has brought: an image that the registry knows as `name` and by `digest`.

    Said by whoever still has a lease on its content.
    """

    brought: Brought
    name: Reference
    digest: str


@attrs.frozen
class RecordPushed(Command[None]):
    """Record that a registry knows an image as `name` and by `digest`."""

    image_id: str
    name: Reference
    digest: str


@attrs.frozen
class RecordPacked(Command[None]):
    """Record what a layer that is kept plain has become for a push, so that the next one need not pack it."""

    diff_id: str
    packed: Measured
