"""The routes that speak to registries, over fakes."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import attrs
import orjson
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from daemon.actors.engine import Engine
from daemon.actors.image_transfers import Transfers
from daemon.actors.images import Images
from daemon.api.app import make_app
from daemon.api.docker import images, registries
from daemon.images import digests
from daemon.images.registry.credentials import ANONYMOUS, Credentials
from daemon.images.registry.errors import AccessDenied
from daemon.images.registry.repository import SearchResult
from tests.registries.fake import FakeRegistries
from tests.unit.api.serving import serving
from tests.unit.fakes import FakeLedger
from tests.unit.images.pulling.fakes import layer, make_image, make_index
from tests.unit.images.pulling.test_sharing import HeldRepository, big
from tests.unit.images.pulling.world import NAME, World, make_world

WHO = Credentials("me", "secret")
PULL = f"/images/create?fromImage={NAME}&tag="


@attrs.frozen
class Parts:
    """As much of an engine as these routes need."""

    images: Images
    transfers: Transfers
    registries: FakeRegistries
    journal: FakeLedger


@attrs.define(eq=False)
class Api:
    """A client, and what is behind the routes."""

    world: World
    app: Any

    async def call(self, method: str, path: str, **arguments: Any) -> tuple[int, list[dict[str, Any]]]:
        response = await self.app.test_client().open(path, method=method, **arguments)
        body = await response.get_data()
        assert response.content_type == "application/json"
        separator = b"\r\n" if b"\r\n" in body else b"\n"
        return response.status_code, [orjson.loads(line) for line in body.split(separator) if line]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with make_world(tmp_path) as world:
        engine = Parts(world.images, world.transfers, world.registries, world.ledger)
        yield Api(world, make_app(cast("Engine", engine), [registries.routes, images.blueprint]))


def auth(**members: str) -> dict[str, str]:
    return {"X-Registry-Auth": base64.urlsafe_b64encode(orjson.dumps(members)).decode()}


def config(**registries: dict[str, str]) -> dict[str, str]:
    return {"X-Registry-Config": base64.urlsafe_b64encode(orjson.dumps(registries)).decode()}


async def test_a_pull_is_a_stream_of_lines(api: Api) -> None:
    made = make_image(api.world.box, layer(b"x"), tag="1")
    status, lines = await api.call("POST", PULL + "1")
    short = digests.short(made.digests[0])
    assert status == 200
    assert lines[:2] == [
        {"status": "Pulling from box", "id": "1"},
        {"status": "Pulling fs layer", "progressDetail": {}, "id": short},
    ]
    assert lines[-3:] == [
        {"status": "Pull complete", "progressDetail": {}, "id": short},
        {"status": f"Digest: {made.manifest.digest}"},
        {"status": f"Status: Downloaded newer image for {NAME}:1"},
    ]


@pytest.mark.parametrize("name", [f"{NAME}:1", f"{NAME}:1:", NAME])
async def test_a_tag_may_be_in_the_name(api: Api, name: str) -> None:
    made = make_image(api.world.box, layer(b"x"), tag="1")
    assert (await api.call("POST", f"/images/create?fromImage={name}"))[0] == 200
    assert api.world.images.resolve(f"{NAME}:1").id == made.id


async def test_a_tag_may_be_a_digest(api: Api) -> None:
    made = make_image(api.world.box, layer(b"x"))
    await api.call("POST", PULL + made.manifest.digest)
    assert api.world.images.resolve(f"{NAME}@{made.manifest.digest}").id == made.id


async def test_what_is_not_there_is_not_found(api: Api) -> None:
    status, (error,) = await api.call("POST", PULL + "nope")
    assert status == 404
    assert error == {"message": f"manifest for {NAME}:nope not found: manifest unknown: manifest unknown"}


async def test_a_failure_after_the_first_line_is_a_line(api: Api) -> None:
    made = make_image(api.world.box, layer(b"x"), tag="1")
    api.world.box.blobs[made.digests[0]] = b"y" * len(made.blobs[0])
    status, lines = await api.call("POST", PULL + "1")
    text = f"filesystem layer verification failed for digest {made.digests[0]}"
    assert status == 200
    assert lines[-1] == {"errorDetail": {"message": text}, "error": text}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/images/create?fromImage=UPPER", "must be lowercase"),
        ("/images/create?fromImage=x&tag=a:b", "invalid reference format"),
        ("/images/create?fromImage=x&platform=a/b/c/d", "invalid platform"),
        ("/images/create?fromImage=scratch", "'scratch' is a reserved name"),
        ("/images/create", "invalid reference format"),
        ("/images/x@sha256:" + "0" * 64 + "/push", "cannot push a digest reference"),
        ("/images/x/push?platform=linux", "failed to parse platform"),
        ("/images/x/push?platform={}", "failed to parse platform"),
    ],
)
async def test_what_makes_no_sense_is_a_bad_request(api: Api, path: str, text: str) -> None:
    status, (error,) = await api.call("POST", path)
    assert (status, text in error["message"]) == (400, True)


async def test_a_platform_is_chosen_from_an_index(api: Api) -> None:
    foreign = make_image(api.world.box, layer(b"x"), architecture="arm64")
    make_index(api.world.box, {"linux/arm64/v8": foreign}, tag="1")
    assert (await api.call("POST", PULL + "1&platform=linux/arm64"))[0] == 200
    assert (await api.call("POST", "/v1.31" + PULL + "1&platform=linux/arm64"))[0] == 404, "not known then"


@pytest.mark.parametrize(
    ("headers", "who"),
    [
        (auth(username="me", password="secret"), WHO),
        ({"X-Registry-Auth": "e30="}, ANONYMOUS),
        ({"X-Registry-Auth": ""}, ANONYMOUS),
        ({"X-Registry-Auth": "?"}, ANONYMOUS),
        (config(**{"localhost:5000": {"username": "me", "password": "secret"}}), WHO),
        (config(**{"localhost:5001": {"username": "me", "password": "secret"}}), ANONYMOUS),
        ({}, ANONYMOUS),
    ],
)
async def test_a_pull_is_made_by_whoever_the_client_says(
    api: Api, headers: dict[str, str], who: Credentials
) -> None:
    await api.call("POST", PULL + "1", headers=headers)
    assert [opened[1] for opened in api.world.registries.opened] == [who]


async def test_a_push_says_where_it_goes_and_what_it_has_become(api: Api) -> None:
    made = make_image(api.world.box, layer(b"x"), tag="1")
    await api.call("POST", PULL + "1")
    status, lines = await api.call("POST", f"/images/{NAME}/push?tag=1", headers=auth(username="me"))
    digest, size = made.manifest.digest, len(made.manifest.raw)
    assert status == 200
    assert lines[0] == {"status": f"The push refers to repository [{NAME}]"}
    assert lines[-2:] == [
        {"status": f"1: digest: {digest} size: {size}"},
        {"progressDetail": {}, "aux": {"Tag": "1", "Digest": digest, "Size": size}},
    ]
    assert api.world.registries.opened[-1][1] == Credentials("me")


async def test_a_push_of_nothing_fails_in_the_stream(api: Api) -> None:
    status, lines = await api.call("POST", "/images/docker.io/library/nope/push?tag=1")
    text = "An image does not exist locally with the tag: nope"
    assert status == 200
    assert lines == [
        {"status": "The push refers to repository [docker.io/library/nope]"},
        {"errorDetail": {"message": text}, "error": text},
    ]


async def test_the_log_says_which_transfer_failed(api: Api) -> None:
    with capture_logs() as logs:
        await api.call("POST", PULL + "nope")
        await api.call("POST", f"/images/{NAME}/push?tag=nope")
    failures = [(line["kind"], line["image"]) for line in logs if line["event"] == "a transfer failed"]
    assert failures == [("pull", f"{NAME}:nope"), ("push", f"{NAME}:nope")]


async def test_credentials_of_a_push_that_cannot_be_read_are_nobodys(api: Api) -> None:
    make_image(api.world.box, layer(b"x"), tag="1")
    await api.call("POST", PULL + "1")
    status, _ = await api.call("POST", f"/images/{NAME}/push?tag=1", headers={"X-Registry-Auth": "?"})
    assert (status, api.world.registries.opened[-1][1]) == (200, ANONYMOUS)


async def test_a_client_that_hangs_up_ends_its_pull(api: Api, tmp_path: Path) -> None:
    api.world.registries.repositories[NAME] = HeldRepository()
    made = make_image(api.world.box, big(1), tag="1")
    async with serving(api.app, tmp_path) as (_, dial):
        client = await dial()
        await client.send_all(b"POST %b1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % PULL.encode())
        received = b""
        while b"Downloading" not in received:
            received += await client.receive_some()
        await client.aclose()
        with trio.fail_after(60):
            while api.world.transfers.under_way:
                await wait_all_tasks_blocked(0.01)
    assert api.world.partials == {made.digests[0]}


async def test_what_a_registry_has_is_shown_without_pulling(api: Api) -> None:
    own = make_image(api.world.box, layer(b"x"), tag="1")
    foreign = make_image(api.world.box, layer(b"y"), architecture="arm64")
    index = make_index(api.world.box, {"linux/amd64": own, "linux/arm64/v8": foreign}, tag="all")
    _, (one,) = await api.call("GET", f"/distribution/{NAME}:1/json")
    _, (many,) = await api.call("GET", f"/distribution/{NAME}:all/json")
    assert one == {
        "Descriptor": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": own.manifest.digest,
            "size": len(own.manifest.raw),
        },
        "Platforms": [{"architecture": "amd64", "os": "linux"}],
    }
    assert many["Descriptor"]["digest"] == index.digest
    assert many["Platforms"] == [
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
    ]
    assert len(api.world.images) == 0


async def test_whoever_may_not_look_is_told_so(api: Api) -> None:
    api.world.box.refusals["manifest"] = AccessDenied("denied: requested access to the resource is denied")
    status, _ = await api.call("GET", f"/distribution/{NAME}/json")
    assert status == 403


async def test_a_login_is_checked(api: Api) -> None:
    api.world.registries.members = {"me": "secret"}
    body = {"username": "me", "password": "secret", "serveraddress": NAME.partition("/")[0]}
    assert await api.call("POST", "/auth", json=body) == (
        200,
        [{"Status": "Login Succeeded", "IdentityToken": ""}],
    )
    status, (error,) = await api.call("POST", "/auth", json=body | {"password": "wrong"})
    assert (status, error["message"]) == (401, "unauthorized: incorrect username or password")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["busybox", "me/busybox"]),
        ("&limit=1", ["busybox"]),
        ('&filters={"is-official":["true"]}', ["busybox"]),
        ('&filters={"is-official":["false"]}', ["me/busybox"]),
        ('&filters={"stars":["4"]}', ["busybox"]),
        ('&filters={"is-automated":["true"]}', []),
    ],
)
async def test_a_search_is_filtered(api: Api, query: str, names: list[str]) -> None:
    api.world.registries.found = (
        SearchResult("busybox", "A box.", 5, is_official=True, is_automated=False),
        SearchResult("me/busybox", "Mine.", 3, is_official=False, is_automated=False),
    )
    status, (rows,) = await api.call("GET", "/images/search?term=busybox" + query)
    assert status == 200
    assert [row["name"] for row in cast("list[dict[str, Any]]", rows)] == names


@pytest.mark.parametrize(
    "query", ["&limit=101", "&limit=-1", '&filters={"x":["1"]}', '&filters={"stars":["x"]}']
)
async def test_a_search_that_makes_no_sense_is_refused(api: Api, query: str) -> None:
    api.world.registries.found = (SearchResult("x", "", 0, is_official=False, is_automated=False),)
    assert (await api.call("GET", "/images/search?term=x" + query))[0] == 400
