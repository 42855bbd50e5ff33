from __future__ import annotations

import attrs
import pytest

from daemon.actors.image_catalog import ImageSnapshot
from daemon.actors.image_deletion import Deletion, ImageUser, decide
from daemon.errors import Conflict
from daemon.images.references import parse
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


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("tags", [(), ("a:1",), ("a:1", "b:1")])
@pytest.mark.parametrize("users", [(), STOPPED, RUNNING])
def test_an_image_that_others_were_made_of_stays(
    force: bool, tags: tuple[str, ...], users: tuple[ImageUser, ...]
) -> None:
    target = image(*tags)
    with pytest.raises(Conflict) as refusal:
        decide(target, None, target.id, force, users, is_parent=True)
    assert str(refusal.value) == (
        f"conflict: unable to delete {target.id[7:19]} (cannot be forced) - image has dependent child images"
    )


@pytest.mark.parametrize("force", [False, True])
def test_it_loses_its_last_name_like_any_other(force: bool) -> None:
    target = image("a:1")
    deletion = decide(target, target.tags[0], "a:1", force, (), is_parent=True)
    assert deletion == Deletion(target.tags, delete=False)


D1, D2 = ("sha256:" + digit * 64 for digit in "12")


def known(target: ImageSnapshot, *repo_digests: str) -> ImageSnapshot:
    """Return the image as registries know it."""
    return attrs.evolve(target, record=attrs.evolve(target.record, repo_digests=repo_digests))


def gone(deletion: Deletion) -> tuple[list[str], list[str], bool]:
    untag, forget = ([name.familiar for name in names] for names in (deletion.untag, deletion.forget))
    return untag, forget, deletion.delete


def test_the_last_tag_of_a_repository_takes_its_digests_along() -> None:
    target = known(image("a:1"), f"a@{D1}", f"a@{D2}")
    assert gone(by_name(target, False, ())) == (["a:1"], [f"a@{D1}", f"a@{D2}"], True)


def test_a_tag_leaves_the_digests_to_the_other_tags_of_its_repository() -> None:
    target = known(image("a:1", "a:2"), f"a@{D1}")
    assert gone(by_name(target, False, ())) == (["a:1"], [], False)


def test_a_digest_of_another_repository_keeps_the_image() -> None:
    target = known(image("a:1"), f"a@{D1}", f"b@{D1}")
    assert gone(by_name(target, False, ())) == (["a:1"], [f"a@{D1}"], False)


@pytest.mark.parametrize("tags", [(), ("a:1",)])
def test_a_digest_goes_alone_and_the_image_with_its_last_name(tags: tuple[str, ...]) -> None:
    target = known(image(*tags), f"a@{D1}")
    deletion = decide(target, parse(f"a@{D1}"), f"a@{D1}", False, ())
    assert gone(deletion) == ([], [f"a@{D1}"], not tags)


def test_a_tag_and_digests_of_its_repository_are_one_name_to_an_id() -> None:
    target = known(image("a:1"), f"a@{D1}", f"a@{D2}")
    assert gone(by_id(target, False, ())) == (["a:1"], [f"a@{D1}", f"a@{D2}"], True)
    with pytest.raises(Conflict, match="image is referenced in multiple repositories"):
        by_id(known(target, f"a@{D1}", f"b@{D1}"), False, ())
