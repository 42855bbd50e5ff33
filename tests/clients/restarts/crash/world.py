"""Engines that are killed one after the other, at one place, while clients work with them.

One round is: an engine starts on what the last one has left, perhaps armed with a failpoint; once it
answers, the invariants are checked; then the clients go on until it dies; and while there is none, some
containers end.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import attrs

from tests.clients.engine import STOP_SECONDS, configure, roots
from tests.clients.http_api import Api
from tests.clients.leaks import leftovers_when_settled
from tests.clients.networks.conftest import WITH_BRIDGE
from tests.clients.networks.hosts import Hosts
from tests.clients.restarts.crash.box import Unheard
from tests.clients.restarts.crash.checker import Checker
from tests.clients.restarts.crash.chronicle import NotedApi, clock
from tests.clients.restarts.crash.client import CODES, KINDS, Client, EngineDied
from tests.clients.restarts.crash.connected import Connected
from tests.clients.restarts.crash.deeds import act
from tests.clients.restarts.crash.forge import Forge, Forged
from tests.clients.restarts.crash.history import History
from tests.clients.restarts.crash.model import GONE, Subject
from tests.clients.restarts.crash.networks import WAYS, remove_network, unused
from tests.clients.restarts.crash.pictures import Pictures
from tests.clients.restarts.crash.places import deeds_for
from tests.clients.restarts.crash.shop import Shop

CLIENTS: Final = 5
LIFE_SECONDS: Final = (0.0, 0.7)  # of an engine that is killed at any time
START_SECONDS: Final = 120.0  # until an engine answers, or is dead: machines may be busy
AWAY: Final = 0.3  # of the containers have something to do while there is no engine
BUSYBOX_BLOBS: Final = 3  # a config, a manifest and a layer
DIED: Final = (EngineDied, ConnectionError, http.client.HTTPException)


@attrs.define(eq=False)
class World:
    """One place for engines, and all who use them.

    `kills` counts at which failpoint, or none, the engines died; `ends` says so for each of them.
    """

    root: Path
    forge: Forge
    hosts: Hosts
    shop: Shop
    dice: random.Random
    api: NotedApi = attrs.field(init=False)
    clients: list[Client] = attrs.field(init=False)
    pictures: Pictures = attrs.field(init=False)
    checker: Checker = attrs.field(init=False)
    kills: Counter[str] = attrs.field(factory=Counter, init=False)
    ends: list[str] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.api = NotedApi(self.root / "exec" / "longshore.sock")
        configure(self.root, WITH_BRIDGE)
        boxes = self.root / "boxes"
        boxes.mkdir()
        dice = [random.Random(self.dice.random()) for _ in range(CLIENTS + 1)]
        self.clients = [Client(number, self.api, dice[number], boxes) for number in range(CLIENTS)]
        self.pictures = Pictures(self.api, self.root, dice[CLIENTS], self.shop)
        unnoted = Api(self.api.socket_path)  # what the checker asks would hide what the clients do
        links = self.hosts.links()
        connected = Connected(unnoted, self.root, self.hosts.host, self.clients, links)
        self.checker = Checker(unnoted, self.root, self.clients, self.pictures, History(unnoted), connected)

    def round(self, failpoint: str = "", time_reached: int = 1, patience_seconds: float = 0.0) -> bool:
        """Have one engine live and die; return whether that was at `failpoint`.

        It is killed at any time, or if `patience_seconds` have passed and the failpoint was not reached.
        """
        armed = f"{failpoint}:{time_reached}" if failpoint else ""
        self.ends.append(f"{clock(time.time())} engine {len(self.ends) + 1}, armed with {armed or 'nothing'}")
        process = self._launch(LONGSHORE_FAILPOINT=armed)
        self.ends[-1] += f", pid {process.pid}"
        ours = False
        try:
            self._wait_until_it_answers(process)
            self.checker.check()
            self.ends[-1] += f", {clock(time.time())} found in order"
            ours = self._work(
                process, patience_seconds or self.dice.uniform(*LIFE_SECONDS), deeds_for(failpoint)
            )
        except DIED as error:
            self.ends[-1] += f", gone ({error!r})"
        assert process.wait(START_SECONDS) == -signal.SIGKILL, "the engine has ended by itself"
        assert ours or failpoint, "the engine was killed by somebody else"
        self.kills["" if ours else failpoint] += 1
        self.ends[-1] += f", {clock(time.time())} {'killed' if ours else 'dead at its failpoint'}"
        self._go_on_without_engine()
        return not ours

    def end(self) -> None:
        """Check a last time, remove everything, and make sure that nothing is left."""
        self.ends.append(f"{clock(time.time())} the last engine")
        process = self._launch()
        self._wait_until_it_answers(process)
        self.checker.check()
        for client in self.clients:
            for subject in client.subjects:
                if subject.status != GONE:
                    client.remove(subject, force=True)
        for client in self.clients:
            self._remove_networks(client)
        for held in self.checker.promised():
            for name in sorted(held.names):
                answer = self.api("DELETE", f"/images/{name}")
                assert answer.status == 200, answer
                held.names.remove(name)
        assert self.api("POST", "/images/prune").status == 200  # which takes unfinished downloads, too
        self.checker.check()
        assert self.api.get("/containers/json", all=1) == []
        assert not list((self.root / "data" / "blobs" / "partial").iterdir())
        blobs = list((self.root / "data" / "blobs" / "sha256").iterdir())
        assert len(blobs) == BUSYBOX_BLOBS, blobs
        process.terminate()
        assert process.wait(STOP_SECONDS) == 0, "the engine has not stopped as it should"
        left = leftovers_when_settled(self.root, self.checker.history.lives)
        assert not left, "\n".join(left)

    def _remove_networks(self, client: Client) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while client.networks:  # one may still be in use by a container that removes itself
            assert time.monotonic() < deadline, client.networks
            assert unused(client), client.networks
            remove_network(client)

    def _launch(self, **environment: str) -> Forged:
        process = self.forge.engine(roots(self.root), self.root / "log", environment)
        self.checker.engine_pid = process.pid
        return process

    def _wait_until_it_answers(self, process: Forged) -> None:
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None:
            assert time.monotonic() < deadline, "the engine does not answer"
            try:
                self.api("GET", "/_ping")
            except OSError:
                time.sleep(0.01)
            else:
                return
        raise EngineDied

    def _work(self, process: Forged, seconds: float, wanted: Collection[str]) -> bool:
        """Have the clients work until the engine dies; return whether it was killed, after `seconds`."""
        for client in self.clients:
            client.kinds = tuple(kind for kind in KINDS if kind in wanted) or KINDS
            client.ways = tuple(way for way in WAYS if way in wanted) or WAYS
        ours = False
        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            deeds = [lambda client=client: act(client, wanted) for client in self.clients]
            working = [pool.submit(_go_on, deed) for deed in (*deeds, lambda: self.pictures.act(wanted))]
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                ours = True
        for worker in working:
            worker.result()
        return ours

    def _go_on_without_engine(self) -> None:
        """Have some containers print or end, which nobody is told of."""
        for client in self.clients:
            for subject in client.subjects:
                undisturbed = subject.status == "running" and not (subject.possible or subject.codes)
                if undisturbed and self.dice.random() < AWAY:
                    self._have_it_end(client, subject)

    def _have_it_end(self, client: Client, subject: Subject) -> None:
        with contextlib.suppress(Unheard):
            subject.box.tell("print 6")
        client.tell_to_exit(subject, self.dice.choice(CODES))


def _go_on(deed: Callable[[], None]) -> None:
    while True:
        try:
            deed()
        except EngineDied:
            return
