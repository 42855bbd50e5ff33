"""`docker run --health-*`: what the container's health is, where it is shown, and what is told of it."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from typing import Any, Final

import pytest

from tests.clients.cli import Docker
from tests.clients.engine import BUSYBOX_IMAGE, until
from tests.clients.http_api import Api
from tests.clients.test_events import actions

OFTEN: Final = ("--health-interval", "100ms", "--health-retries", "2")


def health(docker: Docker, container: str) -> dict[str, Any]:
    return dict(docker.inspect(container)["State"]["Health"])


def outputs(docker: Docker, container: str) -> list[str]:
    """Return what the last probes have said."""
    return [entry["Output"] for entry in health(docker, container)["Log"]]


def until_it_is(docker: Docker, container: str, status: str) -> dict[str, Any]:
    """Return the health once the container has reached a status."""
    until(lambda: health(docker, container)["Status"] == status, f"it is {status}")
    return health(docker, container)


def at(text: str) -> datetime:
    """Return a point in time, whose text leaves out zeros at its end and so cannot be compared."""
    return datetime.fromisoformat(text)


def status_line(docker: Docker, container: str) -> str:
    return docker("ps", "--all", "--filter", f"id={container}", "--format", "{{.Status}}").out.strip()


def test_a_container_is_starting_until_its_first_probe(docker: Docker) -> None:
    container = docker.sleeper("--health-cmd", "true")
    assert health(docker, container) == {"Status": "starting", "FailingStreak": 0, "Log": []}
    assert status_line(docker, container).endswith(" (health: starting)")
    assert docker.inspect(container)["Config"]["Healthcheck"]["Test"] == ["CMD-SHELL", "true"]


def test_a_probe_that_succeeds_makes_it_healthy_once(docker: Docker) -> None:
    container = docker.sleeper("--health-cmd", "echo fine", *OFTEN)
    until(lambda: len(health(docker, container)["Log"]) == 5, "five probes")
    found = health(docker, container)
    assert (found["Status"], found["FailingStreak"]) == ("healthy", 0)
    assert {(entry["ExitCode"], entry["Output"]) for entry in found["Log"]} == {(0, "fine\n")}
    assert all(at(entry["Start"]) < at(entry["End"]) for entry in found["Log"])
    assert status_line(docker, container).endswith(" (healthy)")
    assert actions(docker, container) == ["create", "start", "health_status: healthy"]


def test_probes_that_fail_make_it_unhealthy_and_one_that_succeeds_healthy_again(docker: Docker) -> None:
    container = docker.sleeper("--health-cmd", "test -e /tmp/well || { echo ill; exit 3; }", *OFTEN)
    found = until_it_is(docker, container, "unhealthy")
    assert found["FailingStreak"] >= 2
    assert (found["Log"][0]["ExitCode"], found["Log"][0]["Output"]) == (3, "ill\n")
    assert status_line(docker, container).endswith(" (unhealthy)")
    docker("exec", container, "touch", "/tmp/well")
    assert until_it_is(docker, container, "healthy")["FailingStreak"] == 0
    told = [action for action in actions(docker, container) if action.startswith("health_status")]
    assert told == ["health_status: unhealthy", "health_status: healthy"]


def test_a_probe_that_takes_too_long_is_killed_and_has_failed(docker: Docker) -> None:
    options = ("--health-cmd", "echo here; sleep 71818", "--health-timeout", "300ms", *OFTEN)
    container = docker.sleeper(*options)
    entry = until_it_is(docker, container, "unhealthy")["Log"][0]
    late = "Health check exceeded timeout (300ms)"
    assert (entry["ExitCode"], entry["Output"].partition(":")[0]) == (-1, late)
    until(lambda: f"{late}: here\n" in outputs(docker, container), "one has had time to speak")
    until(lambda: len(health(docker, container)["Log"]) == 5, "five have taken too long")
    programs = [line.split(maxsplit=7)[7] for line in docker("top", container).lines]
    assert programs.count("sleep 71818") <= 1  # of the one that is under way


def test_the_list_is_filtered_by_health(docker: Docker) -> None:
    ids = {
        "healthy": docker.sleeper("--health-cmd", "true", *OFTEN),
        "unhealthy": docker.sleeper("--health-cmd", "false", *OFTEN),
        "starting": docker.sleeper("--health-cmd", "true", "--health-interval", "1h"),
        "none": docker.sleeper(),
    }
    for status in ("healthy", "unhealthy"):
        until_it_is(docker, ids[status], status)
    for status, container in ids.items():
        assert docker("ps", "-q", "--no-trunc", "--filter", f"health={status}").out.split() == [container]
    both = docker("ps", "-q", "--no-trunc", "--filter", "health=healthy", "--filter", "health=none")
    assert set(both.out.split()) == {ids["healthy"], ids["none"]}


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_one_that_has_ended_is_not_well_and_begins_anew(docker: Docker, how: str) -> None:
    container = docker.sleeper("--health-cmd", "true", *OFTEN)
    until_it_is(docker, container, "healthy")
    docker(how, container)
    docker("wait", container)
    assert health(docker, container)["Status"] == "unhealthy"
    assert "health" not in status_line(docker, container)
    docker("start", container)
    until_it_is(docker, container, "healthy")
    told = [action for action in actions(docker, container) if action.startswith("health_status")]
    assert told == ["health_status: healthy"] * 2


def test_one_that_is_paused_is_not_probed(docker: Docker) -> None:
    container = docker.sleeper("--health-cmd", "true", *OFTEN)
    until_it_is(docker, container, "healthy")
    docker("pause", container)
    log = health(docker, container)["Log"]
    assert status_line(docker, container).endswith(" (Paused)")
    assert health(docker, container)["Log"] == log
    docker("unpause", container)
    until(lambda: health(docker, container)["Log"][-1] not in log, "it is probed again")


def test_the_images_check_is_the_containers_unless_it_says_otherwise(docker: Docker) -> None:
    rootfs = subprocess.run([sys.executable, BUSYBOX_IMAGE], check=True, capture_output=True).stdout
    changes = ("ENV PATH=/bin", "HEALTHCHECK --interval=100ms CMD echo image")
    docker("import", *(word for one in changes for word in ("--change", one)), "-", "probed", stdin=rootfs)
    try:
        script = ("probed", "sleep", "1000")
        asis = docker.detached(*script)
        other = docker.detached("--health-cmd", "echo own", *script)
        without = docker.detached("--no-healthcheck", *script)
        for container, output in ((asis, "image\n"), (other, "own\n")):
            assert until_it_is(docker, container, "healthy")["Log"][0]["Output"] == output
        assert "Health" not in docker.inspect(without)["State"]
    finally:
        docker.remove_all()
        docker("rmi", "probed")


def test_failures_in_the_start_period_do_not_count(docker: Docker, api: Api) -> None:
    probe = {"Test": ["CMD", "false"], "Interval": 10**8, "StartPeriod": 3600 * 10**9}
    created = api(
        "POST",
        "/v1.44/containers/create",
        {"Image": "busybox", "Cmd": ["sleep", "1000"], "Healthcheck": {**probe, "StartInterval": 10**7}},
    )
    container = created.document["Id"]
    docker("start", container)
    until(lambda: len(health(docker, container)["Log"]) == 5, "five probes")
    found = health(docker, container)
    assert (found["Status"], found["FailingStreak"]) == ("starting", 0)


def test_no_healthcheck_is_none(docker: Docker) -> None:
    container = docker.sleeper("--no-healthcheck")
    assert "Health" not in docker.inspect(container)["State"]
    assert "health" not in status_line(docker, container)


def test_probes_are_no_exec_sessions(docker: Docker) -> None:
    container = docker.sleeper("--health-cmd", "sleep 72020", *OFTEN)
    until(lambda: "sleep 72020" in docker("top", container).out, "it is being probed")
    assert docker.inspect(container)["ExecIDs"] is None
    assert actions(docker, container)[:2] == ["create", "start"]
    assert not [action for action in actions(docker, container) if action.startswith("exec_")]


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"Test": ["CMD", "true"], "Interval": 1}, "Interval in Healthcheck cannot be less than 1ms"),
        ({"Test": ["wget"]}, "invalid Test in Healthcheck"),
    ],
)
def test_what_makes_no_sense_is_refused(api: Api, check: dict[str, Any], message: str) -> None:
    refused = api("POST", "/containers/create", {"Image": "busybox", "Cmd": ["x"], "Healthcheck": check})
    assert refused.status == 400
    assert message in refused.message
