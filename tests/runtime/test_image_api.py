"""Uploads and downloads of images through the routes and the real children; needs root."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from http.client import BAD_REQUEST, OK
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio

from daemon.graphdrivers.overlay import OverlayDriver
from daemon.images import digests
from tests.unit.graphdrivers.fakes import opened
from tests.unit.images import tars
from tests.unit.images.tars import member
from tests.unit.images.test_api import Docker, serve

pytestmark = pytest.mark.runtime
LAYER = tars.tar((member("bin/tool", mode=0o755), b"tool" * 10000))


@pytest.fixture
async def docker(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Docker]:
    yield await serve(tmp_path, nursery, await opened(OverlayDriver(tmp_path / "overlay")))
    nursery.cancel_scope.cancel()


async def load(docker: Docker, archive: bytes, quiet: str = "1") -> list[dict[str, Any]]:
    response = await docker.client.post(f"/images/load?quiet={quiet}", data=archive)
    assert (response.status_code, response.content_type) == (OK, "application/json")
    body = await response.get_data()
    return [orjson.loads(line) for line in body.split(b"\r\n") if line]


async def test_the_layers_of_a_load_are_shown_to_who_wants_to_see_them(docker: Docker) -> None:
    archive = tars.docker_archive([LAYER, tars.tar((member("b"), b"b"))], ["a:1"])
    said = await load(docker, archive, quiet="0")
    layer = digests.short(digests.of(LAYER))
    counts = [line["progressDetail"] for line in said if line.get("id") == layer]
    assert counts[-1] == {"current": len(LAYER), "total": len(LAYER)}
    assert {line["status"] for line in said[:-1]} == {"Loading layer"}
    assert said[-1] == {"stream": "Loaded image: a:1\n"}
    assert await load(docker, archive, quiet="0") == said[-1:]  # there is nothing to unpack now


async def test_saved_images_load_again(docker: Docker) -> None:
    assert await load(docker, gzip.compress(tars.docker_archive([LAYER], ["a:1", "a:2"]))) == [
        {"stream": "Loaded image: a:1\n"},
        {"stream": "Loaded image: a:2\n"},
    ]
    before = docker.images.resolve("a:1")
    for path, names in (
        ("/images/a:1/get", {"a:1"}),
        ("/images/a:2/get", {"a:2"}),
        (f"/images/{before.id}/get", set()),
        ("/images/get?names=a:1&names=a:2", {"a:1", "a:2"}),
    ):
        response = await docker.client.get(path)
        saved = await response.get_data()
        assert response.content_type == "application/x-tar"
        while len(docker.images):
            (image,) = docker.images
            await docker.call("DELETE", f"/images/{image.id}", force="1")
        said = await load(docker, saved)
        assert {line["stream"].strip() for line in said} == (
            {f"Loaded image: {name}" for name in names} or {f"Loaded image ID: {before.id}"}
        )
        await load(docker, tars.docker_archive([LAYER], ["a:1", "a:2"]))


async def test_saving_a_repository_saves_all_its_tags(docker: Docker) -> None:
    await load(docker, tars.docker_archive([LAYER], ["a:latest", "a:2", "b:1"]))
    saved = await (await docker.client.get("/images/a/get")).get_data()
    await docker.call("DELETE", f"/images/{next(iter(docker.images)).id}", force="1")
    assert {line["stream"] for line in await load(docker, saved)} == {
        "Loaded image: a:latest\n",
        "Loaded image: a:2\n",
    }


async def test_saving_nothing_is_an_empty_archive(docker: Docker) -> None:
    saved = await (await docker.client.get("/images/get")).get_data()
    assert await load(docker, saved) == []


async def test_a_tar_is_imported_with_changes(docker: Docker) -> None:
    query = {"fromSrc": "-", "repo": "new", "tag": "1", "message": "mine", "changes": 'CMD ["/bin/tool"]'}
    response = await docker.client.post("/images/create", query_string=query, data=LAYER)
    status = orjson.loads(await response.get_data())
    view = await docker.get("/images/new:1/json")
    assert status == {"status": view["Id"]}
    assert (view["Comment"], view["Config"]) == ("mine", {"Cmd": ["/bin/tool"]})
    assert view["RootFS"]["Layers"] == [digests.of(LAYER)]
    assert view["Size"] == 40000


async def test_an_import_of_garbage_is_a_bad_request(docker: Docker) -> None:
    response = await docker.client.post("/images/create?fromSrc=-", data=b"x" * 3000)
    assert response.status_code == BAD_REQUEST
    assert list(docker.images.spool_directory.iterdir()) == []
