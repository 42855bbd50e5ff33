"""The stock CLI against a registry that goes wrong: corrupt, cut off, busy, failing, slow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs

from daemon.images import digests
from tests.clients.cli import SECONDS, Docker, connect
from tests.clients.engine import Engine, configure, launched, running, until
from tests.clients.http_api import Api
from tests.clients.registries.background import in_background
from tests.clients.registries.conftest import Place
from tests.clients.registries.shelves import noise, shelve, shelve_index, tar_of
from tests.registries import scripted
from tests.registries.shelf import Reply, Shelf, corrupt, cut_at, instead, refuse

MIB = 1 << 20
BLOB = "GET /v2/box/blobs/"


def partials(engine: Engine) -> set[str]:
    return {f"sha256:{file.name}" for file in (engine.root / "data/blobs/partial").iterdir()}


def stored(engine: Engine) -> set[str]:
    return {f"sha256:{file.name}" for file in (engine.root / "data/blobs/sha256").iterdir()}


def answers(docker: Docker) -> bool:
    return docker("version", ok=False).code == 0


def ranges_asked_for(place: Place, digest: str) -> list[str]:
    """Return the Range headers of the requests for a blob, "" for none."""
    return [one.headers.get("range", "") for one in place.shelf.asked if one.path.endswith(digest)]


def test_an_image_for_each_platform_is_chosen_from_an_index(images: Docker, place: Place) -> None:
    own = shelve(place.shelf, "", tar_of(file=b"own"))
    other = shelve(place.shelf, "", tar_of(file=b"other"), architecture="arm64")
    index = shelve_index(place.shelf, "1", amd64=own, arm64=other)
    assert f"Digest: {index}" in images("pull", place.name()).out
    assert images.inspect(place.name())["Architecture"] == "amd64"
    images("pull", "--platform", "linux/arm64", place.name())
    assert images.inspect(place.name())["Architecture"] == "arm64"
    created = images("create", place.name(), "true")
    assert "platform (linux/arm64) does not match the detected host platform" in created.err
    missing = images("pull", "--platform", "linux/s390x", place.name(), ok=False)
    assert "no matching manifest for linux/s390x" in missing.err


def test_a_corrupt_layer_is_refused_and_nothing_of_it_is_kept(
    images: Docker, place: Place, engine: Engine
) -> None:
    image = shelve(place.shelf, "1", tar_of(file=noise(3 * MIB)))
    before = stored(engine)
    place.shelf.fail(BLOB + image.layers[0], corrupt, times=100)
    refused = images("pull", place.name(), ok=False)
    assert f"filesystem layer verification failed for digest {image.layers[0]}" in refused.err
    assert (stored(engine), partials(engine)) == (before, set())
    place.shelf.faults.clear()
    images("pull", place.name())


def test_a_connection_that_breaks_goes_on_where_it_was(images: Docker, place: Place) -> None:
    image = shelve(place.shelf, "1", tar_of(file=noise(4 * MIB)))
    place.shelf.fail(BLOB + image.layers[0], cut_at(2 * MIB))
    images("pull", place.name())
    first, second = ranges_asked_for(place, image.layers[0])
    assert first == ""
    assert second.startswith("bytes=")
    assert 0 < int(second.removeprefix("bytes=").rstrip("-")) <= 2 * MIB


def test_a_busy_and_a_failing_registry_are_asked_again(images: Docker, place: Place) -> None:
    image = shelve(place.shelf, "1", tar_of(file=b"x"))
    place.shelf.fail("GET /v2/box/manifests/1", instead(refuse(429, "TOOMANYREQUESTS", Retry_After="1")))
    place.shelf.fail(BLOB + image.layers[0], instead(Reply(503)), times=2)
    images("pull", place.name())
    assert len(ranges_asked_for(place, image.layers[0])) == 3


def test_a_registry_that_stays_busy_is_not_asked_for_ever(images: Docker, place: Place) -> None:
    shelve(place.shelf, "1", tar_of(file=b"x"))
    text = "you have reached your pull rate limit"
    place.shelf.fail("GET /v2/box/manifests/1", instead(refuse(429, "TOOMANYREQUESTS", text)), times=100)
    assert text in images("pull", place.name(), ok=False).err


def test_an_image_that_is_up_to_date_counts_as_no_pull(images: Docker, place: Place) -> None:
    shelve(place.shelf, "1", tar_of(file=b"x"))
    images("pull", place.name())
    place.shelf.fail("GET /v2/box/", instead(refuse(429, "TOOMANYREQUESTS", "no more pulls")), times=100)
    assert f"Status: Image is up to date for {place.name()}" in images("pull", place.name()).out


def test_a_mirror_that_lacks_the_image_is_passed_over(images: Docker, engine: Engine, api: Api) -> None:
    empty, full = Shelf(), Shelf()
    shelve(full, "1", tar_of(file=b"x"), name="library/mirrored")
    with in_background(lambda: scripted.serving(empty)) as first:  # noqa: SIM117  the second needs the first
        with in_background(lambda: scripted.serving(full)) as second:
            configure(engine.root, {"registry-mirrors": [first.url, second.url]})
            api.reload()
            assert "Status: Downloaded newer image for mirrored:1" in images("pull", "mirrored:1").out
    assert [one.path for one in empty.asked if "manifests" in one.path]
    assert images.inspect("mirrored:1")["RepoDigests"][0].startswith("mirrored@sha256:")


def test_a_mirror_that_serves_other_content_is_passed_over(images: Docker, engine: Engine, api: Api) -> None:
    wrong, right = Shelf(), Shelf()
    for shelf in (wrong, right):
        image = shelve(shelf, "1", tar_of(small=b"x"), tar_of(file=noise(2 * MIB)), name="library/mirrored")
    wrong.fail("GET /v2/library/mirrored/blobs/", corrupt, times=9)
    with in_background(lambda: scripted.serving(wrong)) as first:  # noqa: SIM117  the second needs the first
        with in_background(lambda: scripted.serving(right)) as second:
            configure(engine.root, {"registry-mirrors": [first.url, second.url]})
            api.reload()
            assert "Status: Downloaded newer image for mirrored:1" in images("pull", "mirrored:1").out
    asked = [line for line in wrong.lines() if "/blobs/" in line]
    assert len(asked) == len({*asked}) == 1 + len(image.layers)
    assert engine.log.count("a mirror serves another blob") == len(asked)
    assert partials(engine) == set()


def test_a_pull_that_is_interrupted_goes_on_with_the_next(
    images: Docker, place: Place, engine: Engine
) -> None:
    image = shelve(place.shelf, "1", tar_of(small=b"x"), tar_of(file=noise(4 * MIB)))
    place.shelf.fail(BLOB + image.layers[1], _stalling_at(3 * MIB))
    client = images.start("pull", place.name())
    until(lambda: image.layers[0] in stored(engine), "the whole of the first layer")
    until(lambda: _size(engine, image.layers[1]) >= 2 * MIB, "half of the second")
    client.kill()
    client.communicate()
    until(lambda: partials(engine) == set(image.layers), "the pull to end, and what came of it to be kept")
    images("pull", place.name())
    assert ranges_asked_for(place, image.layers[0]) == [""]
    _, second = ranges_asked_for(place, image.layers[1])
    assert int(second.removeprefix("bytes=").rstrip("-")) >= 2 * MIB
    assert partials(engine) == set()


def test_two_clients_share_a_pull(images: Docker, place: Place) -> None:
    image = shelve(place.shelf, "1", tar_of(file=noise(2 * MIB)))
    go = threading.Event()

    def held(reply: Reply) -> Reply:
        go.wait(SECONDS)
        return reply

    place.shelf.fail(BLOB + image.layers[0], held)
    clients = [images.start("pull", place.name()) for _ in range(2)]
    for client in clients:  # whoever has come is shown what there is to show already
        assert client.stdout is not None
        assert client.stdout.readline() == b"1: Pulling from box\n"
    until(lambda: ranges_asked_for(place, image.layers[0]), "the first to ask")
    go.set()
    for client in clients:
        out, _ = client.communicate(timeout=SECONDS)
        assert f"Status: Downloaded newer image for {place.name()}" in out.decode()
    assert len(ranges_asked_for(place, image.layers[0])) == 1


def test_a_crash_leaves_no_image_and_the_next_pull_is_whole(
    images: Docker, place: Place, tmp_path: Path
) -> None:
    image = shelve(place.shelf, "1", tar_of(small=b"x"), tar_of(file=noise(3 * MIB)))
    failpoints = (
        "image-partial-grown",
        "image-blob-downloaded",
        "layer-unpacked",
        "image-layer-unpacked",
        "image-synced",
        "image-committed",
    )
    for number, failpoint in enumerate(failpoints):
        root = tmp_path / str(number)  # short, for the paths of sockets
        root.mkdir()
        with launched(root, environment={"LONGSHORE_FAILPOINT": failpoint}) as engine:
            cli = connect(engine.url, root / "home")
            until(partial(answers, cli), "the engine to answer")
            assert cli("pull", place.name(), ok=False).code != 0
            engine.process.wait(SECONDS)
        with running(root) as engine:
            cli = connect(engine.url, root / "home")
            there = cli("images", "--quiet", "--no-trunc").lines
            assert len(there) == (failpoint == "image-committed")
            assert cli("pull", place.name()).code == 0
            assert set(image.layers) <= stored(engine)
            assert partials(engine) == set()


def _stalling_at(size_bytes: int) -> Callable[[Reply], Reply]:
    return lambda reply: attrs.evolve(reply, cut=size_bytes, stalls=True)


def _size(engine: Engine, digest: str) -> int:
    file = engine.root / "data/blobs/partial" / digests.hex_of(digest)
    return file.stat().st_size if file.exists() else 0
