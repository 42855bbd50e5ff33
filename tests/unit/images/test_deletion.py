from __future__ import annotations

import pytest

from daemon.actors.image_catalog import ImageSnapshot
from daemon.actors.image_deletion import Deletion, ImageUser, decide
from daemon.errors import Conflict
from tests.unit.images import tars

STOPPED = (ImageUser("1" * 64, running=False),)
RUNNING = (ImageUser("2" * 64, running=True),)


def image(*tags: str) -> ImageSnapshot:
    brought = tars.brought("a", *tags)
    return ImageSnapshot(brought.record, brought.document, brought.tags)


def by_name(target: ImageSnapshot, force: bool, users: tuple[ImageUser, ...]) -> Deletion:
    return decide(target, target.tags[0], "a:1", force, users)


def by_id(target: ImageSnapshot, force: bool, users: tuple[ImageUser, ...]) -> Deletion:
    return decide(target, None, target.id, force, users)


@pytest.mark.parametrize("force", [False, True])
def test_the_last_name_takes_the_image_with_it(force: bool) -> None:
    target = image("a:1")
    assert by_name(target, force, ()) == Deletion(target.tags, delete=True)
    assert by_id(target, force, ()) == Deletion(target.tags, delete=True)


@pytest.mark.parametrize("users", [(), STOPPED, RUNNING])
def test_one_of_several_names_just_goes(users: tuple[ImageUser, ...]) -> None:
    target = image("a:1", "a:2")
    assert by_name(target, False, users) == Deletion(target.tags[:1], delete=False)


@pytest.mark.parametrize("users", [STOPPED, RUNNING])
def test_the_last_name_of_an_image_in_use_must_be_forced(users: tuple[ImageUser, ...]) -> None:
    target = image("a:1")
    with pytest.raises(Conflict) as refusal:
        by_name(target, False, users)
    short_image, short_user = target.id[7:19], users[0].container_id[:12]
    assert str(refusal.value) == (
        'conflict: unable to remove repository reference "a:1" (must force) - '
        f"container {short_user} is using its referenced image {short_image}"
    )
    assert by_name(target, True, users) == Deletion(target.tags, delete=False)


def test_an_image_with_several_names_must_be_forced_by_id() -> None:
    target = image("a:1", "b:1")
    with pytest.raises(Conflict, match=r"\(must be forced\) - image is referenced in multiple repositories"):
        by_id(target, False, ())
    assert by_id(target, True, ()) == Deletion(target.tags, delete=True)


@pytest.mark.parametrize("force", [False, True])
def test_the_image_of_a_running_container_cannot_be_forced(force: bool) -> None:
    target = image("a:1")
    with pytest.raises(Conflict) as refusal:
        by_id(target, force, STOPPED + RUNNING)
    assert str(refusal.value) == (
        f"conflict: unable to delete {target.id[7:19]} (cannot be forced) - "
        "image is being used by running container 222222222222"
    )


def test_the_image_of_a_stopped_container_loses_its_names_by_force() -> None:
    target = image("a:1")
    with pytest.raises(
        Conflict, match=r"\(must be forced\) - image is being used by stopped container 1{12}$"
    ):
        by_id(target, False, STOPPED)
    assert by_id(target, True, STOPPED) == Deletion(target.tags, delete=False)


def test_the_nameless_image_of_a_stopped_container_stays() -> None:
    with pytest.raises(Conflict, match=r"cannot be forced"):
        by_id(image(), True, STOPPED)
    assert by_id(image(), False, ()) == Deletion((), delete=True)
