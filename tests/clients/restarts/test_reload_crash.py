"""kill -9 in the middle of a reload, at each place where half of it is done: the next start is clean."""

from __future__ import annotations

import http.client
import signal
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.engine import STOP_SECONDS, launched
from tests.clients.restarts.site import Site

PLACES: Final = ("wrapper-half-written", "wrapper-written", "reload-committed")
OLD: Final = {"runtimes": {"wrapped": {"path": "crun", "runtimeArgs": ["--debug"]}}}
NEW: Final = {
    "labels": ["is=new"],
    "runtimes": {
        "wrapped": {"path": "crun", "runtimeArgs": ["--debug", "--log-format=json"]},
        "other": {"path": "runc", "runtimeArgs": ["--debug"]},
    },
}


def wait_for_death(process: subprocess.Popen[bytes]) -> None:
    assert process.wait(STOP_SECONDS) == -signal.SIGKILL


def check_in_force(site: Site, document: dict[str, Any]) -> None:
    """Make sure that the engine goes by a whole configuration, and that its scripts are there."""
    info = site.api.get("/info")
    assert info["Labels"] == document.get("labels", [])
    configured = {name: found for name, found in info["Runtimes"].items() if "runtimeArgs" in found}
    for found in configured.values():
        found.pop("status", None)
    assert configured == document["runtimes"]
    names = [name.partition(".")[0] for name in site.scripts()]
    assert set(names) == set(document["runtimes"])


def check_numbers(site: Site) -> None:
    """Make sure that generations go up, and that the one in force is not before that of an event."""
    told = [int(event["Actor"]["Attributes"]["generation"]) for event in site.api.reload_events()]
    assert told == sorted(told)
    assert site.api.get("/reload")["Generation"] >= max(told, default=0)


@pytest.mark.parametrize("place", PLACES)
def test_the_start_after_a_reload_that_died_is_clean(site: Site, place: str) -> None:
    site.configure(OLD)
    site.start()
    old = site.api.get("/reload")["Generation"]
    run = site.docker.sleeper("--runtime", "wrapped")
    pid = site.docker.inspect(run)["State"]["Pid"]
    site.engine.stop()
    site.start(LONGSHORE_FAILPOINT=place)

    site.configure(NEW)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        site.api("POST", "/reload")
    wait_for_death(site.engine.process)
    unfinished = [file for file in site.runtimes.iterdir() if "." not in file.name]
    # Of two scripts, the other may be at any place of its own when this one's place is reached.
    assert unfinished or place != "wrapper-half-written"
    assert not unfinished or place != "reload-committed"

    site.start()
    check_in_force(site, NEW)
    check_numbers(site)
    assert site.api.get("/reload")["Generation"] == old + 1
    (older,) = site.api.get("/reload")["OlderGenerations"]
    assert (older["Generation"], [one["Id"] for one in older["Containers"]]) == (old, [run])
    assert site.docker.inspect(run)["State"]["Pid"] == pid
    assert site.docker("exec", run, "echo", "here").out == "here\n"
    site.docker("stop", run)
    assert site.docker.inspect(run)["State"]["ExitCode"] == 0
    site.docker("rm", run)
    assert site.docker.run("--runtime", "other", "busybox", "echo", "new").out == "new\n"


@pytest.mark.parametrize("place", PLACES[:2])
def test_the_start_after_a_first_start_that_died_is_clean(tmp_path: Path, site: Site, place: str) -> None:
    site.configure(NEW)
    with launched(tmp_path, environment={"LONGSHORE_FAILPOINT": place}) as engine:
        wait_for_death(engine.process)
    site.start()
    check_in_force(site, NEW)
    check_numbers(site)
    assert site.docker.run("--runtime", "wrapped", "busybox", "echo", "new").out == "new\n"


def test_a_reload_that_died_is_told_of_if_it_was_committed(site: Site) -> None:
    site.configure(OLD)
    site.start(LONGSHORE_FAILPOINT="reload-committed:2")
    site.reload()
    site.configure(NEW)
    site.engine.hang_up()
    wait_for_death(site.engine.process)
    site.start()
    labels = [event["Actor"]["Attributes"]["labels"] for event in site.api.reload_events()]
    assert labels == ["[]", '["is=new"]']
    told = site.api.reload_events()[-1]["Actor"]["Attributes"]["generation"]
    assert site.api.get("/reload")["Generation"] == int(told)


def test_what_was_pulled_back_after_the_crash_is_not_in_force(site: Site) -> None:
    site.configure(OLD)
    site.start(LONGSHORE_FAILPOINT="reload-committed")
    site.configure(NEW)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        site.api("POST", "/reload")
    wait_for_death(site.engine.process)
    site.configure(OLD)
    site.start()
    check_in_force(site, OLD)
    (told,) = site.api.reload_events()
    assert site.api.get("/reload")["Generation"] == int(told["Actor"]["Attributes"]["generation"]) + 1
