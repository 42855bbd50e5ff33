"""What becomes of a container after it was made, and how it is shown meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.cli import Docker
from tests.clients.engine import until


def status(docker: Docker, container: str) -> str:
    return str(docker.inspect(container)["State"]["Status"])


def test_a_container_goes_through_all_its_states(docker: Docker) -> None:
    container = docker("create", "busybox", "sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait").out.strip()
    seen = [status(docker, container)]
    for command in ("start", "pause", "unpause", "stop", "start", "kill"):
        docker(command, container)
        if command == "kill":
            docker("wait", container)
        seen.append(status(docker, container))
    assert seen == ["created", "running", "paused", "running", "exited", "running", "exited"]
    docker("rm", container)
    assert f"No such container: {container}" in docker("container", "inspect", container, ok=False).err


def test_stop_sends_the_stop_signal_and_keeps_the_exit_code(docker: Docker) -> None:
    container = docker.heeding("USR1", 3, "--stop-signal", "USR1")
    docker("stop", container)
    assert docker.inspect(container)["State"]["ExitCode"] == 3


def test_stop_kills_who_does_not_listen(docker: Docker) -> None:
    container = docker.trapping("trap '' TERM")
    docker("stop", "-t", "0", container)
    assert docker.inspect(container)["State"]["ExitCode"] == 137


def test_restart_runs_it_anew(docker: Docker) -> None:
    container = docker.sleeper()
    before = docker.inspect(container)["State"]["Pid"]
    docker("restart", container)
    state = docker.inspect(container)["State"]
    assert state["Running"]
    assert state["Pid"] != before


def test_wait_prints_the_exit_code_of_what_ends_later(docker: Docker) -> None:
    container = docker.detached("-i", "busybox", "sh", "-c", "read line; exit 6")
    waiting = docker.start("wait", container)
    docker("attach", container, stdin=b"go\n", ok=False)
    out, _ = waiting.communicate(timeout=60)
    assert out == b"6\n"


def test_kill_sends_any_signal(docker: Docker) -> None:
    container = docker.heeding("HUP", 8)
    docker("kill", "-s", "HUP", container)
    assert docker("wait", container).out == "8\n"


def test_rename_is_seen_everywhere(docker: Docker) -> None:
    container = docker("create", "--name", "before", "busybox").out.strip()
    docker("rename", "before", "after")
    assert docker.inspect("after")["Id"] == container
    assert docker("container", "inspect", "before", ok=False).code == 1
    docker("create", "--name", "before", "busybox")  # the old name is free


def test_a_name_in_use_is_refused_and_named(docker: Docker) -> None:
    container = docker("create", "--name", "taken", "busybox").out.strip()
    refused = docker("create", "--name", "taken", "busybox", ok=False)
    assert f'The container name "/taken" is already in use by container "{container}"' in refused.err


def test_top_shows_the_processes(docker: Docker) -> None:
    container = docker.sleeper()
    assert "sleep 100000" in docker("top", container).out
    table = ("top", container, "-o", "pid,comm")
    assert docker(*table).lines[0].split() == ["PID", "COMMAND"]
    programs = {"sh", "sleep"}  # a shell's child is a shell at first
    until(lambda: {row.split()[1] for row in docker(*table).lines[1:]} == programs, "both are shown")


def test_a_running_container_is_removed_only_by_force(docker: Docker) -> None:
    container = docker.sleeper()
    assert "container is running" in docker("rm", container, ok=False).err
    docker("rm", "-f", container)
    assert docker.ids() == []


def test_prune_removes_what_has_ended_and_nothing_else(docker: Docker) -> None:
    running = docker.sleeper()
    ended = docker.detached("busybox", "true")
    docker("wait", ended)
    assert ended in docker("container", "prune", "--force").out
    assert docker.ids() == [running]


def test_inspect_shows_what_was_asked_for(docker: Docker) -> None:
    container = docker(
        *("create", "--label", "a=b", "-e", "X=1", "--memory", "64m", "-w", "/tmp", "--read-only"),
        *("--ulimit", "nofile=100:200", "--cap-drop", "ALL", "busybox", "echo", "hi there"),
    ).out.strip()
    found = docker.inspect(container)
    assert (found["Path"], found["Args"]) == ("echo", ["hi there"])
    assert found["Config"]["Labels"] == {"a": "b"}
    assert "X=1" in found["Config"]["Env"]
    host = found["HostConfig"]
    assert (host["Memory"], host["ReadonlyRootfs"], host["CapDrop"]) == (64 << 20, True, ["ALL"])
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 100, "Hard": 200}]


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ("name=web", {"web", "webby"}),
        ("name=^web$", {"web"}),
        ("label=tier", {"web", "job"}),
        ("label=tier=front", {"web"}),
        ("status=running", {"web"}),
        ("status=exited", {"job"}),
        ("status=created", {"webby"}),
        ("exited=4", {"job"}),
        ("ancestor=busybox", {"web", "webby", "job"}),
        ("before=job", {"web", "webby"}),
        ("since=web", {"webby", "job"}),
    ],
)
def test_ps_filters(docker: Docker, filter_: str, expected: set[str]) -> None:
    docker.sleeper("--name", "web", "--label", "tier=front")
    docker("create", "--name", "webby", "busybox")
    docker("run", "--name", "job", "--label", "tier=back", "busybox", "sh", "-c", "exit 4", ok=False)
    assert set(docker("ps", "-a", "--filter", filter_, "--format", "{{.Names}}").lines) == expected


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ("status=exited", {"job"}),
        ("exited=4", set()),
        ("before=last", {"web"}),
        ("since=web", {"last"}),
        ("id=", set()),
    ],
)
def test_ps_without_all_shows_what_runs_unless_a_status_is_asked_for(
    docker: Docker, filter_: str, expected: set[str]
) -> None:
    docker.sleeper("--name", "web")
    docker("run", "--name", "job", "busybox", "sh", "-c", "exit 4", ok=False)
    docker.sleeper("--name", "last")
    assert set(docker("ps", "--filter", filter_, "--format", "{{.Names}}").lines) == expected


def test_ps_shows_a_line_for_people(docker: Docker) -> None:
    docker.sleeper("--name", "web")
    (line,) = docker("ps", "--format", "{{.Image}}|{{.Names}}|{{.Status}}|{{.State}}").lines
    image, name, up, state = line.split("|")
    assert (image, name, state) == ("busybox", "web", "running")
    assert up.startswith("Up ")


def test_the_rest_of_a_bad_ps_filter_is_told(docker: Docker) -> None:
    assert "invalid filter 'nope'" in docker("ps", "--filter", "nope=1", ok=False).err


def test_a_container_keeps_what_it_wrote_between_runs(docker: Docker) -> None:
    script = "echo x >> /kept; wc -l < /kept"
    container = docker("create", "busybox", "sh", "-c", script).out.strip()
    assert [docker("start", "-a", container).out.strip() for _ in range(3)] == ["1", "2", "3"]


def test_version_and_info_can_be_shown(docker: Docker) -> None:
    version = json.loads(docker("version", "--format", "{{json .}}").out)["Server"]
    assert version["Os"] == "linux"
    info = json.loads(docker("info", "--format", "{{json .}}").out)
    assert info["OSType"] == "linux"
    assert {"crun", "runc"} <= set(info["Runtimes"])
    assert info["Images"] == 1
    docker("version")
    docker("info")


def test_start_attaches_and_passes_the_exit_code_on(docker: Docker) -> None:
    container = docker("create", "-i", "busybox", "sh", "-c", "cat; exit 5").out.strip()
    result = docker("start", "-ai", container, stdin=b"typed", ok=False)
    assert (result.out, result.code) == ("typed", 5)


def test_the_cidfile_is_written(docker: Docker, tmp_path: Path) -> None:
    docker("run", "--cidfile", str(tmp_path / "cid"), "busybox", "true")
    assert docker.ids() == [(tmp_path / "cid").read_text()]
