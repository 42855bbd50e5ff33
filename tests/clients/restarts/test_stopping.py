"""What an engine tells its service manager, and what becomes of containers if live-restore is off."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.clients.engine import START_SECONDS
from tests.clients.restarts.site import Site

DEAF: Final = ("busybox", "sh", "-c", "trap '' TERM; echo ready; sleep 100000")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A service manager's end of NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(START_SECONDS)
        listening.bind(str(tmp_path / "notify"))
        yield listening


def heard(manager: socket.socket, count: int) -> list[str]:
    """Return the next messages, without their times."""
    return [re.sub(r"=\d{3,}", "=N", manager.recv(4096).decode()) for _ in range(count)]


def test_the_service_manager_is_told_of_everything_in_order(site: Site, manager: socket.socket) -> None:
    site.start(NOTIFY_SOCKET=str(site.root / "notify"))
    assert heard(manager, 1) == ["READY=1"]
    for document in ({"labels": ["a=b"]}, "{"):  # a reload that fails is over, too
        site.configure(document)
        site.engine.hang_up()
        assert heard(manager, 2) == ["RELOADING=1\nMONOTONIC_USEC=N", "READY=1"]
    site.api("POST", "/reload", **{"dry-run": 1})
    assert "NOTIFY_SOCKET" not in site.docker.run("busybox", "env").out
    site.engine.stop()
    assert heard(manager, 1) == ["STOPPING=1"]
    assert site.engine.process.returncode == 0


def test_a_signal_that_follows_readiness_at_once_is_a_reload(site: Site, manager: socket.socket) -> None:
    site.start(NOTIFY_SOCKET=str(site.root / "notify"))
    site.engine.hang_up()
    assert heard(manager, 3)[1:] == ["RELOADING=1\nMONOTONIC_USEC=N", "READY=1"]


def test_without_live_restore_containers_are_stopped_with_the_engine(site: Site) -> None:
    site.configure({"live-restore": False, "shutdown-timeout": 5})
    site.start()
    obedient = site.docker.sleeper()
    site.docker("pause", site.docker.sleeper())
    own_code = site.docker.heeding("TERM", 7)
    deaf, quick = site.docker.detached(*DEAF), site.docker.detached("--stop-timeout", "0", *DEAF)
    assert site.api.get("/info")["LiveRestoreEnabled"] is False
    site.engine.stop()
    assert site.engine.process.returncode == 0
    site.start()
    ended = {container: site.docker.inspect(container)["State"] for container in site.docker.ids()}
    assert {state["Status"] for state in ended.values()} == {"exited"}
    codes = [ended[container]["ExitCode"] for container in (obedient, own_code, deaf, quick)]
    assert codes == [0, 7, 137, 137]


def test_clients_see_how_their_containers_end_with_the_engine(site: Site) -> None:
    site.configure({"live-restore": False})
    site.start()
    script = "trap 'echo bye; exit 5' TERM; echo ready; sleep 100000 & wait"
    client = site.docker.start("run", "--rm", "busybox", "sh", "-c", script)
    try:
        assert client.stdout is not None
        assert client.stdout.readline() == b"ready\n"
        site.engine.stop()
        out, err = client.communicate(timeout=START_SECONDS)
        assert (client.returncode, out, err) == (5, b"bye\n", b"")
    finally:
        client.kill()
        client.wait()


def test_live_restore_can_be_switched_while_the_engine_runs(site: Site) -> None:
    site.configure({"live-restore": False})
    site.start()
    run = site.docker.sleeper()
    site.configure({})
    site.reload()
    site.restart()
    assert site.docker.inspect(run)["State"]["Status"] == "running"
    site.configure({"live-restore": False})
    site.reload()
    site.restart()
    assert site.docker.inspect(run)["State"]["Status"] == "exited"


def test_a_reload_while_the_engine_stops_does_not_kill_it(site: Site) -> None:
    site.configure({"live-restore": False, "shutdown-timeout": 3})
    site.start()
    deaf = site.docker.detached(*DEAF)
    stopping = site.engine.process
    stopping.terminate()
    while "stopping all containers" not in site.engine.log:
        assert stopping.poll() is None
    site.engine.hang_up()
    assert stopping.wait(START_SECONDS) == 0
    site.start()
    assert site.docker.inspect(deaf)["State"]["ExitCode"] == 137


def test_what_takes_a_restart_applies_after_one(site: Site) -> None:
    site.start()
    site.configure({"mtu": 1400})
    site.reload()
    before = site.api.get("/reload")
    site.restart()
    after = site.api.get("/reload")
    assert ([one["Key"] for one in before["AfterRestart"]], after["AfterRestart"]) == (["mtu"], [])
    assert after["Generation"] > before["Generation"]


def test_a_restart_alone_keeps_the_generation(site: Site) -> None:
    site.configure({"runtimes": {"wrapped": {"path": "crun", "runtimeArgs": ["--debug"]}}})
    site.start()
    generations = [site.api.get("/reload")["Generation"]]
    for again in (Site.restart, Site.crash, Site.reload):
        again(site)
        generations.append(site.api.get("/reload")["Generation"])
    assert set(generations) == {generations[0]}


def test_the_log_level_changes_at_once(site: Site) -> None:
    site.start()
    for level in ("debug", "info", "debug"):
        site.configure({"log-level": level})
        site.reload()
        written = len(site.engine.log)
        # A script that there has not been yet: the writing of it is a line of level debug.
        runtime = {"path": "crun", "runtimeArgs": [f"--log={site.root}/{written}"]}
        site.configure({"log-level": level, "runtimes": {"wrapped": runtime}})
        site.reload()
        assert ("wrapper script" in site.engine.log[written:]) == (level == "debug")
