"""Bugs that the simulation has to find, each a small change of the engine's code or of one of its tables.

A mutant that no longer fits the code it changes fails by itself: a text that is not there, a row that is not
in the table.
"""

from __future__ import annotations
import __future__

import inspect
import sys
import textwrap
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

import attrs

from daemon.actors import execs, mailbox, published
from daemon.actors.container import actor, changes, effects, lifecycle, snapshot
from daemon.actors.container.commands import ForceRemove, Kill, Start, Stop
from daemon.actors.container.lifecycle import Effect
from daemon.actors.container.reports import Exited, GraceExpired
from daemon.actors.container.states import ENDED, State
from daemon.actors.exec import actor as exec_actor
from tests.simulation.hosts import Faults

Change = Callable[[Any], Any]
BUGGY: Final = Faults(bug=0.05)
FULL: Final = Faults(disk=0.1)


@attrs.frozen
class Mutant:
    """`change` is made to `owner.attribute`; `plan` is what has to go wrong for the bug to matter."""

    name: str
    owner: Any
    attribute: str
    change: Change
    plan: Faults | None = None

    @contextmanager
    def planted(self) -> Generator[None]:
        """Have the bug in the engine."""
        sound = inspect.getattr_static(self.owner, self.attribute)
        setattr(self.owner, self.attribute, self.change(sound))
        try:
            yield
        finally:
            setattr(self.owner, self.attribute, sound)


def text(old: str, new: str) -> Change:
    """Return a change of a function's source."""

    def change(sound: Any) -> Any:
        source = textwrap.dedent(inspect.getsource(sound))
        assert source.count(old) == 1, f"{sound.__qualname__} does not have {old!r} once"
        namespace: dict[str, Any] = {}
        flags = __future__.annotations.compiler_flag
        code = compile(source.replace(old, new), sound.__code__.co_filename, "exec", flags)
        exec(code, vars(sys.modules[sound.__module__]), namespace)
        return namespace[sound.__name__]

    return change


def row(key: Any, value: Any) -> Change:
    """Return a change of one row of a table."""
    return rows({key: value})


def rows(others: dict[Any, Any]) -> Change:
    """Return a change of several rows of a table."""

    def change(table: Any) -> Any:
        assert all(table[key] != value for key, value in others.items())
        return MappingProxyType({**table, **others})

    return change


def without(*keys: Any) -> Change:
    """Return a change that takes rows out of a table."""

    def change(table: Any) -> Any:
        assert all(key in table for key in keys)
        return MappingProxyType({key: value for key, value in table.items() if key not in keys})

    return change


_ACTOR: Final = actor.ContainerActor
_COMMIT: Final = "await self._commit(after, events)"
MUTANTS: Final = (
    Mutant("shown before it is written", _ACTOR, "_transit",
           text(_COMMIT, f"self.container.cell.publish(after); {_COMMIT}")),
    Mutant("answered before it is written", _ACTOR, "_transit",
           text(_COMMIT, f"request and type(message) in SETTLED and request.answer(None); {_COMMIT}")),
    Mutant("a crash leaves those it owes an answer waiting", _ACTOR, "_part",
           text("*self._open, ", ""), BUGGY),
    Mutant("a crash forgets what it was writing", _ACTOR, "_commit",
           text("shield=True", "shield=False"), BUGGY),
    Mutant("a postponed request is lost", _ACTOR, "_transit",
           text("self._again.extend(self._postponed)", "pass")),
    Mutant("the events of what could not be written are lost", _ACTOR, "_transit",
           text("self.container.owed = (*self.container.owed, *events)", "pass"), FULL),
    Mutant("a rename leaves the old name taken", _ACTOR, "_commit",
           text("release=((KIND, before.record.name),) if renamed else ()", "release=()")),
    Mutant("a rename is not in the index", _ACTOR, "_commit",
           text("names=(Name(KIND, after.record.name, after.id),) if renamed else ()", "names=()")),
    Mutant("a removed container is still listed", _ACTOR, "_transit", text("self.forget()", "pass")),
    Mutant("what a client who left had waited for is carried out", _ACTOR, "_take",
           text("request.withdrawn", "False")),
    Mutant("a grace outlives its run", effects.Effects, "_start_clean_up",
           text("self._of_run.end()", "pass")),
    Mutant("waiters are not woken", published.Cell, "publish", text("self._changed.set()", "pass")),
    Mutant("a mailbox holds a message", mailbox.Mailbox, "__attrs_post_init__",
           text("open_memory_channel(0)", "open_memory_channel(1)")),
    Mutant("a forgotten exec session stays written", execs.Execs, "_own",
           text("await self._forget(session.id)", "pass")),
    Mutant("an exec session is not written when it is made", execs.Execs, "create",
           text("put=(as_record(snapshot),), ", "")),
    Mutant("a start of an exec session that is not written has not happened", execs.Execs, "recover",
           text("State.STARTING if record.id in begun else record.state", "record.state")),
    Mutant("how an exec session ended is not written", exec_actor.ExecActor, "_commit",
           text("put=(as_record(after),)", "put=(as_record(after),) if after.running else ()")),
    Mutant("a stopped launch is taken for a run", snapshot.ContainerSnapshot, "stored",
           text("(self.run and self.let_go)", "self.run")),
    Mutant("a launch is written as it is", snapshot, "DURABLE", without(State.INITIALIZED)),
    Mutant("what is frozen is not thawed after a restart", snapshot, "DURABLE",
           row(State.STOPPING, State.RUNNING)),
    Mutant("a broken-off launch is not undone", actor, "RESUME", without(State.STARTING)),
    Mutant("what runs is not watched after a restart", actor, "RESUME", without(State.RUNNING)),
    Mutant("a removal is not taken up again", actor, "RESUME", without(State.REMOVING)),
    Mutant("a stop by hand is not remembered", changes, "CHANGES", without(Stop, Kill)),
    Mutant("a stop is answered before the end", actor, "SETTLED",
           row(Stop, ENDED | {State.STOPPING})),
    Mutant("the exit of what is being stopped is lost", lifecycle, "TABLE",
           row((State.STOPPING, Exited), (State.STOPPING, ()))),
    Mutant("a start does not wait for the clean-up", lifecycle, "TABLE",
           row((State.STOPPED, Start), (State.STARTING, (Effect.LAUNCH,)))),
    Mutant("a forced removal does not kill", lifecycle, "TABLE",
           row((State.RUNNING, ForceRemove), (State.REMOVING, (Effect.DELETE,)))),
    Mutant("what is frozen is not thawed to be stopped", lifecycle, "TABLE",
           rows({(State.PAUSED, Stop): (State.STOPPING, (Effect.SIGNAL, Effect.ARM_GRACE)),
                 (State.STOPPING, GraceExpired): (State.STOPPING, (Effect.KILL,))})),
)  # fmt: skip
