"""The story of one container as the journal's events tell it, read from its beginning to its end.

A sentence of a small language: `create (rename | update | attach | start .. die)* destroy`.  Each `die` has
the code of the process that its `start` began, and one that was killed has a `kill` before its `die`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from daemon.journal import Event
from tests.simulation.disk import Entry
from tests.simulation.machine import Machine, Process

UNKNOWN_CODE: Final = "255"

GRAMMAR: Final[Mapping[tuple[str, str], str]] = {
    ("unborn", "create"): "idle",
    ("idle", "start"): "running",
    ("idle", "kill"): "idle",  # of a process that was never let go
    ("idle", "stop"): "idle",  # of one that waited to be started again, or after its die
    ("idle", "destroy"): "gone",
    ("running", "kill"): "running",
    ("running", "restart"): "running",
    ("running", "pause"): "paused",
    ("running", "die"): "idle",
    ("paused", "unpause"): "running",
    ("paused", "kill"): "paused",
    ("paused", "die"): "idle",
    **{
        (state, action): state
        for state in ("idle", "running", "paused")
        for action in ("rename", "attach", "update")
    },
    **{(state, "exec_die"): state for state in ("idle", "running", "paused", "gone")},
    **{(state, "exec_create"): state for state in ("idle", "running", "paused")},
    **{(state, "exec_start"): state for state in ("idle", "running", "paused", "gone")},
}


@attrs.define(eq=False)
class Reader:
    """Reads one container's events in order, and remembers what it does not understand."""

    container_id: str
    machine: Machine
    boots: list[int]
    complaints: list[str] = attrs.field(factory=list)
    state: str = "unborn"
    process: Process | None = None
    kills: list[str] = attrs.field(factory=list)

    def read(self, entries: list[Entry], *, all_written: bool) -> list[str]:
        """Return what is wrong with the story; without `all_written` the disk was full in it."""
        for entry in entries:
            for event in entry.events:
                if event.actor_id == self.container_id:
                    self._take(entry, event, all_written)
        return self.complaints

    def _take(self, entry: Entry, event: Event, all_written: bool) -> None:
        action = event.action.partition(":")[0]
        after = GRAMMAR.get((self.state, action))
        if after is None:
            self.complaints.append(f"{action} while {self.state} in the story of {self.container_id[:6]}")
            return
        if action == "start":
            self._started(entry)
        elif action == "kill":
            self.kills.append(event.attributes["signal"])
        elif action == "die":
            self._died(entry, event, all_written)
        self.state = after

    def _started(self, entry: Entry) -> None:
        state = entry.state_of(self.container_id)
        if state is None or state["run"] is None:
            self.complaints.append(f"a start of {self.container_id[:6]} without a run")
        else:
            self.process = self.machine.processes[state["run"]["pid"]]

    def _died(self, entry: Entry, event: Event, all_written: bool) -> None:
        process, code = self.process, event.attributes["exitCode"]
        if process is None or process.exit is None:
            self.complaints.append(f"{self.container_id[:6]} died, and its process lives")
            return
        if code not in self._codes(process, all_written):
            self.complaints.append(
                f"{self.container_id[:6]} died with {code}, and truly with {process.exit.code}"
            )
        if process.killed_by and all_written and not self._tells_of_kill(process, entry):
            self.complaints.append(f"{self.container_id[:6]} was killed, and there is no kill before its die")
        self.kills.clear()

    def _tells_of_kill(self, process: Process, entry: Entry) -> bool:
        # A signal does not wait for the disk, so an engine may have died in between.
        died_meanwhile = any(process.killed_at < boot < entry.durable for boot in self.boots)
        return str(process.killed_by) in self.kills or died_meanwhile

    def _codes(self, process: Process, all_written: bool) -> set[str]:
        assert process.exit is not None
        # On a full disk an exit may have to be found out again, when its file has been cleared away.
        unknown = not process.leaves_code or not all_written
        return {UNKNOWN_CODE if unknown else "", str(process.exit.code) if process.leaves_code else ""}
