"""What every ledger promises, asked of the real journal and of the fake that stands in for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import trio

from daemon.journal import (
    EventDraft,
    Held,
    Hold,
    Journal,
    Missing,
    Name,
    NameTaken,
    Record,
    Refusal,
    Transaction,
    open_journal,
)
from tests.unit.fakes import FakeLedger

WEB = Record("container", "1", b'{"name":"web"}')
DB = Record("container", "2", b'{"name":"db"}')
BUSYBOX = Record("image", "b", b"{}")
USES = Hold("container", "1", "image", "b")
STARTED = EventDraft("container", "start", "1", {"image": "busybox"})


@pytest.fixture(params=["journal", "fake"])
async def ledger(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncGenerator[Journal | FakeLedger, None]:
    if request.param == "fake":
        yield FakeLedger()
        return
    async with open_journal(tmp_path / "journal.db") as journal:
        yield journal


async def test_a_record_put_twice_is_replaced_and_keeps_its_place(ledger: Journal | FakeLedger) -> None:
    await ledger.commit(Transaction(put=(WEB,)))
    await ledger.commit(Transaction(put=(DB,)))
    changed = Record("container", "1", b"[]")
    await ledger.commit(Transaction(put=(changed,)))
    assert ledger.records("container") == [changed, DB]
    assert ledger.records("image") == []


async def test_a_name_is_given_once(ledger: Journal | FakeLedger) -> None:
    await ledger.commit(Transaction(put=(WEB,), names=(Name("container", "web", "1"),)))
    with pytest.raises(NameTaken) as taken:
        await ledger.commit(Transaction(put=(DB,), names=(Name("container", "web", "2"),), events=(STARTED,)))
    assert (taken.value.kind, taken.value.name, taken.value.holder_id) == ("container", "web", "1")
    assert ledger.records("container") == [WEB]
    assert (await ledger.commit(Transaction(events=(STARTED,))))[0].seq == 1


async def test_the_same_name_may_be_given_in_another_kind(ledger: Journal | FakeLedger) -> None:
    names = (Name("container", "web", "1"), Name("image", "web", "b"))
    await ledger.commit(Transaction(put=(WEB, BUSYBOX), names=names))
    assert (ledger.names("container"), ledger.names("image")) == ({"web": "1"}, {"web": "b"})


async def test_a_name_its_owner_asks_for_again_stays_its_own(ledger: Journal | FakeLedger) -> None:
    await ledger.commit(Transaction(put=(WEB,), names=(Name("container", "web", "1"),)))
    await ledger.commit(Transaction(names=(Name("container", "web", "1"),)))
    assert ledger.names("container") == {"web": "1"}


async def test_a_rename_gives_the_old_name_back(ledger: Journal | FakeLedger) -> None:
    await ledger.commit(Transaction(put=(WEB, DB), names=(Name("container", "web", "1"),)))
    rename = Transaction(release=(("container", "web"),), names=(Name("container", "www", "1"),))
    await ledger.commit(rename)
    await ledger.commit(Transaction(names=(Name("container", "web", "2"),)))
    assert ledger.names("container") == {"www": "1", "web": "2"}


async def test_a_move_takes_the_name_over(ledger: Journal | FakeLedger) -> None:
    other = Record("image", "c", b"{}")
    await ledger.commit(Transaction(put=(BUSYBOX, other), names=(Name("image", "app:latest", "b"),)))
    await ledger.commit(Transaction(move=(Name("image", "app:latest", "c"), Name("image", "app:1", "c"))))
    assert ledger.names("image") == {"app:latest": "c", "app:1": "c"}


async def test_a_name_needs_its_record(ledger: Journal | FakeLedger) -> None:
    for refused in (
        Transaction(names=(Name("container", "web", "1"),)),
        Transaction(move=(Name("container", "web", "1"),)),
    ):
        with pytest.raises(Missing, match="there is no container 1"):
            await ledger.commit(refused)


async def test_a_held_record_cannot_be_deleted(ledger: Journal | FakeLedger) -> None:
    second = Hold("container", "2", "image", "b")
    await ledger.commit(Transaction(put=(WEB, DB, BUSYBOX), hold=(USES, second)))
    with pytest.raises(Held) as held:
        await ledger.commit(Transaction(delete=(("image", "b"),)))
    assert (held.value.kind, held.value.id) == ("image", "b")
    assert sorted(held.value.holders) == [("container", "1"), ("container", "2")]
    await ledger.commit(Transaction(unhold=(USES, second)))
    await ledger.commit(Transaction(delete=(("image", "b"),)))
    assert ledger.records("image") == []


async def test_a_deleted_record_lets_go_of_its_names_and_holds(ledger: Journal | FakeLedger) -> None:
    put = Transaction(put=(WEB, BUSYBOX), names=(Name("container", "web", "1"),), hold=(USES,))
    await ledger.commit(put)
    await ledger.commit(Transaction(delete=(("container", "1"),)))
    assert ledger.names("container") == {}
    await ledger.commit(Transaction(delete=(("image", "b"),)))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_holder_and_held_can_be_deleted_together(
    ledger: Journal | FakeLedger, order: tuple[int, int]
) -> None:
    await ledger.commit(Transaction(put=(WEB, BUSYBOX), hold=(USES,)))
    keys = (("container", "1"), ("image", "b"))
    await ledger.commit(Transaction(delete=(keys[order[0]], keys[order[1]])))
    assert ledger.records("container") == ledger.records("image") == []


async def test_a_hold_needs_both_records(ledger: Journal | FakeLedger) -> None:
    await ledger.commit(Transaction(put=(WEB,)))
    with pytest.raises(Missing, match="there is no image b"):
        await ledger.commit(Transaction(hold=(USES,)))
    with pytest.raises(Missing, match="there is no container 2"):
        await ledger.commit(Transaction(put=(BUSYBOX,), hold=(Hold("container", "2", "image", "b"),)))
    assert ledger.records("image") == []


async def test_what_is_not_there_is_passed_over_when_it_should_go(ledger: Journal | FakeLedger) -> None:
    gone = Transaction(delete=(("image", "x"),), release=(("image", "x"),), unhold=(USES,))
    assert await ledger.commit(gone) == ()


async def test_events_are_numbered_in_the_order_they_were_committed(ledger: Journal | FakeLedger) -> None:
    first = await ledger.commit(Transaction(events=(STARTED, died(9))))
    second = await ledger.commit(Transaction(events=(STARTED,)))
    events = first + second
    assert [event.seq for event in events] == [1, 2, 3]
    assert [event.action for event in events] == ["start", "die", "start"]
    assert events[0].time_ns < events[1].time_ns < events[2].time_ns
    assert events[1].attributes == {"exitCode": "9"}
    assert (events[0].type, events[0].actor_id) == ("container", "1")


async def test_a_refused_transaction_leaves_nothing(ledger: Journal | FakeLedger) -> None:
    await ledger.commit(Transaction(put=(WEB, BUSYBOX), names=(Name("container", "web", "1"),), hold=(USES,)))
    refused = Transaction(
        put=(DB,),
        release=(("container", "web"),),
        move=(Name("image", "app", "b"),),
        unhold=(USES,),
        names=(Name("container", "nobody", "9"),),
        events=(STARTED,),
    )
    with pytest.raises(Refusal):
        await ledger.commit(refused)
    assert (ledger.records("container"), ledger.names("container")) == ([WEB], {"web": "1"})
    assert ledger.names("image") == {}
    with pytest.raises(Held):
        await ledger.commit(Transaction(delete=(("image", "b"),)))


async def test_a_commit_whose_asker_is_cancelled_happens_all_the_same(ledger: Journal | FakeLedger) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await ledger.commit(Transaction(put=(WEB,)))
    assert scope.cancelled_caught
    await ledger.commit(Transaction(put=(DB,)))
    assert ledger.records("container") == [WEB, DB]


def died(code: int) -> EventDraft:
    return EventDraft("container", "die", "1", {"exitCode": str(code)})
