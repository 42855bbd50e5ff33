from __future__ import annotations

import attrs

from daemon.actors.container.snapshot import ContainerSnapshot, Stored
from daemon.actors.container.states import State
from daemon.actors.recovery.known import Damaged, Known
from daemon.actors.recovery.salvage import named
from tests.unit.actors.world import a_record


def found(name: str, created_ns: int, container_id: str) -> Stored:
    record = attrs.evolve(a_record(name, created_ns=created_ns), id=container_id * 64)
    return ContainerSnapshot(record, State.STOPPED).stored()


def names(results: list[Stored]) -> dict[str, str]:
    return {stored.record.id[0]: stored.record.name for stored in results}


def test_where_two_want_the_same_name_the_older_one_has_it() -> None:
    results = named([found("web", 2, "b"), found("web", 1, "a")], Known((), ()), {})
    assert names(results) == {"a": "web", "b": "web_bbbbbb"}


def test_a_name_that_somebody_has_is_not_taken_from_them() -> None:
    assert names(named([found("web", 1, "a")], Known((), ()), {"web": "f" * 64})) == {"a": "web_aaaaaa"}


def test_the_journals_name_counts_more_than_the_one_it_was_started_with() -> None:
    damaged = Damaged("container", "a" * 64, b"{", ("new",), "why")
    results = named([found("old", 1, "a")], Known((), (), (damaged,)), {"new": "a" * 64})
    assert names(results) == {"a": "new"}
