"""Restart policies, seen by stock clients, across stops and crashes of the engine."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import docker as docker_py
import pytest

from tests.clients.engine import until
from tests.clients.restarts.site import Site

T = TypeVar("T")
RESTART_SECONDS: Final = 70  # the longest wait between two starts is a minute
OBEDIENT: Final = ("busybox", "sh", "-c", "trap 'exit 5' TERM; sleep 100000 & wait")


def state(site: Site, container: str) -> dict[str, Any]:
    return dict(site.docker.inspect(container)["State"])


def status(site: Site, container: str) -> str:
    return str(state(site, container)["Status"])


def looping(site: Site, *options: str) -> str:
    """Return a container whose next start is seconds away."""
    container = site.docker.detached("--restart", "always", *options, "busybox", "sh", "-c", "exit 3")
    until(lambda: site.docker.inspect(container)["RestartCount"] >= 5, "five restarts")
    until(lambda: waits(site, container), "the sixth")
    return container


def waits(site: Site, container: str) -> bool:
    """Whether a container waits for its next start."""
    return bool(state(site, container)["Restarting"])


def between_starts(site: Site, container: str, look: Callable[[], T]) -> T:
    """Return what is seen while a container waits for one start; each wait is longer than the last."""
    while True:
        until(lambda: waits(site, container), "it waits", RESTART_SECONDS)
        count = site.docker.inspect(container)["RestartCount"]
        seen = look()
        if waits(site, container) and site.docker.inspect(container)["RestartCount"] == count:
            return seen


def actions(site: Site, container: str) -> list[str]:
    lines = site.docker(
        *("events", "--since", "1", "--until", f"{time.time():.9f}", "--filter", f"container={container}"),
        *("--format", "{{json .Action}}"),
    ).lines
    return [json.loads(line) for line in lines]


def test_failures_are_followed_by_as_many_starts_as_were_asked_for(site: Site) -> None:
    site.start()
    container = site.docker.detached("--restart", "on-failure:2", "busybox", "false")
    until(lambda: status(site, container) == "exited", "the last exit")
    found = site.docker.inspect(container)
    assert (found["RestartCount"], found["State"]["ExitCode"]) == (2, 1)
    assert found["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
    assert actions(site, container) == ["create", *(["start", "die"] * 3)]


def test_a_restarting_container_is_shown_as_such(site: Site) -> None:
    site.start()
    container = looping(site)

    def seen(*command: str) -> str:
        done = between_starts(site, container, lambda: site.docker(*command, ok=False))
        return done.out + done.err

    now = between_starts(site, container, lambda: state(site, container))
    shown = {key: now[key] for key in ("Status", "Running", "Restarting", "Pid", "ExitCode")}
    assert shown == {"Status": "restarting", "Running": True, "Restarting": True, "Pid": 0, "ExitCode": 3}
    listed = seen("ps", "--filter", "status=restarting", "--format", "{{.State}} {{.Status}}")
    assert listed.startswith("restarting Restarting (3) ")
    assert seen("ps", "--all", "--quiet", "--filter", "status=running") == ""
    assert "is restarting, wait until the container is running" in seen("exec", container, "true")
    assert "is restarting: stop the container" in seen("rm", container)


@pytest.mark.parametrize("command", ["stop", "kill"])
def test_a_restarting_container_can_be_stopped(site: Site, command: str) -> None:
    site.start()
    container = looping(site)
    site.docker(command, container)
    assert state(site, container)["Status"] == "exited"
    assert actions(site, container)[-1] == ("stop" if command == "stop" else "die")


def test_docker_py_sees_the_same(site: Site) -> None:
    site.start()
    client = docker_py.DockerClient(site.engine.url)
    try:
        policy = {"Name": "always", "MaximumRetryCount": 0}
        container = client.containers.run("busybox", ["false"], detach=True, restart_policy=policy)
        assert container.wait()["StatusCode"] == 1
        until(lambda: container.reload() or container.status == "restarting", "restarting")
        restarting = partial(client.containers.list, filters={"status": "restarting"})
        until(lambda: container in restarting(), "it is listed as such, between two short runs")
        container.update(restart_policy={"Name": "no"})
        until(lambda: container.reload() or container.status == "exited", "exited")
        container.remove()
    finally:
        client.close()


def test_a_stop_by_hand_outlives_the_engine_unless_the_policy_is_always(site: Site) -> None:
    site.start()
    policies = ("no", "on-failure", "unless-stopped", "always")
    containers = {policy: site.docker.detached("--restart", policy, *OBEDIENT) for policy in policies}
    for container in containers.values():
        site.docker("stop", container)
    site.restart()
    until(lambda: status(site, containers["always"]) == "running", "a start with the engine")
    site.docker("stop", containers["always"])
    site.crash()
    until(lambda: status(site, containers["always"]) == "running", "a start after a crash")
    assert {policy: status(site, container) for policy, container in containers.items()} == {
        **dict.fromkeys(policies, "exited"),
        "always": "running",
    }


def test_what_runs_goes_on_running(site: Site) -> None:
    site.start()
    container = site.docker.detached("--restart", "always", *OBEDIENT)
    pid = state(site, container)["Pid"]
    for again in (Site.restart, Site.crash):
        again(site)
        assert state(site, container)["Pid"] == pid
    assert site.docker.inspect(container)["RestartCount"] == 0


@pytest.mark.parametrize("policy", ["always", "unless-stopped", "on-failure"])
def test_what_ends_while_no_engine_runs_is_started_by_the_next(site: Site, policy: str) -> None:
    site.start()
    container = site.docker.detached("--restart", policy, *OBEDIENT)
    pid = state(site, container)["Pid"]
    site.engine.kill()
    os.kill(pid, signal.SIGKILL)
    site.start()
    until(lambda: state(site, container)["Pid"] not in {0, pid}, "another process")
    assert actions(site, container) == ["create", "start", "die", "start"]


def test_what_was_restarting_goes_on_with_it(site: Site) -> None:
    site.start()
    container = looping(site)
    count = site.docker.inspect(container)["RestartCount"]
    site.crash()
    until(lambda: site.docker.inspect(container)["RestartCount"] > count, "another restart")
    site.docker("stop", container)


def test_an_engine_that_stops_its_containers_does_not_mean_them(site: Site) -> None:
    site.configure({"live-restore": False})
    site.start()
    policies = ("no", "unless-stopped", "always")
    containers = {policy: site.docker.detached("--restart", policy, *OBEDIENT) for policy in policies}
    site.restart()
    until(lambda: len(site.docker.ids("status=running")) == len(policies) - 1, "the others run")
    assert status(site, containers["no"]) == "exited"


def test_who_was_never_started_is_not_started_with_the_engine(site: Site) -> None:
    site.start()
    created = site.docker("create", "--restart", "always", *OBEDIENT).out.strip()
    site.restart()
    assert status(site, created) == "created"


def test_a_policy_can_be_changed_while_the_container_runs(site: Site) -> None:
    site.start()
    container = site.docker.sleeper()
    site.docker("update", "--restart", "on-failure:1", container)
    os.kill(state(site, container)["Pid"], signal.SIGKILL)
    until(lambda: site.docker.inspect(container)["RestartCount"] == 1, "a restart")
    until(lambda: status(site, container) == "running", "it runs")
    site.docker("update", "--restart", "no", container)
    os.kill(state(site, container)["Pid"], signal.SIGKILL)
    until(lambda: status(site, container) == "exited", "the end")
    assert actions(site, container) == ["create", "start", "update", "die", "start", "update", "die"]
