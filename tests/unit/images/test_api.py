"""The routes of images over an actor with a fake ledger; no real tar is read here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.client import (
    BAD_REQUEST,
    CONFLICT,
    CREATED,
    INTERNAL_SERVER_ERROR,
    NOT_FOUND,
    NOT_IMPLEMENTED,
    OK,
)
from pathlib import Path
from typing import Any, cast

import attrs
import orjson
import pytest
import trio

from daemon.actors.engine import Engine
from daemon.actors.image_actor import ImagesActor
from daemon.actors.image_commands import Record
from daemon.actors.image_deletion import ImageUser
from daemon.actors.images import Images
from daemon.api.app import make_app
from daemon.api.docker.images import blueprint
from daemon.images.content import LayerStore
from daemon.images.loading import Brought
from tests.unit.fakes import FakeLedger
from tests.unit.images import tars
from tests.unit.images.test_actor import make_images


@attrs.define(eq=False)
class Docker:
    """A client of an engine that has nothing but images."""

    images: Images
    client: Any
    users: dict[str, list[ImageUser]]

    async def call(self, method: str, path: str, **query: str) -> tuple[int, Any]:
        response = await self.client.open(path, method=method, query_string=query or None)
        body = await response.get_data()
        assert isinstance(body, bytes)
        return response.status_code, orjson.loads(body) if body else None

    async def get(self, path: str, **query: str) -> Any:
        status, answer = await self.call("GET", path, **query)
        assert status == OK, answer
        return answer

    async def names(self, **query: str) -> list[str]:
        return [name for row in await self.get("/images/json", **query) for name in row["RepoTags"]]

    async def record(self, *brought: Brought) -> None:
        for new in brought:
            self.images.content.blobs.add(new.document.raw)
        await self.images.mailbox.ask(Record(brought, "load"))


@attrs.frozen
class OnlyImages:
    """As much of an engine as these routes need."""

    images: Images
    journal: FakeLedger


async def serve(tmp_path: Path, nursery: trio.Nursery, layers: LayerStore | None = None) -> Docker:
    """Start an engine that has nothing but images; it ends with the nursery."""
    users: dict[str, list[ImageUser]] = {}
    images, ledger = await make_images(tmp_path, users, layers), FakeLedger()
    await images.recover(ledger)
    await nursery.start(ImagesActor(images, ledger).run)
    app = make_app(cast("Engine", OnlyImages(images, ledger)), [blueprint])
    return Docker(images, app.test_client(), users)


@pytest.fixture
async def docker(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Docker]:
    yield await serve(tmp_path, nursery)
    nursery.cancel_scope.cancel()


OLD = tars.brought("old", "old:1", "me/old:2", created="2020-01-01T00:00:00Z")
NEW = tars.brought("new", "new:1", created="2022-01-01T00:00:00.5Z", layers=2)
NAMELESS = tars.brought("nameless", created="2021-01-01T00:00:00Z", config={"Labels": {"a": "1", "b": "2"}})


async def test_no_images_are_an_empty_list(docker: Docker) -> None:
    assert await docker.get("/images/json") == []


async def test_the_list_is_newest_first_and_complete(docker: Docker) -> None:
    await docker.record(OLD, NEW, NAMELESS)
    rows = await docker.get("/images/json")
    assert [row["Id"] for row in rows] == [NEW.record.id, NAMELESS.record.id, OLD.record.id]
    assert rows[0] == {
        "Containers": 0,
        "Created": 1640995200,
        "Id": NEW.record.id,
        "Labels": {"who": "test"},
        "ParentId": "",
        "RepoDigests": [],
        "RepoTags": ["new:1"],
        "SharedSize": -1,
        "Size": 200,
    }


async def test_old_clients_get_what_they_know(docker: Docker) -> None:
    await docker.record(NAMELESS)
    (row,) = await docker.get("/v1.42/images/json")
    assert (row["RepoTags"], row["RepoDigests"]) == (["<none>:<none>"], ["<none>@<none>"])
    assert (row["Containers"], row["VirtualSize"]) == (-1, 100)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"reference": ["old"]}, ["old:1"]),
        ({"reference": ["*:1"]}, ["new:1", "old:1"]),
        ({"reference": ["*/*"]}, ["me/old:2"]),
        ({"reference": {"ol?:[0-9]": True}}, ["old:1"]),
        ({"before": ["new:1"]}, ["me/old:2", "old:1"]),
        ({"since": [NAMELESS.record.id]}, ["new:1"]),
        ({"until": ["2021-06-01T00:00:00Z"]}, ["me/old:2", "old:1"]),
        ({"label": ["who=test"]}, ["new:1", "me/old:2", "old:1"]),
        ({"label": ["who=else"]}, []),
        ({"label!": ["who"]}, []),
        ({"dangling": ["true"]}, []),
        ({"dangling": ["false"]}, ["new:1", "me/old:2", "old:1"]),
    ],
)
async def test_the_list_is_filtered(docker: Docker, filters: dict[str, object], names: list[str]) -> None:
    await docker.record(OLD, NEW, NAMELESS)
    assert sorted(await docker.names(filters=orjson.dumps(filters).decode())) == sorted(names)


@pytest.mark.parametrize(
    ("filters", "status"),
    [
        ("{", BAD_REQUEST),
        ('{"x":["y"]}', BAD_REQUEST),
        ('{"dangling":["perhaps"]}', BAD_REQUEST),
        ('{"reference":["[z-a]"]}', BAD_REQUEST),
        ('{"until":["x"]}', BAD_REQUEST),
        ('{"before":["nope"]}', NOT_FOUND),
    ],
)
async def test_bad_filters_are_refused(docker: Docker, filters: str, status: int) -> None:
    found, answer = await docker.call("GET", "/images/json", filters=filters)
    assert (found, list(answer)) == (status, ["message"])


async def test_versions_before_shared_sizes_get_none(docker: Docker) -> None:
    await docker.record(NEW)
    assert (await docker.get("/v1.41/images/json", **{"shared-size": "1"}))[0]["SharedSize"] == -1


async def test_shared_layers_are_counted_when_asked_for(docker: Docker) -> None:
    twin = tars.brought("new", comment="another image", layers=1)
    await docker.record(NEW, twin, OLD)
    rows = await docker.get("/images/json", **{"shared-size": "1"})
    assert {row["Id"]: row["SharedSize"] for row in rows} == {
        NEW.record.id: 100,
        twin.record.id: 100,
        OLD.record.id: 0,
    }


async def test_inspect_shows_an_image_by_any_of_its_names(docker: Docker) -> None:
    await docker.record(NEW)
    view = await docker.get("/images/docker.io/library/new:1/json")
    assert view == await docker.get(f"/images/{NEW.record.id[7:19]}/json")
    assert (view["Id"], view["Created"], view["Size"]) == (NEW.record.id, "2022-01-01T00:00:00.5Z", 200)
    assert view["RootFS"] == {"Type": "layers", "Layers": list(NEW.document.diff_ids)}
    assert view["Config"] == {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"], "Labels": {"who": "test"}}
    assert view["GraphDriver"]["Name"] == "fake"


async def test_inspect_has_the_fields_of_the_clients_version(docker: Docker) -> None:
    await docker.record(NEW)
    old = await docker.get("/v1.43/images/new:1/json")
    assert old["VirtualSize"] == 200
    assert {"Container", "ContainerConfig"} <= set(old)
    assert old["Config"]["Hostname"] == ""
    assert "VirtualSize" not in await docker.get("/v1.44/images/new:1/json")
    new = await docker.get("/v1.45/images/new:1/json")
    assert ("Container" in new, new["ContainerConfig"]["Volumes"]) == (False, None)  # for docker-compose 1


async def test_history_is_newest_first_and_names_the_image_once(docker: Docker) -> None:
    await docker.record(NEW)
    newest, oldest = await docker.get("/images/new:1/history")
    assert (newest["Id"], newest["Tags"]) == (NEW.record.id, ["new:1"])
    assert (oldest["Id"], oldest["Tags"]) == ("<missing>", None)
    assert {newest["Size"], oldest["Size"]} == {100}


@pytest.mark.parametrize(
    "path", ["/images/nope/json", "/images/a/b/c/history", "/images/nope/get", "/images/get?names=nope"]
)
async def test_an_unknown_image_is_not_found(docker: Docker, path: str) -> None:
    status, answer = await docker.call("GET", path)
    assert status == NOT_FOUND
    assert answer["message"].startswith("No such image: ")


async def test_a_name_that_is_none_is_a_bad_request(docker: Docker) -> None:
    status, answer = await docker.call("GET", "/images/UPPER/json")
    assert status == BAD_REQUEST
    assert "invalid reference format" in answer["message"]


async def test_an_image_is_tagged_and_untagged(docker: Docker) -> None:
    await docker.record(NEW)
    assert await docker.call("POST", "/images/new:1/tag", repo="host:5000/x", tag="y") == (CREATED, None)
    assert sorted(await docker.names()) == ["host:5000/x:y", "new:1"]
    status, done = await docker.call("DELETE", "/images/host:5000/x:y")
    assert (status, done) == (OK, [{"Untagged": "host:5000/x:y"}])
    status, done = await docker.call("DELETE", "/images/new:1")
    assert done[:2] == [{"Untagged": "new:1"}, {"Deleted": NEW.record.id}]
    assert await docker.get("/images/json") == []


async def test_an_image_in_use_is_a_conflict(docker: Docker) -> None:
    await docker.record(NEW)
    docker.users[NEW.record.id] = [ImageUser("1" * 64, running=True)]
    status, answer = await docker.call("DELETE", f"/images/{NEW.record.id}", force="1")
    assert status == CONFLICT
    assert "image is being used by running container 111111111111" in answer["message"]
    (row,) = await docker.get("/images/json")
    assert row["Containers"] == 1


async def test_a_prune_takes_nameless_images_unless_told_otherwise(docker: Docker) -> None:
    await docker.record(NEW, NAMELESS)
    _, done = await docker.call("POST", "/images/prune")
    assert done["ImagesDeleted"][0] == {"Deleted": NAMELESS.record.id}
    assert done["SpaceReclaimed"] == 100
    assert await docker.names() == ["new:1"]
    _, done = await docker.call("POST", "/images/prune", filters='{"dangling":{"false":true}}')
    assert done["ImagesDeleted"][0] == {"Untagged": "new:1"}
    _, done = await docker.call("POST", "/images/prune")
    assert done == {"ImagesDeleted": None, "SpaceReclaimed": 0}


async def test_a_tar_elsewhere_is_not_imported(docker: Docker) -> None:
    status, answer = await docker.call("POST", "/images/create", fromSrc="http://x/y")
    assert status == NOT_IMPLEMENTED
    assert "fromSrc=-" in answer["message"]


async def test_a_broken_upload_is_reported_in_the_stream(docker: Docker) -> None:
    response = await docker.client.post("/images/load", data=b"no tar at all")
    body = await response.get_data()
    assert response.status_code == OK
    assert response.content_type == "application/json"
    message = orjson.loads(body)
    assert message["error"] == message["errorDetail"]["message"]
    assert message["error"].startswith("invalid archive: ")
    assert list(docker.images.spool_directory.iterdir()) == []


async def test_an_upload_that_the_disk_does_not_take_is_refused(docker: Docker) -> None:
    docker.images.spool_directory.rmdir()
    refused = "cannot store the upload: No such file or directory"
    status, answer = await docker.call("POST", "/images/load")
    assert (status, answer["error"]) == (OK, refused)
    status, answer = await docker.call("POST", "/images/create", fromSrc="-")
    assert (status, answer["message"]) == (INTERNAL_SERVER_ERROR, refused)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"changes": "RUN x"}, "dockerfile parse error line 1: unknown instruction: RUN"),
        ({"changes": "STOPSIGNAL SIGNONE"}, "invalid signal: SIGNONE"),
        (
            {"platform": "linux/arm64/v8/9"},
            '"linux/arm64/v8/9" is an invalid platform: write OS/ARCHITECTURE[/VARIANT]',
        ),
    ],
)
async def test_what_no_image_could_be_is_refused_before_the_upload(
    docker: Docker, query: dict[str, str], message: str
) -> None:
    status, answer = await docker.call("POST", "/images/create", fromSrc="-", **query)
    assert (status, answer["message"]) == (BAD_REQUEST, message)


async def test_a_pattern_shows_only_the_names_that_it_fits(docker: Docker) -> None:
    digest = "sha256:" + "d" * 64
    await docker.record(OLD)
    new = attrs.evolve(
        NEW, record=attrs.evolve(NEW.record, repo_digests=(f"new@{digest}", f"other@{digest}"))
    )
    await docker.record(new)
    (row,) = await docker.get("/images/json", filters='{"reference":["oth*"]}')
    assert (row["RepoTags"], row["RepoDigests"]) == ([], [f"other@{digest}"])
    (row,) = await docker.get("/images/json", filters='{"reference":["new"]}')
    assert (row["RepoTags"], row["RepoDigests"]) == (["new:1"], [f"new@{digest}"])


HERE = '{"os":"linux","architecture":"amd64"}'
THERE = '{"os":"linux","architecture":"s390x"}'
PLATFORM_ROUTES = (
    ("GET", "/images/old:1/json", "platform"),
    ("GET", "/images/old:1/history", "platform"),
    ("GET", "/images/old:1/get", "platform"),
    ("GET", "/images/get?names=old:1", "platform"),
    ("DELETE", "/images/old:1", "platforms"),
)


@pytest.mark.parametrize(("method", "path", "parameter"), PLATFORM_ROUTES)
async def test_the_one_platform_of_an_image_may_be_chosen_and_no_other(
    docker: Docker, method: str, path: str, parameter: str
) -> None:
    await docker.record(OLD)
    separator = "&" if "?" in path else "?"
    status, answer = await docker.call(method, f"{path}{separator}{parameter}={THERE}")
    assert status == NOT_FOUND
    assert answer["message"] == (
        "image with reference old:1 was found but its platform (linux/amd64) "
        "does not match the specified platform (linux/s390x)"
    )
    if not path.endswith(("get", "names=old:1")):  # which would stream blobs that are not there
        status, _ = await docker.call(method, f"{path}{separator}{parameter}={HERE}")
        assert status == OK


@pytest.mark.parametrize(("method", "path", "parameter"), PLATFORM_ROUTES[:2])
async def test_versions_that_know_no_platform_do_not_look_at_it(
    docker: Docker, method: str, path: str, parameter: str
) -> None:
    await docker.record(OLD)
    response = await docker.client.open(f"/v1.47{path}?{parameter}={THERE}", method=method)
    assert response.status_code == OK


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("linux/amd64", "is not JSON"),
        ("[]", "must be a JSON object"),
        ('{"os":"linux"}', "both os and architecture must be provided"),
        ('{"os":1,"architecture":"amd64"}', "os must be a string"),
        (f"{HERE}&platform={HERE}", "multiple platform parameters not supported"),
    ],
)
async def test_what_is_no_platform_is_a_bad_request(docker: Docker, value: str, text: str) -> None:
    await docker.record(OLD)
    status, answer = await docker.call("GET", f"/images/old:1/json?platform={value}")
    assert status == BAD_REQUEST
    assert text in answer["message"]


async def test_manifests_and_a_platform_cannot_both_be_asked_for(docker: Docker) -> None:
    await docker.record(OLD)
    status, answer = await docker.call("GET", "/images/old:1/json", platform=HERE, manifests="1")
    assert (status, answer["message"]) == (
        BAD_REQUEST,
        "conflicting options: manifests and platform options cannot both be set",
    )


async def test_a_manifest_is_shown_when_asked_for(docker: Docker) -> None:
    manifest = orjson.dumps({"mediaType": "application/vnd.docker.distribution.manifest.v2+json"})
    digest = docker.images.content.blobs.add(manifest)
    record = attrs.evolve(NEW.record, manifest=digest, manifest_bytes=len(manifest))
    for layer in record.layers:
        docker.images.content.blobs.path(layer.blob).touch()
    await docker.record(attrs.evolve(NEW, record=record))
    docker.users[record.id] = [ImageUser("1" * 64, running=False)]
    (row,) = await docker.get("/images/json", manifests="1")
    (shown,) = row["Manifests"]
    packed_bytes = len(manifest) + len(NEW.document.raw) + sum(one.size_bytes for one in record.layers)
    platform = {"architecture": "amd64", "os": "linux"}
    assert shown == {
        "ID": digest,
        "Descriptor": {
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "digest": digest,
            "size": len(manifest),
            "platform": platform,
        },
        "Available": True,
        "Size": {"Content": packed_bytes, "Total": packed_bytes + 200},
        "Kind": "image",
        "ImageData": {"Platform": platform, "Containers": ["1" * 64], "Size": {"Unpacked": 200}},
    }
    assert (await docker.get("/images/new:1/json", manifests="1"))["Manifests"] == [shown]
    assert "Manifests" not in (await docker.get("/v1.46/images/json", manifests="1"))[0]
    assert "Manifests" not in await docker.get("/v1.47/images/new:1/json", manifests="1")


async def test_an_image_whose_blobs_are_gone_is_not_available(docker: Docker) -> None:
    await docker.record(NEW)
    (row,) = await docker.get("/images/json", manifests="1")
    assert row["Manifests"][0]["Available"] is False


async def test_an_image_whose_tag_was_taken_dangles_although_its_registry_knows_it(docker: Docker) -> None:
    pulled = attrs.evolve(
        NAMELESS, record=attrs.evolve(NAMELESS.record, repo_digests=(f"box@{NAMELESS.record.manifest}",))
    )
    await docker.record(NEW, pulled)
    (row,) = await docker.get("/images/json", filters='{"dangling":["true"]}')
    assert row["Id"] == NAMELESS.record.id
    _, done = await docker.call("POST", "/images/prune")
    assert {"Deleted": NAMELESS.record.id} in done["ImagesDeleted"]


async def test_a_prune_is_filtered(docker: Docker) -> None:
    other = tars.brought("other", created="2023-01-01T00:00:00Z", layers=3)
    await docker.record(NAMELESS, other)
    for filters in (
        {"label": ["a=2"]},
        {"label!": ["a"], "label": ["b"]},
        {"until": ["2020-01-01T00:00:00Z"]},
    ):
        _, done = await docker.call("POST", "/images/prune", filters=orjson.dumps(filters).decode())
        assert done["ImagesDeleted"] is None
    filters = {"until": ["2022-01-01T00:00:00Z"], "label": ["a=1"], "label!": ["c"], "dangling": ["1"]}
    _, done = await docker.call("POST", "/images/prune", filters=orjson.dumps(filters).decode())
    assert {"Deleted": NAMELESS.record.id} in done["ImagesDeleted"]
    assert [row["Id"] for row in await docker.get("/images/json")] == [other.record.id]
    status, _ = await docker.call("POST", "/images/prune", filters='{"until":["1h","2h"]}')
    assert status == BAD_REQUEST


async def with_child(docker: Docker) -> tuple[str, str]:
    """Have an image without a name, and a named one that was made of it; return their ids."""
    parent, child = tars.brought("parent"), tars.brought("child", "child:1")
    record = attrs.evolve(child.record, parent=parent.record.id)
    await docker.record(parent, attrs.evolve(child, record=record))
    return parent.record.id, child.record.id


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, {"child"}),
        ({"all": "1"}, {"child", "parent"}),
        ({"filters": '{"dangling":["true"]}'}, set()),
        ({"all": "1", "filters": '{"dangling":["true"]}'}, set()),
        ({"all": "1", "filters": '{"dangling":["false"]}'}, {"child"}),
    ],
)
async def test_what_others_were_made_of_and_nobody_has_named_is_not_shown_to_everybody(
    docker: Docker, query: dict[str, str], shown: set[str]
) -> None:
    parent, child = await with_child(docker)
    names = {parent: "parent", child: "child"}
    assert {names[row["Id"]] for row in await docker.get("/images/json", **query)} == shown


async def test_it_does_not_dangle_and_goes_with_the_last_that_was_made_of_it(docker: Docker) -> None:
    parent, child = await with_child(docker)
    _, done = await docker.call("POST", "/images/prune")
    assert done["ImagesDeleted"] is None
    status, refusal = await docker.call("DELETE", f"/images/{parent}", force="1")
    assert (status, "dependent child images" in refusal["message"]) == (CONFLICT, True)
    _, done = await docker.call("DELETE", "/images/child:1")
    assert [row for row in done if row.get("Deleted") in {parent, child}] == [
        {"Deleted": child},
        {"Deleted": parent},
    ]


async def test_noprune_leaves_it(docker: Docker) -> None:
    parent, _ = await with_child(docker)
    await docker.call("DELETE", "/images/child:1", noprune="1")
    assert [row["Id"] for row in await docker.get("/images/json")] == [parent]
