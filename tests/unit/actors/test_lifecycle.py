"""The container's state table, as data: whole, closed and without dead ends."""

from __future__ import annotations

import inspect
import itertools
from typing import Any, Final

import pytest

from daemon.actors.container import commands, lifecycle, reports
from daemon.actors.container.commands import Note, Rename, Resize, Signal
from daemon.actors.container.effects import Effects
from daemon.actors.container.lifecycle import TABLE, Effect
from daemon.actors.container.refusals import refusal
from daemon.actors.container.resuming import DURABLE, RESUME
from daemon.actors.container.settling import DEFEATED, FAILS, SETTLED
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import PERMANENT, State
from daemon.actors.container.visits import Visitor
from daemon.actors.mailbox import Command, Event
from daemon.errors import Conflict, Failed, NotModified
from daemon.model import EndpointConfig, HostConfig
from daemon.runtimes.spec.inputs import host_facts
from tests.unit.actors.world import World, a_record
from tests.unit.runtimes.tables import RUNTIMES


def _kinds(base: type) -> list[type]:
    found = (pair for module in (commands, reports) for pair in inspect.getmembers(module, inspect.isclass))
    own = (commands.__name__, reports.__name__)
    return sorted({kind for _, kind in found if issubclass(kind, base) and kind.__module__ in own}, key=str)


ANSWERED_REPORTS: Final = (  # whoever of the engine makes them waits for these
    reports.Initialized,
    reports.Started,
    commands.StartAgain,
    commands.Revive,
    reports.Updating,
    reports.Updated,
    reports.Connected,
    reports.Disconnected,
)
REPORTS: Final = [*_kinds(Event), *ANSWERED_REPORTS]
COMMANDS: Final = [kind for kind in _kinds(Command) if kind not in ANSWERED_REPORTS]
SAMPLES: Final[dict[type, Command[Any]]] = {
    commands.Start: commands.Start(RUNTIMES),
    commands.Restart: commands.Restart(runtimes=RUNTIMES),
    Signal: Signal(1),
    Rename: Rename("x"),
    Resize: Resize(1, 1),
    Note: Note("top"),
    commands.Update: commands.Update(HostConfig(), host_facts()),
    commands.Connect: commands.Connect("web", EndpointConfig()),
    commands.Disconnect: commands.Disconnect("web"),
    commands.Visit: commands.Visit(Visitor()),
    commands.Export: commands.Export(Visitor()),
    commands.Commit: commands.Commit(Visitor()),
}
RECORD: Final = a_record()
ABSENT: Final = [pair for pair in itertools.product(PERMANENT, COMMANDS) if pair not in TABLE]
ORPHANS: Final = (Effect.WATCH, Effect.GIVE_UP, Effect.OBEY)  # only recovery has them


def _ids(pair: tuple[State, type]) -> str:
    return f"{pair[1].__name__}-{pair[0].value}"


def test_every_message_is_known_to_the_table() -> None:
    assert {message for _, message in TABLE} == {*COMMANDS, *REPORTS}


@pytest.mark.parametrize("pair", ABSENT, ids=_ids)
def test_what_the_table_lacks_is_refused_as_the_api_says(pair: tuple[State, type[Command[Any]]]) -> None:
    state, kind = pair
    command = SAMPLES.get(kind) or kind()
    assert lifecycle.step(state, command) is None
    error = refusal(ContainerSnapshot(RECORD, state), command)
    assert isinstance(error, Conflict | NotModified | Failed)
    assert "{" not in str(error)
    assert RECORD.name in str(error) or RECORD.id in str(error) or "container" in str(error)


def test_only_a_thaw_of_what_is_not_frozen_is_refused_as_a_failure() -> None:
    """Docker answers it with 500; everything else is the client's own doing."""
    failed = {
        kind
        for state, kind in ABSENT
        if type(refusal(ContainerSnapshot(RECORD, state), SAMPLES.get(kind) or kind())) is Failed
    }
    assert failed == {commands.Unpause}


def test_every_state_is_reached() -> None:
    assert {after for after, _ in TABLE.values()} | {State.CONFIGURED} == set(State)


def test_nothing_happens_after_the_removal() -> None:
    assert not [state for state, _ in TABLE if state is State.REMOVED]


async def test_every_effect_has_a_performer_and_a_use(world: World) -> None:
    used = {effect for _, effects in TABLE.values() for effect in effects}
    assert used | set(ORPHANS) == set(Effect)
    container = await world.created()
    hands = Effects(container.cell, container.mailbox, world.host, world.nursery, lambda: RUNTIMES, lambda: 0)
    assert set(hands._performers) == set(Effect)


@pytest.mark.parametrize("kind", SETTLED)
def test_every_command_that_waits_can_get_what_it_waits_for(kind: type[Command[Any]]) -> None:
    for state in (state for state, message in TABLE if message is kind):
        assert SETTLED[kind] & _reachable(state), f"{kind.__name__} while {state.value}"


def _reachable(start: State) -> set[State]:
    found, new = set(), {start}
    while new:
        found |= new
        new = {target for (state, _), (target, _) in TABLE.items() if state in new} - found
    return found


@pytest.mark.parametrize("command", [kind for kind in COMMANDS if kind not in SETTLED])
def test_a_command_that_does_not_wait_changes_no_state(command: type) -> None:
    assert not [
        state for (state, kind), (target, _) in TABLE.items() if kind is command and target is not state
    ]


def _postponed() -> set[tuple[State, type]]:
    """Return where commands wait for their turn."""
    rows = TABLE.items()
    return {(target, message) for (_, message), (target, effects) in rows if Effect.POSTPONE in effects}


@pytest.mark.parametrize("pair", list(_postponed()), ids=_ids)
def test_a_postponed_command_waits_where_a_report_will_lead_on(pair: tuple[State, type]) -> None:
    state, _ = pair
    assert [kind for kind in REPORTS if TABLE.get((state, kind), (state,))[0] is not state]


@pytest.mark.parametrize("command", {kind.__name__: kind for _, kind in _postponed()}.values())
def test_a_postponed_command_is_carried_out_or_refused_in_the_end(command: type) -> None:
    """Delivered again at each change of state, it must not wait in every state that can still come."""
    for state in (state for state, kind in _postponed() if kind is command):
        ahead = [TABLE.get((later, command)) for later in _reachable(state)]
        assert any(step is None or Effect.POSTPONE not in step[1] for step in ahead)


def test_whoever_fails_or_is_defeated_was_waiting() -> None:
    blamed = {kind for kinds in FAILS.values() for kind in kinds}
    assert blamed | set(DEFEATED) <= set(SETTLED)
    assert not [kind for kind, states in DEFEATED.items() if states & SETTLED[kind]]


def test_every_failure_has_somebody_to_tell() -> None:
    assert set(FAILS) == {kind for kind in REPORTS if kind.__name__.endswith("Failed")}


@pytest.mark.parametrize("state", State)
def test_what_is_written_is_a_state_that_a_restart_knows(state: State) -> None:
    written = ContainerSnapshot(a_record(), state).stored().state
    assert DURABLE.get(written, written) is written
    at_rest = {State.CONFIGURED, State.DEAD, State.REMOVED}
    assert (written in RESUME) == (written not in at_rest)
