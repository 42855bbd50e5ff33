"""The actor of what goes to and comes from registries: pulls and pushes, each a job that clients watch.

Who wants what is being pulled already joins that pull.  A job ends when its last client leaves, or with the
actor, and then every client is told.  What a job brings is made known by the images' actor.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
import structlog
import trio

from daemon.actors.image_pulls import Pulls, PullWish
from daemon.actors.image_pushes import Pushes, PushWish
from daemon.actors.images import Images
from daemon.actors.mailbox import Command, Mailbox, Request
from daemon.errors import EngineError, Failed, Unavailable
from daemon.images.progress import Message, Tell, Watch
from daemon.images.pulling.layers import Workshop
from daemon.images.registry.repository import Registries

Job = Callable[[Tell], Awaitable[None]]
_log = structlog.get_logger(__name__)


@attrs.frozen
class Pull(Command[None]):
    """Pull, or join whoever pulls the same; answered at once, `watch` is told the rest."""

    wish: PullWish
    watch: Watch


@attrs.frozen
class Push(Command[None]):
    """Push; answered at once, `watch` is told the rest."""

    wish: PushWish
    watch: Watch


@attrs.define(eq=False)
class Transfer:
    """One job under way, and who watches it; `kind` and `image` are for the log."""

    kind: str
    image: str
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _watches: list[Watch] = attrs.field(factory=list, init=False)
    _said: dict[object, Message] = attrs.field(factory=dict, init=False)

    @property
    def is_wanted(self) -> bool:
        """Whether anybody watches."""
        return bool(self._watches)

    def tell(self, message: Message) -> None:
        """Show `message` to everybody, and the latest of each kind to whoever comes later."""
        self._said[message.id or message.state.status] = message
        for watch in self._watches:
            watch.tell(message)

    def shown_to(self, watch: Watch) -> None:
        """Let one more client watch; the job is cancelled when the last one has left."""
        for message in self._said.values():
            watch.tell(message)
        self._watches.append(watch)

        def left() -> None:
            self._watches.remove(watch)
            if not self._watches:
                self.scope.cancel()

        watch.on_leaving = left

    def end(self, error: Exception | None) -> None:
        """Tell everybody that it is over."""
        for watch in self._watches:
            watch.on_leaving = None
            watch.end(error)


@attrs.define(eq=False)
class Transfers:
    """All jobs under way; a wish goes to `mailbox`."""

    pulls: Pulls
    pushes: Pushes
    mailbox: Mailbox = attrs.field(factory=lambda: Mailbox("transfers"), init=False)
    _under_way: dict[Hashable, Transfer] = attrs.field(factory=dict, init=False)

    @property
    def registries(self) -> Registries:
        """Where they come from and go to."""
        return self.pulls.registries

    @property
    def under_way(self) -> int:
        """How many jobs run."""
        return len(self._under_way)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take wishes until cancelled."""
        async with trio.open_nursery() as jobs:
            task_status.started()
            while True:
                request = await self.mailbox.take()
                assert isinstance(request, Request)
                _HANDLERS[type(request.command)](self, request.command, jobs)
                request.answer(None)

    def _pull(self, command: Pull, jobs: trio.Nursery) -> None:
        wish = command.wish
        transfer = Transfer("pull", wish.reference.familiar)
        self._watch(command.watch, wish, transfer, jobs, lambda tell: self.pulls.pull(wish, tell))

    def _push(self, command: Push, jobs: trio.Nursery) -> None:
        wish = command.wish
        transfer = Transfer("push", wish.reference.familiar)
        self._watch(command.watch, object(), transfer, jobs, lambda tell: self.pushes.push(wish, tell))

    def _watch(self, watch: Watch, key: Hashable, new: Transfer, jobs: trio.Nursery, job: Job) -> None:
        """Have `watch` see the job that `key` stands for; it is `new` unless it is under way."""
        if watch.left:
            return
        transfer = self._under_way.get(key)
        if transfer is None or not transfer.is_wanted:  # one that nobody wants any more is ending
            transfer = self._under_way[key] = new
            jobs.start_soon(self._carry_out, key, transfer, job)
        transfer.shown_to(watch)

    async def _carry_out(self, key: Hashable, transfer: Transfer, job: Job) -> None:
        error: Exception | None = Unavailable("the engine is stopping, or the transfer crashed")
        try:
            with transfer.scope:
                await job(transfer.tell)
                error = None
        except EngineError as failed:
            _log.info("a transfer failed", kind=transfer.kind, image=transfer.image, error=str(failed))
            error = failed
        except OSError as failed:
            _log.warning("a transfer failed", kind=transfer.kind, image=transfer.image, error=str(failed))
            error = Failed(f"image store: {failed}")
        finally:
            if self._under_way.get(key) is transfer:
                del self._under_way[key]
            transfer.end(error)


def make_transfers(
    images: Images,
    registries: Registries,
    *,
    downloads_at_once: Callable[[], int],
    uploads_at_once: Callable[[], int],
) -> Transfers:
    """Return the actor of an engine; what it may do at once is asked before each download and push."""
    workshop = Workshop(images.content, images.layer, downloads_at_once)
    return Transfers(Pulls(images, registries, workshop), Pushes(images, registries, uploads_at_once))


_HANDLERS: Final[Mapping[type, Callable[[Transfers, Any, trio.Nursery], None]]] = MappingProxyType(
    {Pull: Transfers._pull, Push: Transfers._push}
)
