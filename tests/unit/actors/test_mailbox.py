"""The rendezvous between askers and an actor."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from daemon.actors.mailbox import AtHand, Command, Event, Mailbox, Request
from daemon.errors import Conflict, NotFound


@attrs.frozen
class Double(Command[int]):
    """Answered with twice the number."""

    number: int


@attrs.frozen
class Happened(Event):
    """A fact."""


async def taken(mailbox: Mailbox) -> Request[int]:
    item = await mailbox.take()
    assert isinstance(item, Request)
    return item


async def test_a_command_is_answered(nursery: trio.Nursery) -> None:
    mailbox = Mailbox("actor")

    async def act() -> None:
        request = await taken(mailbox)
        request.answer(request.command.number * 2)  # type: ignore[attr-defined]

    nursery.start_soon(act)
    assert await mailbox.ask(Double(21)) == 42


async def test_a_refusal_is_raised_where_it_was_asked(nursery: trio.Nursery) -> None:
    mailbox = Mailbox("actor")

    async def act() -> None:
        (await taken(mailbox)).refuse(Conflict("no"))

    nursery.start_soon(act)
    with pytest.raises(Conflict, match="no"):
        await mailbox.ask(Double(1))


async def test_the_first_answer_counts() -> None:
    request = Request(Double(1))
    assert not request.answered
    request.answer(2)
    request.refuse(Conflict("too late"))
    request.answer(3)
    assert await request.outcome() == 2


async def test_a_command_whose_asker_leaves_before_it_is_taken_is_withdrawn(nursery: trio.Nursery) -> None:
    mailbox = Mailbox("actor")
    with trio.CancelScope() as asker:
        asker.cancel()
        await mailbox.ask(Double(1))
    nursery.start_soon(mailbox.tell, Happened())
    assert await mailbox.take() == Happened()


async def test_a_command_whose_asker_leaves_later_is_marked(nursery: trio.Nursery) -> None:
    mailbox, asker = Mailbox("actor"), trio.CancelScope()

    async def ask() -> None:
        with asker:
            await mailbox.ask(Double(1))

    nursery.start_soon(ask)
    request = await taken(mailbox)
    assert not request.abandoned
    asker.cancel()
    await wait_all_tasks_blocked()
    assert request.abandoned
    request.answer(2)  # nobody hears it, which is no error


async def test_a_report_returns_once_it_is_taken(nursery: trio.Nursery) -> None:
    mailbox, told = Mailbox("actor"), trio.Event()

    async def tell() -> None:
        await mailbox.tell(Happened())
        told.set()

    nursery.start_soon(tell)
    await wait_all_tasks_blocked()
    assert (mailbox.waiting, told.is_set()) == (1, False)
    await mailbox.take()
    await told.wait()
    assert mailbox.waiting == 0


async def test_messages_are_taken_in_the_order_they_came(nursery: trio.Nursery) -> None:
    mailbox = Mailbox("actor")
    for number in range(3):
        nursery.start_soon(mailbox.ask, Double(number))
        await wait_all_tasks_blocked()
    assert [(await taken(mailbox)).command for _ in range(3)] == [Double(0), Double(1), Double(2)]
    nursery.cancel_scope.cancel()


async def test_a_closed_mailbox_refuses_who_waits_and_who_comes() -> None:
    mailbox = Mailbox("container 1")

    async def ask() -> None:
        with pytest.raises(NotFound, match="No such container: 1"):
            await mailbox.ask(Double(1))

    async with trio.open_nursery() as askers:
        askers.start_soon(ask)
        await wait_all_tasks_blocked()
        mailbox.close("No such container: 1")
    await ask()
    with pytest.raises(NotFound):
        await mailbox.tell(Happened())


async def test_what_is_at_hand_can_be_seen_until_the_next_message_is_awaited(nursery: trio.Nursery) -> None:
    mailbox = Mailbox("actor", lambda: 7)
    nursery.start_soon(mailbox.ask, Double(1))
    request = await taken(mailbox)
    assert mailbox.at_hand == AtHand(Double(1), 7)
    nursery.start_soon(mailbox.take)
    await wait_all_tasks_blocked()
    assert mailbox.at_hand is None
    mailbox.note(request)  # which it had postponed
    assert mailbox.at_hand == AtHand(Double(1), 7)
    nursery.cancel_scope.cancel()


async def test_requests_without_an_answer_can_be_seen_oldest_first(nursery: trio.Nursery) -> None:
    mailbox = Mailbox("actor", lambda: 7)
    for number in (1, 2):
        nursery.start_soon(mailbox.ask, Double(number))
    requests = [await taken(mailbox) for _ in range(2)]
    assert mailbox.unanswered == requests
    assert [request.taken_ns for request in requests] == [7, 7]
    requests[0].answer(2)
    assert mailbox.unanswered == requests[1:]
    nursery.start_soon(mailbox.tell, Happened())
    await mailbox.take()
    assert mailbox.at_hand == AtHand(Happened(), 7)
    assert mailbox.unanswered == requests[1:]
    requests[1].answer(4)
    assert mailbox.unanswered == []


async def test_who_posts_may_do_other_things_until_the_answer_is_there(nursery: trio.Nursery) -> None:
    mailbox, told = Mailbox("actor"), list[str]()
    nursery.start_soon(taken, mailbox)
    posted = await mailbox.post(Double(1))
    posted.when_answered(lambda: told.append("early"))
    assert told == []
    with posted.awaited():
        posted.answer(2)
        assert told == ["early"]
    assert await posted.outcome() == 2
    posted.when_answered(lambda: told.append("late"))
    assert told == ["early", "late"]
    assert not posted.withdrawn


async def test_what_was_posted_is_withdrawn_with_whoever_waits_for_it(nursery: trio.Nursery) -> None:
    mailbox = Mailbox("actor")
    nursery.start_soon(taken, mailbox)
    posted = await mailbox.post(Double(1))
    with posted.awaited():
        assert not posted.withdrawn
    assert posted.withdrawn
