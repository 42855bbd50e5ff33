"""Compares what was promised with what an engine says and what the host has, once the engine has settled.

What exists must be right as soon as the engine answers at all.  What it does (a removal that goes on, a
process that ends) may take a moment: it is looked at again and again until nothing is wrong any more.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from tests.clients.http_api import Api
from tests.clients.restarts.crash.client import LABEL, Client
from tests.clients.restarts.crash.commits import names_of
from tests.clients.restarts.crash.comparing import UNDER_WAY, Found, of_life, of_session, of_state
from tests.clients.restarts.crash.connected import Connected
from tests.clients.restarts.crash.contents import problems_of_blobs, problems_of_layers
from tests.clients.restarts.crash.history import History, Life
from tests.clients.restarts.crash.host import Expected
from tests.clients.restarts.crash.model import GONE, Session, Subject
from tests.clients.restarts.crash.networks import places_of
from tests.clients.restarts.crash.pictures import Pictures
from tests.clients.restarts.crash.promised import Promised

SETTLED_SECONDS: Final = 90.0  # where nothing is wrong it takes a fraction of one; machines may be busy
BUGS: Final = ("Traceback", "crashed")  # in an engine's log
PERIOD_SECONDS: Final = 0.03


@attrs.define
class Checker:
    """The invariants of the engines at one place."""

    api: Api
    root: Path
    clients: Sequence[Client]
    pictures: Pictures
    history: History
    connected: Connected
    engine_pid: int = 0
    _known: dict[str, Subject] = attrs.field(factory=dict)

    def log(self) -> str:
        """Return what all engines have logged."""
        return (self.root / "log").read_text(errors="replace")

    def promised(self) -> list[Promised]:
        """Return who has which names of images."""
        return [self.pictures.held, *(client.images for client in self.clients)]

    def ever(self) -> dict[str, Subject]:
        """Return all containers that the clients have ever asked for, by key."""
        return {key: subject for client in self.clients for key, subject in client.ever.items()}

    def check(self) -> None:
        """Wait until all is as promised, and take note of what it is.

        Raises:
            AssertionError: something is wrong, and stays so.

        """
        self._known = self.ever()
        problems = [
            *self._of_existence(self._containers()),
            *self.connected.of_existence(self.connected.found()),
        ]
        assert not problems, "\n".join(problems)
        deadline = time.monotonic() + SETTLED_SECONDS
        while problems := self._problems():
            assert time.monotonic() < deadline, "\n".join(problems)
            time.sleep(PERIOD_SECONDS)
        while under_way := self._under_way(found := self._containers()):  # it may have begun since
            assert time.monotonic() < deadline, f"it stays so: {under_way}"
            time.sleep(PERIOD_SECONDS)
        self._narrow(found)
        self.connected.narrow(found)

    def _under_way(self, found: Mapping[str, Found]) -> list[Found]:
        """Return the states of containers that are about to have another."""
        return [one["State"] for one in found.values() if one["State"]["Status"] in UNDER_WAY]

    def _containers(self) -> dict[str, Found]:
        """Return what inspect shows of each container, by its key."""
        listed = self.api.get("/containers/json", all=1)
        found = {}
        for one in listed:
            answer = self.api("GET", f"/containers/{one['Id']}/json")
            if answer.status == 404:  # its removal went on meanwhile
                continue
            assert one["Labels"][LABEL] not in found, f"twice: {one}"
            found[one["Labels"][LABEL]] = answer.document
        return found

    def _of_existence(self, found: Mapping[str, Found]) -> Iterator[str]:
        """Nothing is lost, nothing comes back."""
        for key, subject in self._known.items():
            may_be = subject.may_be()
            if key not in found and GONE not in may_be:
                yield f"{key} is lost: it must be {set(may_be)}"
            if key in found and may_be == {GONE} and subject.status == GONE and not subject.auto_remove:
                yield f"{key} has come back: {found[key]['State']}"
        yield from (f"{key} was never asked for" for key in found if key not in self._known)

    def _problems(self) -> list[str]:
        found = self._containers()
        sessions = {session.id: self._session(session) for session in self._sessions()}
        self.history.read_on()
        problems = [*self.history.problems, *self._of_existence(found), *self._of_host(found, sessions)]
        ids = self.history.ids()
        for key, subject in self._known.items():
            texts = self._of_one(subject, found.get(key), ids.get(key, []))
            problems += [f"{key} ({subject.name}): {text}" for text in texts]
        problems += [*self._of_sessions(sessions), *self._of_names(), *self._of_pictures(), *self._of_log()]
        return problems or self.connected.problems(found, self.engine_pid, self.history.networks)

    def _of_one(self, subject: Subject, found: Found | None, ids: list[str]) -> Iterator[str]:
        status = found["State"]["Status"] if found else GONE
        if status not in subject.may_be():
            yield f"is {status}, not {set(subject.may_be())}: {found and found['State']}"
        if len(ids) > 1 or (subject.id and ids != [subject.id]):
            yield f"has the ids {ids}, not {subject.id}"
        life = self.history.lives[ids[0]] if ids else Life()
        yield from of_life(subject, status, life)
        if found is not None:
            yield from of_state(subject, found, life)
            yield from subject.box.problems_of(self._log(found))

    def _log(self, found: Found) -> list[str]:
        body = self.api("GET", f"/containers/{found['Id']}/logs", stdout=1, stderr=1).body
        if not found["Config"]["Tty"]:
            body = b"".join(_frames(body))
        return (
            body.decode().split("\n")[:-1] if not found["Config"]["Tty"] else body.decode().split("\r\n")[:-1]
        )

    def _sessions(self) -> list[Session]:
        return [session for subject in self._known.values() for session in subject.sessions]

    def _session(self, session: Session) -> Found | None:
        answer = self.api("GET", f"/exec/{session.id}/json")
        return None if answer.status == 404 else answer.document

    def _of_sessions(self, found: Mapping[str, Found | None]) -> Iterator[str]:
        steps: dict[str, list[str]] = {}
        for life in self.history.lives.values():
            steps |= life.sessions
        for session in self._sessions():
            text = of_session(session, found[session.id], steps.get(session.id, []))
            if text:
                yield f"exec session {session.id[:12]}: {text}: {session}, {found[session.id]}"

    def _of_host(self, found: Mapping[str, Found], sessions: Mapping[str, Found | None]) -> list[str]:
        processes = {one["Id"]: [one["State"]["Pid"]] for one in found.values() if one["State"]["Pid"]}
        running = [one for one in sessions.values() if one is not None and one["Running"]]
        for one in running:
            processes.setdefault(one["ContainerID"], []).append(one["Pid"])
        return Expected(
            self.root,
            [one["Id"] for one in found.values()],
            processes,
            [one["ID"] for one in running],
            self.history.lives.keys(),
            self._layers(),
            self.engine_pid,
            [one["Id"] for one in found.values() if one["State"]["Pid"] and places_of(dict(one))],
        ).problems()

    def _layers(self) -> set[str]:
        names = set()
        for image in self.api.get("/images/json", all=1):
            data = self.api.get(f"/images/{image['Id']}/json")["GraphDriver"]["Data"]
            paths = [data["UpperDir"], *filter(None, data.get("LowerDir", "").split(":"))]
            names |= {path.rpartition("/")[2] for path in paths}
        return names

    def _of_names(self) -> Iterator[str]:
        """A name leads to the container that has it, and to no other."""
        for subject in self._known.values():
            if subject.status == GONE and not subject.possible:
                continue
            for name in subject.names | {subject.name}:
                answer = self.api("GET", f"/containers/{name}/json")
                if answer.status == 200 and answer.document["Name"] != f"/{name}":
                    yield f"the name {name} leads to {answer.document['Name']}"

    def _of_pictures(self) -> Iterator[str]:
        listed = {tag for image in self.api.get("/images/json") for tag in image["RepoTags"]}
        listed -= {"busybox:latest", "<none>:<none>"}
        names = set().union(*(held.names for held in self.promised()))
        unsure = set().union(*(held.unsure for held in self.promised()))
        if not names - unsure <= listed <= names | unsure:
            yield f"images {listed}, not {names} (perhaps {unsure})"
        with_manifests = self.api.get("/images/json", all=1, manifests=1)
        yield from problems_of_blobs(self.root / "data", with_manifests, self.pictures.shop.layers)
        yield from problems_of_layers(self.root / "data")

    def _of_log(self) -> list[str]:
        log = self.log()
        if not any(sign in log for sign in BUGS):  # as a rule; it is long
            return []
        return [line for line in log.splitlines() if any(sign in line for sign in BUGS)]

    def _narrow(self, found: Mapping[str, Found]) -> None:
        """Take what was found for what is: from here on it is as good as promised."""
        for key, subject in list(self._known.items()):
            if key not in found:
                subject.status, subject.possible = GONE, frozenset()
                subject.sessions.clear()
                continue
            one = found[key]
            subject.id, subject.name = one["Id"], one["Name"].removeprefix("/")
            subject.names, subject.possible = frozenset({subject.name}), frozenset()
            subject.becomes(one["State"]["Status"])
            subject.shares = frozenset({one["HostConfig"]["CpuShares"]})
            subject.pid = one["State"]["Pid"]
            subject.sessions[:] = [s for s in subject.sessions if self._goes_on(s)]
        names = {tag for image in self.api.get("/images/json") for tag in image["RepoTags"]}
        for client in self.clients:
            client.images.found(names_of(client, names))
            names -= client.images.names
        self.pictures.held.found(names - {"busybox:latest", "<none>:<none>"})

    def _goes_on(self, session: Session) -> bool:
        found = self._session(session)
        session.started = found is not None and found["Running"]
        session.pid = found["Pid"] if found is not None else 0
        return session.started


def _frames(body: bytes) -> Iterator[bytes]:
    """Yield what is in the frames of an output that is multiplexed (api-contract section 3.9)."""
    at = 0
    while at < len(body):
        size = int.from_bytes(body[at + 4 : at + 8], "big")
        yield body[at + 8 : at + 8 + size]
        at += 8 + size
