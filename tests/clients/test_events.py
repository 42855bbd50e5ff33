"""The event stream, as `docker events` reads it."""

from __future__ import annotations

import json
import select
import subprocess
import time
from typing import Any

from tests.clients.cli import Docker


def past(docker: Docker, *filters: str) -> list[dict[str, Any]]:
    """Return the events there have been, from the first on."""
    options = [part for one in filters for part in ("--filter", one)]
    until = f"{time.time():.9f}"  # "now" would be the second that has begun
    lines = docker("events", "--since", "1", "--until", until, *options, "--format", "{{json .}}").lines
    return [json.loads(line) for line in lines]


def actions(docker: Docker, container: str) -> list[str]:
    return [event["Action"] for event in past(docker, f"container={container}")]


def something_comes(stream: subprocess.Popen[bytes]) -> bool:
    assert stream.stdout is not None
    return bool(select.select([stream.stdout], [], [], 0.2)[0])


def test_a_life_is_told_in_order(docker: Docker) -> None:
    docker.run("--name", "told", "busybox", "true")
    assert actions(docker, "told") == ["create", "attach", "start", "die", "destroy"]


def test_the_exit_code_and_the_signal_are_told(docker: Docker) -> None:
    container = docker.sleeper()
    docker("kill", container)
    docker("wait", container)
    events = {
        event["Action"]: event["Actor"]["Attributes"] for event in past(docker, f"container={container}")
    }
    assert events["kill"]["signal"] == "9"
    assert events["die"]["exitCode"] == "137"


def test_events_come_while_they_happen(docker: Docker) -> None:
    stream = docker.start("events", "--filter", "event=start", "--format", "{{json .}}")
    try:
        docker.run("busybox", "true")
        while not something_comes(stream):  # the CLI may not have subscribed yet
            docker.run("busybox", "true")
        assert stream.stdout is not None
        assert json.loads(stream.stdout.readline())["Action"] == "start"
    finally:
        stream.kill()
        stream.communicate()


def test_labels_image_and_name_are_in_the_attributes(docker: Docker) -> None:
    docker.run("--name", "attributes", "--label", "a=b", "busybox", "true")
    (created,) = [event for event in past(docker, "container=attributes") if event["Action"] == "create"]
    attributes = created["Actor"]["Attributes"]
    assert (attributes["a"], attributes["image"], attributes["name"]) == ("b", "busybox", "attributes")


def test_exec_pause_and_rename_are_told(docker: Docker) -> None:
    container = docker.sleeper("--name", "old")
    docker("exec", container, "true")
    docker("pause", container)
    docker("unpause", container)
    docker("rename", container, "new")
    told = [event["Action"].partition(":")[0] for event in past(docker, f"container={container}")]
    assert told == ["create", "start", "exec_create", "exec_start", "exec_die", "pause", "unpause", "rename"]


def test_image_events_are_told(docker: Docker) -> None:
    docker("tag", "busybox", "second")
    docker("rmi", "second")
    told = [event["Action"] for event in past(docker, "type=image")]
    assert told[-2:] == ["tag", "untag"]


def test_filters_narrow(docker: Docker) -> None:
    docker.run("--label", "wanted=yes", "busybox", "true")
    docker.run("busybox", "true")
    chosen = past(docker, "label=wanted=yes", "event=die")
    assert [event["Actor"]["Attributes"]["wanted"] for event in chosen] == ["yes"]


def test_no_event_is_forgotten(docker: Docker) -> None:
    container = docker("create", "busybox", "true").out.strip()
    for _ in range(150):
        docker("rename", container, "one")
        docker("rename", container, "two")
    assert actions(docker, container).count("rename") == 300


def test_a_prune_tells_of_what_it_deletes_and_then_of_itself(docker: Docker) -> None:
    docker("create", "--name", "unused", "busybox")
    docker("container", "prune", "--force")
    docker("image", "prune", "--force")
    *_, destroyed, containers, images = past(docker)
    assert (destroyed["Action"], destroyed["Actor"]["Attributes"]["name"]) == ("destroy", "unused")
    assert [(one["Type"], one["Action"], one["Actor"]["Attributes"]) for one in (containers, images)] == [
        ("container", "prune", {"reclaimed": "0"}),
        ("image", "prune", {"reclaimed": "0"}),
    ]
