from __future__ import annotations

import attrs
import pytest

from daemon.actors.image_catalog import Catalog, ImageSnapshot, make_catalog
from daemon.errors import InvalidParameter, NotFound
from daemon.images.digests import hex_of
from tests.unit.images import tars


def image(name: str, *tags: str, created: str = "2024-01-01T00:00:00Z") -> ImageSnapshot:
    brought = tars.brought(name, *tags, created=created)
    return ImageSnapshot(brought.record, brought.document, brought.tags)


def two_images() -> tuple[Catalog, ImageSnapshot, ImageSnapshot]:
    a, b = image("a", "box:1", "me/box"), image("b", "box")
    return make_catalog([a, b]), a, b


@pytest.mark.parametrize(
    "reference", ["box:1", "library/box:1", "docker.io/library/box:1", "me/box", "me/box:latest"]
)
def test_an_image_is_found_by_every_form_of_its_names(reference: str) -> None:
    catalog, a, _ = two_images()
    assert catalog.find(reference).image == a
    assert catalog.find(reference).tag in a.tags


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("box", ["box:latest", "box:1"]),
        ("docker.io/library/box", ["box:latest", "box:1"]),
        ("me/box", ["me/box:latest"]),
        ("box:1", []),
        ("nope", []),
        ("not//a name", []),
    ],
)
def test_a_repository_has_the_tags_of_all_its_images(name: str, tags: list[str]) -> None:
    catalog, _, _ = two_images()
    assert sorted(one.tag.familiar for one in catalog.repository(name) if one.tag) == sorted(tags)


def test_an_id_is_no_repository() -> None:
    a = image("a")
    catalog = make_catalog([a, image("b", f"{hex_of(a.id)[:8]}:1")])
    assert catalog.repository(hex_of(a.id)) == catalog.repository(a.id) == []
    assert len(catalog.repository(hex_of(a.id)[:8])) == 1


def test_an_image_is_found_by_its_id_whole_or_cut_short() -> None:
    catalog, a, b = two_images()
    for wanted in (a, b):
        for reference in (wanted.id, hex_of(wanted.id), hex_of(wanted.id)[:12], wanted.id[:20]):
            assert catalog.find(reference).image == wanted
            assert catalog.find(reference).tag is None


def test_a_name_that_looks_like_the_start_of_an_id_wins_over_it() -> None:
    a = image("a")
    b = image("b", hex_of(a.id)[:8])
    catalog = make_catalog([a, b])
    assert catalog.find(hex_of(a.id)[:8]).image == b
    assert catalog.find(a.id[:15]).image == a


def test_an_image_is_found_by_the_digest_a_registry_gave_it() -> None:
    a = image("a")
    digest = "box@sha256:" + "c" * 64
    a = attrs.evolve(a, record=attrs.evolve(a.record, repo_digests=(digest,)))
    assert make_catalog([a]).find(f"docker.io/library/{digest}").image == a


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("nope", "No such image: nope:latest"),
        ("docker.io/library/nope:2", "No such image: nope:2"),
        ("nope@sha256:" + "c" * 64, "No such image: nope@sha256:ccc"),
        ("sha256:" + "c" * 64, "No such image: sha256:ccc"),
        ("c" * 64, "No such image: ccc"),
    ],
)
def test_what_is_not_there_is_named_in_the_error(reference: str, text: str) -> None:
    catalog, *_ = two_images()
    with pytest.raises(NotFound, match=text):
        catalog.find(reference)


@pytest.mark.parametrize("reference", ["", "A", "sha256:xyz", "a b", "sha256:" + "c" * 65])
def test_what_is_no_reference_is_refused(reference: str) -> None:
    catalog, *_ = two_images()
    with pytest.raises(InvalidParameter, match="invalid reference format"):
        catalog.find(reference)


def test_the_start_of_several_ids_is_refused() -> None:
    found: dict[str, ImageSnapshot] = {}
    for number in range(20):  # sixteen first digits: two of seventeen images share one
        new = image(f"image {number}")
        first = hex_of(new.id)[0]
        if first in found:
            break
        found[first] = new
    catalog = make_catalog([found[first], new])
    with pytest.raises(InvalidParameter, match=f"multiple IDs found with provided prefix: {first}"):
        catalog.find(f"sha256:{first}")


def test_a_tag_leaves_the_image_that_had_it() -> None:
    catalog, a, b = two_images()
    catalog = catalog.with_image(attrs.evolve(b, tags=(*b.tags, a.tags[0])))
    assert catalog.find("box:1").image.id == b.id
    assert catalog.images[a.id].repo_tags == ("me/box:latest",)


def test_images_are_in_the_order_of_their_making() -> None:
    old, new = image("n", created="2020-01-01T00:00:00Z"), image("a", created="2021-01-01T00:00:00Z")
    assert list(make_catalog([new, old])) == [old, new]


def test_an_image_says_what_running_it_needs() -> None:
    _, a, _ = two_images()
    needed = a.for_run()
    assert (needed.id, needed.config, needed.diff_ids) == (a.id, a.config, a.document.diff_ids)
    assert needed.architecture == "amd64"
