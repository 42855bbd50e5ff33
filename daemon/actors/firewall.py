"""The actor that alone changes what the firewall lets pass.

It knows what is wanted and what it has had the kernel do.  While one transaction is under way the next
commands gather, and are one transaction when it is over; each asker is answered when what it asked for
is in the kernel.  If that transaction fails, the table may not be as we left it, so it is made anew as
a whole; if that fails as well, one of those who asked must be at fault, and each is tried alone.

What is withdrawn is not wanted any more, even if the kernel could not be told: the next transaction
makes up for it.

Connections that a change has put in the wrong are forgotten afterwards, all that have gathered at once,
because going through them takes far longer than a transaction.  Nobody waits for that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

import attrs
import structlog
import trio

from daemon.actors.firewall_commands import Wish, Withdraw
from daemon.actors.mailbox import Mailbox, Request
from daemon.errors import EngineError, Failed, Unavailable
from daemon.failpoints import reached
from daemon.networks.firewall.base import PacketFilter
from daemon.networks.firewall.ruleset import Change, Ruleset, Touched, key_of
from daemon.networks.plans import PublishedPort

LIMIT_SECONDS: Final = 30.0  # far more than a transaction takes, far less than anybody waits
_log = structlog.get_logger(__name__)


@attrs.frozen
class _Plan:
    """Commands that are to be one transaction, and what holds after it."""

    requests: tuple[Request[None], ...]
    after: Ruleset
    touched: Touched
    anew: bool


@attrs.define(eq=False)
class Firewall:
    """What the firewall is to let pass, and the task that sees to it.

    Attributes:
        kernel: what it is told.
        wanted: what it has been asked for and has not refused.

    """

    kernel: PacketFilter
    mailbox: Mailbox = attrs.field(factory=lambda: Mailbox("firewall"), init=False)
    wanted: Ruleset = attrs.field(factory=Ruleset, init=False)
    # Whether the kernel is known to have what is wanted; if not, only the whole will do.
    _holds: bool = attrs.field(default=False, init=False)
    _gathered: list[Request[None]] = attrs.field(factory=list, init=False)
    _gone: set[PublishedPort] = attrs.field(factory=set, init=False)
    _new: set[PublishedPort] = attrs.field(factory=set, init=False)
    _to_do: trio.Event = attrs.field(factory=trio.Event, init=False)
    _to_forget: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take commands until cancelled; every command taken is answered, whatever happens."""
        self._holds = False
        try:
            async with trio.open_nursery() as tasks:
                tasks.start_soon(self._carry_out)
                tasks.start_soon(self._forget)
                task_status.started()
                while True:
                    self._gather(await self.mailbox.take())
        finally:
            self._gathered.clear()
            for request in self.mailbox.unanswered:
                request.refuse(Unavailable("the firewall's actor has ended"))

    def _gather(self, request: object) -> None:
        assert isinstance(request, Request)
        self._gathered.append(request)
        self._to_do.set()

    async def _carry_out(self) -> None:
        """Carry out what has gathered, one transaction after the other."""
        while True:
            await self._to_do.wait()
            requests, self._gathered, self._to_do = self._gathered, [], trio.Event()
            with trio.move_on_after(LIMIT_SECONDS):
                await self._settle(requests)
            for request in requests:
                if not request.answered:
                    self._refuse(
                        request, Failed(f"the packet filter has not answered in {LIMIT_SECONDS:.0f} seconds")
                    )

    async def _settle(self, requests: Iterable[Request[None]]) -> None:
        """Carry `requests` out together; if that cannot be, each alone."""
        plan = self._join(requests)
        error = await self._try(plan)
        if error is not None:
            _log.warning("the firewall is made anew", reason=str(error))
            error = await self._try(attrs.evolve(plan, anew=True))
        if error is not None and len(plan.requests) > 1:
            for request in plan.requests:
                await self._settle([request])
        elif error is not None:
            self._refuse(plan.requests[0], error)

    def _join(self, requests: Iterable[Request[None]]) -> _Plan:
        """Return what `requests` amount to, one after the other; those that contradict are refused here."""
        after, touched, anew, accepted = self.wanted, Touched(), False, list[Request[None]]()
        for request in requests:
            if request.withdrawn:
                request.refuse(Unavailable("nobody waits for this any more"))
                continue
            request.begun = True
            wish = _wish(request)
            try:
                after, touched = wish.on(after), touched | wish.touched(after)
            except EngineError as error:
                request.refuse(error)
                continue
            accepted.append(request)
            anew = anew or wish.anew
        return _Plan(tuple(accepted), after, touched, anew)

    async def _try(self, plan: _Plan) -> Failed | None:
        if not plan.requests:
            return None
        change = Change.between(self.wanted, plan.after, plan.touched)
        # Without rules there is no table, neither before nor after.
        anew = plan.anew or not self._holds or not self.wanted or not plan.after
        self._holds = False
        left: Collection[PublishedPort] = ()
        try:
            reached("firewall-change-before")
            if anew:
                left = await self.kernel.replace(plan.after)
            elif change:
                await self.kernel.change(change)
            reached("firewall-change-after")
        except Failed as error:
            return error
        self._holds = True
        self._gone.update(left)
        self._want(plan.after, change)
        for request in plan.requests:
            request.answer(None)
        return None

    def _want(self, after: Ruleset, change: Change) -> None:
        self.wanted = after
        self._gone.update(change.ports_gone)
        self._new.update(port for port in change.ports_new if port.protocol == "udp")
        if self._gone or self._new:
            self._to_forget.set()

    def _refuse(self, request: Request[None], error: Failed) -> None:
        wish = _wish(request)
        if isinstance(wish, Withdraw):
            after = wish.on(self.wanted)
            self._want(after, Change.between(self.wanted, after, wish.touched(self.wanted)))
        request.refuse(error)

    async def _forget(self) -> None:
        """Have connections forgotten that are in the wrong, all at once."""
        while True:
            await self._to_forget.wait()
            # A container that has started again meanwhile keeps its connections.
            gone = {port for port in self._gone if self.wanted.ports.get(key_of(port)) != port}
            new, self._gone, self._new, self._to_forget = self._new, set(), set(), trio.Event()
            if gone or new:
                await self._forget_now(gone, new)

    async def _forget_now(self, gone: Collection[PublishedPort], new: Collection[PublishedPort]) -> None:
        with trio.move_on_after(LIMIT_SECONDS):
            try:
                await self.kernel.forget(gone, new)
            except Failed as error:
                _log.warning("connections to unpublished ports may go on", reason=str(error))


def _wish(request: Request[Any]) -> Wish:
    assert isinstance(request.command, Wish)
    return request.command
