"""A container that ends while there is no engine: its code, output and event are all there afterwards."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.runtimes.strays import monitors
from tests.clients.cli import Docker
from tests.clients.engine import until
from tests.clients.restarts.crash.host import commands
from tests.clients.restarts.site import Site

LINES = [f"line {number}" for number in range(1, 7)]
CLOCK_SECONDS = 0.1  # the kernel stamps files by a clock that goes in ticks
SCRIPT = "while [ ! -e /shared/go ]; do sleep 0.01; done; for n in 1 2 3 4 5 6; do echo line $n; done; exit 7"


def started(site: Site, shared: Path, *options: str) -> tuple[str, int]:
    """Start a container that waits for a file; return its id and its process."""
    shared.mkdir()
    site.start()
    container = site.docker.detached(*options, "-v", f"{shared}:/shared", "busybox", "sh", "-c", SCRIPT)
    return container, int(site.docker.inspect(container)["State"]["Pid"])


def let_it_end(site: Site, shared: Path, pid: int) -> tuple[float, float]:
    """Have the process end and its monitor with it, which writes how; return between which times that was."""
    asked = time.time()
    (shared / "go").touch()
    until(lambda: not Path(f"/proc/{pid}").exists(), "the process ends")
    until(lambda: not monitors(site.root / "exec"), "the monitor ends")
    return asked, time.time()


def story(docker: Docker, container: str) -> list[dict[str, Any]]:
    filters = ("--filter", f"container={container}", "--since", "1", "--until", f"{time.time():.9f}")
    return [json.loads(line) for line in docker("events", *filters, "--format", "{{json .}}").lines]


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_it_has_its_code_its_lines_and_its_event(site: Site, tmp_path: Path, end: str) -> None:
    container, pid = started(site, tmp_path / "shared")
    getattr(site.engine, end)()
    asked, ended = let_it_end(site, tmp_path / "shared", pid)
    site.start()
    assert site.docker("wait", container).out == "7\n"
    state = site.docker.inspect(container)["State"]
    assert (state["Status"], state["ExitCode"], state["Error"]) == ("exited", 7, "")
    finished = datetime.fromisoformat(state["FinishedAt"]).timestamp()
    assert asked - CLOCK_SECONDS < finished < ended  # which is before the next start
    assert site.docker("logs", container).lines == LINES
    actions = [event["Action"] for event in story(site.docker, container)]
    assert actions == ["create", "start", "die"]
    attributes = story(site.docker, container)[-1]["Actor"]["Attributes"]
    assert (attributes["exitCode"], attributes["observedAtRecovery"]) == ("7", "true")


def test_one_that_ends_under_the_next_engine_is_no_late_news(site: Site, tmp_path: Path) -> None:
    container, pid = started(site, tmp_path / "shared")
    site.crash()
    let_it_end(site, tmp_path / "shared", pid)
    assert site.docker("wait", container).out == "7\n"
    attributes = story(site.docker, container)[-1]["Actor"]["Attributes"]
    assert (attributes["exitCode"], attributes.get("observedAtRecovery")) == ("7", None)


def test_one_whose_monitor_is_killed_meanwhile_has_an_end_that_nobody_knows(site: Site) -> None:
    site.start()
    container = site.docker.detached("busybox", "sleep", "1000")
    site.engine.kill()
    for pid, command in list(commands()):
        if os.path.basename(command.partition(b"\0")[0]) == b"conmon" and os.fsencode(container) in command:
            os.kill(pid, signal.SIGKILL)
    site.start()
    assert site.docker("wait", container).out == "255\n"
    attributes = story(site.docker, container)[-1]["Actor"]["Attributes"]
    assert (attributes["exitCode"], attributes["observedAtRecovery"]) == ("255", "true")


def test_one_that_is_to_be_removed_by_itself_is(site: Site, tmp_path: Path) -> None:
    container, pid = started(site, tmp_path / "shared", "--rm")
    site.engine.kill()
    let_it_end(site, tmp_path / "shared", pid)
    site.start()
    until(lambda: container not in site.docker.ids(), "the container is removed")
    actions = [event["Action"] for event in story(site.docker, container)]
    assert actions == ["create", "start", "die", "destroy"]
