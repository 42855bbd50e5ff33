"""The events as a client reads them who has missed none: what they say happened to each container.

The numbers must have no gap and no repetition over all crashes, and the life of each container must make
sense by itself: created once, started only when it does not run, died only when it does, destroyed at last.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import attrs

from tests.clients.http_api import Api
from tests.clients.restarts.crash.chronicle import clock
from tests.clients.restarts.crash.client import LABEL

TRANSITIONS: Final[Mapping[tuple[str, str], str]] = {
    ("", "create"): "created",
    ("created", "start"): "running",
    ("exited", "start"): "running",
    ("running", "die"): "exited",
    ("paused", "die"): "exited",
    ("running", "pause"): "paused",
    ("paused", "unpause"): "running",
    ("created", "destroy"): "gone",
    ("exited", "destroy"): "gone",
}
"""What each event makes of a container; events that are not in it change nothing."""
GENERAL: Final = {LABEL, "image", "name"}  # attributes that every event of a container has
TELLING: Final = {action for _, action in TRANSITIONS}


@attrs.define
class Life:
    """What the events say of one container."""

    key: str = ""
    name: str = ""
    status: str = ""
    starts: int = 0
    codes: list[int] = attrs.field(factory=list)
    sessions: dict[str, list[str]] = attrs.field(factory=dict)
    told: list[str] = attrs.field(factory=list)


@attrs.define
class History:
    """All events so far; what is wrong with them is in `problems` for ever."""

    api: Api
    last: int = 0
    lives: dict[str, Life] = attrs.field(factory=dict)
    problems: list[str] = attrs.field(factory=list)
    networks: dict[str, list[str]] = attrs.field(factory=dict)

    def ids(self) -> Mapping[str, list[str]]:
        """Return the ids of all containers that there have ever been, by key; each should have one."""
        found: dict[str, list[str]] = {}
        for container_id, life in self.lives.items():
            found.setdefault(life.key, []).append(container_id)
        return found

    def read_on(self) -> None:
        """Read what has been added."""
        until = f"{time.time():.9f}"
        for line in self.api("GET", "/events", after=self.last, until=until).body.splitlines():
            event = json.loads(line)
            if event["seq"] != self.last + 1:
                self.problems.append(f"event {event['seq']} follows event {self.last}: {event}")
            self.last = event["seq"]
            if event["Type"] == "container" and event["Actor"]["ID"]:
                self._take(event)
            elif event["Type"] == "network" and event["Action"] in {"create", "destroy"}:
                self.networks.setdefault(event["Actor"]["ID"], []).append(event["Action"])

    def _take(self, event: Mapping[str, Any]) -> None:
        action, attributes = event["Action"], event["Actor"]["Attributes"]
        life = self.lives.setdefault(event["Actor"]["ID"], Life())
        life.told.append(
            f"{clock(event['timeNano'] / 10**9)} {event['seq']} {action} {_particular(attributes)}"
        )
        if action == "exec_detach":  # may come before the end or after it
            return
        if "execID" in attributes:
            steps = life.sessions.setdefault(attributes["execID"], [])
            steps.append(action.partition(":")[0])
            if steps not in (
                ["exec_create"],
                ["exec_create", "exec_start"],
                ["exec_create", "exec_start", "exec_die"],
                ["exec_create", "exec_die"],
            ):
                self.problems.append(f"exec session {attributes['execID'][:12]}: {steps}")
            return
        if action in TELLING:
            status = TRANSITIONS.get((life.status, action))
            if status is None:
                self.problems.append(f"{action} of {life.key}, which is {life.status!r}: {event}")
            life.status = status or life.status
        life.key, life.name = attributes.get(LABEL, life.key), attributes["name"]
        life.starts += action == "start"
        if action == "die":
            life.codes.append(int(attributes["exitCode"]))


def _particular(attributes: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if name not in GENERAL}
