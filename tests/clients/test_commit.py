"""`docker commit` and `docker diff`: what a container has changed, and the image that this makes."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterator

import pytest

from tests.clients.cli import Docker
from tests.clients.engine import until
from tests.clients.http_api import Api

SCRIPT = (
    "mkdir /d; echo hi >/d/f; chmod 600 /etc/passwd; rm /etc/group; rm -r /home; mkdir /home; "
    "echo 1 >/home/n; ln -s /d /ld; mkfifo /p; echo ready; trap 'exit 0' TERM; sleep 100000 & wait"
)
DIFF = {
    *("A /d", "A /d/f", "C /etc", "C /etc/passwd", "D /etc/group", "C /home", "A /home/n", "A /ld", "A /p"),
    "A /data",  # where a bind is mounted
}


@pytest.fixture
def container(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    bind = f"{tmp_path_factory.mktemp('bind')}:/data"
    container = docker.detached("-v", bind, "-e", "A=1", "-l", "of=container", "busybox", "sh", "-c", SCRIPT)
    until(lambda: "ready" in docker("logs", container).out, "it has made its changes")
    yield container
    docker.remove_all()
    names = docker("images", "--format", "{{.Repository}}:{{.Tag}}").lines
    docker("rmi", "-f", *(set(names) - {"busybox:latest"}), ok=False)
    docker("image", "prune", "--force")


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_a_diff_is_what_the_container_has_changed(docker: Docker, container: str, state: str) -> None:
    if state == "stopped":
        docker("stop", container)
    assert set(docker("diff", container).lines) == DIFF


def test_who_has_changed_nothing_has_no_diff(docker: Docker, api: Api) -> None:
    container = docker("create", "busybox", "true").out.strip()
    assert api("GET", f"/containers/{container}/changes").body == b"null\n"
    docker("start", "--attach", container)
    assert api("GET", f"/containers/{container}/changes").body == b"null\n"


def test_an_image_of_it_has_its_changes(docker: Docker, container: str) -> None:
    options = ("-m", "why", "-a", "me", "--change", 'CMD ["cat", "/d/f"]', "--change", "ENV B=2")
    image = docker("commit", *options, container, "made:1").out.strip()
    found = docker.inspect("made:1")
    assert (found["Id"], found["Comment"], found["Author"]) == (image, "why", "me")
    assert found["Parent"] == docker.inspect("busybox")["Id"]
    assert found["Config"]["Env"] == ["A=1", "PATH=/bin", "B=2"]
    assert found["Config"]["Labels"] == {"of": "container"}
    assert docker.run("made:1").out == "hi\n"
    script = "cat /home/n; stat -c %a /etc/passwd; test -p /p && readlink /ld; ls /etc/group"
    done = docker.run("made:1", "sh", "-c", script, ok=False)
    assert done.lines == ["1", "600", "/d"]
    rows = [
        json.loads(line) for line in docker("history", "--no-trunc", "--format", "{{json .}}", image).lines
    ]
    assert [row["ID"] for row in rows] == [image, found["Parent"]]
    assert rows[0]["Comment"] == "why"
    assert "mkdir /d" in rows[0]["CreatedBy"]


def test_its_layer_has_whiteouts_and_no_places_for_mounts(docker: Docker, container: str) -> None:
    docker("commit", container, "made:1")
    with tarfile.open(fileobj=io.BytesIO(docker("save", "made:1").stdout)) as saved:
        manifest = json.load(saved.extractfile("manifest.json") or io.BytesIO())
        layer = saved.extractfile(manifest[0]["Layers"][-1])
        with tarfile.open(fileobj=layer) as tar:
            names = {member.name for member in tar}
    assert {"d/f", "etc/.wh.group", "home/n", "p"} <= names
    assert not {name for name in names if name.startswith(("etc/host", "etc/resolv", "proc", "sys", "dev"))}


@pytest.mark.parametrize("changed", [True, False])
def test_what_was_committed_can_be_loaded_again(docker: Docker, container: str, changed: bool) -> None:
    of = container if changed else docker("create", "busybox", "true").out.strip()
    image = docker("commit", of, "made:1").out.strip()
    archive = docker("save", "made:1").stdout
    docker("rmi", "made:1")
    docker("load", stdin=archive)
    assert docker.inspect("made:1")["Id"] == image
    assert docker.run("made:1", "sh", "-c", "cat /d/f", ok=False).out == ("hi\n" if changed else "")


def test_changes_refer_to_the_containers_environment(docker: Docker, container: str) -> None:
    docker("commit", "--change", "ENV PATH=$PATH:/opt/$A", container, "changed")
    config = docker.inspect("changed")["Config"]
    assert sorted(config["Env"]) == ["A=1", "PATH=/bin:/opt/1"]


@pytest.mark.parametrize(("option", "paused"), [("--pause=true", True), ("--pause=false", False)])
def test_it_is_paused_meanwhile_if_wanted(docker: Docker, container: str, option: str, paused: bool) -> None:
    image = docker("commit", option, container, "made:1").out.strip()
    assert docker.inspect(container)["State"]["Status"] == "running"
    options = ("--since", "1", "--until", f"{time.time():.9f}", "--filter", f"container={container}")
    lines = [json.loads(line) for line in docker("events", *options, "--format", "{{json .}}").lines]
    actions = [line["Action"] for line in lines if line["Action"] in {"pause", "unpause", "commit"}]
    assert actions == (["pause", "unpause"] if paused else []) + ["commit"]
    told = lines[-1]["Actor"]["Attributes"]
    assert (told["imageID"], told["imageRef"], told["comment"]) == (image, "made:1", "")


def test_what_is_paused_already_stays_so(docker: Docker, container: str) -> None:
    docker("pause", container)
    docker("commit", container)
    assert docker.inspect(container)["State"]["Status"] == "paused"
    docker("unpause", container)


def test_a_body_says_more_than_the_container(docker: Docker, container: str, api: Api) -> None:
    body = {"Cmd": ["x"], "Env": ["A=7"], "Labels": {"n": "m"}}
    answer = api("POST", "/commit", body, container=container, repo="made", tag="2")
    assert answer.status == 201
    config = docker.inspect("made:2")["Config"]
    assert (config["Cmd"], config["Env"]) == (["x"], ["A=7", "PATH=/bin"])
    assert config["Labels"] == {"n": "m", "of": "container"}
    old = api("GET", "/v1.44/images/made:2/json").document
    assert (old["Container"], old["ContainerConfig"]["Labels"]) == (container, {"of": "container"})


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ({"container": ""}, 400, 'invalid name or ID supplied: ""'),
        ({"container": "nonesuch"}, 404, "No such container: nonesuch"),
        ({"repo": "Foo"}, 400, "must be lowercase"),
        ({"repo": "a@sha256:" + "0" * 64}, 400, "refusing to create a tag with a digest reference"),
        ({"changes": "RUN x"}, 400, "unknown instruction: RUN"),
    ],
)
def test_nonsense_is_refused(
    docker: Docker, container: str, api: Api, query: dict[str, str], status: int, text: str
) -> None:
    answer = api("POST", "/commit", {}, **{"container": container, **query})
    assert (answer.status, text in answer.message) == (status, True)


def test_a_commit_is_done_even_if_nobody_waits(docker: Docker, container: str) -> None:
    with docker.start("commit", container, "made:1") as commit:
        until(lambda: "pause" in _told(docker, container), "it has begun")
        commit.kill()
    until(lambda: docker("images", "-q", "made:1").out, "it is done")
    assert docker.inspect(container)["State"]["Status"] == "running"


def _told(docker: Docker, container: str) -> list[str]:
    until_now = ("--since", "1", "--until", f"{time.time():.9f}")
    return docker("events", *until_now, "--filter", f"container={container}", "--format", "{{.Action}}").lines


def test_what_it_was_made_of_stays_until_it_has_gone(docker: Docker, container: str) -> None:
    docker("commit", container, "below:1")
    docker("create", "--name", "second", "below:1")
    docker("commit", "second", "above:1")
    docker("rm", "second")
    below, above = (docker.inspect(name)["Id"] for name in ("below:1", "above:1"))
    refused = docker("rmi", "--force", below, ok=False)
    assert (
        f"unable to delete {below[7:19]} (cannot be forced) - image has dependent child images" in refused.err
    )
    assert docker("rmi", "below:1").lines == ["Untagged: below:1"]
    assert below not in docker("images", "--quiet", "--no-trunc").lines
    assert below in docker("images", "--all", "--quiet", "--no-trunc").lines
    gone = docker("rmi", "above:1").lines
    assert [line for line in gone if line.removeprefix("Deleted: ") in {above, below}] == [
        f"Deleted: {above}",
        f"Deleted: {below}",
    ]
