"""What `docker rmi` may do, as one pure function.

The rules and their texts are Docker's, because scripts rely on both: a name only goes if that leaves
no container without a name for its image, an id only goes if nothing else hangs on it, and an image of
which others were made stays until they are gone.  One thing differs: with force, the image of a stopped
container loses its names but stays, since this engine lets nobody take away what a container needs to
start again.

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
    """What is to happen: these names go, and the image with them or not.

    `untag` are tags, `forget` the digests by which registries know the image.
    """

    untag: tuple[Reference, ...]
    delete: bool
    forget: tuple[Reference, ...] = ()


def decide(
    image: ImageSnapshot,
    name: Reference | None,
    typed: str,
    force: bool,
    users: Sequence[ImageUser],
    *,
    is_parent: bool = False,
) -> Deletion:
    """Return what deleting `image` means.

    Args:
        image: what is to go.
        name: the one it was found by, if it was by one.
        typed: what the client wrote.
        force: whether the client insists.
        users: the containers made from it.
        is_parent: whether other images were made of it.

    Raises:
        Conflict: something needs the image, or the name.

    """
    if name is None:
        return _by_id(image, force, users, is_parent)
    if not force and _is_single(image) and users:
        raise Conflict(
            f'conflict: unable to remove repository reference "{typed}" (must force) - container '
            f"{_short(users[0])} is using its referenced image {digests.short(image.id)}"
        )
    untag, forget = _names_that_go(image, name)
    is_last = len(untag) == len(image.tags) and len(forget) == len(image.digest_names)
    return Deletion(untag, is_last and not users and not is_parent, forget)


def _names_that_go(
    image: ImageSnapshot, name: Reference
) -> tuple[tuple[Reference, ...], tuple[Reference, ...]]:
    """Return the tags and the digests: with the last tag of a repository go the digests from there."""
    if name.digest:
        return (), (name,)
    repository = name.repository
    if any(tag.repository == repository and tag != name for tag in image.tags):
        return (name,), ()
    return (name,), tuple(digest for digest in image.digest_names if digest.repository == repository)


def _is_single(image: ImageSnapshot) -> bool:
    """Tell whether all names of an image are one: a tag, and digests of the same repository."""
    repositories = {name.repository for name in (*image.tags, *image.digest_names)}
    return len(image.tags) <= 1 and len(repositories) <= 1


def _by_id(image: ImageSnapshot, force: bool, users: Sequence[ImageUser], is_parent: bool) -> Deletion:
    if is_parent:
        raise _conflict(image, CANNOT_FORCE, "image has dependent child images")
    running = [user for user in users if user.running]
    if running:
        raise _conflict(image, CANNOT_FORCE, f"image is being used by running container {_short(running[0])}")
    if not _is_single(image) and not force:
        raise _conflict(image, MUST_FORCE, "image is referenced in multiple repositories")
    if users and not (force and (image.tags or image.digest_names)):
        how = CANNOT_FORCE if force else MUST_FORCE
        raise _conflict(image, how, f"image is being used by stopped container {_short(users[0])}")
    return Deletion(image.tags, not users, image.digest_names)


def _conflict(image: ImageSnapshot, how: str, why: str) -> Conflict:
    return Conflict(f"conflict: unable to delete {digests.short(image.id)} ({how}) - {why}")


def _short(user: ImageUser) -> str:
    return digests.short(user.container_id)
