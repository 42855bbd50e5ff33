"""What `docker rmi` may do, as one pure function.

The rules and their texts are Docker's, because scripts rely on both: a name only goes if that leaves
no container without a name for its image, an id only goes if nothing else hangs on it.  One thing differs:
with force, the image of a stopped container loses its names but stays, since this engine lets
nobody take away what a container needs to start again.

Source: api-contract section 3.6, moby daemon/images/image_delete.go (behaviour only).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from daemon.actors.image_catalog import ImageSnapshot
from daemon.errors import Conflict
from daemon.images import digests
from daemon.images.references import Reference

CANNOT_FORCE: Final = "cannot be forced"
MUST_FORCE: Final = "must be forced"


@attrs.frozen
class ImageUser:
    """A container made from an image."""

    container_id: str
    running: bool


@attrs.frozen
class Deletion:
    """What is to happen: these names go, and the image with them or not."""

    untag: tuple[Reference, ...]
    delete: bool


def decide(
    image: ImageSnapshot, tag: Reference | None, typed: str, force: bool, users: Sequence[ImageUser]
) -> Deletion:
    """Return what deleting `image` means; `tag` is the name it was found by, `typed` what the client wrote.

    Raises:
        Conflict: something needs the image, or the name.

    """
    if tag is None:
        return _by_id(image, force, users)
    if not force and len(image.tags) == 1 and users:
        raise Conflict(
            f'conflict: unable to remove repository reference "{typed}" (must force) - container '
            f"{_short(users[0])} is using its referenced image {digests.short(image.id)}"
        )
    return Deletion((tag,), delete=len(image.tags) == 1 and not users)


def _by_id(image: ImageSnapshot, force: bool, users: Sequence[ImageUser]) -> Deletion:
    running = [user for user in users if user.running]
    if running:
        raise _conflict(image, CANNOT_FORCE, f"image is being used by running container {_short(running[0])}")
    if len(image.tags) > 1 and not force:
        raise _conflict(image, MUST_FORCE, "image is referenced in multiple repositories")
    if users and not (force and image.tags):
        how = CANNOT_FORCE if force else MUST_FORCE
        raise _conflict(image, how, f"image is being used by stopped container {_short(users[0])}")
    return Deletion(image.tags, delete=not users)


def _conflict(image: ImageSnapshot, how: str, why: str) -> Conflict:
    return Conflict(f"conflict: unable to delete {digests.short(image.id)} ({how}) - {why}")


def _short(user: ImageUser) -> str:
    return digests.short(user.container_id)
