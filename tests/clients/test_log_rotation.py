"""`--log-opt max-file`: the log goes on in a new file, and the old ones are read before it."""

from __future__ import annotations

from typing import Final

from tests.clients.asked import BATCH, Asked
from tests.clients.cli import Docker
from tests.clients.engine import until

SIZE_BYTES: Final = 4000
OPTIONS: Final = ("--log-opt", f"max-size={SIZE_BYTES}", "--log-opt", "max-file=3")
NAMES: Final = ["output.log", "output.log.1", "output.log.2"]


def test_logs_shows_all_files_as_one(docker: Docker) -> None:
    asked = Asked.run(docker, *OPTIONS)
    with asked.attached(docker) as client:
        for first in range(1, 1000, BATCH):
            asked.ask(client, first)
            until(asked.in_order, "the files are in order")
        kept = [int(line) for line in docker("logs", asked.id).lines]
        assert kept == list(range(1001 - len(kept), 1001))
        assert len(kept) > 2 * BATCH
        tail = docker("logs", "--tail", str(2 * BATCH), asked.id).lines
        assert [int(line) for line in tail] == kept[-2 * BATCH :]
        asked.end(docker, client)
    assert [file.name for file in asked.files()] == NAMES
    assert max(file.stat().st_size for file in asked.files()) <= SIZE_BYTES
    stamps = [line.split()[0] for line in docker("logs", "--timestamps", asked.id).lines]
    assert stamps == sorted(stamps)
    since = docker("logs", "--since", stamps[10], "--until", stamps[-10], asked.id).lines
    assert [int(line) for line in since] == [
        number for number, stamp in zip(kept, stamps, strict=True) if stamps[10] <= stamp <= stamps[-10]
    ]
    docker("rm", asked.id)
    assert not asked.log.parent.exists()


def test_a_follower_begins_with_the_oldest_file_and_sees_every_line(docker: Docker) -> None:
    asked = Asked.run(docker, *OPTIONS)
    with asked.attached(docker) as client:
        for first in range(1, 400, BATCH):
            asked.ask(client, first)
            until(asked.in_order, "the files are in order")
        kept = [int(line) for line in docker("logs", asked.id).lines]
        with docker.start("logs", "-f", asked.id) as following:
            assert following.stdout is not None
            assert [int(following.stdout.readline()) for _ in kept] == kept
            for first in range(401, 1000, BATCH):
                asked.ask(client, first)
                until(asked.in_order, "the files are in order")
            asked.end(docker, client)
            rest = [int(line) for line in following.stdout]
    assert rest == list(range(401, 1001))


def test_a_storm_leaves_the_last_lines_in_order_and_no_more_than_asked_for(docker: Docker) -> None:
    container = docker.detached(*OPTIONS, "busybox", "seq", "1", "50000")
    docker("wait", container)
    until(lambda: not docker.ids("status=running"), "it has ended")
    kept = [int(line) for line in docker("logs", container).lines]
    assert kept == sorted(set(kept))
    assert kept[-30:] == list(range(49_971, 50_001))


def test_without_a_size_the_number_of_files_means_nothing_as_with_dockerd(docker: Docker) -> None:
    container = docker.detached("--log-opt", "max-file=3", "busybox", "seq", "1", "2000")
    docker("wait", container)
    assert docker("logs", container).lines == [str(number) for number in range(1, 2001)]
