"""Hundreds of reloads, some refused and some racing each other, under clients that must not notice."""

from __future__ import annotations

import os
import random
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Final

from tests.clients.engine import until
from tests.clients.restarts.site import Site
from tests.clients.restarts.storm import Client, History, Reloader, dice_from

RELOADS: Final = int(os.environ.get("LONGSHORE_STORM_RELOADS", "500"))
CLIENTS: Final = 8
POSTERS: Final = 2
OUTCOME: Final = re.compile(r"configuration (reloaded|not reloaded)")


def outcomes(site: Site) -> tuple[int, int]:
    """Return how many reloads happened and how many were refused, by the engine's own account."""
    found = OUTCOME.findall(site.engine.log)
    return found.count("reloaded"), found.count("not reloaded")


def storm(site: Site, clients: list[Client], posters: list[Reloader], signaller: Reloader) -> None:
    """Let all of them loose until there were enough reloads, or one of them has failed."""
    over = threading.Event()

    def keep(*steps: Callable[[], None]) -> None:
        try:
            while not over.is_set():
                for step in steps:
                    step()
        except BaseException:
            over.set()
            raise

    def signal() -> None:
        # Not the next one before this one was heard, behind one reload of each poster: they would pile up.
        before = sum(outcomes(site))
        signaller.hang_up()
        until(lambda: sum(outcomes(site)) > before + len(posters), "a reload")
        if before >= RELOADS:
            over.set()

    with ThreadPoolExecutor(len(clients) + len(posters) + 1) as threads:
        tasks = [threads.submit(keep, client.live) for client in clients]
        tasks += [threads.submit(keep, poster.post, poster.rest) for poster in posters]
        tasks.append(threads.submit(keep, signal, signaller.rest))
        for task in as_completed(tasks):
            task.result()


def check_end(site: Site, history: History, posters: list[Reloader], signaller: Reloader) -> None:
    """Make sure that every reload was told of, and that the last one left nothing half done."""
    last = history.document(history.write())
    generation = site.api.reload()["Generation"]
    until(lambda: len(site.api.reload_events()) == outcomes(site)[0], "an event for each reload")
    told = [int(event["Actor"]["Attributes"]["generation"]) for event in site.api.reload_events()]
    assert told == sorted(told)
    assert told[-1] == generation == site.api.get("/reload")["Generation"]
    assert site.api.get("/info")["Labels"] == last["labels"]

    happened, refused = outcomes(site)
    by_http = sum(poster.happened for poster in posters) + 1, sum(poster.refused for poster in posters)
    by_signal = happened - by_http[0], refused - by_http[1]
    assert min(by_signal) >= 0
    assert 0 < sum(by_signal) <= signaller.signals  # signals that come close together become one
    assert site.scripts()
    site.configure({})
    site.restart()
    assert site.scripts() == []


def test_no_client_notices_a_storm_of_reloads(site: Site) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # ruff: ignore[print]  shown if it fails
    dice = dice_from(seed)
    history = History(site)
    history.write()
    site.start()
    clients = [Client(history, next(dice)) for _ in range(CLIENTS)]
    posters = [Reloader(history, next(dice)) for _ in range(POSTERS)]
    signaller = Reloader(history, next(dice))
    storm(site, clients, posters, signaller)
    assert all(client.lives for client in clients)
    assert sum(client.obliged for client in clients)
    assert sum(client.refused for client in clients)
    check_end(site, history, posters, signaller)
