"""docker-py, which asks in other ways than the CLI does."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any

import docker as docker_py
import pytest

from tests.clients.engine import Engine, until

# It leaves the sockets of its streams to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def client(engine: Engine) -> Iterator[Any]:
    connected = docker_py.DockerClient(base_url=engine.url, version="auto", timeout=60)
    yield connected
    for container in connected.containers.list(all=True):
        container.remove(force=True, v=True)
    connected.close()


@pytest.fixture
def sleeper(client: Any) -> Any:
    """A container that ends at once when told to: it has set its trap."""
    script = "trap 'exit 0' TERM; sleep 100000 & wait"
    container = client.containers.run("busybox", ["sh", "-c", script], detach=True)
    until(lambda: len(container.top()["Processes"]) == 2, "it has come to its second command")
    return container


def test_it_negotiates_and_pings(client: Any) -> None:
    assert client.ping()
    assert client.version()["ApiVersion"] == "1.51"


def test_run_returns_the_output(client: Any) -> None:
    assert client.containers.run("busybox", ["echo", "hello"], remove=True) == b"hello\n"


def test_run_raises_with_the_exit_code_and_the_errors(client: Any) -> None:
    with pytest.raises(docker_py.errors.ContainerError) as failed:
        client.containers.run("busybox", ["sh", "-c", "echo bad >&2; exit 9"], remove=True)
    assert failed.value.exit_status == 9
    assert b"bad" in failed.value.stderr


def test_a_container_object_follows_its_container(client: Any, sleeper: Any) -> None:
    sleeper.reload()
    assert sleeper.status == "running"
    sleeper.pause()
    sleeper.reload()
    assert sleeper.status == "paused"
    sleeper.unpause()
    sleeper.stop()
    assert sleeper.wait()["StatusCode"] == 0
    sleeper.remove()
    with pytest.raises(docker_py.errors.NotFound, match="No such container"):
        client.containers.get(sleeper.id)


def test_lists_are_filtered(client: Any, sleeper: Any) -> None:
    assert [one.id for one in client.containers.list(filters={"status": "running"})] == [sleeper.id]
    assert client.containers.list(all=True, filters={"label": "none-has-it"}) == []


def test_exec_returns_code_and_streams(client: Any, sleeper: Any) -> None:
    code, (out, err) = sleeper.exec_run(["sh", "-c", "echo out; echo err >&2; exit 4"], demux=True)
    assert (code, out, err) == (4, b"out\n", b"err\n")


def test_exec_can_be_streamed_and_detached(client: Any, sleeper: Any) -> None:
    streamed = sleeper.exec_run(["seq", "1", "3"], stream=True)
    assert b"".join(streamed.output) == b"1\n2\n3\n"
    assert sleeper.exec_run(["true"], detach=True).exit_code in {None, 0}  # None while it runs


def test_an_attached_socket_goes_both_ways(client: Any) -> None:
    container = client.containers.create("busybox", ["cat"], stdin_open=True, tty=True)
    attached = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    attached._sock.sendall(b"ping\n")
    received = b""
    while b"ping\r\nping\r\n" not in received:
        received += attached._sock.recv(100)
    attached.close()


def test_logs_are_whole_streamed_and_cut(client: Any) -> None:
    container = client.containers.run("busybox", ["seq", "1", "5"], detach=True)
    container.wait()
    assert container.logs() == b"1\n2\n3\n4\n5\n"
    assert container.logs(tail=2) == b"4\n5\n"
    assert b"".join(container.logs(stream=True, follow=True)) == b"1\n2\n3\n4\n5\n"


def test_top_and_rename_work(client: Any, sleeper: Any) -> None:
    assert any("sleep 100000" in row[-1] for row in sleeper.top()["Processes"])
    sleeper.rename("renamed")
    assert client.containers.get("renamed").id == sleeper.id


def test_events_are_decoded(client: Any, sleeper: Any) -> None:
    sleeper.kill()
    sleeper.wait()
    found = client.events(since=1, until=time.time(), filters={"container": sleeper.id}, decode=True)
    actions = [event["Action"] for event in found]
    assert actions[:2] == ["create", "start"]
    assert actions[-1] == "die"


def test_an_image_goes_out_and_comes_back(client: Any) -> None:
    image = client.images.get("busybox")
    saved = b"".join(image.save(named=True))
    (loaded,) = client.images.load(io.BytesIO(saved))
    assert loaded.id == image.id
    assert "busybox:latest" in loaded.tags


def test_images_are_listed_tagged_and_removed(client: Any) -> None:
    image = client.images.get("busybox:latest")
    assert image.tag("team/box", "v2")
    assert "team/box:v2" in {tag for one in client.images.list() for tag in one.tags}
    client.images.remove("team/box:v2")
    with pytest.raises(docker_py.errors.ImageNotFound):
        client.images.get("team/box:v2")


def test_errors_have_dockers_classes_and_texts(client: Any, sleeper: Any) -> None:
    with pytest.raises(docker_py.errors.NotFound, match="No such container: nope"):
        client.containers.get("nope")
    with pytest.raises(docker_py.errors.APIError, match="already in use by container") as refused:
        client.api.create_container("busybox", name=sleeper.name)
    assert refused.value.status_code == 409
    with pytest.raises(docker_py.errors.NotFound, match="No such exec instance: nope"):
        client.api.exec_inspect("nope")


def test_wait_until_removed_ends_with_the_removal(client: Any) -> None:
    container = client.containers.run("busybox", ["sh", "-c", "exit 3"], detach=True, remove=True)
    try:
        code = container.wait(condition="removed")["StatusCode"]
    except docker_py.errors.NotFound:  # it was gone before we asked
        code = 3
    assert code == 3


@pytest.mark.parametrize("tty", [False, True])
def test_the_start_of_an_exec_says_whether_its_client_reads_frames(
    client: Any, sleeper: Any, *, tty: bool
) -> None:
    session = client.api.exec_create(sleeper.id, ["echo", "hi"], tty=True)
    assert client.api.exec_start(session, tty=tty) == b"hi\r\n"
