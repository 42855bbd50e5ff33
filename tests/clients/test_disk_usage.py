"""How much room everything takes, as `docker system df` tells it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.clients.cli import Docker
from tests.clients.http_api import Api
from tests.clients.registries.shelves import tar_of

WRITTEN_BYTES = 3_000_000
WRITE = ("sh", "-c", f"head -c {WRITTEN_BYTES} /dev/zero > /written")


def usage(api: Api, *types: str, version: str = "") -> dict[str, Any]:
    query = {"type": types} if types else {}
    return dict(api.get(f"{version}/system/df", **query))


def test_what_a_container_has_written_counts(docker: Docker, api: Api) -> None:
    docker("run", "--name", "writer", "busybox", *WRITE)
    found = usage(api)
    (container,) = found["Containers"]
    (image,) = found["Images"]
    assert WRITTEN_BYTES <= container["SizeRw"] < WRITTEN_BYTES + 4096
    assert container["SizeRootFs"] == container["SizeRw"] + image["Size"]
    assert (container["Names"], container["State"]) == (["/writer"], "exited")
    assert found["LayersSize"] == image["Size"] > 0
    assert (image["Containers"], image["SharedSize"]) == (1, 0)
    assert (found["Volumes"], found["BuildCache"]) == ([], [])


def test_layers_that_images_share_are_counted_once(docker: Docker, api: Api) -> None:
    docker("tag", "busybox", "again")
    docker("import", "-", "other:1", stdin=tar_of(file=b"x" * 1000))
    try:
        found = usage(api, "image")
        assert found["LayersSize"] == sum(image["Size"] for image in found["Images"])
        assert found["Containers"] is None
    finally:
        docker("rmi", "again", "other:1")


def test_only_what_is_asked_for_is_measured(api: Api) -> None:
    found = usage(api, "volume", "build-cache")
    assert found == {"LayersSize": 0, "Images": None, "Containers": None, "Volumes": [], "BuildCache": []}
    assert usage(api, "volume", version="/v1.41")["Images"], "there was no choice before 1.42"
    refused = api("GET", "/system/df", type="rubbish")
    assert (refused.status, refused.message) == (400, "unknown object type: rubbish")


def test_clients_that_ask_at_the_same_time_are_all_answered(docker: Docker, api: Api) -> None:
    docker("run", "--name", "writer", "busybox", *WRITE)
    answers: list[dict[str, Any]] = []
    clients = [threading.Thread(target=lambda: answers.append(usage(api))) for _ in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert [answer["Containers"][0]["Names"] for answer in answers] == [["/writer"]] * 8


def test_docker_prints_it(docker: Docker) -> None:
    docker("run", "--name", "writer", "busybox", *WRITE)
    rows = {line.split("  ")[0]: line.split() for line in docker("system", "df").lines[1:]}
    assert rows["Images"][1:3] == ["1", "1"]
    assert rows["Containers"][1:4] == ["1", "0", "3MB"]
    assert rows["Local Volumes"][2:4] == ["0", "0"]
    assert rows["Build Cache"][2:4] == ["0", "0"]
    told = docker("system", "df", "--verbose").out
    assert "writer" in told
    assert "busybox" in told
    assert "SHARED SIZE" in told


def test_a_prune_tells_what_it_gives_back(docker: Docker, api: Api) -> None:
    ended = docker("create", "busybox", *WRITE).out.strip()
    docker("start", "--attach", ended)
    (container,) = usage(api, "container")["Containers"]
    pruned = api("POST", "/containers/prune").document
    assert pruned == {"ContainersDeleted": [ended], "SpaceReclaimed": container["SizeRw"]}


def test_everything_is_pruned_in_one_go(docker: Docker) -> None:
    running, ended = docker.sleeper(), docker("create", "busybox").out.strip()
    told = docker("system", "prune", "--force", "--all", "--volumes", "--filter", "label!=keep").out
    assert ended in told
    assert "Total reclaimed space: 0B" in told
    assert docker.ids() == [running]


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("build", {"CachesDeleted": [], "SpaceReclaimed": 0}),
        ("volumes", {"VolumesDeleted": [], "SpaceReclaimed": 0}),
    ],
)
def test_what_there_is_none_of_can_be_pruned(api: Api, kind: str, answer: object) -> None:
    found = api("POST", f"/{kind}/prune")
    assert (found.status, found.document) == (200, answer)
    assert api("POST", f"/{kind}/prune", filters='{"nonsense": ["x"]}').status == 400
