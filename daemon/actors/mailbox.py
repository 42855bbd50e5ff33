"""How anything is said to an actor: commands that get an answer, events that do not.

A mailbox holds nothing (a rendezvous): a command is either still the asker's, who may withdraw it by
being cancelled, or it has been taken by the actor, which then answers it whatever happens.  So
no message is ever lost in the buffer of an actor that died, and a command whose asker has left
before it was begun is never carried out.

A mailbox outlives its actor: when the supervisor starts an actor anew, whoever has the mailbox
simply talks to the new one.

Everything an actor works on has come through here, so this is also where it can be seen: the message
at hand, and the requests that were taken and have no answer yet.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

import attrs
import trio
from outcome import Error, Outcome, Value

from daemon.errors import NotFound

Answer = TypeVar("Answer")


@attrs.frozen
class Command(Generic[Answer]):
    """Something an actor is told to do; imperative, may be refused, is always answered."""


@attrs.frozen
class Event:
    """Something that has happened; past tense, a fact, cannot be refused."""


@attrs.define(eq=False)
class Promise(Generic[Answer]):
    """The place for an answer; `abandoned`: whoever waited for it has left."""

    abandoned: bool = attrs.field(default=False, init=False)
    _done: trio.Event = attrs.field(factory=trio.Event, init=False)
    _outcome: Outcome[Answer] | None = attrs.field(default=None, init=False)
    _when_answered: Callable[[], None] | None = attrs.field(default=None, init=False)

    def answer(self, value: Answer) -> None:
        """Wake the asker with `value`."""
        self._settle(Value(value))

    def refuse(self, error: BaseException) -> None:
        """Wake the asker with `error`."""
        self._settle(Error(error))

    @property
    def answered(self) -> bool:
        """Whether the asker has its answer."""
        return self._outcome is not None

    def _settle(self, outcome: Outcome[Answer]) -> None:
        if self._outcome is None:
            self._outcome = outcome
            self._done.set()
            if self._when_answered is not None:
                self._when_answered()

    def when_answered(self, call: Callable[[], None]) -> None:
        """Have `call` called as soon as there is an answer, or a refusal; at once, if there is."""
        self._when_answered = call
        if self.answered:
            call()

    @contextlib.contextmanager
    def awaited(self) -> Generator[Promise[Answer], None, None]:
        """Count as somebody who waits for the answer until the block ends, whatever else is done in it."""
        try:
            yield self
        finally:
            self.abandoned = self.abandoned or not self.answered

    async def outcome(self) -> Answer:
        """Wait for the answer and return it, or raise it."""
        try:
            await self._done.wait()
        except trio.Cancelled:
            self.abandoned = True
            raise
        assert self._outcome is not None
        return self._outcome.unwrap()


@attrs.define(eq=False)
class Request(Promise[Answer]):
    """A command on its way.

    `taken_ns`: when its actor took it, 0 before; `postponed`: it waits for its turn; `begun`: something of
    it has been done, so it is completed in any case.
    """

    command: Command[Answer]
    taken_ns: int = attrs.field(default=0, init=False)
    postponed: bool = attrs.field(default=False, init=False)
    begun: bool = attrs.field(default=False, init=False)

    @property
    def withdrawn(self) -> bool:
        """Whether it need not be carried out any more."""
        return self.abandoned and not self.begun


@attrs.frozen
class AtHand:
    """The message that an actor works on, and since when."""

    message: Command[Any] | Event
    since_ns: int


@attrs.define(eq=False)
class Mailbox:
    """The only way to an actor.

    Attributes:
        name: the actor's.
        at_hand: what the actor works on; None while it waits for a message.

    """

    name: str
    now_ns: Callable[[], int] = time.time_ns
    at_hand: AtHand | None = attrs.field(default=None, init=False)
    _taken: list[Request[Any]] = attrs.field(factory=list, init=False)
    _send: trio.MemorySendChannel[Request[Any] | Event] = attrs.field(init=False)
    _receive: trio.MemoryReceiveChannel[Request[Any] | Event] = attrs.field(init=False)
    _gone: str = attrs.field(default="", init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel(0)

    async def ask(self, command: Command[Answer]) -> Answer:
        """Have `command` carried out and return its answer.

        Cancelled before the actor has taken it, it is withdrawn; after that the actor carries on
        and the answer is dropped.  For a time limit wrap the call in `trio.fail_after`.

        Raises:
            EngineError: the actor refused, or could not do it.
            NotFound: the object is gone, and its actor with it.

        """
        return await (await self.post(command)).outcome()

    async def post(self, command: Command[Answer]) -> Request[Answer]:
        """Have `command` carried out; return, as soon as the actor has taken it, what will be answered.

        Raises:
            NotFound: the object is gone, and its actor with it.

        """
        request = Request(command)
        await self._put(request)
        return request

    async def tell(self, event: Event) -> None:
        """Report `event`; return once the actor has taken it.

        Raises:
            NotFound: the object is gone, and its actor with it.

        """
        await self._put(event)

    async def take(self) -> Request[Any] | Event:
        """Wait for the next message; for the actor alone."""
        self.at_hand, self._taken = None, self.unanswered
        message = await self._receive.receive()
        if isinstance(message, Request):
            message.taken_ns = self.now_ns()
            self._taken.append(message)
        self.note(message)
        return message

    def note(self, message: Request[Any] | Event) -> None:
        """Show that the actor works on `message` now, which it may have taken long ago."""
        told = message.command if isinstance(message, Request) else message
        self.at_hand = AtHand(told, self.now_ns())

    def close(self, gone: str) -> None:
        """Refuse everything that has not been taken, now and from now on: the object is gone."""
        self._gone = gone
        self._receive.close()

    @property
    def unanswered(self) -> list[Request[Any]]:
        """The requests that the actor has taken and not answered yet, oldest first."""
        return [request for request in self._taken if not request.answered]

    @property
    def waiting(self) -> int:
        """How many senders wait for the actor to take their message."""
        return self._send.statistics().tasks_waiting_send

    async def _put(self, message: Request[Any] | Event) -> None:
        try:
            await self._send.send(message)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise NotFound(self._gone) from None
