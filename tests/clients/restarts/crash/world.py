"""Engines that are killed one after the other, at one place, while clients work with them.

One round is: an engine starts on what the last one has left, perhaps armed with a failpoint; once it
answers, the invariants are checked; then the clients go on until it dies; and while there is none, some
containers end.
"""

from __future__ import annotations

import http.client
import logging
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import attrs

from tests.clients.engine import START_SECONDS, STOP_SECONDS, configure, roots
from tests.clients.http_api import Api
from tests.clients.leaks import leftovers
from tests.clients.restarts.crash.box import Unheard
from tests.clients.restarts.crash.checker import Checker
from tests.clients.restarts.crash.client import CODES, KINDS, Client, EngineDied
from tests.clients.restarts.crash.deeds import act
from tests.clients.restarts.crash.forge import Forge, Forged
from tests.clients.restarts.crash.history import History
from tests.clients.restarts.crash.model import GONE, Subject
from tests.clients.restarts.crash.pictures import Pictures
from tests.clients.restarts.crash.places import deeds_for

CLIENTS: Final = 5
LIFE_SECONDS: Final = (0.0, 0.7)  # of an engine that is killed at any time
PATIENCE_SECONDS: Final = 4.0  # for a failpoint to be reached
AWAY: Final = 0.3  # of the containers have something to do while there is no engine
BUSYBOX_BLOBS: Final = 3  # a config, a manifest and a layer
DIED: Final = (EngineDied, ConnectionError, http.client.HTTPException)


LOG: Final = logging.getLogger(__name__)


@attrs.define(eq=False)
class World:
    """One place for engines, and all who use them; `kills` counts at which failpoint, or none, they died."""

    root: Path
    forge: Forge
    dice: random.Random
    api: Api = attrs.field(init=False)
    clients: list[Client] = attrs.field(init=False)
    pictures: Pictures = attrs.field(init=False)
    checker: Checker = attrs.field(init=False)
    kills: Counter[str] = attrs.field(factory=Counter, init=False)

    def __attrs_post_init__(self) -> None:
        self.api = Api(self.root / "exec" / "longshore.sock")
        configure(self.root, {})
        boxes = self.root / "boxes"
        boxes.mkdir()
        dice = [random.Random(self.dice.random()) for _ in range(CLIENTS + 1)]
        self.clients = [Client(number, self.api, dice[number], boxes) for number in range(CLIENTS)]
        self.pictures = Pictures(self.api, self.root, dice[CLIENTS])
        self.checker = Checker(self.api, self.root, self.clients, self.pictures, History(self.api))

    def round(self, failpoint: str = "", time_reached: int = 1) -> bool:
        """Have one engine live and die; return whether that was at `failpoint`."""
        process = self._launch(LONGSHORE_FAILPOINT=f"{failpoint}:{time_reached}")
        ours = False
        try:
            self._wait_until_it_answers(process)
            self.checker.check()
            ours = self._work(process, failpoint)
        except DIED:
            LOG.debug("died", exc_info=True)
        assert process.wait(START_SECONDS) == -signal.SIGKILL, self.checker.log()[-5000:]
        assert ours or failpoint, "the engine was killed by somebody else"
        self.kills["" if ours else failpoint] += 1
        LOG.info("%s %s:%d", "killed" if ours else "died at", failpoint, time_reached)
        self._go_on_without_engine()
        return not ours

    def end(self) -> None:
        """Check a last time, remove everything, and make sure that nothing is left."""
        process = self._launch()
        self._wait_until_it_answers(process)
        self.checker.check()
        for client in self.clients:
            for subject in client.subjects:
                if subject.status != GONE:
                    client.remove(subject, force=True)
        for name in sorted(self.pictures.names):
            answer = self.api("DELETE", f"/images/{name}")
            assert answer.status == 200, answer
            self.pictures.names.remove(name)
        self.checker.check()
        assert self.api.get("/containers/json", all=1) == []
        blobs = list((self.root / "data" / "blobs" / "sha256").iterdir())
        assert len(blobs) == BUSYBOX_BLOBS, blobs
        process.terminate()
        assert process.wait(STOP_SECONDS) == 0, self.checker.log()[-5000:]
        left = leftovers(self.root, self.checker.history.lives)
        assert not left, "\n".join(left)

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

    def _work(self, process: Forged, failpoint: str) -> bool:
        """Have the clients work until the engine dies; return whether it had to be killed."""
        wanted = deeds_for(failpoint)
        for client in self.clients:
            client.kinds = tuple(kind for kind in KINDS if kind in wanted) or KINDS
        ours = False
        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            deeds = [lambda client=client: act(client, wanted) for client in self.clients]
            working = [pool.submit(_go_on, deed) for deed in (*deeds, lambda: self.pictures.act(wanted))]
            try:
                process.wait(PATIENCE_SECONDS if failpoint else self.dice.uniform(*LIFE_SECONDS))
            except subprocess.TimeoutExpired:
                process.kill()
                ours = True
        for worker in working:
            worker.result()
        return ours

    def _go_on_without_engine(self) -> None:
        """Have some containers print or end, which nobody is told of."""
        for subject in (one for client in self.clients for one in client.subjects):
            undisturbed = subject.status == "running" and not (subject.possible or subject.codes)
            if undisturbed and self.dice.random() < AWAY:
                self._have_it_end(subject)

    def _have_it_end(self, subject: Subject) -> None:
        code = self.dice.choice(CODES)
        try:
            subject.box.tell("print 6")
            subject.box.tell(f"exit {code}")
        except Unheard:
            return
        subject.told_to_exit(code)


def _go_on(deed: Callable[[], None]) -> None:
    while True:
        try:
            deed()
        except EngineDied:
            return
