"""A log of several files under engines that come and go: configured in daemon.json, as on most hosts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.asked import BATCH, Asked
from tests.clients.cli import Docker
from tests.clients.engine import until
from tests.clients.restarts.site import Site

LOGGING = {"log-driver": "json-file", "log-opts": {"max-size": "4k", "max-file": "3"}}
RENEWALS: dict[str, Callable[[Site], None]] = {"restart": Site.restart, "crash": Site.crash}


def write(docker: Docker, asked: Asked, *firsts: int) -> None:
    with asked.attached(docker) as client:
        for first in firsts:
            asked.ask(client, first)
            until(asked.in_order, "the files are in order")


def logged(docker: Docker, asked: Asked) -> list[int]:
    return [int(line) for line in docker("logs", asked.id).lines]


@pytest.mark.parametrize("renewal", sorted(RENEWALS))
def test_the_files_of_a_log_go_on_under_the_next_engine(site: Site, renewal: str) -> None:
    site.configure(LOGGING)
    site.start()
    asked = Asked.run(site.docker)
    write(site.docker, asked, *range(1, 300, BATCH))
    before = logged(site.docker, asked)
    RENEWALS[renewal](site)
    assert logged(site.docker, asked) == before
    write(site.docker, asked, *range(301, 600, BATCH))
    kept = logged(site.docker, asked)
    assert kept == list(range(601 - len(kept), 601))
    assert [file.name for file in asked.files()] == ["output.log", "output.log.1", "output.log.2"]


def test_what_is_replaced_while_there_is_no_engine_is_put_in_order(site: Site, tmp_path: Path) -> None:
    site.configure(LOGGING)
    site.start()
    flag = tmp_path / "shared"
    flag.mkdir()
    script = "seq 1 60; while [ ! -e /shared/go ]; do sleep 0.01; done; seq 61 2000; sleep 100000"
    container = site.docker.detached("-v", f"{flag}:/shared", "busybox", "sh", "-c", script)
    asked = Asked(container, Path(site.docker.inspect(container)["LogPath"]))
    until(lambda: asked.held()[0][-1:] == [60], "the first lines are logged")
    site.engine.kill()
    (flag / "go").touch()
    until(lambda: asked.held()[0][-1:] == [2000], "the last lines are logged")
    site.start()
    kept = logged(site.docker, asked)
    assert kept == sorted(set(kept))
    assert kept[:60] == list(range(1, 61))  # the file that was current when the engine died
    assert kept[-30:] == list(range(1971, 2001))
    until(lambda: len(asked.files()) > 1, "the old file has its name")
    assert asked.held()[1][:60] == list(range(1, 61))
