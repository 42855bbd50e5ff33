"""One client and its containers.

A client has its containers to itself and does one thing after the other, so what it was promised is never in
doubt but for the one call that a crash has left without an answer.
"""

from __future__ import annotations

import http.client
import itertools
import random
import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs

from tests.clients.http_api import SECONDS, Answer, Api
from tests.clients.restarts.crash.box import Box, Unheard
from tests.clients.restarts.crash.chronicle import NotedApi
from tests.clients.restarts.crash.model import GONE, KILLED, Subject
from tests.clients.restarts.crash.networks import WAYS, Network, note, wish
from tests.clients.restarts.crash.promised import Promised

SUBJECTS: Final = 2  # of one client
LABEL: Final = "crash.key"
CODES: Final = range(3, 40)
"""What processes are told to exit with."""
KINDS: Final = ("plain", "plain", "plain", "plain", "auto-remove", "keeps-going")
NAMES: Final = "abcdef"


class EngineDied(Exception):
    """The engine has gone before it answered."""


@contextmanager
def hijacked(client: Client, path: str, body: bytes = b"") -> Generator[socket.socket, None, None]:
    """Make a call whose connection becomes a process's stdio.

    Raises:
        EngineDied: it has, at some time.

    """
    head = f"POST {path} HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with _begun(client, f"POST {path}", head.encode() + body) as connection:
        yield connection


@contextmanager
def half_read(client: Client, path: str) -> Generator[None, None, None]:
    """Make a call whose answer has begun when the block does, and is not read.

    Raises:
        EngineDied: it has, at some time.

    """
    with _begun(client, f"GET {path}", f"GET {path} HTTP/1.1\r\nHost: d\r\n\r\n".encode()):
        yield


@contextmanager
def _begun(client: Client, what: str, request: bytes) -> Generator[socket.socket, None, None]:
    note = client.api.chronicle.note
    note(f"{what}, to be left open")
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS)
            connection.connect(str(client.api.socket_path))
            connection.sendall(request)
            if not connection.recv(1):
                raise EngineDied
            note(f"{what} has been answered")
            yield connection
            note(f"{what} is over")
    except TimeoutError as error:
        raise AssertionError(f"{what} hangs") from error
    except OSError as error:
        raise EngineDied from error


def call(api: Api, method: str, path: str, /, body: Any = None, **query: Any) -> Answer:
    """Make a call.

    Raises:
        EngineDied: there was no answer.

    """
    try:
        return api(method, path, body, **query)
    except TimeoutError as error:
        raise AssertionError(f"{method} {path} hangs") from error
    except (OSError, http.client.HTTPException) as error:
        raise EngineDied from error


@attrs.define(eq=False)
class Client:
    """One client; `kinds` and `ways` are those of the containers that it makes.

    What it has ever made, by key, is in `ever` and `networks_ever`.
    """

    number: int
    api: NotedApi
    dice: random.Random
    boxes: Path
    kinds: tuple[str, ...] = KINDS
    ways: tuple[str, ...] = WAYS
    subjects: list[Subject] = attrs.field(factory=list)
    ever: dict[str, Subject] = attrs.field(factory=dict)
    images: Promised = attrs.field(factory=Promised)
    networks: list[Network] = attrs.field(factory=list)
    networks_ever: dict[str, Network] = attrs.field(factory=dict)
    serial: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)

    def chosen(self) -> Subject | None:
        """Return a container to do something with, or None if one is to be made first."""
        self.subjects[:] = [subject for subject in self.subjects if subject.status != GONE]
        return self.dice.choice(self.subjects) if len(self.subjects) >= SUBJECTS else None

    def post(self, subject: Subject, verb: str, *wanted: int, body: Any = None, **query: Any) -> Answer:
        """Make a call about a container; the answer must be one of the `wanted`."""
        answer = call(self.api, "POST", f"/containers/{subject.id}/{verb}", body, **query)
        assert answer.status in wanted, f"{verb} of {subject.key} ({subject.status}): {answer}"
        return answer

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Make a call of any kind."""
        return call(self.api, method, path, body)

    def inspect(self, path: str) -> Any:
        """Return what must be there."""
        answer = call(self.api, "GET", path)
        assert answer.status == 200, f"{path}: {answer}"
        return answer.document

    def create(self) -> None:
        """Make a container of some kind."""
        serial = next(self.serial)
        key, kind = f"{self.number}-{serial}", self.dice.choice(self.kinds)
        once = kind == "auto-remove"  # nobody is told when its name is free again
        subject = Subject(
            key,
            Box.made(self.boxes / key),
            name=f"c{self.number}-once-{serial}" if once else self.free_name(),
            auto_remove=once,
            keeps_going=kind == "keeps-going",
            tty=self.dice.random() < 0.3,
        )
        self.subjects.append(subject)
        self.ever[key] = subject
        with subject.attempt("created"):
            answer = call(self.api, "POST", "/containers/create", self._wish(subject), name=subject.name)
            assert answer.status == 201, answer
        subject.id = answer.document["Id"]
        subject.becomes("created")

    def _wish(self, subject: Subject) -> dict[str, Any]:
        host_config: dict[str, Any] = {
            "AutoRemove": subject.auto_remove,
            "Runtime": self.dice.choice(("crun", "runc")),
            **wish(self, subject),
        }
        if subject.keeps_going:
            host_config["RestartPolicy"] = {"Name": "unless-stopped"}
        return subject.box.wish(Labels={LABEL: subject.key}, Tty=subject.tty, HostConfig=host_config)

    def free_name(self) -> str:
        """Return a name that none of the client's containers has or may have."""
        taken = {name for subject in self.subjects for name in (*subject.names, subject.name)}
        return self.dice.choice([name for x in NAMES if (name := f"c{self.number}-{x}") not in taken])

    def tell_to_exit(self, subject: Subject, code: int) -> bool:
        """Tell a container's process to exit, and return whether there was one to hear it."""
        try:
            subject.box.tell(f"exit {code}")
        except Unheard:
            return False
        subject.told_to_exit(code)
        self.api.chronicle.note(f"{subject.key} ({subject.id}) has heard: exit {code}")
        return True

    def look(self, subject: Subject) -> None:
        """Remember the process, which from now on is the one."""
        found = self.inspect(f"/containers/{subject.id}/json")
        assert found["State"]["Running"], f"{subject.key} does not run: {found['State']}"
        subject.pid = found["State"]["Pid"]
        note(subject, found)

    def remove(self, subject: Subject, *, force: bool = False) -> None:
        """Remove a container; with `force` whatever it does, which may be that it goes by itself."""
        codes = frozenset({KILLED}) if force else frozenset()
        with subject.attempt(subject.after_exit, GONE, codes=codes):
            answer = call(self.api, "DELETE", f"/containers/{subject.id}", force=int(force))
            goes = subject.auto_remove and answer.status in {404, 409}
            assert answer.status == 204 or goes, f"remove {subject.key}: {answer}"
        subject.becomes(GONE)
