"""Records that somebody else has written, or nobody: recovery reads on, and never raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.actors.container.actor import as_record
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.exec.session import ExecRecord
from daemon.actors.recovery.known import read
from daemon.journal import Record
from daemon.model import ExecConfig
from daemon.networks.records import NetworkRecord
from daemon.runtimes.base import Run
from daemon.wire import to_record
from tests.unit.actors.world import a_record
from tests.unit.fakes import Books, FakeLedger
from tests.unit.runtimes.tables import RUNTIMES

KINDS = ("container", "exec", "image", "configuration", "network")
ID = "a" * 64
RUN = Run(4711, 1, 4710, 1)


def a_journal(*records: Record, **names: str) -> FakeLedger:
    books = Books({(record.kind, record.id): record for record in records})
    books.names = {("container", name): owner for name, owner in names.items()}
    return FakeLedger(books)


def a_container(state: State = State.RUNNING, run: Run | None = RUN, **changes: Any) -> Record:
    record = attrs.evolve(a_record(id=ID, **changes), runtime=RUNTIMES.lock("crun"))
    return as_record(ContainerSnapshot(record, state, run))


def an_exec(**changes: Any) -> Record:
    record = attrs.evolve(ExecRecord("e" * 64, ID, ExecConfig(), RUN), **changes)
    return Record("exec", "e" * 64, to_record(record))


def a_network(**changes: Any) -> Record:
    record = attrs.evolve(NetworkRecord("d" * 64, "web", 1, "bridge", "br-d"), **changes)
    return Record("network", "d" * 64, to_record(record))


def changed(record: Record, change: Callable[[Any], object]) -> Record:
    document = orjson.loads(record.body)
    change(document)
    return attrs.evolve(record, body=orjson.dumps(document))


def test_what_can_be_read_is_known() -> None:
    known = read(a_journal(a_container(), an_exec(), a_network(), a_network(driver="host", link="")))
    assert [found.record.id for found in known.containers] == [ID]
    assert [found.driver for found in known.networks] == ["host"]
    assert [found.container_id for found in known.execs] == [ID]
    assert (known.damaged, known.runs) == ([], [RUN, RUN])
    assert [runtime.name for runtime in known.runtimes] == ["crun"]


@pytest.mark.parametrize("changes", [{"run": None}, {"exit_code": 7, "ended_ns": 1}], ids=str)
def test_a_session_that_does_not_run_is_known_and_has_no_process(changes: dict[str, Any]) -> None:
    known = read(a_journal(a_container(run=None, state=State.CONFIGURED), an_exec(**changes)))
    assert [found.id for found in known.execs] == ["e" * 64]
    assert (known.damaged, known.runs, known.running_execs) == ([], [], {})


def test_a_session_written_before_ends_were_is_one_that_runs() -> None:
    def older(document: dict[str, Any]) -> None:
        for name in ("exit_code", "ended_ns"):
            document.pop(name, None)

    known = read(a_journal(changed(an_exec(), older)))
    assert list(known.running_execs) == ["e" * 64]


@pytest.mark.parametrize("run", [None, RUN])
def test_a_start_that_is_in_no_record_counts_as_far_as_it_has_come(run: Run | None) -> None:
    known = read(a_journal(a_container(run=None, state=State.CONFIGURED), an_exec(run=None)))
    assert [found.id for found in known.unstarted_execs] == ["e" * 64]
    known = attrs.evolve(known, begun={"e" * 64: run})
    assert (list(known.runs), known.running_execs) == (([], {}) if run is None else ([RUN], {"e" * 64: RUN}))


def test_a_damaged_record_keeps_its_names_and_says_what_is_wrong() -> None:
    known = read(a_journal(Record("container", ID, b"{"), an_exec(), web=ID, other="b" * 64))
    (damaged,) = known.damaged
    assert (damaged.kind, damaged.id, damaged.body, damaged.names) == ("container", ID, b"{", ("web",))
    assert damaged.reason.startswith("damaged Stored record: ")
    assert len(known.execs) == 1


IMPOSSIBLE = {
    "another container's": attrs.evolve(a_container(), id="b" * 64),
    "an id that is none": changed(
        attrs.evolve(a_container(), id="../x"), lambda found: found["record"].update(id="../x")
    ),
    "no name": a_container(name=""),
    "a state that is never written": changed(a_container(), lambda found: found.update(state="initialized")),
    "a container that was removed": changed(a_container(), lambda found: found.update(state="removed")),
    "running without a process": changed(a_container(), lambda found: found.update(run=None)),
    "running by no runtime": changed(a_container(), lambda found: found["record"].update(runtime=None)),
    "pid 0": a_container(run=Run(0, 1, 4710, 1)),
    "a monitor no kernel has": a_container(run=Run(4711, 1, 2**31, 1)),
    "another session's": attrs.evolve(an_exec(), id="f" * 64),
    "another network's": attrs.evolve(a_network(), id="f" * 64),
    "a network without a name": a_network(name=""),
    "a network of no driver": a_network(driver="zoo"),
    "a bridge without a link": a_network(link=""),
    "a session that ended at no time": an_exec(exit_code=0),
    "a session that goes on after its end": an_exec(ended_ns=1),
}


@pytest.mark.parametrize("record", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_no_engine_can_have_written_is_damaged(record: Record) -> None:
    known = read(a_journal(record))
    assert [(found.kind, found.id) for found in known.damaged] == [(record.kind, record.id)]
    assert not known.containers
    assert not known.execs
    assert not known.networks


@pytest.mark.parametrize("state", [state for state in State if state is not State.REMOVED])
def test_whatever_an_actor_writes_is_sound(state: State) -> None:
    assert read(a_journal(a_container(state))).damaged == []
    assert read(a_journal(a_container(state, run=None))).damaged == [] or state in {
        State.RUNNING,
        State.PAUSED,
    }


@given(st.sampled_from(KINDS), st.text(max_size=8), st.binary(max_size=200))
def test_any_bytes_are_read_or_reported(kind: str, record_id: str, body: bytes) -> None:
    known = read(a_journal(Record(kind, record_id, body)))
    assert [found.body for found in known.damaged] == [body]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([a_container(), an_exec()]), st.data())
def test_a_record_with_any_value_in_it_is_read_or_reported(record: Record, data: st.DataObject) -> None:
    def spoil(document: dict[str, Any]) -> None:
        parts = [part for part in (document, *document.values()) if isinstance(part, dict) and part]
        place = data.draw(st.sampled_from(parts))
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)

    try:
        spoiled = changed(record, spoil)
    except TypeError:  # JSON that this writer cannot write: an integer of more than 64 bits
        return
    known = read(a_journal(spoiled))
    assert len(known.damaged) + len(known.containers) + len(known.execs) == 1
