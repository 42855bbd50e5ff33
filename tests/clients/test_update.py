"""`docker update`: what it changes at once, what inspect shows then, and what it refuses."""

from __future__ import annotations

import pytest

from tests.clients.cli import Docker
from tests.clients.http_api import Api

MIB = 1 << 20
LIMIT = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null"


def test_a_running_container_obeys_at_once_and_inspect_shows_it(docker: Docker) -> None:
    container = docker.sleeper("--memory", "64m")
    options = ("--memory", "32m", "--memory-swap", "32m", "--cpus", "0.5", "--pids-limit", "30")
    assert docker("update", *options, container).out.strip() == container
    found = docker.inspect(container)["HostConfig"]
    shown = [found[key] for key in ("Memory", "MemorySwap", "NanoCpus", "PidsLimit")]
    assert shown == [32 * MIB, 32 * MIB, 500_000_000, 30]
    assert docker("exec", container, "sh", "-c", LIMIT, ok=False).out.strip() == str(32 * MIB)


def test_what_does_not_run_obeys_when_it_does(docker: Docker) -> None:
    command = ("busybox", "sh", "-c", f"{LIMIT}; true")
    container = docker("create", "--memory", "64m", *command).out.strip()
    docker("update", "--memory", "32m", container)
    assert docker("start", "--attach", container).out.strip() == str(32 * MIB)


@pytest.mark.parametrize(
    ("wanted", "status", "text"),
    [
        ({"Memory": 512 * MIB}, 409, "already set memoryswap limit, update the memoryswap at the same time"),
        ({"Memory": 1000}, 400, "Minimum memory limit allowed is 6MB"),
        ({"RestartPolicy": {"Name": "bogus"}}, 400, "invalid restart policy"),
        ({"Memory": "much"}, 400, "invalid JSON"),
    ],
)
def test_nonsense_is_refused_as_dockerd_does(
    docker: Docker, api: Api, wanted: object, status: int, text: str
) -> None:
    container = docker.sleeper("--memory", "64m")
    answer = api("POST", f"/containers/{container}/update", wanted)
    assert (answer.status, text in answer.message) == (status, True)
    assert api("POST", f"/containers/{container}/update", {}).document == {"Warnings": None}


def test_who_is_removed_by_itself_can_have_no_policy(docker: Docker) -> None:
    container = docker.sleeper("--rm")
    refused = docker("update", "--restart", "always", container, ok=False)
    assert "Restart policy cannot be updated because AutoRemove is enabled for the container" in refused.err


def test_there_must_be_something_to_update(api: Api) -> None:
    assert api("POST", "/containers/nonesuch/update", {}).status == 404
