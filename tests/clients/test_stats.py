"""`docker stats`, and what else asks for the consumption of containers."""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import ExitStack
from typing import Any, Final

import docker as docker_py
import pytest

from tests.clients.cli import SECONDS, Docker
from tests.clients.engine import Engine, until
from tests.clients.http_api import Api

MIB: Final = 2**20
BURNS: Final = ("busybox", "sh", "-c", "while :; do :; done")
FILLS: Final = (
    "busybox",
    "sh",
    "-c",
    f"head -c {8 * MIB} /dev/zero > /dev/shm/full; echo full; exec sleep 1000",
)
CURSOR: Final = re.compile(rb"\x1b\[[0-9]*[A-Z]")
# docker-py leaves the sockets of its streams to the garbage collector.
leaky = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def table(docker: Docker, *arguments: str) -> dict[str, dict[str, str]]:
    """Return what `docker stats --no-stream` prints, by name."""
    rows = map(json.loads, docker("stats", "--no-stream", "--format", "{{json .}}", *arguments).lines)
    return {row["Name"]: row for row in rows}


def one_shot(api: Api, container: str) -> dict[str, Any]:
    return dict(api.get(f"/containers/{container}/stats", stream=0, **{"one-shot": 1}))


def test_a_table_of_all_that_run(docker: Docker) -> None:
    docker.detached("--name", "burner", "--cpus", "0.5", "--memory", "64m", *BURNS)
    docker.sleeper("--name", "idler", "--pids-limit", "20")
    docker("create", "--name", "created", "busybox", "true")
    found = table(docker)
    assert set(found) == {"burner", "idler"}
    assert float(found["burner"]["CPUPerc"].rstrip("%")) > 1
    assert float(found["idler"]["CPUPerc"].rstrip("%")) < float(found["burner"]["CPUPerc"].rstrip("%"))
    assert found["burner"]["MemUsage"].endswith(" / 64MiB")
    assert found["burner"]["PIDs"] == "1"
    assert found["burner"]["NetIO"] == "0B / 0B"
    assert set(table(docker, "--all")) == {"burner", "idler", "created"}


def test_a_table_that_is_kept_up_to_date(docker: Docker) -> None:
    docker.sleeper("--name", "idler")
    with docker.start("stats", "--format", "{{.Name}} {{.PIDs}} {{.CPUPerc}}") as client:
        assert client.stdout is not None
        limit = threading.Timer(SECONDS, client.kill)
        limit.start()
        rows = (CURSOR.sub(b"", line).split() for line in client.stdout)
        found = next((row for row in rows if row[:2] == [b"idler", b"2"]), None)
        limit.cancel()
        client.kill()
    assert found, "it has ended, or never showed the container's two processes"


def test_memory_is_what_the_container_has_filled(docker: Docker, api: Api) -> None:
    container = docker.detached("--memory", "64m", *FILLS)
    with docker.start("logs", "--follow", container) as logs:
        assert logs.stdout is not None
        assert logs.stdout.readline() == b"full\n"
        logs.kill()
    memory = one_shot(api, container)["memory_stats"]
    assert 8 * MIB < memory["usage"] < memory["limit"] == 64 * MIB


def test_pause_and_stop_and_start(docker: Docker, api: Api) -> None:
    container = docker.sleeper()
    until(lambda: one_shot(api, container)["pids_stats"]["current"] == 2, "both processes are there")
    docker("pause", container)
    assert one_shot(api, container)["pids_stats"]["current"] == 2
    docker("unpause", container)
    docker("stop", container)
    assert one_shot(api, container)["memory_stats"] == {}
    docker("start", container)
    assert one_shot(api, container)["memory_stats"]["usage"] > 0


def test_many_streams_end_with_their_containers(engine: Engine, docker: Docker) -> None:
    containers = [docker.sleeper(), docker.sleeper()]
    with ExitStack() as stack:
        streams = [(name, stack.enter_context(engine.connect())) for name in containers * 4]
        for name, connection in streams:
            connection.sendall(f"GET /containers/{name}/stats HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = [read_until(connection, b"}\n\r\n") for _, connection in streams]
        docker("rm", "--force", *containers)
        for (name, connection), first in zip(streams, received, strict=True):
            assert f'"id":"{name}"'.encode() in first
            assert b'"preread":"0001-01-01T00:00:00Z"' in first
            assert read_until(connection, b"\r\n0\r\n\r\n", first)


def read_until(connection: socket.socket, end: bytes, received: bytes = b"") -> bytes:
    while not received.endswith(end):
        piece = connection.recv(65536)
        assert piece, f"the connection was closed after {received!r}"
        received += piece
    return received


@leaky
def test_docker_py(engine: Engine, docker: Docker) -> None:
    container = docker.detached("--cpus", "0.5", *BURNS)
    client = docker_py.DockerClient(base_url=engine.url, version="auto", timeout=60)
    try:
        found = client.containers.get(container)
        once = found.stats(stream=False)
        assert (
            0
            < once["precpu_stats"]["cpu_usage"]["total_usage"]
            < once["cpu_stats"]["cpu_usage"]["total_usage"]
        )
        assert once["precpu_stats"]["system_cpu_usage"] < once["cpu_stats"]["system_cpu_usage"]
        assert client.api.stats(container, stream=False, one_shot=True)["preread"].startswith("0001-")
        stream = found.stats(decode=True)
        first, second = next(stream), next(stream)
        assert (first["preread"][:4], second["preread"]) == ("0001", first["read"])
        assert second["precpu_stats"] == first["cpu_stats"]
    finally:
        client.close()
